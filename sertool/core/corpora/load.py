"""Load a corpus by the name of its reader: from the project's own format, or from a data set's pickles.

Pickles are read once. Their content is kept in the project's own format in ``<folder>/sertool``, with a fingerprint of
the files it was made from. If one of them changes, they are read again; if they were deleted, the copy is used.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus import SYNTHETIC, Corpus, is_generated
from sertool.core.corpora.corpus_files import is_corpus, read_corpus, write_corpus
from sertool.core.corpora.feature_sets import with_sets
from sertool.core.corpora.label_maps import MapNote, load_label_map
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.corpora.readers.pickles import PickleLayout, read
from sertool.core.corpora.reading_errors import Report, refuse
from sertool.core.corpora.score_tasks import rated_task, score_task
from sertool.core.corpora.tasks import NOT_NEGATIVE, SEVEN, Task
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts
from sertool.core.formatting import names_of
from sertool.core.recipe.schema import Dataset, Recipe

# Increase it whenever a reader's result for the same files changes, so that old copies are made again.
READER_VERSION = 2
PACKAGED = "packaged:"
CONVERTED, NOTE = "sertool", "fingerprint.json"
_WHERE = "`sertool fetch-data` shows where to get each data set, docs/corpora.md how its owner's copy is prepared"
# Classes and rule of a score from -3 to 3, by the requested number of classes.
_SCORES = {2: (NOT_NEGATIVE, "sign"), 7: (SEVEN, "seven")}


def load_corpus(reader: str, folder: Path, report: Report = refuse) -> Corpus:
    """Read the corpus in ``folder``.

    Args:
        reader: ``corpus`` for the project's own format, or one of ``LAYOUTS`` (whose folder may hold that too).
        folder: folder of the corpus.
        report: called with every error in the data; by default it raises the first.

    Raises:
        DataError: the folder or a file is missing or cannot be used; the message names file and utterance.
        UsageError: there is no such reader.
    """
    if reader != "corpus" and reader not in LAYOUTS:
        raise UsageError(f"no reader {reader!r}", hint=f"the readers are corpus, {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", hint=_WHERE)
    if is_corpus(folder):
        return read_corpus(folder, report)
    if reader == "corpus":
        raise DataError(f"{folder}: no corpus there (it lacks corpus.json)", hint="`sertool prepare` makes one")
    return _load_converted(folder, LAYOUTS[reader], report)


def load_for(recipe: Recipe, folder: Path, report: Report = refuse) -> Corpus:
    """Read the corpus in ``folder`` with the frames that a recipe's frontends ask for, as far as the corpus has them.

    :func:`~sertool.core.corpora.feature_sets.missing_frames` says which it lacks.

    Args:
        recipe: names reader, modalities and frontends.
        folder: folder of the corpus.
        report: see :func:`load_corpus`.

    Raises:
        DataError, UsageError: see :func:`load_corpus`.
    """
    return with_sets(load_corpus(recipe.dataset.reader, folder, report), recipe, own_folder(folder), report)


def mapped(dataset: Dataset, corpus: Corpus) -> tuple[Corpus, MapNote | None]:
    """Bring the labels of a recipe's task under the classes of its label map, if it names one.

    Args:
        dataset: section of the recipe.
        corpus: the corpus, with its labels.

    Raises:
        UsageError: there is no such map, or it does not fit the corpus.
    """
    if dataset.map is None:
        return corpus, None
    return load_label_map(dataset.map).map_labels(corpus, dataset.task)


def own_folder(folder: Path) -> Path:
    """Return the folder of a corpus's files in the project's own format: for pickles, that of the copy."""
    return folder if is_corpus(folder) else folder / CONVERTED


def convert_corpus(reader: str, folder: Path) -> Corpus:
    """Read a data set's pickles and write the copy in the project's own format beside them.

    Args:
        reader: one of ``LAYOUTS``.
        folder: folder of the pickles.

    Raises:
        DataError: the pickles cannot be used.
        SertoolError: the copy cannot be written.
    """
    layout = LAYOUTS[reader]
    # Taken before the files are read: a change during the reading makes the copy outdated, not wrong.
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
    errors: list[DataError] = []

    def note_and_report(error: DataError) -> None:
        report(error)
        errors.append(error)

    corpus = read(folder, layout, note_and_report)
    # Data with errors are not kept as a copy. The permission bits are asked, because root could write anyway.
    if not errors and folder.stat().st_mode & 0o222:
        # If the copy cannot be written (a full disk), only the next reading takes longer.
        with suppress(SertoolError, OSError):
            _write_copy(corpus, folder, fingerprint)
    return corpus


def _write_copy(corpus: Corpus, folder: Path, fingerprint: dict[str, Any]) -> None:
    note = folder / CONVERTED / NOTE
    note.unlink(missing_ok=True)  # first, and written last: an interrupted copy has no note
    write_corpus(corpus, folder / CONVERTED)
    artifacts.write_json(note, fingerprint)


def _is_copy_of(note: Any, fingerprint: dict[str, Any]) -> bool:
    """Check whether a copy is of the current files; if all pickles were deleted, it stands for them."""
    files = fingerprint["files"]
    if not any(name.endswith((".p", ".pkl")) for name in files) and isinstance(note, dict):
        copied = note.get("files")
        return (
            note.get("reader") == fingerprint["reader"] and isinstance(copied, dict) and files.items() <= copied.items()
        )
    return bool(note == fingerprint)


def _fingerprint(folder: Path, layout: PickleLayout) -> dict[str, Any]:
    files = {}
    marker = [SYNTHETIC] if is_generated(folder) else []
    for name in [*layout.sources(folder), *marker]:
        status = (folder / name).stat()
        files[name] = [status.st_size, status.st_mtime_ns]
    return {"reader": layout.name, "version": READER_VERSION, "files": files}


def corpus_folder(path: str, data: Path) -> Path:
    """Find a recipe's corpus: packaged, in the data folder, or at the path itself.

    A path that names the data folder already, such as ``data/CALLS``, is not looked for below ``data/data``.

    Raises:
        DataError: the corpus is in none of these places.
    """
    if path.startswith(PACKAGED):
        return Path(__file__).resolve().parent / path.removeprefix(PACKAGED)
    places = [Path(path)] if Path(path).is_relative_to(data) else [data / path, Path(path)]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"{places[0]}: no such corpus",
        hint="--data names the folder that holds the data sets; `sertool prepare` makes one of recordings, or of a "
        "published corpus (docs/corpora.md)",
    )


def task_of(dataset: Dataset, corpus: Corpus) -> Task:
    """Make the task that a recipe asks for.

    Args:
        dataset: section of the recipe.
        corpus: the corpus, which names the classes if its reader does not.

    Raises:
        UsageError: the data set has no such task, no raters, or no such number of classes.
    """
    if dataset.target == "scores":
        return score_task(dataset.task, corpus)
    task = task_for(dataset.reader, dataset.task, dataset.num_classes, corpus)
    return task if dataset.labels == "majority" else rated_task(task, dataset.labels, corpus)


def task_for(reader: str, task: str, num_classes: int | None, corpus: Corpus) -> Task:
    """Make a task of classes, with one label for each utterance or several.

    Args:
        reader: name of the reader, see :func:`load_corpus`.
        task: key of the raw label.
        num_classes: 2 or 7 for labels that are scores from -3 to 3; None for other labels.
        corpus: the corpus, which names the classes if its reader does not.

    Raises:
        UsageError: the data set has no such task, or no such number of classes.
    """
    known: dict[tuple[str, int | None], Task] = {
        (name, None): Task(name, classes, _rule_of(corpus, name)) for name, classes in corpus.classes.items()
    }
    if reader != "corpus":
        # A corpus prepared from the owners' files names its classes, and may have more tasks than the paper's pickles.
        own = known if corpus.layout == reader else {}
        known = {key: own.get(key, one) for key, one in LAYOUTS[reader].tasks.items()} | own
    else:
        scores = dict.fromkeys(name for utterance in corpus.utterances for name in utterance.labels)
        for name in scores:
            if name not in corpus.classes and name not in corpus.ranges:
                known |= {(name, number): Task(name, *rest) for number, rest in _SCORES.items()}
    numbers = [number for name, number in known if name == task]
    if task in corpus.ranges:
        low, high = corpus.ranges[task]
        raise UsageError(
            f"dataset.task: {corpus.name}'s {task} is a score from {low:g} to {high:g}, the recipe predicts classes",
            hint="a recipe for scores, such as custom-scores, predicts it; tasks of classes: "
            f"{names_of(corpus.classes)}",
        )
    if not numbers:
        names = names_of(dict.fromkeys(name for name, _ in known))
        scored = f"; a recipe for scores, such as custom-scores, predicts {names_of(corpus.ranges)}"
        raise UsageError(
            f"dataset.task: {corpus.name} has no task {task!r}",
            hint=f"its tasks: {names}{scored if corpus.ranges else ''}",
        )
    if num_classes in numbers:
        return known[task, num_classes]
    if num_classes is None:
        raise UsageError(f"dataset.num_classes: {corpus.name}'s {task} needs it", hint="give 2 or 7")
    raise UsageError(f"dataset.num_classes: {corpus.name}'s {task} has a fixed number of classes", hint="leave it out")


def _rule_of(corpus: Corpus, task: str) -> str:
    """Return the rule of a corpus's labels: ``present`` for a 0 or 1 per class, ``name`` for a class name."""
    labels = (utterance.labels[task] for utterance in corpus.utterances if task in utterance.labels)
    return "present" if isinstance(next(labels, None), list) else "name"


def corpora_in(folder: Path) -> list[str]:
    """List the names of the corpora in a folder, in the project's own format or as pickles."""
    return [
        child.name
        for child in _folders(folder)
        if is_corpus(child) or is_corpus(child / CONVERTED) or any(layout.sources(child) for layout in LAYOUTS.values())
    ]


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):  # it does not exist, or may not be listed
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    return []
