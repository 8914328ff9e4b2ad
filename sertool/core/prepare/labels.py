"""The labels of a table: one class, several classes, or a score, depending on column and value.

A value is the name of a class. If any value of a column contains ``|``, all its values are lists of classes
(``happy|surprised``, ``happy``, a lone ``|`` for no class). Columns of scores hold numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from sertool.core.corpora.names import likely_several, likely_spellings
from sertool.core.formatting import first_few, first_lines, row_numbers

TASKS = {"label": "emotion", "emotion": "emotion", "sentiment": "sentiment", "score": "sentiment"}
SCORE = "score"
BETWEEN = "|"
MANY_CLASSES = 50  # no published set has so many emotions; texts or numbers in the column do

Label = str | tuple[str, ...] | float
Labelled = tuple[int | None, str, Mapping[str, Label]]  # row number, split, labels by task


def list_columns(records: Iterable[Mapping[str, str]]) -> set[str]:
    """Return the label columns that contain lists of classes."""
    return {column for record in records for column in TASKS if column != SCORE and BETWEEN in record.get(column, "")}


def parse_labels(record: Mapping[str, str], lists: Set[str]) -> dict[str, Label]:
    """Return the classes of a row by task; scores are read by column, see :mod:`~sertool.core.prepare.scores`.

    Args:
        record: its cells by column; empty ones are left out.
        lists: columns that contain lists of classes.
    """
    return {
        task: _classes(cell) if column in lists else cell
        for column, task in TASKS.items()
        if column != SCORE and (cell := record.get(column))
    }


def _classes(cell: str) -> tuple[str, ...]:
    return tuple(sorted({part.strip() for part in cell.split(BETWEEN)} - {""}))


def names_of(label: Label) -> tuple[str, ...]:
    """Return the classes of a label; none for a score."""
    return (label,) if isinstance(label, str) else () if isinstance(label, float) else label


def classes_of(
    labels: Sequence[Mapping[str, Label]], usual: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, tuple[str, ...]]:
    """Collect the class names by task, without tasks of scores.

    Args:
        labels: labels of each row by task.
        usual: classes of some tasks in their usual order, which are taken as they are.
    """
    names: dict[str, set[str]] = defaultdict(set)
    for own in labels:
        for task, label in own.items():
            if not isinstance(label, float):
                names[task].update(names_of(label))
    return {task: (usual or {}).get(task) or tuple(sorted(names[task])) for task in sorted(names)}


def stored(labels: Mapping[str, Label], classes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Convert labels to a corpus's raw labels: a name, a number, or one 0 or 1 per class."""
    return {
        task: [int(name in label) for name in classes[task]] if isinstance(label, tuple) else label
        for task, label in labels.items()
    }


def label_warnings(rows: Sequence[Labelled], ranges: Mapping[str, tuple[float, float]] | None = None) -> Iterator[str]:
    """Report labels that look like mistakes: spellings, a single class, too many, and classes outside training.

    Args:
        rows: labels of each row.
        ranges: lowest and highest score by task, where they are stated.
    """
    for task in dict.fromkeys(TASKS.values()):
        places: dict[str, list[int | None]] = defaultdict(list)
        splits: dict[str, set[str]] = defaultdict(set)
        for number, split, labels in rows:
            for name in names_of(labels.get(task, ())):
                places[name].append(number)
                splits[name].add(split)
        yield from spellings(task, "classes", places)
        yield from _joined(task, places)
        if task not in (ranges or {}):
            yield from _one_sided(task, _scores(task, rows))
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
    for task in ranges or {}:
        scores = _scores(task, rows)
        if len(scores) > 1 and len(set(scores)) == 1:
            yield f"{task}: every score is {scores[0]:g}, so there is nothing to learn"


def _scores(task: str, rows: Sequence[Labelled]) -> list[float]:
    return [label for _, _, labels in rows if isinstance(label := labels.get(task), float)]


def _joined(task: str, places: Mapping[str, Sequence[int | None]]) -> Iterator[str]:
    """Report names that are likely several classes, see :func:`~sertool.core.corpora.names.likely_several`."""
    if found := {name: BETWEEN.join(parts) for name, parts in likely_several(places).items()}:
        shown = first_few(f"{name!r} ({row_numbers(places[name])})" for name in found)
        name, several = next(iter(found.items()))
        yield (
            f"{task}: {shown} may be several labels, but each counts as one class; several are written {several!r} "
            f"(--map-labels with a file that has the line {name}={several})"
        )


def _one_sided(task: str, scores: Sequence[float]) -> Iterator[str]:
    """Report scores that are never below 0: a scale of 0 to 1 or of 1 to 3 also lies between -3 and 3."""
    if len(scores) > 1 and min(scores) >= 0:
        yield (
            f"{task}: no score is below 0 (they are {min(scores):g} to {max(scores):g}), so all count as not negative; "
            "if the scale is another one, --range LOW:HIGH keeps it and --rescale LOW:HIGH maps it to -3 to 3"
        )


def spellings(what: str, many: str, places: Mapping[str, Sequence[int | None]]) -> list[str]:
    """Report names that are likely spellings of one; ``places`` are their rows."""
    lines = []
    for names in likely_spellings(places, classes=many == "classes"):
        # Beside a Latin name, letters that only look Latin are spelled out.
        quoted = ascii if any(map(str.isascii, names)) else repr
        shown = " and ".join(f"{quoted(name)} ({row_numbers(places[name])})" for name in names)
        lines.append(f"{what}: {shown} count as different {many}")
    return first_lines(lines)
