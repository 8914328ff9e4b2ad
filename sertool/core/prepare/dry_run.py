"""The first rows of a checked table or folder, to see how it is read before anything is written."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sertool.core.corpora.corpus import KNOWN_OF_SPEECH, SPLITS, Rating
from sertool.core.formatting import GAP, aligned, cut, plural, total_width
from sertool.core.prepare.labels import BETWEEN
from sertool.core.prepare.rows import Row, Table

SHOWN = 10
# Columns before those of labels and text.
_FIRST = ("file", "start", "end", "channel", "id", "split", *KNOWN_OF_SPEECH, "order", "fold")
_LEAST_TEXT = 20  # columns of a text beside the others


@dataclass(frozen=True)
class DryRun:
    """A table as it is read, without its audio.

    Attributes:
        table: the checked table.
    """

    table: Table

    @cached_property
    def rows(self) -> list[Row]:
        """Return the first rows in the order of the source: of its rows, else of the paths of its files."""
        return sorted(self.table.rows, key=lambda row: (row.number or 0, _path(row)))[:SHOWN]

    @property
    def _splits(self) -> dict[str, int]:
        counts = Counter(row.split for row in self.table.rows)
        return {split: counts[split] for split in SPLITS if counts[split]}

    def lines(self, width: int | None) -> list[str]:
        """Return the counts, and the first rows as a table.

        Args:
            width: width of the terminal, in which files and texts are cut; None: nothing is cut.
        """
        table = self.table
        splits = ", ".join(f"{split} {number:,}" for split, number in self._splits.items())
        by = f" (drawn by {table.drawn})" if table.drawn else ""
        out = f", {len(table.left_out):,} left out" if table.left_out else ""
        more = len(table.rows) - len(self.rows)
        return [
            f"{table.path}: {plural(len(table.rows), 'utterance')}: {splits}{by}{out}",
            "",
            *self._grid(width),
            *([f"... and {more:,} more"] if more else []),
            "",
            "dry run: nothing was decoded or written",
        ]

    def _grid(self, width: int | None) -> list[str]:
        cells = [_cells(self.table, row) for row in self.rows]
        names = dict.fromkeys(name for own in cells for name in own)
        header = [name for name in _FIRST if name in names] + [name for name in names if name not in (*_FIRST, "text")]
        header += ["text"] * ("text" in names)
        columns = {name: [name, *(own.get(name, "") for own in cells)] for name in header}
        if width is not None:
            for name in {"file", "id"} & set(header):
                columns[name] = [cut(cell, width // 3, keep_end=True) for cell in columns[name]]
            if "text" in header:
                others = [columns[name] for name in header if name != "text"]
                beside, below = (width - total_width(taken) - GAP for taken in (others, others[:1]))
                room = beside if beside >= _LEAST_TEXT else below  # in a block of its own
                columns["text"] = [cut(cell, room) for cell in columns["text"]]
        first, *rest = zip(*(columns[name] for name in header), strict=True)
        return aligned(first, rest, width)

    def to_json(self) -> dict[str, Any]:
        """Return the counts and the first rows as plain data."""
        table = self.table
        return {
            "source": str(table.path),
            "layout": table.layout or None,
            "utterances": len(table.rows),
            "splits": self._splits,
            "splits_drawn_by": table.drawn or None,
            "left_out": len(table.left_out),
            "rows": [_plain(table, row) for row in self.rows],
            "warnings": list(table.warnings),
        }


def _path(row: Row) -> str:
    return str(row.segment.path) if row.segment else ""


def _file(table: Table, row: Row) -> str | None:
    """Return the recording's path, below the folder of the table where it lies there."""
    if row.segment is None:
        return None
    root, path = table.path if table.path.is_dir() else table.path.parent, row.segment.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _plain(table: Table, row: Row) -> dict[str, Any]:
    """Return a row as plain data."""
    segment = row.segment
    return {
        "file": _file(table, row),
        "start": segment.start if segment and segment.start is not None else row.start,
        "end": segment.end if segment and segment.end is not None else row.end,
        "channel": segment.channel if segment else None,
        "id": row.id,
        "split": row.split,
        **{name: row.groups.get(name) for name in KNOWN_OF_SPEECH},
        "order": row.order,
        "fold": row.fold,
        "labels": {task: list(label) if isinstance(label, tuple) else label for task, label in row.labels.items()},
        "ratings": {
            task: {rater: list(said) if isinstance(said, tuple) else said for rater, said in own.items()}
            for task, own in (row.ratings or {}).items()
        },
        "text": row.text,
    }


def _cells(table: Table, row: Row) -> dict[str, str]:
    """Return the cells of a row that hold something."""
    plain = _plain(table, row)
    labels = {
        task: BETWEEN.join(label) if isinstance(label, list) else label for task, label in plain["labels"].items()
    }
    raters = {f"{task} raters": _counted(own.values()) for task, own in (row.ratings or {}).items()}
    given = {**{name: value for name, value in plain.items() if name not in ("labels", "ratings")}, **labels, **raters}
    return {name: _shown(value) for name, value in given.items() if value not in (None, "")}


def _counted(said: Collection[Rating]) -> str:
    """Write scores in order, and classes with the number of raters who chose them, as in the column ``votes``."""
    scores = [one for one in said if isinstance(one, float)]
    if len(scores) == len(said):
        return BETWEEN.join(map(_shown, sorted(scores)))
    counts = Counter(" & ".join(one) if isinstance(one, tuple) else _shown(one) for one in said)
    return BETWEEN.join(f"{name}:{number}" for name, number in sorted(counts.items()))


def _shown(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
