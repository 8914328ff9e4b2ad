"""The labels of a table: one class, several classes, or a score, depending on column and value.

A value is the name of a class. If any value of a column contains ``|``, all its values are lists of classes
(``happy|surprised``, ``happy``, a lone ``|`` for no class). The column ``score`` holds numbers from -3 to 3.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sertool.core.corpora.names import likely_spellings
from sertool.core.formatting import first_lines, row_numbers
from sertool.core.prepare.findings import Findings

TASKS = {"label": "emotion", "emotion": "emotion", "sentiment": "sentiment", "score": "sentiment"}
SCORE = "score"
LOWEST, HIGHEST = -3.0, 3.0  # the scale of MOSI and MOSEI
BETWEEN = "|"
MANY_CLASSES = 50  # no published set has so many emotions; texts or numbers in the column do

Label = str | tuple[str, ...] | float
Labelled = tuple[int | None, str, Mapping[str, Label]]  # row number, split, labels by task


def list_columns(records: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the label columns that contain lists of classes."""
    return {column for record in records for column in TASKS if column != SCORE and BETWEEN in record.get(column, "")}


def parse_label(column: str, value: str, *, is_list: bool, number: int, findings: Findings) -> Label:
    """Turn a non-empty value into a label; note an invalid score in ``findings``."""
    if column != SCORE:
        parts = {part.strip() for part in value.split(BETWEEN)} - {""}
        return tuple(sorted(parts)) if is_list else value
    try:
        score = float(value)
    except ValueError:
        score = HIGHEST + 1  # refused below, like NaN
    if not LOWEST <= score <= HIGHEST:
        findings.add(f"score is not a number from {LOWEST:g} to {HIGHEST:g}", number, repr(value))
        return 0.0
    return score


def names_of(label: Label) -> tuple[str, ...]:
    """Return the classes of a label; none for a score."""
    return (label,) if isinstance(label, str) else () if isinstance(label, float) else label


def classes_of(labels: Sequence[Mapping[str, Label]]) -> dict[str, tuple[str, ...]]:
    """Collect the class names by task, without tasks of scores."""
    names: dict[str, set[str]] = defaultdict(set)
    for own in labels:
        for task, label in own.items():
            if not isinstance(label, float):
                names[task].update(names_of(label))
    return {task: tuple(sorted(names[task])) for task in sorted(names)}


def stored(labels: Mapping[str, Label], classes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Convert labels to a corpus's raw labels: a name, a number, or one 0 or 1 per class."""
    return {
        task: [int(name in label) for name in classes[task]] if isinstance(label, tuple) else label
        for task, label in labels.items()
    }


def label_warnings(rows: Sequence[Labelled]) -> Iterator[str]:
    """Report labels that look like mistakes: spellings, a single class, too many, and classes outside training."""
    for task in dict.fromkeys(TASKS.values()):
        places: dict[str, list[int | None]] = defaultdict(list)
        splits: dict[str, set[str]] = defaultdict(set)
        for number, split, labels in rows:
            for name in names_of(labels.get(task, ())):
                places[name].append(number)
                splits[name].add(split)
        yield from spellings(task, "classes", places)
        if len(places) == 1:
            yield f"{task}: there is only one class, {next(iter(places))!r}"
        if len(places) > MANY_CLASSES:
            yield (
                f"{task}: {len(places)} classes; each distinct label is a class, even a number "
                "(numbers from -3 to 3 belong in a column 'score')"
            )
        for name in sorted(places):
            if "train" not in splits[name] and any("train" in found for found in splits.values()):
                where = " and ".join(sorted(splits[name]))
                yield f"{task}: class {name!r} ({row_numbers(places[name])}) is not in train, only in {where}"


def spellings(what: str, many: str, places: Mapping[str, Sequence[int | None]]) -> list[str]:
    """Report names that are likely spellings of one; ``places`` are their rows."""
    lines = []
    for names in likely_spellings(places, classes=many == "classes"):
        # Beside a Latin name, letters that only look Latin are spelled out.
        quoted = ascii if any(map(str.isascii, names)) else repr
        shown = " and ".join(f"{quoted(name)} ({row_numbers(places[name])})" for name in names)
        lines.append(f"{what}: {shown} count as different {many}")
    return first_lines(lines)
