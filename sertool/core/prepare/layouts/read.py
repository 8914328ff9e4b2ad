"""The folder of a published corpus as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.corpora.corpus import KNOWN_OF_SPEECH
from sertool.core.corpora.readers.layouts import LAYOUTS as READERS
from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.formatting import first_few, plural, problem_list
from sertool.core.prepare.choices import AS_IT_STANDS, Choices
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.emobox import Division, FoldFiles
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.registry import LAYOUTS
from sertool.core.prepare.layouts.rename import rename
from sertool.core.prepare.rows import Row, Table, divided


def recognised(folder: Path) -> CorpusLayout | None:
    """Return the layout of a folder that cannot be another corpus; None if it may be any or none.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        found = [layout for layout in LAYOUTS.values() if layout.is_there(folder)]
    except OSError as error:
        raise artifacts.read_error(folder, error) from error
    return found[0] if len(found) == 1 else None


def read_layout(
    layout: CorpusLayout,
    folder: Path,
    draw: Division | None = None,
    *,
    choices: Choices = AS_IT_STANDS,
    reader: str = "corpus",
    skip_bad: bool = False,
    transcribe: bool = False,
) -> Table:
    """Read the folder of a published corpus.

    Args:
        layout: layout of the folder.
        folder: the folder, as it was unpacked.
        draw: settings of the random splits, where the corpus has no official ones.
        choices: classes renamed; nothing else of it fits.
        reader: the recipe's reader. For one of the paper's data sets the splits are those of the paper's files: where
            these have no validation, it joins training, and no split is drawn.
        skip_bad: leave out utterances and parts that lack something.
        transcribe: texts are added later, so missing ones are not reported.

    Raises:
        UsageError: the recipe is for another data set, or a choice does not fit.
        DataError: the folder is no such corpus, or has problems; all are reported at once.
    """
    if reader in READERS and reader != layout.name:
        raise UsageError(
            f"{folder}: holds {layout.title}, and the recipe is for {READERS[reader].name}",
            hint=f"give a recipe for {layout.title}, or one for any corpus, such as --recipe custom",
        )
    if reader in READERS:
        _check_fixed({"--map-labels": choices.label_map, "--splits": isinstance(draw, FoldFiles)}, reader)
    _check_place(layout, folder)
    found = Found()
    try:
        rows = list(layout.rows(folder, found))
    except OSError as error:
        raise artifacts.read_error(folder, error) from error
    _check(layout, folder, rows, found, skip_bad)
    found.skip()
    rows = _within_ranges(layout, rows, found)
    header, classes = _header(rows), layout.classes
    if choices.label_map:
        rows, classes, told = rename(choices.label_map, rows, classes)
        found.notes += told
    if reader in READERS:
        rows, draw = _as_in_the_paper(rows, reader, found), None
    rows = [replace(row, split=row.split or "train") for row in rows]
    table = divided(folder, header, rows, draw or (None if reader in READERS else Draw()), transcribe=transcribe)
    return replace(
        table,
        warnings=(*found.notes, *table.warnings),
        choices=choices.to_json(),
        layout=layout.name,
        classes=classes,
        ranges={task: ends for task, ends in layout.ranges.items() if any(task in row.labels for row in rows)},
        left_out=(*table.left_out, *found.left_out),
    )


def _check_fixed(options: Mapping[str, object], reader: str) -> None:
    """Refuse options for what a recipe for a data set of the paper fixes."""
    if given := next((option for option, value in options.items() if value), None):
        raise UsageError(
            f"{given}: the recipe is for {READERS[reader].name}, whose classes and splits are the paper's",
            hint=f"leave out {given}, or give a recipe for any corpus, such as --recipe custom",
        )


def _check_place(layout: CorpusLayout, folder: Path) -> None:
    """Refuse a folder of another corpus, and one that has the corpus in a folder of its own.

    Raises:
        DataError: it is one of them, or it cannot be read.
    """
    try:
        if layout.is_there(folder):
            return
        inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and layout.is_there(path)]
    except OSError as error:
        raise artifacts.read_error(folder, error) from error
    if other := recognised(folder):
        raise DataError(
            f"{folder}: holds {other.title}, not {layout.title}, which has {layout.expects}",
            hint=f"--layout {other.name}, or leave out --layout",
        )
    if len(inner) == 1:
        raise DataError(f"{folder}: {layout.title} lies in a folder of it", hint=f"give that folder: {inner[0]}")


def _check(layout: CorpusLayout, folder: Path, rows: Sequence[Row], found: Found, skip_bad: bool) -> None:
    """Refuse a folder with problems, or without utterances."""
    counts = Counter((row.split, row.id) for row in rows)
    for (_, id_), number in counts.items():
        if number > 1:
            found.wrong("utterances that are there twice", id_)
    if found.refused or (found.lacking and not (skip_bad and rows)):
        hint = "--skip-bad leaves out what is missing or broken" if not found.refused and rows else None
        raise DataError(problem_list(folder, [*found.refused, *found.lacking]), hint=hint)
    if not rows:
        raise DataError(f"{folder}: no utterances of {layout.title}, expected {layout.expects}")


def _within_ranges(layout: CorpusLayout, rows: Sequence[Row], found: Found) -> list[Row]:
    """Leave out raters' scores beyond the ends of their scale, as training would refuse them, and note each."""
    kept, outside = list[Row](), list[str]()
    for row in rows:
        wrong = {
            (task, rater): said
            for task, (low, high) in layout.ranges.items()
            for rater, said in (row.ratings or {}).get(task, {}).items()
            if isinstance(said, int | float) and not low <= said <= high
        }
        if wrong:
            outside += [f"{task} {said:g} by {rater} ({row.id})" for (task, rater), said in wrong.items()]
            ratings = {
                task: {rater: said for rater, said in own.items() if (task, rater) not in wrong}
                for task, own in (row.ratings or {}).items()
            }
            row = replace(row, ratings={task: own for task, own in ratings.items() if own} or None)
        kept.append(row)
    if outside:
        found.notes.append(f"raters' scores out of range, left out ({len(outside):,}): {first_few(outside)}")
    return kept


def _header(rows: Sequence[Row]) -> list[str]:
    """Return the names of the columns that at least one row has."""
    groups = [name for name in KNOWN_OF_SPEECH if any(name in row.groups for row in rows)]
    there = {
        "audio": any(row.segment is not None or row.frames is not None for row in rows),
        "text": any(row.text for row in rows),
        "split": any(row.split for row in rows),
    }
    return [*(name for name, given in there.items() if given), *groups]


def _as_in_the_paper(rows: Sequence[Row], reader: str, found: Found) -> list[Row]:
    """Give the rows the splits of the paper's files, which for some corpora have no validation."""
    if "valid" in READERS[reader].prefixes:
        return list(rows)
    joined = sum(row.split == "valid" for row in rows)
    if joined:
        found.notes.append(f"{plural(joined, 'validation utterance')} joined training, as in the paper's files")
    return [replace(row, split="train") if row.split == "valid" else row for row in rows]
