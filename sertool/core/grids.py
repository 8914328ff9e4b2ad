"""Tables as lists of rows of cells, aligned for a terminal: words to the left, figures to the right."""

import textwrap
from collections.abc import Sequence

from sertool.core.formatting import INTERVAL, printable

GAP = 2  # columns between cells
SHORTEST = 10  # columns that remain of a name that is cut
FIGURE = frozenset("0123456789+-<")

Row = Sequence[str]


def aligned(header: Row, rows: Sequence[Row], width: int | None = None, fixed: int = 1) -> list[str]:
    """Lines of a table. What is wider than the terminal goes on below, with the first columns repeated.

    Args:
        header: a name a column.
        rows: as many cells each.
        width: of the terminal; None: nothing is divided and nothing cut.
        fixed: how many columns are repeated; the first is cut where there is no room for another one.
    """
    grid = [[printable(cell) for cell in row] for row in (header, *rows)]
    columns = [list(column) for column in zip(*grid, strict=True)]
    columns[0] = _shortened(columns, width, fixed)
    lines: list[str] = []
    for block in _blocks(columns, width, fixed):
        lines += [*([""] if lines else []), *_lines(_filled(block, fixed))]
    return lines


def cut(text: str, width: int) -> str:
    """The beginning of a text that is longer than ``width``."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def wrapped(text: str, width: int | None, indent: str = "  ", first: str = "") -> list[str]:
    """A text in lines of at most ``width``, divided between words only."""
    if width is None:
        return [first + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shortened(columns: list[list[str]], width: int | None, fixed: int) -> list[str]:
    """Names cut so that they, the other repeated columns and the widest of the rest fit."""
    if width is None:
        return columns[0]
    rest = max((_total(group) for group in _groups(columns[fixed:])), default=-GAP)
    room = width - rest - GAP - sum(_total([column]) + GAP for column in columns[1:fixed])
    return [cut(name, max(room, SHORTEST)) for name in columns[0]]


def _groups(columns: list[list[str]]) -> list[list[list[str]]]:
    """Columns that stay together: an interval with its figure."""
    groups: list[list[list[str]]] = []
    for column in columns:
        if column[0] == INTERVAL and groups:
            groups[-1].append(column)
        else:
            groups.append([column])
    return groups


def _blocks(columns: list[list[str]], width: int | None, fixed: int) -> list[list[list[str]]]:
    """The columns in parts that fit, each with the first ones."""
    head = columns[:fixed]
    blocks = [list(head)]
    for group in _groups(columns[fixed:]):
        if width is not None and len(blocks[-1]) > fixed and _total([*blocks[-1], *group]) > width:
            blocks.append(list(head))
        blocks[-1] += group
    return blocks


def _filled(columns: list[list[str]], fixed: int) -> list[list[str]]:
    """The columns without the rows that say nothing in them."""
    header, *rows = zip(*columns, strict=True)
    kept = [row for row in rows if any(row[fixed:])] or rows
    return [list(column) for column in zip(header, *kept, strict=True)]


def _total(columns: list[list[str]]) -> int:
    return sum(max(map(len, column)) for column in columns) + GAP * (len(columns) - 1)


def _lines(columns: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in columns]
    right = [all(not cell or cell[0] in FIGURE for cell in column[1:]) for column in columns]
    right[0] = False
    return [
        (" " * GAP)
        .join(
            cell.rjust(size) if figures else cell.ljust(size)
            for cell, size, figures in zip(row, widths, right, strict=True)
        )
        .rstrip()
        for row in zip(*columns, strict=True)
    ]
