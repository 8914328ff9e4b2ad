r"""Rows of a CSV or TSV text: which sign separates fields, which quotes belong to the file, and where rows end.

A field in quotes may hold separators, line ends and doubled quotes. But people also write a text that only begins with
a quote. By the rules of CSV such a field runs on to the next quote and swallows whole rows::

    u3,u3.wav,"I told you,angry
    u4,u4.wav,never,happy
    u5,u5.wav,to leave",sad        u3 would be sad, and u4 and u5 would be lost

So a field that runs over several lines counts as one field only if these lines do not look like rows. If they do, the
table is refused. Only in a table with tabs, where quotes are often plain text, such rows are read line by line.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sertool.core.corpora.names import normal
from sertool.core.formatting import plural
from sertool.core.prepare.columns import column_name, is_known, needed
from sertool.core.prepare.findings import Findings

SEPARATORS = ",;\t|"
_TAB, _QUOTE = "\t", '"'
_LINE_END = re.compile("\r\n|\r|\n")
_FIRST_LINE = re.compile(rf'"?sep=([{SEPARATORS}])"?[{SEPARATORS}\s]*', re.IGNORECASE)  # written for Excel
_BLANK = SEPARATORS + _QUOTE + " \r\n"
_MOST_LINES = 1000  # of one field; bounds the search for the end of a quote that is never closed
_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
_HELP = "close a quoted field in its own row, and double the quotes inside it"
_NO, _PERHAPS, _SURELY = 0, 1, 2
_SWALLOWED = f"a quote opens here and closes where other rows seem to be; {_HELP}"
_TOO_FEW = f"fewer fields than the header, because a quoted field holds separators; {_HELP}"


@dataclass(frozen=True)
class Separated:
    """A table of fields, without white space at their ends.

    Attributes:
        header: name of each column, in lower case.
        rows: number of each row, and one field per column; missing fields at the end are empty.
        short: numbers of the rows that lack fields at their end.
        given: name of each column as it is spelled, in its normal form.
    """

    header: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    given: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Shape:
    """Form of the table's rows.

    Attributes:
        separator: sign between fields.
        width: number of columns.
        given: number of fields of the header, with empty ones at its end.
        least: fewest fields of a complete row.
        spaced: the header has a space behind every separator.
    """

    separator: str
    width: int
    given: int
    least: int
    spaced: bool

    def values(self, fields: Sequence[str]) -> list[str]:
        """Strip fields, and leave out empty ones behind the last column."""
        values = [value.strip() for value in fields]
        while len(values) > self.width and not values[-1]:
            values.pop()
        return values

    def separators(self, text: str) -> int:
        """Count the separators in a text; a comma before a space is punctuation, unless the header has such ones."""
        spaced = 0 if self.spaced else text.count(self.separator + " ")
        return text.count(self.separator) - spaced


def read_separated(text: str, findings: Findings) -> Separated:
    """Read the rows of a table. The header is row 1, also behind a line such as ``sep=;``; empty rows are counted.

    Args:
        text: content of the file.
        findings: receives the rows that cannot be read.
    """
    lines = _divided(text)
    marked = _FIRST_LINE.fullmatch(lines[0]) if lines else None
    start = 1 if marked else 0
    place = next((place for place in range(start, len(lines)) if _may_be_header(lines[place])), len(lines))
    if place == len(lines):
        return Separated()
    separator = marked[1] if marked else _separator_of(lines[place])
    number = place - start + 1
    names, used = _parsed(lines[place : place + _MOST_LINES], separator)
    if isinstance(names, str):
        findings.add(names, number)
        return Separated()
    header = [column_name(name) for name in names]
    while header and not header[-1]:  # empty columns
        header.pop()
    if not header:
        return Separated()
    # A row reaches at least to the last column that every row fills.
    required = needed(header)
    least = max((column for column, name in enumerate(header, start=1) if name in required), default=1)
    spaced = lines[place].count(separator) == lines[place].count(separator + " ")
    shape = _Shape(separator, len(header), len(names), least, spaced)
    if used > 1 and _swallowed(names, shape):
        findings.add(_SWALLOWED, number, _lines(place, used))
    table = _read_rows(lines, place + used, number, header, shape, findings)
    return replace(table, given=[normal(name) for name in names[: len(header)]])


def _divided(text: str) -> list[str]:
    r"""Divide a text into lines, each with its end: \n with or without \r, or \r alone if the first line ends so."""
    # Some writers leave the other sign within a text, and without quotes.
    first = _LINE_END.search(text)
    end = "\r" if first and first[0] == "\r" else "\n"
    *lines, last = text.split(end)
    return [line + end for line in lines] + ([last] if last else [])


def _may_be_header(line: str) -> bool:
    """Check that a line is neither empty nor a comment; ``#`` may also begin the name of a column."""
    return bool(line.strip(_BLANK)) and (not line.startswith("#") or _known_names(line, _separator_of(line))[0] > 0)


def _separator_of(line: str) -> str:
    """Return the separator that gives the header most of the known names, or else most fields."""
    return max(SEPARATORS, key=lambda separator: _known_names(line, separator))


def _known_names(line: str, separator: str) -> tuple[int, int]:
    """Count the known names and the fields of a header."""
    fields, _ = _parsed([line], separator)
    given = line.split(separator) if isinstance(fields, str) else fields
    return len({name for name in map(column_name, given) if is_known(name)}), len(given)


def _read_rows(
    lines: Sequence[str], place: int, number: int, header: list[str], shape: _Shape, findings: Findings
) -> Separated:
    """Read the rows behind the header, which is row ``number`` and ends before line ``place``."""
    table = Separated(header)
    while place < len(lines):
        number += 1
        fields, used = _row(lines, place, shape)
        if isinstance(fields, str):
            findings.add(fields, number, _lines(place, used) if used > 1 else None)
        elif any(fields):  # spreadsheets leave empty rows at the end
            if shape.least <= len(fields) < shape.width:
                table.short.append(number)
                fields += [""] * (shape.width - len(fields))
            if len(fields) != shape.width:
                findings.add(f"expected {plural(shape.width, 'field')}, as in the header", number)
            elif column_name(fields[0]) == header[0] and [column_name(value) for value in fields] == header:
                findings.add("repeats the header, as where two tables were joined", number)
            else:
                table.rows.append((number, fields))
        place += used
    return table


def _row(lines: Sequence[str], place: int, shape: _Shape) -> tuple[list[str] | str, int]:
    """Return the fields of the row that begins at a line, or what is wrong with it; and its number of lines."""
    line = lines[place]
    plain = shape.values(line.split(shape.separator))
    if _QUOTE not in line:
        return plain, 1
    found, used = _parsed([line], shape.separator)
    if isinstance(found, str):  # no row by itself; perhaps a quoted field goes on in the next lines
        found, used = _parsed(lines[place : place + _MOST_LINES], shape.separator)
    stray = _LINE_END.search(line.rstrip("\r\n"))
    as_text = shape.separator == _TAB and not stray and shape.least <= len(plain) <= shape.width
    if isinstance(found, str):
        return ([_unquoted(value) for value in plain] if as_text else found), 1
    swallowed = _swallowed(found, shape) if used > 1 else _NO
    if swallowed == _SURELY and as_text:
        return [_unquoted(value) for value in plain], 1
    if swallowed or (used > 1 and _may_be_rows(lines[place : place + used], found, shape)):
        return _SWALLOWED, used
    fields = shape.values(found)
    # Fewer fields than the header: either the last ones are missing, or the quotes have swallowed some.
    if len(fields) < shape.width and any(map(shape.separators, found)):
        return _TOO_FEW, used
    return fields, used


def _parsed(lines: Sequence[str], separator: str) -> tuple[list[str] | str, int]:
    """Read one row by the rules of CSV: its fields, or the rule that it breaks; and its number of lines."""
    # Some writers put a space between the separator and a quote.
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        return f"not valid CSV ({error}); {_HELP}", 1


def _unquoted(value: str) -> str:
    """Remove the quotes around a value, if it is quoted by the rules of CSV."""
    inner = value[1:-1].replace('""', "")
    quoted = len(value) > 1 and value[0] == value[-1] == _QUOTE and _QUOTE not in inner
    return value[1:-1].replace('""', _QUOTE).strip() if quoted else value


def _swallowed(fields: Sequence[str], shape: _Shape) -> int:
    """Return whether a field holds the end of its row and the beginning of another one: no, perhaps, or surely."""
    return max(
        (_holds_rows(fields, place, shape) for place, value in enumerate(fields) if _LINE_END.search(value)),
        default=_NO,
    )


def _holds_rows(fields: Sequence[str], place: int, shape: _Shape) -> int:
    first, *middle, last = _LINE_END.split(fields[place])
    if shape.width == 1:
        return _PERHAPS  # any line may be a row
    # A row is swallowed with the fields behind this one, and the next row with the fields before this one.
    behind, before, whole = max(shape.least - 1 - place, 0), place, max(shape.least - 1, 1)
    middle = [line for line in middle if line.count(shape.separator) >= whole]
    ends = first.count(shape.separator) >= behind and last.count(shape.separator) >= before
    begun = [line.split(shape.separator)[:before] for line in (*middle, *([last] if ends else []))]
    if any(_alike(line, fields[:before]) for line in begun):
        return _SURELY
    if ends and _alike(first.split(shape.separator)[1:], fields[place + 1 :]):
        return _SURELY
    signs = shape.separators(first), shape.separators(last)
    counted = any(signs) and signs[0] >= behind and signs[1] >= before
    return _PERHAPS if counted or any(shape.separators(line) >= whole for line in middle) else _NO


def _may_be_rows(lines: Sequence[str], fields: Sequence[str], shape: _Shape) -> bool:
    """Check whether the lines of one row may be rows: all are long enough, or too many fields follow the quotes."""
    return len(fields) > shape.given or all(shape.separators(line) + 1 == shape.width for line in lines)


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Check whether two rows share a form such as u0 or a/a0.a in any field; mere words have none."""
    forms = ((_form(a), _form(b)) for a, b in zip(one, other, strict=False))
    return any(a == b and a.strip("a ") for a, b in forms)


def _form(value: str) -> str:
    return _DIGITS.sub("0", _LETTERS.sub("a", value.strip()))


def _lines(place: int, used: int) -> str:
    return f"lines {place + 1} to {place + used}"
