"""Layouts of published corpora by name; add a new one here."""

from collections.abc import Mapping

from sertool.core.prepare.layouts import emodb, iemocap, meld, ravdess
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout

_ALL: tuple[CorpusLayout, ...] = (
    emodb.LAYOUT,
    iemocap.LAYOUT,
    meld.LAYOUT,
    ravdess.LAYOUT,
)
LAYOUTS: Mapping[str, CorpusLayout] = {layout.name: layout for layout in _ALL}
