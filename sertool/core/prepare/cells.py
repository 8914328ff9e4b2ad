"""Cells of a table made plain: names in their normal form, missing values empty, and both said."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

from sertool.core.corpora.corpus import KNOWN_OF_SPEECH
from sertool.core.corpora.names import is_missing, missing_among, normal, visible
from sertool.core.formatting import first_few, plural, row_numbers
from sertool.core.prepare.label_columns import EMOTION, RATERS, VOTES, holds_classes, label_column
from sertool.core.prepare.labels import BETWEEN, SCORE, TASKS

LABELS = tuple(name for name in TASKS if name != SCORE)
NAMES = ("utterance", "id", *LABELS, "split", *KNOWN_OF_SPEECH)
VALUES = ("audio", "text", SCORE, "order", "start", "end")
_NO_FRACTION = re.compile(r"(-?\d+)\.0+")

Number = TypeVar("Number", int, None)
Record = dict[str, str]
Records = list[tuple[Number, Record]]
Places = dict[tuple[str, str, str], list[int | None]]  # rows by column, cell as given and cell as read


def plain_cells(records: Records[Number]) -> tuple[Records[Number], list[str]]:
    """Bring the names of a table into their normal form, and empty the cells that stand for a missing value.

    Args:
        records: number of each row (None for a file of a folder) and its cells by column; only the columns of
            ``prepare`` are changed.

    Returns:
        The rows, and sentences on the cells that were changed, with their rows.
    """
    # Most tables are plain: then their cells are looked at once for each distinct one, and no row is copied.
    found = dict(_all_not_plain(records))
    plain = {column: cells for column, cells in found.items() if cells}
    emptied: Places = defaultdict(list)
    renamed: Places = defaultdict(list)
    made = []
    for number, record in records:
        changed = {column: plain[column][cell] for column in plain if (cell := record.get(column, "")) in plain[column]}
        for column, own in changed.items():
            (renamed if own else emptied)[column, record[column], own].append(number)
        made.append((number, {**record, **changed} if changed else record))
    return made, list(_notes(emptied, renamed))


def _all_not_plain(records: Records[Number]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each column with its cells that are not plain, and their plain form."""
    own: list[str] = [name for name in (records[0][1] if records else ()) if name not in (*NAMES, *VALUES)]
    raters: list[str] = [name for name in own if holds_classes(name)]
    numbers: list[str] = [name for name in own if name == RATERS or (label_column(name) and name not in raters)]
    # All raters of an utterance, and its label, choose among the same classes.
    together = (*(name for name, task in TASKS.items() if task == EMOTION), *raters) if raters else ()
    cells = _distinct(together, records)
    for column in (*NAMES, *raters, VOTES):
        known = cells if column in together else _distinct((column,), records)
        yield column, _not_plain(column in (*LABELS, *raters), known)
    for column in (*VALUES, *numbers):
        yield column, dict.fromkeys(missing_among(_distinct((column,), records)) - {""}, "")


def _distinct(columns: Iterable[str], records: Iterable[tuple[int | None, Record]]) -> set[str]:
    return {record[column] for _, record in records for column in columns if column in record}


def _not_plain(are_classes: bool, cells: set[str]) -> dict[str, str]:
    """Return the cells of a column of names that are not plain, with their plain form."""
    plain = {cell: normal(cell) for cell in cells}
    # Beside a class +, a - is the other class; alone it stands for a missing value.
    signs = are_classes and "+" in cells
    for cell, name in plain.items():
        if are_classes and BETWEEN in name:
            plain[cell] = _plain_list(name)
        elif is_missing(name) and not (signs and name == "-"):
            plain[cell] = ""
    return {cell: name for cell, name in _whole_numbers(plain).items() if name != cell}


def _plain_list(classes: str) -> str:
    """Leave out the classes of a list that are missing; a list of none but such ones is missing itself."""
    given = [part.strip() for part in classes.split(BETWEEN)]
    kept = ["" if is_missing(part) else part for part in given]
    return classes if kept == given else BETWEEN.join(kept) if any(kept) else ""


def _whole_numbers(plain: dict[str, str]) -> dict[str, str]:
    """Write 1.0 as 1 where the column also holds whole numbers: spreadsheets and pandas add the fraction to some."""
    names = set(plain.values())
    whole = {name: found[1] for name in names if (found := _NO_FRACTION.fullmatch(name))}
    if names.isdisjoint(whole.values()):
        return plain
    return {cell: whole.get(name, name) for cell, name in plain.items()}


def _notes(emptied: Places, renamed: Places) -> Iterable[str]:
    if emptied:
        shown = (f"{column} {visible(cell)} ({row_numbers(rows)})" for (column, cell, _), rows in emptied.items())
        yield f"read {_count(emptied)} as empty, for a missing value: {first_few(shown)}"
    if renamed:
        shown = (
            f"{column} {visible(cell)} as {own!r} ({row_numbers(rows)})"
            for (column, cell, own), rows in renamed.items()
        )
        yield f"read {_count(renamed)} in the normal form of a name: {first_few(shown)}"


def _count(places: Places) -> str:
    return plural(sum(map(len, places.values())), "cell")
