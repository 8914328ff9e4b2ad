"""A user's table of recordings, checked as a whole before any audio is decoded.

Columns, in any order and case; those marked * must be there::

    utterance* (or id)            unique within its split
    audio*                        file, from the table's folder (or another root)
    label* / emotion / sentiment  class name; the column's name is the task's, label is the task emotion
    split                         train, valid (dev, val, validation), test, private; without it all train
    text                          transcript
    speaker session dialogue video
    start end                     seconds into the file

Other columns are ignored. A row of a ``private`` split may have no label.
"""

import difflib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus import GROUPS, SPLITS
from sertool.core.corpora.records import Findings, enumerate_few, numbers, read_records
from sertool.core.errors import DataError
from sertool.core.recipe_errors import did_you_mean

ID_COLUMNS = ("utterance", "id")
TASKS = {"label": "emotion", "emotion": "emotion", "sentiment": "sentiment"}
SPLIT_NAMES = {**{split: split for split in SPLITS}, "dev": "valid", "val": "valid", "validation": "valid"}
COLUMNS = (*ID_COLUMNS, "audio", "text", *TASKS, "split", *GROUPS, "start", "end")
MANY_CLASSES = 50
HINT = "correct the table, nothing was written yet; audio paths start at its folder or at --audio-root"


@dataclass(frozen=True)
class Row:
    """One utterance of a table.

    Attributes:
        number: of the row or line in the file.
        id, split, text: as in :class:`~sertool.core.corpora.corpus.Utterance`.
        audio: the recording.
        labels: class name by task.
        groups: speaker, session, dialogue, video, where given.
        start, end: seconds into the recording; None is its beginning or end.
    """

    number: int
    id: str
    split: str
    text: str
    audio: Path
    labels: Mapping[str, str]
    groups: Mapping[str, str]
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Table:
    """A checked table: rows split by split, otherwise in the file's order, and what looks odd in it."""

    path: Path
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]


def read_table(path: Path, audio_root: Path | None = None) -> Table:
    """Read and check a table.

    Args:
        path: CSV or JSON Lines, see :func:`~sertool.core.corpora.records.read_records`.
        audio_root: where relative audio paths start; None is the table's folder.

    Raises:
        UsageError: the file is of another kind.
        DataError: it cannot be read, or holds problems; all of them are told at once, with their rows.
    """
    findings = Findings()
    header, records = read_records(path, COLUMNS, findings)
    labelled = any(record.get("split", "").lower() != "private" for _, record in records)
    _check_header(header, labelled, findings)
    if not records and not findings:
        findings.add("there are no utterances in it")
    root = path.parent if audio_root is None else audio_root
    rows = [_row(number, record, root, findings) for number, record in records]
    _check_ids(rows, findings)
    if findings:
        lines = findings.lines()
        shown = lines[:20] + ([f"... and {len(lines) - 20} more"] if len(lines) > 20 else [])
        count = f"{len(lines)} problem{'s' * (len(lines) > 1)}"
        raise DataError(f"{path}: {count}\n  " + "\n  ".join(shown), hint=HINT)
    rows.sort(key=lambda row: SPLITS.index(row.split))
    return Table(path, tuple(rows), tuple(_warnings(header, rows)))


def _check_header(header: list[str], labelled: bool, findings: Findings) -> None:
    if not header:
        if not findings:
            findings.add("is empty: expected a header with utterance, audio and label")
        return
    given = set(header)
    for name in sorted({name for name in header if header.count(name) > 1}):
        findings.add(f"column {name!r} is there twice")
    if not given & set(ID_COLUMNS):
        findings.add(f"missing column 'utterance' or 'id'{_nearest(ID_COLUMNS, header)}{_shown(header)}")
    if given >= set(ID_COLUMNS):
        findings.add("columns 'utterance' and 'id' are both there: keep the one that identifies the row")
    if "audio" not in given:
        findings.add(f"missing column 'audio'{_nearest(['audio'], header)}{_shown(header)}")
    if labelled and not given & set(TASKS):
        nearest = _nearest(TASKS, header)
        findings.add(f"missing column 'label', 'emotion' or 'sentiment'{nearest}{_shown(header)}")
    if given >= {"label", "emotion"}:
        findings.add("columns 'label' and 'emotion' are both there, and both are the task 'emotion'")


def _shown(header: list[str]) -> str:
    return f" (columns: {enumerate_few(header, 20)})"


def _nearest(wanted: Iterable[str], header: list[str]) -> str:
    """``, did you mean ...?`` with a column that is not one of ours."""
    others = [name for name in header if name not in COLUMNS]
    return next((hint for hint in (did_you_mean(name, others) for name in wanted) if hint), "")


def _row(number: int, record: dict[str, str], root: Path, findings: Findings) -> Row:
    """One row; where it has problems, they are noted and harmless values stand in."""
    if not all(_is_unicode(record.get(name, "")) for name in COLUMNS):
        findings.add("holds half a character (a lone surrogate), which is not Unicode text", number)
        record = {key: value for key, value in record.items() if _is_unicode(value)}
    id_ = record.get("utterance") or record.get("id", "")
    if not id_ and any(name in record for name in ID_COLUMNS):
        findings.add("the utterance has no id", number)
    audio = record.get("audio", "")
    if not audio and "audio" in record:
        findings.add("audio is empty", number)
    elif audio and not _is_file(root / audio):
        findings.add(f"no such audio file below {root}", number, audio)
    split = _split(number, record, findings)
    labels = {task: record[column] for column, task in TASKS.items() if record.get(column)}
    if split != "private":
        for column in TASKS:
            if column in record and not record[column]:
                findings.add(f"{column} is empty", number)
    start, end = (_seconds(name, record.get(name, ""), number, findings) for name in ("start", "end"))
    if start is not None and end is not None and end <= start:
        findings.add("end is not after start", number)
    groups = {name: record[name] for name in GROUPS if record.get(name)}
    return Row(number, id_, split, record.get("text", ""), root / audio, labels, groups, start, end)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _split(number: int, record: dict[str, str], findings: Findings) -> str:
    if "split" not in record:
        return "train"
    name = record["split"].lower()
    if name not in SPLIT_NAMES:
        wrong = f"unknown split {record['split']!r}" if name else "split is empty"
        expected = did_you_mean(name, list(SPLIT_NAMES)) or f", expected {', '.join(SPLITS)}"
        findings.add(wrong + expected, number)
    return SPLIT_NAMES.get(name, "train")


def _seconds(name: str, value: str, number: int, findings: Findings) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        findings.add(f"{name} {value!r} is not a number of seconds", number)
        return None
    return seconds


def _check_ids(rows: list[Row], findings: Findings) -> None:
    places = defaultdict(list)
    for row in rows:
        if row.id:
            places[row.split, row.id].append(row.number)
    for (_, id_), where in places.items():
        if len(where) > 1:
            for number in where:
                findings.add("utterance is there more than once in its split", number, repr(id_))


def _warnings(header: list[str], rows: list[Row]) -> list[str]:
    """What is allowed but looks like a mistake."""
    warnings = []
    for name in header:
        near = difflib.get_close_matches(name, set(COLUMNS) - set(header), n=1, cutoff=0.75)
        if name not in COLUMNS and near:
            warnings.append(f"column {name!r} is not used, did you mean {near[0]!r}?")
    if "text" not in header:
        warnings.append("there is no column 'text': utterances have no words")
    elif wordless := [row.number for row in rows if not row.text]:
        warnings.append(f"{numbers(wordless)}: text is empty")
    if "speaker" not in header:
        warnings.append(
            "there is no column 'speaker': nothing can keep a voice out of both training and test"
        )
    for task in dict.fromkeys(TASKS.values()):
        warnings += _label_warnings(task, rows)
    return warnings + _shared_speakers(rows)


def _label_warnings(task: str, rows: list[Row]) -> list[str]:
    places: dict[str, list[int]] = defaultdict(list)
    splits: dict[str, set[str]] = defaultdict(set)
    spellings: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if label := row.labels.get(task):
            places[label].append(row.number)
            splits[label].add(row.split)
    for label in sorted(places):
        spellings[" ".join(label.casefold().replace("_", " ").replace("-", " ").split())].append(label)
    warnings = []
    for labels in spellings.values():
        if len(labels) > 1:
            found = " and ".join(f"{label!r} ({numbers(places[label])})" for label in labels)
            warnings.append(f"{task}: {found} count as different classes")
    if len(places) == 1:
        warnings.append(f"{task}: there is only one class, {next(iter(places))!r}")
    if len(places) > MANY_CLASSES:
        warnings.append(
            f"{task}: {len(places)} classes; each different label, also a number, is a class of its own"
        )
    for label in sorted(places):
        if "train" not in splits[label] and any("train" in found for found in splits.values()):
            warnings.append(f"{task}: class {label!r} ({numbers(places[label])}) is not in train")
    return warnings


def _shared_speakers(rows: list[Row]) -> list[str]:
    speakers: dict[str, set[Any]] = defaultdict(set)
    for row in rows:
        speakers[row.split].add(row.groups.get("speaker"))
    return [
        f"speakers in both {one} and {other}: {enumerate_few(sorted(shared))}"
        for one, other in combinations(SPLITS, 2)
        if (shared := (speakers[one] & speakers[other]) - {None})
    ]
