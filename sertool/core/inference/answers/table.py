"""A table of answers as text: every column by its name as it is spelled, every row by its number."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.corpora.names import normal, text_of
from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.files.standard_input import STDIN
from sertool.core.formatting import first_few, problem_list
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.json_table import read_objects
from sertool.core.prepare.records import JSON, SEPARATED
from sertool.core.prepare.separated import read_separated
from sertool.core.prepare.table_text import read_text

MOST_COLUMNS = 10_000  # a table of answers has a few; a JSON file could name a new one in each row
_HINT = "a table of answers has a header, and a row for each utterance: id and label, or a probability for each class"


@dataclass(frozen=True)
class AnswerTable:
    """A table of answers.

    Attributes:
        path: the file.
        names: names of the columns in their normal form; no two are equal.
        rows: number of each row, and its cells by column; a cell may be missing.
    """

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[int, Mapping[str, str]], ...]


def read_answer_table(path: Path, columns: Mapping[str, str] | None = None) -> AnswerTable:
    """Read a table of answers.

    Args:
        path: ``.csv``, ``.tsv``, ``.tab`` or ``.txt`` with comma, semicolon, tab or ``|``; ``.jsonl``, ``.ndjson`` or
            ``.json`` with one object a line or one array of objects; ``-`` for standard input.
        columns: names that columns are read under, each with the name that the file gives the column.

    Raises:
        UsageError: the file is of another kind, or has no column that ``columns`` names.
        DataError: the file cannot be read, is empty, or has rows that are no rows of a table; all are listed.
    """
    kind = path.suffix.lower()
    if kind not in (*JSON, *SEPARATED) and path != STDIN:
        raise UsageError(
            f"{path}: a table of answers is a .csv, .tsv or .jsonl file", hint="save it as CSV with UTF-8 text"
        )
    findings, text = Findings(), read_text(path)
    if path == STDIN and text.lstrip().startswith(("{", "[")):
        kind = JSON[0]
    if kind in SEPARATED and text.lstrip().startswith(("{", "[")):
        raise DataError(f"{path}: holds JSON, expected a header with column names", hint="rename it to end in .jsonl")
    if kind in JSON:
        names, rows = _of_json(text, findings)
    else:
        table = read_separated(text, findings)
        names, rows = table.given, [(number, dict(zip(table.given, own, strict=True))) for number, own in table.rows]
        twice = [name for place, name in enumerate(names) if name and name in names[:place]]
        if twice:
            findings.add(f"columns appear twice: {first_few(dict.fromkeys(twice))}")
    if not findings and not rows:
        source = "standard input" if path == STDIN else path
        raise DataError(f"{source}: holds no rows, expected one for each utterance", hint=_HINT)
    if len(names) > MOST_COLUMNS:
        findings.add(f"{len(names):,} columns, expected at most {MOST_COLUMNS:,}")
    if findings:
        raise DataError(problem_list(path, findings.lines()), hint="correct the file; nothing was stored")
    read_as = _renamed(path, names, columns or {})
    renamed = [(number, {read_as[name]: cell for name, cell in own.items() if name in read_as}) for number, own in rows]
    return AnswerTable(path, tuple(read_as.values()), tuple(renamed))


def _of_json(text: str, findings: Findings) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    names: dict[str, None] = {}
    rows = []
    for number, pairs in read_objects(text, findings):
        own: dict[str, str] = {}
        for key, value in pairs:
            name = normal(key)
            if name in own:
                findings.add(f"key {name!r} appears twice", number)
            own[name] = _cell(name, value, number, findings)
        names.update(dict.fromkeys(own))
        rows.append((number, own))
    return list(names), rows


def _cell(name: str, value: Any, number: int, findings: Findings) -> str:
    if isinstance(value, list):  # also an object, which is a list of pairs here
        if all(isinstance(one, str) for one in value):  # several labels
            return "|".join(value)
        findings.add(f"{name} holds a list or an object, expected a text or a number", number)
        return ""
    return text_of(value.encode(errors="replace").decode() if isinstance(value, str) else value)


def _renamed(path: Path, names: list[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Return the names that columns are read under; a column that the user gives to nobody may lose its name."""
    wanted = {normal(given): normal(target) for target, given in columns.items()}
    for given, target in wanted.items():
        if given not in names:
            near = did_you_mean(given, names)
            raise UsageError(
                f"--columns {target}={given}: {path} has no such column{near}", hint=f"it has {first_few(names, 20)}"
            )
    kept = {name: name for name in names if name and name not in wanted and name not in wanted.values()}
    return {name: wanted.get(name, name) for name in names if name in wanted or name in kept}


def parse_columns(text: str) -> dict[str, str]:
    """Parse the option --columns.

    Args:
        text: pairs such as ``id=file,label=pred``: the name that sertool reads, and the column of the file.

    Raises:
        UsageError: a pair has another form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for pair in text.split(","):
        target, equals, given = (part.strip() for part in pair.partition("="))
        if not (target and equals and given):
            raise UsageError(f"--columns {text}: expected NAME=COLUMN pairs", hint="--columns id=file,label=predicted")
        if target in found or given in found.values():
            raise UsageError(f"--columns {text}: {target if target in found else given} is named twice")
        found[target] = given
    return found
