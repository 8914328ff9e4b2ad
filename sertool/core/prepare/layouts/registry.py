"""Layouts of published corpora by name; add a new one here."""

from collections.abc import Mapping

from sertool.core.prepare.layouts import emodb, iemocap, meld, msp_podcast, ravdess
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout

_ALL: tuple[CorpusLayout, ...] = (
    emodb.LAYOUT,
    iemocap.LAYOUT,
    meld.LAYOUT,
    msp_podcast.LAYOUT,
    ravdess.LAYOUT,
)
LAYOUTS: Mapping[str, CorpusLayout] = {layout.name: layout for layout in _ALL}
