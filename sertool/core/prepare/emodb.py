"""Tables for ``sertool prepare``, made from the file names of EMO-DB's recordings.

A name like ``03a01Fa.wav`` holds the speaker (03), the sentence (a01), the emotion (F) and the take (a); letters and
sentences are those listed on the database's site.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.files.artifacts import write_text

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
FOUR = ("anger", "happiness", "neutral", "sadness")
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen.",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
FEMALE = ("08", "09", "13", "14", "16")
MALE = ("03", "10", "11", "12", "15")
COLUMNS = ("utterance", "audio", "text", "emotion", "speaker", "gender")
TABLE, TABLE_OF_FOUR = "utterances.csv", "four-emotions.csv"
# The parts of a name, without its ending.
NAME = (
    f"(?P<speaker>{'|'.join((*FEMALE, *MALE))})(?P<sentence>{'|'.join(SENTENCES)})"
    f"(?P<emotion>[{''.join(EMOTIONS)}])[a-z]"
)


def rows(names: Iterable[str]) -> list[dict[str, str]]:
    """Return one row per recording with a name of EMO-DB's, sorted by name; ignore other names."""
    found = []
    for name in sorted(names):
        if parts := re.fullmatch(rf"{NAME}\.wav", name, re.IGNORECASE):
            found.append({"utterance": Path(name).stem, "audio": name} | facts_of(parts.groupdict()))
    return found


def facts_of(parts: Mapping[str, str]) -> dict[str, str]:
    """Return text, emotion, speaker and gender of a recording by the parts of its name."""
    return {
        "text": SENTENCES[parts["sentence"].lower()],
        "emotion": EMOTIONS[parts["emotion"].upper()],
        "speaker": parts["speaker"],
        "gender": "female" if parts["speaker"] in FEMALE else "male",
    }


def write_tables(folder: Path) -> list[dict[str, str]]:
    """Write ``utterances.csv`` (all seven emotions) and ``four-emotions.csv`` (the four of recipe emodb).

    Args:
        folder: folder with the recordings in ``wav``; the tables are written here.

    Returns:
        The rows of ``utterances.csv``.

    Raises:
        DataError: no recording has a name of EMO-DB's.
    """
    found = rows(path.name for path in (folder / "wav").glob("*") if path.is_file())
    if not found:
        raise DataError(f"{folder / 'wav'}: no recordings of EMO-DB, expected names like 03a01Fa.wav")
    for row in found:
        row["audio"] = f"wav/{row['audio']}"
    write_text(folder / TABLE, _csv(found))
    write_text(folder / TABLE_OF_FOUR, _csv([row for row in found if row["emotion"] in FOUR]))
    return found


def _csv(table: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()
