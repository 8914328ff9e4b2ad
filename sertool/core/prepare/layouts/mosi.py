"""CMU-MOSI, see :mod:`~sertool.core.prepare.layouts.cmu`: sentiment from -3 to 3 of 2,199 utterances in 93 videos."""

from sertool.core.prepare.layouts.cmu import CmuCorpus
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout

MOSI = CmuCorpus("MOSI", "CMU_MOSI_Opinion_Labels.csd")

LAYOUT = CorpusLayout(
    name="mosi",
    title="MOSI",
    expects=f"{MOSI.labels} and {MOSI.words}, or MMSA's label.csv or aligned_50.pkl",
    is_there=MOSI.is_there,
    rows=MOSI.rows,
)
