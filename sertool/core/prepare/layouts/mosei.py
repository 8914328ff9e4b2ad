"""CMU-MOSEI, see :mod:`~sertool.core.prepare.layouts.cmu`: sentiment from -3 to 3, and six emotions from 0 to 3.

An emotion counts as present above 0, as in the README of the SDK, which also gives the order of the labels.
"""

from sertool.core.corpora.readers import mosei
from sertool.core.prepare.layouts.cmu import CmuCorpus
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout

MOSEI = CmuCorpus(
    "MOSEI",
    "CMU_MOSEI_Labels.csd",
    emotions=("happy", "sad", "angry", "surprise", "disgust", "fear"),
    classes=mosei.EMOTIONS,
)

LAYOUT = CorpusLayout(
    name="mosei",
    title="MOSEI",
    expects=f"{MOSEI.labels} and {MOSEI.words}, or MMSA's label.csv or aligned_50.pkl",
    is_there=MOSEI.is_there,
    rows=MOSEI.rows,
    classes={"emotion": MOSEI.classes},
)
