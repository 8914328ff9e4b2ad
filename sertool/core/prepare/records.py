"""Rows of a CSV or JSON Lines file as text by column, and the problems found in them.

Rows are numbered as in a spreadsheet: the header is row 1. In JSON Lines, a row's number is its line.
"""

import csv
import io
import json
from collections.abc import Collection
from pathlib import Path

from sertool.core.corpora.names import text_of
from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.files.regular import read_regular
from sertool.core.formatting import first_few, row_numbers

Records = list[tuple[int, dict[str, str]]]


class Findings:
    """Problems of a table, grouped by kind, with the rows they were found in."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[list[int], list[str]]] = {}

    def add(self, kind: str, row: int | None = None, example: str | None = None) -> None:
        """Add a problem; all of one kind become one line."""
        rows, examples = self._found.setdefault(kind, ([], []))
        if row is not None:
            rows.append(row)
        if example is not None and example not in examples:
            examples.append(example)

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> list[str]:
        """Return one line per kind: rows, kind, examples."""
        return [
            (f"{row_numbers(rows)}: " if rows else "") + kind + (f": {first_few(examples)}" if examples else "")
            for kind, (rows, examples) in self._found.items()
        ]


def read_records(path: Path, columns: Collection[str], findings: Findings) -> tuple[list[str], Records]:
    """Read a table: its column names in lower case, and the values of each row with its number.

    Args:
        path: ``.csv``, ``.tsv`` or ``.txt`` with comma, semicolon or tab; ``.jsonl``, ``.ndjson`` or
            ``.json`` with one object per line.
        columns: columns to read; of others, JSON Lines give the names only.
        findings: receives the rows that cannot be read.

    Raises:
        UsageError: the file is of another kind.
        DataError: the file is missing or not UTF-8; the message names the lines and how to convert it.
    """
    kind = path.suffix.lower()
    if kind in (".jsonl", ".ndjson", ".json"):
        return _parse_json_lines(_read_text(path), columns, findings)
    if kind in (".csv", ".tsv", ".txt"):
        return _parse_csv(_read_text(path), findings)
    raise UsageError(
        f"{path}: a table is a .csv, .tsv or .jsonl file", hint="save a spreadsheet as CSV with UTF-8 text"
    )


def _read_text(path: Path) -> str:
    """Read a table's UTF-8 text; recognise and refuse the other encodings that spreadsheets write.

    Raises:
        DataError: the file cannot be read or is not UTF-8.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: UTF-16 text, expected UTF-8", hint=_convert(path, "UTF-16"))
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        lines = content.split(b"\n")  # each by itself, to name all bad lines and to tell mixed encodings
        bad = [number for number, line in enumerate(lines, start=1) if not _is_utf8(line)]
        sign = content[error.start : error.start + 1]
        line = lines[bad[0] - 1].decode("cp1252", errors="replace").strip()
        listed = first_few(map(str, bad), 10)
        where = f"{'line' if len(bad) == 1 else 'lines'} {listed}"
        message = f"{path}: not UTF-8 text in {where} (byte 0x{sign.hex().upper()}; in Windows-1252 {line!r:.80})"
        if any(not line.isascii() and _is_utf8(line) for line in lines):
            hint = f"two encodings are mixed: correct {where} in an editor and save all as UTF-8"
            raise DataError(message, hint=hint) from error
        raise DataError(message, hint=_convert(path, "WINDOWS-1252")) from error


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _convert(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}, or save it as CSV UTF-8 in the spreadsheet"


def _parse_csv(text: str, findings: Findings) -> tuple[list[str], Records]:
    """Return the column names, and each row's number and values by column."""
    text = text.removeprefix("\ufeff")  # Excel writes a byte order mark
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)  # the header tells; German Excel writes semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    records: Records = []
    number = 0
    try:
        for number, fields in enumerate(reader, start=1):
            values = [field.strip() for field in fields]
            if not any(values):  # spreadsheets leave empty rows at the end
                continue
            if not header:
                header = [name.lower() for name in values]
            elif len(values) != len(header):
                findings.add(f"expected {len(header)} fields, as in the header", number)
            else:
                records.append((number, dict(zip(header, values, strict=True))))
    except csv.Error as error:
        findings.add(f"not valid CSV ({error})", number + 1)
    return header, records


def _parse_json_lines(text: str, columns: Collection[str], findings: Findings) -> tuple[list[str], Records]:
    """Return the keys in order of appearance, and each line's number and object with its values as text."""
    header: dict[str, None] = {}
    records: Records = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            findings.add(f"not valid JSON ({error})", number)
            continue
        if not isinstance(content, dict):
            findings.add("not a JSON object", number)
            continue
        record = {}
        for key, value in content.items():
            # JSON can spell a lone surrogate, which could not even be printed in a message.
            name = key.encode(errors="replace").decode().strip().lower()
            header[name] = None
            if name in columns:
                if isinstance(value, dict | list):
                    findings.add(f"{name} is not a text or a number", number)
                record[name] = text_of(value)
        records.append((number, record))
    used = [name for name in header if name in columns]
    return list(header), [(number, {**dict.fromkeys(used, ""), **record}) for number, record in records]
