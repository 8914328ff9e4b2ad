"""Rows of a CSV, JSON or Excel table as text by column.

Rows are numbered as in a spreadsheet: the header is row 1. In JSON Lines, a row's number is its line; in a JSON array,
its place.
"""

from dataclasses import dataclass
from pathlib import Path

from sertool.core.errors import DataError, UsageError
from sertool.core.files.standard_input import STDIN
from sertool.core.formatting import row_numbers
from sertool.core.prepare.cells import plain_cells
from sertool.core.prepare.columns import Rows, check_repeated, is_read, settle
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.json_table import read_json
from sertool.core.prepare.separated import read_separated
from sertool.core.prepare.table_text import read_text
from sertool.core.prepare.workbook import SUFFIX, read_workbook

JSON = (".jsonl", ".ndjson", ".json")
SEPARATED = (".csv", ".tsv", ".tab", ".txt")


@dataclass(frozen=True)
class Records:
    """A table as text.

    Attributes:
        header: names of all columns, in lower case.
        rows: number of each row, and its cells by column, of the columns that sertool reads; names are in their
            normal form, and missing values are empty.
        notes: sentences on what was not read as it stands in the file.
    """

    header: list[str]
    rows: list[tuple[int, dict[str, str]]]
    notes: tuple[str, ...] = ()


def read_records(path: Path, findings: Findings) -> Records:
    """Read a table: ``prepare``, ``predict`` and ``report`` all read theirs here.

    Args:
        path: ``.csv``, ``.tsv``, ``.tab`` or ``.txt`` with comma, semicolon, tab or ``|``; ``.jsonl``, ``.ndjson`` or
            ``.json`` with one object per line or one array of objects; ``.xlsx`` with the extra ``excel``; ``-`` for
            standard input, CSV or JSON.
        findings: receives the rows that cannot be read, and columns that contradict each other.

    Raises:
        UsageError: the file is of another kind, or the package that reads it is not installed.
        DataError: the file is missing, no text, or not UTF-8; the message names the lines and how to convert it.
    """
    kind = path.suffix.lower()
    if kind not in (*JSON, *SEPARATED, SUFFIX) and path != STDIN:
        raise UsageError(
            f"{path}: a table is a .csv, .tsv, .xlsx or .jsonl file", hint="save a spreadsheet as CSV with UTF-8 text"
        )
    header, rows, notes = read_workbook(path, findings) if kind == SUFFIX else _read_text(path, kind, findings)
    header, rows, settled = settle(header, rows, findings)
    rows, changed = plain_cells(rows)
    return Records(header, rows, (*notes, *settled, *changed))


def _read_text(path: Path, kind: str, findings: Findings) -> tuple[list[str], Rows, list[str]]:
    """Read the names of all columns, the rows, and sentences on them, from a file of text."""
    text = read_text(path)
    if path == STDIN and text.lstrip().startswith(("{", "[")):
        kind = JSON[0]
    if kind in SEPARATED and text.lstrip().startswith(("{", "[")):
        raise DataError(f"{path}: holds JSON, expected a header with column names", hint="rename it to end in .jsonl")
    notes: list[str] = []
    if kind in JSON:
        header, rows = read_json(text, findings)
    else:
        table = read_separated(text, findings)
        header = table.header
        check_repeated(header, findings)
        places = {name: place for place, name in enumerate(header) if is_read(name)}
        rows = [(number, {name: row[place] for name, place in places.items()}) for number, row in table.rows]
        if table.short:
            notes.append(f"{row_numbers(table.short)}: fields are missing at the end, and were read as empty")
    return header, rows, notes
