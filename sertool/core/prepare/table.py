"""A user's table of recordings, checked completely before any audio is decoded.

Columns, in any order and case; * marks required ones::

    utterance (or id)             unique within its split; default: from the recording's name
    audio*                        file, relative to the table's folder (or another root); not needed beside text
    label* / emotion / sentiment  class name, or several separated by |; label is the task emotion
    score*                        instead of a label: a number, by default from -3 to 3, task sentiment
    arousal / valence / dominance / score_NAME
                                  beside or instead of a label: a number of a range that the user states
    rater_NAME / votes            beside or instead of a label: each rater's class, or angry:3|neutral:2
    raters                        beside votes: their number
    arousal_rater_NAME, ...       a rater's score
    split                         train, valid (dev, val, validation), test, private; default: drawn at random
    text                          transcript
    speaker session dialogue video
    order                         whole number that orders the utterances of a dialogue
    start end                     seconds into the file, which cut the utterance out; of a text alone its times, which
                                  order the dialogue
    channel                       1, 2, ... or left or right; default: the mean of all

Other columns are ignored. A row of a ``private`` split may have no label. A table without recordings is one of texts.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sertool.core.corpora.corpus import KNOWN_OF_SPEECH, SPLITS
from sertool.core.errors import DataError, did_you_mean
from sertool.core.features.audio import Segment
from sertool.core.formatting import cut, first_few, first_lines, problem_list
from sertool.core.prepare.audio_paths import find_audio, why_missing
from sertool.core.prepare.choices import AS_IT_STANDS, Choices, check_needs_recordings, with_ids
from sertool.core.prepare.columns import LONGEST_NAME, Rows, channel_of, is_known, seconds_of, unused
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.emobox import Division
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import (
    DIMENSIONS,
    RATERS,
    VOTES,
    holds_classes,
    label_column,
    label_columns,
)
from sertool.core.prepare.labels import TASKS
from sertool.core.prepare.other_names import other_names
from sertool.core.prepare.places import check_orders, episode_times, order_of, order_warnings
from sertool.core.prepare.ranges import EXAMPLE
from sertool.core.prepare.records import read_records
from sertool.core.prepare.rows import COLUMNS, ID_COLUMNS, Row, Table, divided
from sertool.core.prepare.scores import own_ranges
from sertool.core.prepare.split_names import SPLIT_NAMES, is_split, read_splits
from sertool.core.prepare.split_tables import read_split_tables
from sertool.core.prepare.table_labels import TableLabels, read_labels
from sertool.core.prepare.votes import expand_votes

HINT = "correct the table; nothing was written. Audio paths are relative to its folder or to --audio-root"


def read_table(
    path: Path,
    audio_root: Path | None = None,
    draw: Division | None = None,
    *,
    missing_audio: bool = False,
    transcribe: bool = False,
    labels: bool = True,
    choices: Choices = AS_IT_STANDS,
) -> Table:
    """Read and check a table.

    Args:
        path: CSV or JSON, see :func:`~sertool.core.prepare.records.read_records`, or a folder with such a table for
            each split, see :mod:`~sertool.core.prepare.split_tables`.
        audio_root: folder that audio paths are relative to; None means the table's folder.
        draw: settings of the random splits, if the table lacks some.
        missing_audio: accept rows whose recording does not exist.
        transcribe: texts are added later, so missing ones are not reported.
        labels: read the labels; otherwise a table may have any, also scores of another scale, or none.
        choices: facts in the names of recordings, classes renamed, and the scale of scores.

    Raises:
        UsageError: the file is of another kind, or a choice does not fit it, such as one that needs recordings.
        DataError: the file cannot be read, or has problems; all are reported at once, with their rows.
    """
    findings = Findings()
    table = read_split_tables(path, findings) if path.is_dir() else read_records(path, findings)
    check_needs_recordings(table.header, choices, audio_root, transcribe=transcribe)
    header, records = (table.header, table.rows) if labels else _without_labels(table.header, table.rows)
    if VOTES in header and not any(map(holds_classes, header)):
        records = expand_votes(records, findings)
    header, records, chosen = choices.apply(header, records, findings)
    header, records, made_ids = with_ids(header, records)
    notes = (*table.notes, *chosen, *made_ids)
    splits = read_splits(record["split"] for _, record in records if "split" in record)
    labelled = labels and any(splits.get(record.get("split", "")) != "private" for _, record in records)
    _check_header(header, labelled, choices.ranges.named, findings)
    if not records and not findings:
        findings.add("contains no utterances")
    root = audio_root or (path if path.is_dir() else path.parent)
    # Whether a value is a list of classes depends on the whole column, so this comes before any row.
    found = read_labels(header, records, choices, findings)
    reader = _Reader(root, splits, found, missing_audio, findings)
    rows = [reader.row(place, number, record) for place, (number, record) in enumerate(records)]
    _check_ids(rows, findings)
    check_orders(rows, findings)
    if findings:
        problems = problem_list(path, findings.lines())
        unstated = [task for task in found.columns.score_tasks if choices.scale_of(task) is None]
        hint = f"state the range of scores: {EXAMPLE}; nothing was written" if unstated else HINT
        raise DataError("\n  ".join([problems, *(f"note: {note}" for note in notes)]), hint=hint)
    made = divided(path, header, rows, draw or Draw(), transcribe=transcribe, ranges=found.ranges)
    warnings = (*_misspelled(header), *notes, *found.notes, *order_warnings(header, rows), *made.warnings)
    made = replace(made, classes=found.classes, ranges=own_ranges(found.ranges))
    return replace(made, warnings=warnings, choices=choices.to_json())


def _without_labels(header: Sequence[str], records: Rows) -> tuple[list[str], Rows]:
    """Leave out all columns of labels."""

    def is_other(name: str) -> bool:
        return name not in TASKS and name not in (VOTES, RATERS) and label_column(name) is None

    kept = [(number, {name: cell for name, cell in record.items() if is_other(name)}) for number, record in records]
    return list(filter(is_other, header)), kept


def _check_header(header: list[str], labelled: bool, ranges: Collection[str], findings: Findings) -> None:
    if not header:
        if not findings:
            findings.add("is empty: expected a header with audio and label")
        return
    given = set(header)
    if "audio" not in given:
        likely = other_names(header).get("audio", [])
        near = f", did you mean {likely[0]!r}?" if likely else _nearest(["audio"], header)
        if near or "text" not in given:
            findings.add(f"missing column 'audio'{near}{_shown(header)}")
    if labelled and not given & set(TASKS) and not label_columns(header, ranges).names:
        nearest = _nearest(TASKS, header)
        findings.add(f"missing column 'label', 'emotion', 'sentiment' or 'score'{nearest}{_shown(header)}")
    for one, other in (("label", "emotion"), ("sentiment", "score")):
        if given >= {one, other}:
            findings.add(f"columns {one!r} and {other!r} are both present, and both are the task {TASKS[other]!r}")


def _shown(header: list[str]) -> str:
    return f" (columns: {first_few((cut(name, LONGEST_NAME) for name in header), 20)})"


def _nearest(wanted: Iterable[str], header: list[str]) -> str:
    """Return ``, did you mean ...?`` for a column of the table that is close to a wanted one."""
    others = unused(header)
    return next((hint for hint in (did_you_mean(name, others) for name in wanted) if hint), "")


def _misspelled(header: list[str]) -> list[str]:
    """Report columns that are not used, but have nearly the name of one that is missing."""
    missing, others = set(COLUMNS) - set(header), {*DIMENSIONS, VOTES} - set(header)
    near = {
        name: difflib.get_close_matches(name, missing, n=1, cutoff=0.8)
        or difflib.get_close_matches(name, others, n=1, cutoff=0.85)  # notes are no votes
        for name in unused(header)
    }
    lines = [f"column {name!r} is not used, did you mean {found[0]!r}?" for name, found in near.items() if found]
    return first_lines(lines)


@dataclass(frozen=True)
class _Reader:
    """Settings that hold for all rows of a table.

    Attributes:
        root: folder that audio paths are relative to.
        splits: split by its name in the table.
        labels: labels of all rows.
        missing_audio: accept rows whose recording does not exist.
        findings: receives the problems of rows.
    """

    root: Path
    splits: Mapping[str, str]
    labels: TableLabels
    missing_audio: bool
    findings: Findings

    def row(self, place: int, number: int, record: dict[str, str]) -> Row:
        """Check a row; note its problems and replace bad values by harmless ones."""
        findings = self.findings
        if not all(cell.isascii() or is_unicode(cell) or not is_known(name) for name, cell in record.items()):
            findings.add("contains half a character (a lone surrogate), which is not valid Unicode", number)
            record = {key: value for key, value in record.items() if is_unicode(value)}
        id_ = record.get("utterance") or record.get("id", "")
        if not id_ and any(name in record for name in ID_COLUMNS):
            findings.add("the utterance has no id", number)
        path = self._path(number, record["audio"]) if "audio" in record else None
        split = _split(number, record, self.splits, findings)
        if split != "private":
            for problem in self.labels.missing(record):
                findings.add(problem, number)
        start, end = self._times(number, record)
        segment = Segment(path, start, end, self._channel(number, record.get("channel", ""))) if path else None
        # MELD's clips are whole, whatever their times in the episode.
        times = episode_times(record) if start is None and end is None else (start, end)
        groups = {name: record[name] for name in KNOWN_OF_SPEECH if record.get(name)}
        labels, ratings = self.labels.labels[place], self.labels.ratings[place]
        row = Row(number, id_, split, record.get("text", ""), labels, groups, segment, ratings)
        order = self._order(number, record.get("order", ""))
        if "dialogue" not in groups:
            return row  # has no place, and stays what it was before there were places
        return replace(row, order=order, start=times[0], end=times[1])

    def _path(self, number: int, audio: str) -> Path:
        path = find_audio(self.root, audio) if audio else None
        if not audio:
            self.findings.add("audio is empty", number)
        elif path is None and not self.missing_audio:
            self.findings.add(why_missing(audio) or f"no such audio file in {self.root}", number, audio)
        return path or self.root / audio

    def _times(self, number: int, record: Mapping[str, str]) -> tuple[float | None, float | None]:
        findings = self.findings
        start, end = (_seconds(name, record.get(name, ""), number, findings) for name in ("start", "end"))
        if start is not None and end is not None and end <= start:
            findings.add("end is not after start", number)
        return start, end

    def _order(self, number: int, value: str) -> int | None:
        try:
            return order_of(value) if value else None
        except ValueError as error:
            self.findings.add(str(error), number)
            return None

    def _channel(self, number: int, value: str) -> int | None:
        try:
            return channel_of(value) if value else None
        except ValueError as error:
            self.findings.add(str(error), number)
            return None


def is_unicode(value: str) -> bool:
    """Check whether a text can be written as UTF-8, which half a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split(number: int, record: dict[str, str], splits: Mapping[str, str], findings: Findings) -> str:
    name = record.get("split")
    if name is None:
        return "train"  # a start: splits are drawn from train later
    if is_split(name) and name not in splits:
        findings.add(f"split {name!r} may be valid or test, and both are there", number)
    elif name not in splits:
        wrong = f"unknown split {name!r}" if name else "split is empty"
        expected = did_you_mean(name.lower(), list(SPLIT_NAMES)) or f", expected {', '.join(SPLITS)}"
        findings.add(wrong + expected, number)
    return splits.get(name, "train")


def _seconds(name: str, value: str, number: int, findings: Findings) -> float | None:
    if not value:
        return None
    try:
        return seconds_of(name, value)
    except ValueError as error:
        findings.add(str(error), number)
        return None


def _check_ids(rows: list[Row], findings: Findings) -> None:
    counts = Counter((row.split, row.id) for row in rows if row.id)
    for row in rows:
        if counts[row.split, row.id] > 1:
            findings.add("utterance appears more than once in its split", row.number, repr(row.id))
