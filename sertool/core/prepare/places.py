"""Places of utterances in their dialogues: numbers that order them, and times."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from sertool.core.corpora.names import is_missing
from sertool.core.formatting import first_few, printable, row_numbers
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.rows import Row

# MELD's columns of times in the episode, which cut no recording, and the names under which they are kept.
EPISODE_TIMES = {"starttime": "episode start", "endtime": "episode end"}
_WHOLE = re.compile(r"([+-]?[0-9]{1,15})(?:\.0+)?")  # spreadsheets and pandas add the fraction
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d(?:[.,]\d{1,6})?)")

Key = TypeVar("Key", bound=Hashable)


def order_of(value: str) -> int:
    """Read the number that orders an utterance in its dialogue.

    Raises:
        ValueError: the value is no whole number; the message names it.
    """
    if not (found := _WHOLE.fullmatch(value)):
        raise ValueError(f"order {value!r} is not a whole number")
    return int(found[1])


def clock_of(value: str) -> float | None:
    """Return the seconds of a time as MELD writes it, such as ``00:20:57,256``; None for anything else."""
    found = _CLOCK.fullmatch(value.strip())
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", ".")), 6)


def episode_times(cells: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Return start and end in seconds into the episode; both None unless the end comes after the start.

    Args:
        cells: a row, with the names of :data:`EPISODE_TIMES` where it is one of MELD's own tables.
    """
    start, end = (clock_of(cells.get(name, "")) for name in EPISODE_TIMES.values())
    return (None, None) if start is None or end is None or end <= start else (start, end)


def are_orders(values: Iterable[str]) -> bool:
    """Check whether all values that are not missing are whole numbers."""
    return all(is_missing(value) or _WHOLE.fullmatch(value) for value in values)


def repeated(places: Iterable[tuple[Key, int | None]]) -> list[tuple[int, int]]:
    """Find the orders that a dialogue has twice.

    Args:
        places: dialogue and order of each utterance; None without an order.

    Returns:
        The position of each utterance whose order an earlier one of its dialogue has, and the position of that one.
    """
    first: dict[tuple[Key, int], int] = {}
    found = []
    for position, (dialogue, order) in enumerate(places):
        if order is not None and (other := first.setdefault((dialogue, order), position)) != position:
            found.append((position, other))
    return found


def check_orders(rows: Sequence[Row], findings: Findings) -> None:
    """Report orders that appear twice in a dialogue; a name may stand for another dialogue in another split."""
    inside = [row for row in rows if "dialogue" in row.groups]
    for later, earlier in repeated(((row.split, row.groups["dialogue"]), row.order) for row in inside):
        for row in (inside[earlier], inside[later]):
            example = f"{row.groups['dialogue']}: {row.order}"
            findings.add("order appears more than once in its dialogue", row.number, example)


def order_warnings(header: Sequence[str], rows: Iterable[Row]) -> list[str]:
    """Report orders that have no effect: without a dialogue, or in one of which others have none."""
    if "order" not in header:
        return []
    if "dialogue" not in header:
        return ["there is no column 'dialogue', so the column 'order' has no effect"]
    dialogues: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if "dialogue" in row.groups:
            dialogues[row.split, row.groups["dialogue"]].append(row)
    named: dict[tuple[str, int], set[str]] = defaultdict(set)
    for (split, name), own in dialogues.items():
        for row in own:
            if row.order is not None:
                named[name, row.order].add(split)
    divided = sorted({name for (name, _), splits in named.items() if len(splits) > 1})
    warnings = []
    if divided:
        warnings.append(
            f"dialogues of different splits have the same name ({first_few(map(printable, divided))}): a model with "
            "context needs different ones"
        )
    partly = [own for own in dialogues.values() if any(row.order is not None for row in own)]
    empty = [row.number for own in partly for row in own if row.order is None]
    if empty:
        warnings.append(
            f"{row_numbers(empty)}: order is empty, so their dialogues are ordered by start where all their rows have "
            "one, or else as the rows stand"
        )
    return warnings
