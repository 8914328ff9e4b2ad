"""EmoV-DB: the Emotional Voices Database, four speakers and five styles.

OpenSLR has an archive for each speaker and style, which unpacks to names such as
``bea_Amused/amused_1-15_0001.wav``; older copies have ``bea/Amused/amused_1-15_0001.wav``. The last number is the
sentence of CMU ARCTIC's set A: where its list ``cmuarctic.data`` lies in the folder, it gives the texts. The files of
Josh are amused, neutral and sleepy only. Source: Adigwe et al., arXiv 1806.09514, https://openslr.org/115, and
https://github.com/numediart/EmoV-DB (issue 2 on the sentences); http://festvox.org/cmu_arctic/cmuarctic.data.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Names, beside, one_of
from sertool.core.prepare.layouts.files import read_western_text
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "amused": "amused",
    "anger": "angry",
    "disgust": "disgust",
    "neutral": "neutral",
    "sleepiness": "sleepy",
}
GENDERS = {"bea": "female", "jenie": "female", "josh": "male", "sam": "male"}
# The whole name is the id: nothing promises that a sentence stands under one name only.
_NAMES = Names(
    "EmoV-DB",
    rf"{one_of('speaker', GENDERS)}[_/][a-z]+/{one_of('emotion', EMOTIONS)}_\d+[-_]\d+_(?P<sentence>\d{{4}})",
    "{speaker}_{name}",
)
_LIST = "cmuarctic.data"
_LINE = re.compile(r'\(\s*arctic_a(\d{4})\s+"(.*)"\s*\)')


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    texts = _texts(folder, found)
    for one in _NAMES.read(folder, found):
        speaker = one.facts["speaker"].lower()
        yield one.row(
            {"emotion": EMOTIONS[one.facts["emotion"].lower()]},
            text=texts.get(one.facts["sentence"], ""),
            speaker=speaker,
            gender=GENDERS[speaker],
        )


def _texts(folder: Path, found: Found) -> dict[str, str]:
    """Return the sentences by number; none without their list."""
    sentences = beside(folder, _LIST)
    if sentences is None:
        found.notes.append(
            f"there is no {_LIST}, so texts are not known (http://festvox.org/cmu_arctic/{_LIST} has them)"
        )
        return {}
    return dict(_LINE.findall(read_western_text(sentences)))


LAYOUT = CorpusLayout(
    name="emov-db",
    title="EmoV-DB",
    expects="names like bea_Amused/amused_1-15_0001.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values())},
)
