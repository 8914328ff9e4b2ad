"""Layouts of published corpora by name; add a new one here."""

from collections.abc import Mapping

from sertool.core.prepare.layouts import (
    crema_d,
    emodb,
    emov_db,
    esd,
    iemocap,
    meld,
    mosei,
    mosi,
    msp_podcast,
    nemo,
    ravdess,
    savee,
    tess,
)
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout

_ALL: tuple[CorpusLayout, ...] = (
    crema_d.LAYOUT,
    emodb.LAYOUT,
    emov_db.LAYOUT,
    esd.LAYOUT,
    iemocap.LAYOUT,
    meld.LAYOUT,
    mosei.LAYOUT,
    mosi.LAYOUT,
    msp_podcast.LAYOUT,
    nemo.LAYOUT,
    ravdess.LAYOUT,
    savee.LAYOUT,
    tess.LAYOUT,
)
LAYOUTS: Mapping[str, CorpusLayout] = {layout.name: layout for layout in _ALL}
