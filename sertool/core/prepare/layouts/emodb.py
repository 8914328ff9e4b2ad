"""EMO-DB: the Berlin Database of Emotional Speech, 535 recordings of ten actors.

The names and their codes are in :mod:`~sertool.core.prepare.emodb`. The task ``emotion-4`` has the four classes of the
recipe emodb. Classes have the names of the tables that ``fetch-data emodb`` writes (anger, happiness, ...), so that
models made with these can be tested. Source: Burkhardt et al., Interspeech 2005, and http://emodb.bilderbar.info.
"""

from collections.abc import Iterator
from pathlib import Path

from sertool.core.prepare.emodb import EMOTIONS, FOUR, NAME, facts_of
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Names
from sertool.core.prepare.rows import Row

_NAMES = Names("EMO-DB", NAME)


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    for one in _NAMES.read(folder, found):
        facts = facts_of(one.facts)
        emotion = facts["emotion"]
        labels = {"emotion": emotion} | ({"emotion-4": emotion} if emotion in FOUR else {})
        yield one.row(labels, text=facts["text"], speaker=facts["speaker"], gender=facts["gender"])


LAYOUT = CorpusLayout(
    name="emodb",
    title="EMO-DB",
    expects="names like wav/03a01Fa.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values()), "emotion-4": FOUR},
)
