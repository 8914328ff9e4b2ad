"""Find the folders in an unpacked archive, check them and convert them to sertool's own format.

Every pickle is read here once, by the restricted unpickler; later commands read the copies beside the pickles.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sertool.core.errors import DataError, SertoolError
from sertool.core.fetch.sources import CORPORA

DEPTH = 4  # most folders around the wanted one; published archives have up to three
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Installed:
    """Folder that came out of an archive.

    Attributes:
        name: name of the folder.
        holds: kind of its content, one of :data:`~sertool.core.fetch.sources.KINDS`.
        text: description of its content in a few words; empty if it could not be read.
        problem: reason why it cannot be used, with the file; None if it can.
    """

    name: str
    holds: str
    text: str
    problem: str | None = None


def find_folders(root: Path, wanted: Mapping[str, str]) -> dict[str, Path]:
    """Find the folders that a source names in an unpacked archive; further folders around them are tolerated.

    Args:
        root: folder of the unpacked archive.
        wanted: kind of content by folder name.

    Returns:
        Path by folder name, without the folders that are missing.

    Raises:
        DataError: none of them is there, or several folders could be the one.
    """
    top = _inside(root)
    found: dict[str, Path] = {}
    for name, kind in wanted.items():
        candidates = [path for path in _folders(root) if path.name.casefold() == name.casefold()]
        if kind in _MARKS:
            candidates = sorted({path.parent for path in _files(root, _MARKS[kind])})
        elif len(wanted) == 1 and not candidates:
            candidates = [top]
        if len(candidates) > 1 and kind in _MARKS:
            listed = ", ".join(str(path.relative_to(root)) for path in candidates)
            raise DataError(f"the archive holds {kind} in several folders: {listed}")
        if candidates:
            found[name] = min(candidates, key=lambda path: len(path.parts))
            if kind not in _MARKS:
                found[name] = _inside(found[name])  # IEMOCAP/IEMOCAP/...
    if not found:
        there = ", ".join(sorted(path.name for path in top.iterdir())[:10])
        raise DataError(f"the archive holds no {' or '.join(wanted)} (it holds {there or 'nothing'})")
    return found


# Kinds whose folder is recognised by a file in it, whatever its name.
_MARKS = {"models": "best*.pkl", "vectors": "key2row", "emodb": "[01][0-9][ab][01][0-9]*.wav"}


def _inside(root: Path) -> Path:
    """Descend until a folder holds more than a single folder."""
    content = list(root.iterdir())
    while len(content) == 1 and content[0].is_dir():
        root = content[0]
        content = list(root.iterdir())
    return root


def _folders(root: Path) -> Iterator[Path]:
    for depth in range(1, DEPTH + 1):
        yield from (path for path in root.glob("/".join("*" * depth)) if path.is_dir())


def _files(root: Path, pattern: str) -> Iterator[Path]:
    for depth in range(DEPTH + 2):
        yield from (path for path in root.glob("/".join([*"*" * depth, pattern])) if path.is_file())


def install(found: Path, target: Path, place: Path, kind: str, progress: Progress) -> Installed:
    """Move one folder out of the unpacked archive and convert its content.

    Args:
        found: the folder in the unpacked archive; it is moved.
        target: path to move it to, which must not exist.
        place: its final path, for messages.
        kind: kind of its content.
        progress: called with a description of the work, the pieces done and their total.

    Returns:
        A description of its content; if that cannot be used, the reason, with the files unchanged.

    Raises:
        SertoolError: a file cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("vectors", "emodb"):
        # Only a part of these archives is wanted, which gets its own folder.
        target.mkdir()
        found.rename(target / {"vectors": "vocab", "emodb": "wav"}[kind])
    else:
        found.rename(target)
    try:
        return Installed(target.name, kind, _convert(target, kind, progress))
    except DataError as error:
        return Installed(target.name, kind, "", str(error).replace(str(target), str(place)))


def _convert(folder: Path, kind: str, progress: Progress) -> str:
    if kind in CORPORA:
        return _corpus(folder, kind, progress)
    if kind == "models":
        return _models(folder, progress)
    if kind == "vectors":
        return _vectors(folder)
    if kind == "emodb":
        from sertool.core.prepare.emodb import write_tables

        rows = write_tables(folder)
        return f"{len(rows):,} recordings, {len({row['speaker'] for row in rows})} speakers"
    files = [path for path in folder.rglob("*") if path.is_file()]
    return f"{len(files):,} files"


def _corpus(folder: Path, kind: str, progress: Progress) -> str:
    from sertool.core.corpora.corpus_files import read_corpus
    from sertool.core.corpora.load import convert_corpus

    progress(f"reading {folder.name}", 0, 1)
    corpus = read_corpus(folder) if kind == "corpus" else convert_corpus(kind, folder)
    progress(f"reading {folder.name}", 1, 1)
    splits = ", ".join(f"{split} {number:,}" for split, number in corpus.counts().items())
    left_out = f", {len(corpus.left_out)} left out" if corpus.left_out else ""
    return f"{len(corpus.utterances):,} utterances ({splits}){left_out}"


def _models(folder: Path, progress: Progress) -> str:
    # Imported here, because it needs torch, which no other kind does.
    from sertool.core.files.reference_checkpoints import convert_checkpoints

    models = convert_checkpoints(folder, lambda done, total: progress(f"reading {folder.name}", done, total))
    best = max(model.validation_accuracy for model in models)
    return f"{len(models)} models, best validation accuracy {100 * best:.1f}"


def _vectors(folder: Path) -> str:
    from sertool.core.corpora.word_vectors import load_vectors

    try:
        width = load_vectors(str(folder), ["the"], data_dir=folder).array.shape[1]
    except SertoolError as error:
        raise DataError(str(error)) from error
    return f"word vectors, {width}-d"
