"""Read what ``prepare`` is given as a table: a table, one for each split, a folder, or a published corpus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.errors import UsageError
from sertool.core.prepare.choices import Choices
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.folder import read_folder
from sertool.core.prepare.layout import parse_layout
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.layouts.registry import LAYOUTS
from sertool.core.prepare.rows import Table
from sertool.core.prepare.split_tables import has_split_tables
from sertool.core.prepare.table import read_table


@dataclass(frozen=True)
class Source:
    """A table or folder, and how it is read.

    Attributes:
        path: table or folder.
        audio_root: folder that audio paths of a table start from; None: the table's.
        layout: name of a published corpus, or the levels of a folder; None: read from the names.
        draw: settings of the random splits, where there are none.
        choices: facts in names, classes renamed, scores rescaled.
        reader: the recipe's reader.
        skip_bad: leave out what is missing or broken.
        transcribe: texts are added later, so missing ones are not reported.
    """

    path: Path
    audio_root: Path | None
    layout: str | None
    draw: Draw
    choices: Choices
    reader: str
    skip_bad: bool
    transcribe: bool

    @property
    def settings(self) -> tuple[Any, ...]:
        """Return all that decides about the table, as plain data; splits and seed are with the command."""
        paths = [path and str(path.resolve()) for path in (self.path, self.audio_root)]
        return (*paths, self.layout, self.choices.to_json(), self.skip_bad)


def read_source(source: Source) -> Table:
    """Read and check a table or folder.

    Raises:
        UsageError: an option does not fit it.
        DataError: it has problems; all are reported at once.
    """
    path, draw, choices, transcribe = source.path, source.draw, source.choices, source.transcribe
    if path.is_dir() and (corpus := recognised(path) if source.layout is None else LAYOUTS.get(source.layout)):
        return read_layout(corpus, path, draw, reader=source.reader, skip_bad=source.skip_bad, transcribe=transcribe)
    levels = None if source.layout is None else parse_layout(source.layout)
    if path.is_dir() and not has_split_tables(path):
        return read_folder(path, draw, levels, transcribe=transcribe, choices=choices)
    if levels is not None:
        raise UsageError(f"--layout: for a folder of recordings, and {path} is none", hint="leave out --layout")
    return read_table(
        path, source.audio_root, draw, missing_audio=source.skip_bad, transcribe=transcribe, choices=choices
    )
