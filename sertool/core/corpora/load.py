"""A corpus by the name of its reader: from the project's own format, or from a data set's pickles.

Pickles are read once. What came of them is kept in the project's own format in ``<folder>/sertool``, with a
fingerprint of the files it was made from; when one of them changes, it is made anew.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sertool.core import artifacts
from sertool.core.corpora import iemocap, meld, mosei, mosi, vgaf
from sertool.core.corpora.corpus import Corpus, is_corpus, read_corpus, write_corpus
from sertool.core.corpora.reference_layout import Layout, read
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.labels import SEVEN, SIGN, Task

LAYOUTS: Mapping[str, Layout] = {
    "iemocap": iemocap.LAYOUT,
    "mosi": mosi.LAYOUT,
    "mosei": mosei.LAYOUT,
    "meld": meld.LAYOUT,
    "vgaf": vgaf.LAYOUT,
}
# Raise it whenever the readers come to give something else for the same files.
READER_VERSION = 1
# Classes and rule of a score from -3 to 3, by the number of classes that is asked for.
_SCORES = {2: (SIGN, "sign"), 7: (SEVEN, "seven")}


def load_corpus(reader: str, folder: Path) -> Corpus:
    """Read the corpus in ``folder``.

    Args:
        reader: ``corpus`` for the project's own format, or one of ``LAYOUTS`` (their folder may hold it too).
        folder: where it lies.

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
        return read_corpus(folder)
    if reader == "corpus":
        raise DataError(
            f"{folder}: no corpus there (it lacks corpus.json)", hint="`sertool prepare` makes one"
        )
    return _load_converted(folder, LAYOUTS[reader])


def _load_converted(folder: Path, layout: Layout) -> Corpus:
    converted = folder / "sertool"
    note = converted / "fingerprint.json"
    # Taken before the files are read: a change while they are read makes the copy stale, not wrong.
    fingerprint = _fingerprint(folder, layout)
    with suppress(DataError):
        if artifacts.read_json(note) == fingerprint:
            return read_corpus(converted)
    corpus = read(folder, layout)
    # Permission bits first: root could write where nobody is meant to.
    if not folder.stat().st_mode & 0o222:
        return corpus
    # A folder that cannot be written, or a full disk, costs only the time of the next reading.
    with suppress(SertoolError, OSError):
        note.unlink(missing_ok=True)
        write_corpus(corpus, converted)
        artifacts.write_json(note, fingerprint)
    return corpus


def _fingerprint(folder: Path, layout: Layout) -> dict[str, Any]:
    files = {}
    for name in layout.sources(folder):
        status = (folder / name).stat()
        files[name] = [status.st_size, status.st_mtime_ns]
    return {"reader": layout.name, "version": READER_VERSION, "files": files}


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
        (name, None): Task(name, classes, "name") for name, classes in corpus.classes.items()
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
