"""Readers of published data sets by name; add a new one here."""

from collections.abc import Mapping

from sertool.core.corpora.readers import iemocap, meld, mosei, mosi, vgaf
from sertool.core.corpora.readers.pickles import PickleLayout

LAYOUTS: Mapping[str, PickleLayout] = {
    "iemocap": iemocap.LAYOUT,
    "mosi": mosi.LAYOUT,
    "mosei": mosei.LAYOUT,
    "meld": meld.LAYOUT,
    "vgaf": vgaf.LAYOUT,
}
