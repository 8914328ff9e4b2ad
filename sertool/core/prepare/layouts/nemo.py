"""nEMO: 4,481 recordings of nine Polish actors.

A name such as ``EB0_anger_1.wav`` holds the actor, the emotion and the number of the sentence; ``data.tsv`` has the
texts and the actors' genders. The copy on Hugging Face is Parquet, which is not read: the repository has the files.
Source: Christop, LREC-COLING 2024, and https://github.com/amu-cai/nEMO.
"""

from collections.abc import Iterator
from pathlib import Path

from sertool.core.formatting import first_few, plural
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Names, beside, one_of
from sertool.core.prepare.layouts.files import read_csv
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "neutral": "neutral",
    "anger": "angry",
    "fear": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
_NAMES = Names("nEMO", rf"(?P<speaker>[A-Z]{{2}}\d)_{one_of('emotion', EMOTIONS)}_\d+")
_TABLE = "data.tsv"


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    told = _told(folder, found)
    named = _NAMES.read(folder, found)
    for id_ in sorted(told.keys() - {one.id for one in named}):
        found.lacks("no recording", id_)
    untold = [one.id for one in named if told and one.id not in told]
    if untold:
        found.notes.append(f"{plural(len(untold), 'recording')} without a line in {_TABLE}: {first_few(untold)}")
    for one in named:
        line = told.get(one.id, {})
        yield one.row(
            {"emotion": EMOTIONS[one.facts["emotion"].lower()]},
            text=line.get("raw_text", ""),
            speaker=one.facts["speaker"].upper(),
            gender=line.get("gender", "").lower(),
        )


def _told(folder: Path, found: Found) -> dict[str, dict[str, str]]:
    """Return the lines of the table by id; none without a table."""
    table = beside(folder, _TABLE)
    if table is None:
        found.notes.append(f"there is no {_TABLE}, so texts and genders are not known")
        return {}
    return {
        Path(line["file_id"]).stem: line
        for _, line in read_csv(table, ("file_id", "raw_text", "gender"), delimiter="\t")
    }


LAYOUT = CorpusLayout(
    name="nemo",
    title="nEMO",
    expects="names like samples/EB0_anger_1.wav, and data.tsv",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values())},
)
