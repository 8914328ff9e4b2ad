"""SAVEE: Surrey Audio-Visual Expressed Emotion, 480 recordings of four men.

The release has a folder for each man, ``AudioData/DC/a01.wav``; copies on Kaggle have ``DC_a01.wav``. The letters are
the emotion, the number is the sentence: 15 for each emotion, 30 for neutral. The release has no list of the sentences.
Source: Haq and Jackson, AVSP 2009, and the release's Info.txt.
"""

from collections.abc import Iterator
from pathlib import Path

from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Names, one_of
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_NAMES = Names(
    "SAVEE",
    rf"(?P<speaker>DC|JE|JK|KL)[/_]{one_of('emotion', EMOTIONS)}(?P<number>\d\d)",
    "{speaker}_{emotion}{number}",
)


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    for one in _NAMES.read(folder, found):
        labels = {"emotion": EMOTIONS[one.facts["emotion"].lower()]}
        yield one.row(labels, speaker=one.facts["speaker"].upper(), gender="male")


LAYOUT = CorpusLayout(
    name="savee",
    title="SAVEE",
    expects="names like AudioData/DC/a01.wav or DC_a01.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values())},
)
