"""Read what ``prepare`` is given as a table: a table, one for each split, a folder, or a published corpus."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sertool.core.corpora.label_maps import ClassMap
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.formatting import first_few
from sertool.core.prepare.choices import Choices
from sertool.core.prepare.emobox import Division, FoldFiles
from sertool.core.prepare.folder import read_folder
from sertool.core.prepare.layout import parse_layout
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout
from sertool.core.prepare.layouts.named import named
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.mapped import map_table
from sertool.core.prepare.ranges import NONE_STATED
from sertool.core.prepare.rows import Row, Table
from sertool.core.prepare.scale import STORED
from sertool.core.prepare.split_tables import has_split_tables
from sertool.core.prepare.table import read_table

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


@dataclass(frozen=True)
class Source:
    """A table or folder, and how it is read.

    Attributes:
        path: table or folder.
        audio_root: folder that audio paths of a table start from; None: the table's.
        layout: name of a published corpus, or the levels of a folder; None: read from the names.
        draw: settings of the random splits, where there are none, or files that give splits.
        choices: facts in names, classes renamed, scores rescaled.
        reader: the recipe's reader.
        skip_bad: leave out what is missing or broken.
        transcribe: texts are added later, so missing ones are not reported.
        stream: number of the stream of sound in recordings with several, from 1; None is the first.
        label_map: label map that merges classes and leaves others out.
        task: task whose labels are mapped.
    """

    path: Path
    audio_root: Path | None
    layout: str | None
    draw: Division
    choices: Choices
    reader: str
    skip_bad: bool
    transcribe: bool
    stream: int | None = None
    label_map: ClassMap | None = None
    task: str = "emotion"

    @property
    def files(self) -> list[Path]:
        """Return the files that the user's choices were read from."""
        return [*self.choices.files, *(self.label_map.files if self.label_map is not None else [])]

    @property
    def settings(self) -> tuple[Any, ...]:
        """Return all that decides about the table, as plain data; splits and seed are with the command."""
        paths = [path and str(path.resolve()) for path in (self.path, self.audio_root)]
        stream = () if self.stream is None else (self.stream,)
        mapping = () if self.label_map is None else (self.label_map.sha256, self.task)
        return (*paths, self.layout, self.choices.to_json(), self.skip_bad, *stream, *mapping)


def read_source(source: Source) -> Table:
    """Read and check a table or folder.

    Raises:
        UsageError: an option does not fit it.
        DataError: it has problems; all are reported at once.
    """
    table = _read(source)
    if isinstance(source.draw, FoldFiles):
        table = replace(table, choices={**table.choices, "splits": source.draw.described})
    if source.label_map is not None:
        table = map_table(table, source.label_map, source.task)
    if source.stream is None:
        return table
    return replace(table, rows=tuple(_with_stream(row, source.stream) for row in table.rows))


def _with_stream(row: Row, stream: int) -> Row:
    return row if row.segment is None else replace(row, segment=replace(row.segment, stream=stream))


def _read(source: Source) -> Table:
    path, draw, choices, transcribe = source.path, source.draw, source.choices, source.transcribe
    if corpus := _corpus(source):
        return _read_corpus(corpus, source)
    levels = None if source.layout is None else parse_layout(source.layout)
    if path.is_dir() and not has_split_tables(path):
        advice = "" if levels or choices.pattern else _advice(path)
        try:
            table = read_folder(path, draw, levels, transcribe=transcribe, choices=choices)
        except DataError as error:
            raise DataError(str(error), hint=advice or error.hint) from error
        return replace(table, warnings=(advice, *table.warnings)) if advice else table
    if levels is not None:
        raise _no_folder(path)
    return read_table(
        path, source.audio_root, draw, missing_audio=source.skip_bad, transcribe=transcribe, choices=choices
    )


def _advice(folder: Path) -> str:
    """Say which folders of a folder hold published corpora; empty without any."""
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    found = [f"{path} ({layout.title})" for path in inner if (layout := recognised(path))]
    return f"to read a published corpus, give its own folder: {first_few(found)}" if found else ""


def _corpus(source: Source) -> CorpusLayout | None:
    """Return the layout of a published corpus that is named, or that the folder can only be.

    Raises:
        UsageError: another option does not fit it, or what is named is neither a corpus nor a level of folders.
    """
    options = {
        "--pattern": source.choices.pattern is not None,
        "--rescale": source.choices.scale != STORED,
        "--range": source.choices.ranges != NONE_STATED,
        "--audio-root": source.audio_root is not None,
    }
    given = [option for option, is_given in options.items() if is_given]
    if source.layout is None:  # each of these says that the folder is to be read in another way
        return recognised(source.path) if source.path.is_dir() and not given else None
    if (corpus := named(source.layout)) is None:
        return None
    if given:
        raise UsageError(
            f"{given[0]}: does not fit --layout {corpus.name}, which knows where all of {corpus.title} lies",
            hint=f"leave out {first_few(given)}, or --layout to read the folder in your own way",
        )
    if not source.path.is_dir():
        raise _no_folder(source.path)
    return corpus


def _read_corpus(corpus: CorpusLayout, source: Source) -> Table:
    table = read_layout(
        corpus,
        source.path,
        source.draw,
        choices=source.choices,
        reader=source.reader,
        skip_bad=source.skip_bad,
        transcribe=source.transcribe,
    )
    if source.layout is not None:
        return table
    note = f"recognised as {corpus.title} (--layout {corpus.name}); --layout class, for example, reads plain folders"
    return replace(table, warnings=(note, *table.warnings))


def _no_folder(path: Path) -> SertoolError:
    if not path.exists():
        return DataError(f"{path}: no such folder")
    packed = path.is_file() and path.suffix.lower() in _ARCHIVES
    return UsageError(
        f"--layout: for a folder of recordings, and {path} is none",
        hint="unpack it, and give the folder" if packed else "leave out --layout",
    )
