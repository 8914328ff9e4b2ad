"""Rows of an Excel workbook (.xlsx), which needs the extra ``excel``.

A workbook is a zip archive of XML. What it would unpack to is checked first, and defusedxml refuses entities, so that a
small file cannot fill the memory. Of a formula its stored value is read, as the spreadsheet showed it last; nothing is
computed or run.
"""

import datetime
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sertool.core.corpora.names import text_of
from sertool.core.errors import DataError, UsageError
from sertool.core.files.artifacts import reading
from sertool.core.files.regular import open_regular
from sertool.core.files.signatures import STARTS, foreign_kind
from sertool.core.formatting import first_few, plural, readable_size
from sertool.core.prepare.columns import Rows, check_repeated, column_name, is_read
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.places import EPISODE_TIMES

SUFFIX = ".xlsx"
LARGEST = 256 * 10**6  # bytes of all parts unpacked: a million rows of ten columns have some 300 MB
MOST_CELLS = 20_000_000  # a cell far to the right makes a whole row of empty ones
_AS_CSV = "save the spreadsheet as CSV with UTF-8 text"
_TIMES = (datetime.date, datetime.time, datetime.timedelta)

Formulas = list[tuple[int, str]]  # row and column


def read_workbook(path: Path, findings: Findings) -> tuple[list[str], Rows, list[str]]:
    """Read the sheet of a workbook that has the columns of a table, or else its first one.

    Args:
        path: the workbook.
        findings: receives cells that are no text or number, and columns that appear twice.

    Returns:
        Names of all columns in lower case, the number of each row and its cells by column, and sentences on what was
        read.

    Raises:
        UsageError: the extra is not installed, or its protection is switched off.
        DataError: the file cannot be read, is no workbook, or would unpack to more than :data:`LARGEST` bytes.
    """
    try:
        import defusedxml  # noqa: F401 (openpyxl reads by it, if it is there, and then expands no entities)
        import openpyxl
    except ImportError as error:
        raise UsageError(
            f"{path}: a table is a .csv, .tsv or .jsonl file",
            hint=f"{_AS_CSV}, or pip install 'sertool[excel]' to read .xlsx",
        ) from error

    if not openpyxl.DEFUSEDXML:  # switched off by OPENPYXL_DEFUSEDXML
        raise UsageError(
            f"{path}: is only read where openpyxl uses defusedxml, since a small workbook may unpack to gigabytes",
            hint="unset OPENPYXL_DEFUSEDXML",
        )

    def opened(*, values: bool) -> list[Any]:
        book = openpyxl.load_workbook(file, read_only=True, data_only=values, keep_links=False)
        return [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets

    with reading(path, lambda error: _damaged(path, error)), open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl tells what it leaves out, such as drop-down lists
        _check(path, file)
        sheets = opened(values=False)
        if not sheets:
            raise DataError(f"{path}: holds no sheet of cells", hint=_AS_CSV)
        place = next((place for place, sheet in enumerate(sheets) if any(map(is_read, _header(path, sheet)[1]))), 0)
        header, rows, formulas = _read(path, sheets[place], findings)
        notes = []
        if len(sheets) > 1:
            others = first_few(repr(sheet.title) for sheet in sheets if sheet is not sheets[place])
            notes.append(f"the sheet {sheets[place].title!r} is read, and no other ({others})")
        if formulas:
            _fill(path, opened(values=True)[place], header, rows, formulas, findings)
            notes.append(f"of {plural(len(formulas), 'formula')} the values are read that were stored last")
    check_repeated(header, findings)
    return header, rows, notes


def _check(path: Path, file: Any) -> None:
    """Refuse a file that is no zip archive, or one that would unpack to too much."""
    start = file.read(STARTS)
    if not start.startswith(b"PK"):
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            raise DataError(f"{path}: is an old Excel workbook, or one with a password", hint=_AS_CSV)
        kind = foreign_kind(start)
        raise DataError(f"{path}: is {kind[0] if kind else 'no Excel workbook'}, expected one", hint=_AS_CSV)
    with zipfile.ZipFile(file) as archive:
        # Reading a part stops at the size that is stated here.
        size = sum(part.file_size for part in archive.infolist())
    if size > LARGEST:
        limit = readable_size(LARGEST)
        raise DataError(f"{path}: would unpack to {readable_size(size)}, at most {limit} are read", hint=_AS_CSV)
    file.seek(0)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not readable as an Excel workbook ({type(error).__name__}: {error})", hint=_AS_CSV)


def _lines(path: Path, sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the number and cells of each row."""
    sheet.reset_dimensions()  # the size that a sheet states may be wrong
    cells = 0
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells += len(row) + 1
        if cells > MOST_CELLS:
            raise DataError(f"{path}: more than {MOST_CELLS:,} cells, most of them empty", hint=_AS_CSV)
        yield number, row


def _is_empty(row: Sequence[Any]) -> bool:
    return all(not text_of(cell.value) for cell in row)


def _header(path: Path, sheet: Any) -> tuple[int, list[str]]:
    """Return the number of the first row that is not empty, and its names; an empty sheet has none."""
    for number, row in _lines(path, sheet):
        if not _is_empty(row):
            return number, [column_name(text_of(cell.value)) for cell in row]
    return 0, []


def _read(path: Path, sheet: Any, findings: Findings) -> tuple[list[str], Rows, Formulas]:
    """Read the cells of the known columns; those with a formula stay empty and are returned."""
    start, header = _header(path, sheet)
    places = {place: name for place, name in enumerate(header) if is_read(name)}
    rows: Rows = []
    formulas: Formulas = []
    for number, row in _lines(path, sheet):
        if number <= start or _is_empty(row):
            continue
        record = dict.fromkeys(places.values(), "")
        for place, name in places.items():
            if place >= len(row):
                continue
            if row[place].data_type == "f":
                formulas.append((number, name))
            else:
                record[name] = _text(row[place].value, name, number, findings)
        rows.append((number, record))
    return [name for name in header if name], rows, formulas


def _fill(path: Path, sheet: Any, header: Sequence[str], rows: Rows, formulas: Formulas, findings: Findings) -> None:
    """Fill in the stored values of formulas."""
    records = dict(rows)
    _, names = _header(path, sheet)
    wanted = set(formulas)
    for number, row in _lines(path, sheet):
        for name, cell in zip(names, row, strict=False):
            if (number, name) not in wanted:
                continue
            if cell.value is None:
                findings.add(f"{name} is a formula without a stored value: paste the values in its place", number)
            records[number][name] = _text(cell.value, name, number, findings)


def _text(value: Any, name: str, number: int, findings: Findings) -> str:
    if isinstance(value, _TIMES) and name not in EPISODE_TIMES:
        findings.add(f"{name} is a date or a time for the spreadsheet: format the column as text", number, str(value))
        return ""
    return text_of(value)
