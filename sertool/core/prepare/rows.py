"""The rows of a checked table or folder: their splits, drawn where missing, and what looks odd in them."""

import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from sertool.core.corpora.corpus import GROUPS, KNOWN_OF_SPEECH, SPLITS
from sertool.core.features.audio import Segment
from sertool.core.formatting import first_few, row_numbers
from sertool.core.prepare.draw_splits import DRAWN, Draw, deal
from sertool.core.prepare.labels import TASKS, Label, label_warnings, names_of

ID_COLUMNS = ("utterance", "id")
COLUMNS = (*ID_COLUMNS, "audio", "text", *TASKS, "split", *KNOWN_OF_SPEECH, "start", "end")
_TOGETHER = dict.fromkeys(("HIRAGANA", "KATAKANA", "HANGUL"), "CJK")  # are mixed with Chinese signs
_DRAWN_BY = ("speaker", "dialogue", "session", "video", "recording")


@dataclass(frozen=True)
class Row:
    """One utterance of a table.

    Attributes:
        number: of the row or line in the file; None where there is no table.
        id, split, text: as in :class:`~sertool.core.corpora.corpus.Utterance`.
        labels: by task, see :mod:`~sertool.core.prepare.labels`.
        groups: speaker, session, dialogue, video, and the speaker's gender, where given.
        segment: the recording, or the part of it.
    """

    number: int | None
    id: str
    split: str
    text: str
    labels: Mapping[str, Label]
    groups: Mapping[str, str]
    segment: Segment


@dataclass(frozen=True)
class Table:
    """A checked table.

    Attributes:
        path: of the table, or of the folder that stands for one.
        rows: split by split, otherwise in the file's order.
        warnings: what looks odd.
        drawn: by what the splits were drawn, ``speaker`` for example; empty where the table has them all.
    """

    path: Path
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    drawn: str = ""


def divided(path: Path, header: Sequence[str], rows: Sequence[Row], draw: Draw, *, transcribe: bool) -> Table:
    """The table of checked rows: missing splits drawn, rows in the order of the splits, warnings.

    Args:
        path: of the table or folder.
        header: its columns.
        rows: as they were read; those without a split are train.
        draw: how splits are drawn.
        transcribe: the texts come later, so that none are missed.
    """
    present = {row.split for row in rows}
    missing = [split for split in DRAWN[1:] if split not in present]
    drawn = ""
    notes: list[str] = []
    if missing and "train" in present:
        wanted = ("train", *missing)
        shares = {split: share for split, share in zip(DRAWN, draw.shares, strict=True) if split in wanted}
        rows, drawn, notes = _draw(rows, shares, draw.seed)
        if drawn and "split" in header:
            notes.append(f"there is no split {' and '.join(missing)}: drawn from train by {drawn}")
    # Where single speakers could not be kept apart, the notes say so already.
    shared = [] if drawn not in ("", "speaker") else _shared_speakers(rows)
    ordered = sorted(rows, key=lambda row: SPLITS.index(row.split))
    return Table(path, tuple(ordered), (*_warnings(header, rows, transcribe), *notes, *shared), drawn)


def _draw(rows: Sequence[Row], shares: Mapping[str, float], seed: int) -> tuple[list[Row], str, list[str]]:
    """The rows with new splits for those of train, what they were drawn by, and warnings."""
    places = [place for place, row in enumerate(rows) if row.split == "train"]
    notes: list[str] = []
    for name in (*_DRAWN_BY, "utterance"):
        groups = [_group(rows[place], name) for place in places]
        number = len(set(groups))
        if None not in groups and number >= len(shares):
            break
        given = [place for place, group in zip(places, groups, strict=True) if group is not None]
        if name in GROUPS and given:
            lacking = [
                rows[place].number for place, group in zip(places, groups, strict=True) if group is None
            ]
            why = f"{name} is empty in {row_numbers(lacking)}" if lacking else _too_few(number, name)
            notes.append(f"{why}: splits are not drawn by {name}, so that one may be in two of them")
    else:
        listed = ", ".join(shares)
        return (
            list(rows),
            "",
            [f"{listed} cannot be drawn from so few utterances ({len(places)}): all are in train"],
        )
    classes = [
        [(task, cell) for task, label in rows[place].labels.items() for cell in _cells(label)]
        for place in places
    ]
    splits = dict(zip(places, deal(groups, classes, shares, seed), strict=True))
    return [replace(row, split=splits.get(place, row.split)) for place, row in enumerate(rows)], name, notes


def _too_few(number: int, name: str) -> str:
    return f"there is only 1 {name}" if number == 1 else f"there are only {number} {name}s"


def _group(row: Row, name: str) -> str | None:
    if name == "recording":  # the segments of one are not independent
        return str(row.segment.path)
    return f"{row.split}/{row.id}" if name == "utterance" else row.groups.get(name)


def _cells(label: Label) -> tuple[str, ...]:
    """What is spread evenly: classes, scores by the nearest whole number."""
    return (f"{round(label)}",) if isinstance(label, float) else names_of(label)


def _warnings(header: Sequence[str], rows: Sequence[Row], transcribe: bool) -> list[str]:
    """What is allowed but looks like a mistake."""
    warnings = []
    for name in header:
        near = difflib.get_close_matches(name, set(COLUMNS) - set(header), n=1, cutoff=0.75)
        if name not in COLUMNS and near:
            warnings.append(f"column {name!r} is not used, did you mean {near[0]!r}?")
    wordless = [row.number for row in rows if not row.text and not transcribe]
    if "text" not in header and wordless:
        warnings.append("there is no column 'text': utterances have no words (--transcribe writes them down)")
    elif wordless:
        warnings.append(f"{row_numbers(wordless)}: text is empty")
    if "speaker" not in header:
        warnings.append(
            "there is no column 'speaker': nothing can keep a voice out of both training and test"
        )
    warnings += script_warnings([(row.number, row.text) for row in rows])
    warnings += label_warnings([(row.number, row.split, row.labels) for row in rows])
    return warnings


def _shared_speakers(rows: Sequence[Row]) -> list[str]:
    places: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if speaker := row.groups.get("speaker"):
            places[row.split][speaker].append(row.number)
    return [
        f"speakers in both {one} and {other}: "
        + first_few(
            f"{name} ({one} {row_numbers(places[one][name])}, {other} {row_numbers(places[other][name])})"
            for name in sorted(shared)
        )
        for one, other in combinations(SPLITS, 2)
        if (shared := places[one].keys() & places[other].keys())
    ]


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """``LATIN``, ``CYRILLIC``, ``CJK``, ...: how Unicode names of letters begin."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    return _TOGETHER.get(script, script)


def script_of(text: str) -> str:
    """The script of most letters of a text; empty where it has none."""
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    return max(counts, key=lambda script: (counts[script], script), default="")


def script_warnings(texts: Iterable[tuple[int | None, str]]) -> list[str]:
    """Which texts are in another script than most, by row number and text."""
    places: dict[str, list[int | None]] = defaultdict(list)
    for number, text in texts:
        if script := script_of(text):
            places[script].append(number)
    usual = max(places, key=lambda script: (len(places[script]), script), default="")
    return [
        f"{row_numbers(rows)}: text is in {_title(script)} letters, most are in {_title(usual)} ones"
        for script, rows in sorted(places.items())
        if script != usual
    ]


def _title(script: str) -> str:
    return script if script == "CJK" else script.capitalize()
