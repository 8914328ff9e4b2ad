"""Files of a published corpus: those in its folder, and its CSV tables."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.files import artifacts
from sertool.core.formatting import first_few
from sertool.core.prepare.audio_paths import SUFFIXES
from sertool.core.prepare.layouts.corpus_layout import Found
from sertool.core.prepare.rows import Row
from sertool.core.prepare.table_text import read_text

DEPTH = 6  # levels of folders; a link to a folder above would otherwise never end
_LARGEST_TEXT = 32_000_000  # bytes
_POINTER = b"version https://git-lfs"  # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
_LONGEST_POINTER = 1024  # bytes, by the same document


def files_below(folder: Path, depth: int = DEPTH) -> list[Path]:
    """List the files in a folder and in those below it, sorted, without hidden ones; links to folders are followed.

    Args:
        folder: the folder.
        depth: levels of folders that are looked at.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    levels = len(folder.parts)
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raised):
        below = len(Path(place).parts) - levels
        # Hidden ones belong to the system: a Mac writes ._dia0_utt0.mp4 beside dia0_utt0.mp4.
        folders[:] = [name for name in folders if below + 1 < depth and not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _raised(error: OSError) -> None:
    raise error


def is_video(path: Path) -> bool:
    """Check whether a recording is of another kind than those that are read without FFmpeg; these are taken first."""
    return not path.name.lower().endswith(SUFFIXES)


def with_recording(row: Row, segment: Segment | None, found: Found) -> Iterator[Row]:
    """Yield a row with its recording, unless there is none or its file holds nothing, which is reported.

    Raises:
        OSError: the file cannot be looked at.
    """
    if segment is None:
        found.lacks("no recording", row.id, row.split)
    elif why := why_empty(segment.path):
        found.lacks(why, row.id, row.split)
    else:
        yield replace(row, segment=segment)


def why_empty(path: Path) -> str:
    """Return why a file holds no sound, as its size or first bytes show; empty if it may.

    Raises:
        OSError: the file cannot be looked at.
    """
    if not path.exists():
        return "links that lead to no recording"
    size = path.stat().st_size
    if not size:
        return "recordings of zero bytes"
    if size <= _LONGEST_POINTER and path.read_bytes().startswith(_POINTER):
        return "Git LFS pointers in the place of recordings ('git lfs pull' gets them)"
    return ""


def read_western_text(path: Path) -> str:
    """Read a text in UTF-8, or else in Windows-1252, whose quotation marks and accents old corpora have.

    Raises:
        DataError: the file cannot be read, or is larger than any of a corpus.
    """
    content = artifacts.read_bytes(path, _LARGEST_TEXT)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_csv(path: Path, columns: Sequence[str], delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file: the number as in a spreadsheet, and the cells by column without outer spaces.

    Args:
        path: the file.
        columns: columns that it must have.
        delimiter: sign between cells.

    Raises:
        DataError: the file cannot be read, is no text, or lacks a column.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        if lacking := [name for name in columns if name not in header]:
            raise DataError(f"{path}: lacks the columns {first_few(lacking)}; there: {first_few(header, 20) or 'none'}")
        for number, cells in enumerate(reader, start=2):
            if any(cells):
                padded = [*cells, *[""] * (len(header) - len(cells))]
                yield number, {name: cell.strip() for name, cell in zip(header, padded, strict=False)}
    except csv.Error as error:
        raise DataError(f"{path}: not valid CSV in line {reader.line_num} ({error})") from error
