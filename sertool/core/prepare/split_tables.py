"""A folder with one table for each split, such as MELD's ``train_sent_emo.csv``, read as a single table."""

from pathlib import Path

from sertool.core.corpora.corpus import SPLITS
from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.formatting import first_few, printable
from sertool.core.prepare.audio_paths import is_audio_name
from sertool.core.prepare.columns import Rows
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.label_columns import is_label_column, is_rater
from sertool.core.prepare.records import JSON, SEPARATED, Records, read_records
from sertool.core.prepare.rows import COLUMNS
from sertool.core.prepare.split_names import read_splits, split_word
from sertool.core.prepare.workbook import SUFFIX


def has_split_tables(folder: Path) -> bool:
    """Check whether a folder holds tables of at least two splits, and no recordings.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        splits = {split for split, _ in _tables(folder)}
        return len(splits) > 1 and not any(is_audio_name(path.name) for path in folder.rglob("*"))
    except OSError as error:
        raise artifacts.read_error(folder, error) from error


def _tables(folder: Path) -> list[tuple[str, Path]]:
    """List the tables whose names begin or end with a split, with their splits, train first."""
    suffixes = (*SEPARATED, *JSON, SUFFIX)
    paths = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    words = {path: split_word(path.stem) for path in sorted(paths)}
    splits = read_splits(words.values())
    found = [(splits[word], path) for path, word in words.items() if word in splits]
    return sorted(found, key=lambda one: SPLITS.index(one[0]))


def read_split_tables(folder: Path, findings: Findings) -> Records:
    """Read the tables of a folder as one; the split of a row is in its column ``split``, or in its file's name.

    Rows are numbered on from one table to the next. Dialogues that have a number are told apart by their split, as
    MELD's begin anew at 0 in each table.

    Args:
        folder: folder of the tables.
        findings: receives what is wrong in them.

    Raises:
        UsageError, DataError: see :func:`~sertool.core.prepare.records.read_records`; there are no such tables, or
            the columns of two differ.
    """
    rows: Rows = []
    headers: dict[str, list[str]] = {}
    told, ranges = dict[str, list[str]](), list[str]()
    last = 0
    if not (tables := _tables(folder)):
        raise DataError(f"{folder}: holds no tables named after splits", hint="expected train.csv, valid.csv, test.csv")
    for split, path in tables:
        own = Findings()
        table = read_records(path, own)
        name = printable(path.name)
        for line in own.lines():
            findings.add(f"{name}: {line}")
        for note in table.notes:
            told.setdefault(note, []).append(name)
        headers[name] = table.header
        rows += [(number + last, _placed(split, record)) for number, record in table.rows]
        if table.rows:
            ranges.append(f"{name} ({split}: rows {last + table.rows[0][0]} to {rows[-1][0]})")
            last = rows[-1][0]
    _check_same_columns(folder, headers)
    # All have the same columns but for those of raters, who may be others in each split.
    raters = [name for own in headers.values() for name in own if is_rater(name)]
    header = list(dict.fromkeys(["split", *next(iter(headers.values())), *raters]))
    notes = [note if len(names) == len(headers) else f"{', '.join(names)}: {note}" for note, names in told.items()]
    return Records(header, rows, (f"read as one table: {first_few(ranges, 20)}", *notes))


def _placed(split: str, record: dict[str, str]) -> dict[str, str]:
    """Add the split to a row, also to the number of its dialogue."""
    dialogue = record.get("dialogue", "")
    numbered = {"dialogue": f"{split}_dia{dialogue}"} if dialogue.isdecimal() else {}
    return {"split": split, **record, **numbered}


def _is_compared(column: str) -> bool:
    return column in COLUMNS or (is_label_column(column) and not is_rater(column))


def _check_same_columns(folder: Path, headers: dict[str, list[str]]) -> None:
    (first, known), *others = [(name, set(filter(_is_compared, header))) for name, header in headers.items()]
    for name, own in others:
        if own != known:
            where, column = (first, min(known - own)) if known - own else (name, min(own - known))
            raise DataError(
                f"{folder}: {first} and {name} have different columns: only {where} has {column!r}",
                hint="give the tables the same columns, or give one table with a column split",
            )
