"""Tables as CSV that opens in a spreadsheet without harm."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from numbers import Integral

from sertool.core.formatting import printable

Cell = str | float | int | None
# A spreadsheet takes a cell that begins with such a sign for a formula, the wide forms among them in some languages.
# Apostrophes before it get another one, so that no two texts are written alike.
_FORMULA = re.compile("'*[-=+@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)  # such as the class -1 of a sentiment; it is no formula


def csv_text(rows: Iterable[Sequence[Cell]], *, raw: bool = False) -> str:
    r"""Write rows as CSV.

    Texts stand on one line, with control signs spelled out. One that a spreadsheet would run as a formula gets an
    apostrophe in front, by which spreadsheets know a text. Numbers have all their digits; None and NaN are empty.

    Args:
        rows: the rows, header first.
        raw: leave the apostrophes out, for a program that reads the table.

    >>> csv_text([["id", "logit"], ["=1+1", -0.5]])
    "id,logit\n'=1+1,-0.5\n"
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_written(cell, raw) for cell in row] for row in rows)
    return text.getvalue()


def _written(cell: Cell, raw: bool) -> str:
    if isinstance(cell, str):
        runs = _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
        return ("'" if runs and not raw else "") + printable(cell)
    if cell is None or cell != cell:
        return ""
    return repr(int(cell) if isinstance(cell, Integral) else float(cell))  # a number of numpy would show its type
