"""A corpus by the name of its reader: from the project's own format, or from a data set's pickles.

Pickles are read once. What came of them is kept in the project's own format in ``<folder>/sertool``, with a
fingerprint of the files it was made from; when one of them changes, it is made anew. Without the pickles, the
copy alone will do.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_files import is_corpus, read_corpus, write_corpus
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.corpora.readers.pickles import SYNTHETIC, PickleLayout, read
from sertool.core.corpora.reading_errors import Report, refuse
from sertool.core.corpora.tasks import SEVEN, SIGN, Task
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts

# Raise it whenever the readers come to give something else for the same files.
READER_VERSION = 2
PACKAGED = "packaged:"
CONVERTED, NOTE = "sertool", "fingerprint.json"
# Classes and rule of a score from -3 to 3, by the number of classes that is asked for.
_SCORES = {2: (SIGN, "sign"), 7: (SEVEN, "seven")}


def load_corpus(reader: str, folder: Path, report: Report = refuse) -> Corpus:
    """Read the corpus in ``folder``.

    Args:
        reader: ``corpus`` for the project's own format, or one of ``LAYOUTS`` (their folder may hold it too).
        folder: where it lies.
        report: takes what cannot be used; by default the first such thing is raised.

    Raises:
        DataError: the folder or a file is missing or cannot be used; file and utterance are named.
        UsageError: there is no such reader.
    """
    if reader != "corpus" and reader not in LAYOUTS:
        raise UsageError(f"no reader {reader!r}", hint=f"the readers are corpus, {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder", hint="`sertool fetch-data` says where each data set comes from"
        )
    if is_corpus(folder):
        return read_corpus(folder, report)
    if reader == "corpus":
        raise DataError(
            f"{folder}: no corpus there (it lacks corpus.json)", hint="`sertool prepare` makes one"
        )
    return _load_converted(folder, LAYOUTS[reader], report)


def convert_corpus(reader: str, folder: Path) -> Corpus:
    """Read a data set's pickles and write the copy in the project's own format beside them.

    Args:
        reader: one of ``LAYOUTS``.
        folder: holds the pickles.

    Raises:
        DataError: they cannot be used.
        SertoolError: the copy cannot be written.
    """
    layout = LAYOUTS[reader]
    # Taken before the files are read: a change while they are read makes the copy stale, not wrong.
    fingerprint = _fingerprint(folder, layout)
    corpus = read(folder, layout)
    _write_copy(corpus, folder, fingerprint)
    return corpus


def _load_converted(folder: Path, layout: PickleLayout, report: Report) -> Corpus:
    converted = folder / CONVERTED
    fingerprint = _fingerprint(folder, layout)
    with suppress(DataError):
        if _is_copy_of(artifacts.read_json(converted / NOTE), fingerprint):
            return read_corpus(converted)
    faults: list[DataError] = []

    def noted(error: DataError) -> None:
        report(error)
        faults.append(error)

    corpus = read(folder, layout, noted)
    # What was read with faults is no copy. Permission bits first: root could write where nobody is meant to.
    if not faults and folder.stat().st_mode & 0o222:
        # A folder that cannot be written, or a full disk, costs only the time of the next reading.
        with suppress(SertoolError, OSError):
            _write_copy(corpus, folder, fingerprint)
    return corpus


def _write_copy(corpus: Corpus, folder: Path, fingerprint: dict[str, Any]) -> None:
    note = folder / CONVERTED / NOTE
    note.unlink(missing_ok=True)
    write_corpus(corpus, folder / CONVERTED)
    artifacts.write_json(note, fingerprint)


def _is_copy_of(note: Any, fingerprint: dict[str, Any]) -> bool:
    """Whether a copy is of the files as they are now; where all pickles were deleted, it stands for them."""
    files = fingerprint["files"]
    if not any(name.endswith((".p", ".pkl")) for name in files) and isinstance(note, dict):
        copied = note.get("files")
        return (
            note.get("reader") == fingerprint["reader"]
            and isinstance(copied, dict)
            and files.items() <= copied.items()
        )
    return bool(note == fingerprint)


def _fingerprint(folder: Path, layout: PickleLayout) -> dict[str, Any]:
    files = {}
    marker = [SYNTHETIC] if (folder / SYNTHETIC).is_file() else []
    for name in [*layout.sources(folder), *marker]:
        status = (folder / name).stat()
        files[name] = [status.st_size, status.st_mtime_ns]
    return {"reader": layout.name, "version": READER_VERSION, "files": files}


def corpus_folder(path: str, data: Path) -> Path:
    """Where a recipe's corpus lies: packaged, below the data folder, or at the path itself.

    Raises:
        DataError: it is at neither place; the message tells what to do.
    """
    if path.startswith(PACKAGED):
        return Path(__file__).resolve().parent / path.removeprefix(PACKAGED)
    for candidate in (data / path, Path(path)):
        if candidate.is_dir():
            return candidate
    raise DataError(
        f"{data / path}: no such corpus",
        hint="--data names the folder that holds the data sets; recordings of your own become one by `sertool prepare`",
    )


def frontend_differences(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings in which the frontend that made a corpus differs from the one that is wanted, as (made, wanted)."""
    return {key: (made.get(key), value) for key, value in wanted.items() if made.get(key) != value}


def task_for(reader: str, task: str, num_classes: int | None, corpus: Corpus) -> Task:
    """The task a recipe asks for.

    Args:
        reader: as for :func:`load_corpus`.
        task: key of the raw label.
        num_classes: 2 or 7 for labels that are scores from -3 to 3; None where there is no choice.
        corpus: the corpus, which names the classes where no reader does.

    Raises:
        UsageError: the data set has no such task, or no such number of classes.
    """
    known: dict[tuple[str, int | None], Task] = {
        (name, None): Task(name, classes, _rule_of(corpus, name)) for name, classes in corpus.classes.items()
    }
    if reader != "corpus":
        known = dict(LAYOUTS[reader].tasks)
    else:
        scores = dict.fromkeys(name for utterance in corpus.utterances for name in utterance.labels)
        for name in scores:
            if name not in corpus.classes:
                known |= {(name, number): Task(name, *rest) for number, rest in _SCORES.items()}
    numbers = [number for name, number in known if name == task]
    if not numbers:
        names = ", ".join(dict.fromkeys(name for name, _ in known)) or "none"
        raise UsageError(f"dataset.task: {corpus.name} has no task {task!r}", hint=f"its tasks: {names}")
    if num_classes in numbers:
        return known[task, num_classes]
    if num_classes is None:
        raise UsageError(f"dataset.num_classes: {corpus.name}'s {task} needs it", hint="give 2 or 7")
    raise UsageError(
        f"dataset.num_classes: {corpus.name}'s {task} leaves no choice of it", hint="leave it out"
    )


def _rule_of(corpus: Corpus, task: str) -> str:
    """``present`` for labels that hold one 0 or 1 a class, ``name`` for the name of one class."""
    labels = (utterance.labels[task] for utterance in corpus.utterances if task in utterance.labels)
    return "present" if isinstance(next(labels, None), list) else "name"


def corpora_in(folder: Path) -> list[str]:
    """Names of the corpora below a folder, in the project's own format or as pickles."""
    return [
        child.name
        for child in _folders(folder)
        if is_corpus(child)
        or is_corpus(child / CONVERTED)
        or any(layout.sources(child) for layout in LAYOUTS.values())
    ]


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):  # it is not there, or may not be entered
        return sorted(
            child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")
        )
    return []
