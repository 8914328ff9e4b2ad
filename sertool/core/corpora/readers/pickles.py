"""Read the layout that all published sets share: a folder of pickles, each one dict ``utterance key -> value``.

Each split has ``<split>_sentences.p`` (words), ``<split>_mels.p`` (frames x 80 log-mels) and a label file per task
(the unlabelled private set has none). ``token_to_ix.pkl`` and ``train_glove.npy`` cache a vocabulary.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import CachedVocabulary, Corpus, Frames, LeftOut, Utterance, is_generated
from sertool.core.corpora.corpus_files import check_vocabulary
from sertool.core.corpora.reading_errors import Kind, Report, UtteranceError, refuse, reporting
from sertool.core.corpora.tasks import Task
from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.corpora.words import clean_words
from sertool.core.errors import DataError
from sertool.core.features.log_mel import LogMel
from sertool.core.files.pickles import load_array, load_pickle
from sertool.core.recipe.frontends import Frontend

FRONTEND = LogMel(Frontend())  # the settings' defaults are those that the published frames were made with
VOCABULARY = "token_to_ix.pkl"
VECTORS = "train_glove.npy"
# Most bytes of a file's utterances together: float16 doubles in size as float32, and a word that the file spells out
# once can be repeated by two bytes (a pickle's memo).
MOST_TIMES, MOST_BYTES = 4, 2**24


def no_order(key: str) -> int | None:
    """Return None, for keys that show no order."""
    return None


@dataclass(frozen=True)
class PickleLayout:
    """File names, labels, tasks and groups of one data set in this layout.

    Attributes:
        name: name of the data set, for tables.
        prefixes: beginning of a split's file names, by split.
        labels: end of a label file's name, by task; the first file that exists sets the utterances' order.
        tasks: tasks by (name, requested number of classes); the number is None if there is no choice.
        groups: function of (key, split) that returns speaker, session, dialogue and video, as far as a key shows them.
        unlabelled: splits without labels.
        order: function of the key that returns the number of the utterance in its dialogue, if the key shows it.
    """

    name: str
    prefixes: Mapping[str, str]
    labels: Mapping[str, str]
    tasks: Mapping[tuple[str, int | None], Task]
    groups: Callable[[str, str], Mapping[str, str]]
    unlabelled: tuple[str, ...] = field(default=())
    order: Callable[[str], int | None] = no_order

    def files(self, split: str) -> dict[str, str]:
        """Return the file names of a split by content: ``sentences``, ``mels`` and the tasks."""
        kinds = {"sentences": "sentences", "mels": "mels"} | ({} if split in self.unlabelled else dict(self.labels))
        return {kind: f"{self.prefixes[split]}_{end}.p" for kind, end in kinds.items()}

    def rules(self, task: str) -> Task:
        """Return the task that checks raw labels: the one with most classes, which leaves no utterance out."""
        return max((value for (name, _), value in self.tasks.items() if name == task), key=lambda t: len(t.classes))

    def sources(self, folder: Path) -> list[str]:
        """List the names of the files in ``folder`` that are read."""
        names = [name for split in self.prefixes for name in self.files(split).values()]
        return [name for name in (*names, VOCABULARY, VECTORS) if (folder / name).is_file()]


def video_of(key: str, split: str) -> dict[str, str]:
    """Return the video of a key of MOSI or MOSEI: ``2iD-tVS8NPw`` of ``2iD-tVS8NPw[3]`` or ``2iD-tVS8NPw_3``."""
    found = re.fullmatch(r"(.+?)(?:\[.*\]|_\d+)", key)
    return {"video": found[1] if found else key}


@dataclass
class _Parts:
    """Parts of the corpus that were read so far."""

    utterances: list[Utterance] = field(default_factory=list)
    frames: list[NDArray[np.float32]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    numbering: Mapping[str, int] | None = None


def read(folder: Path, layout: PickleLayout, report: Report = refuse) -> Corpus:
    """Read a data set's pickles.

    Args:
        folder: folder of the pickles.
        layout: layout of the data set.
        report: called with every error in the data; by default it raises the first. If it returns, a split with a
            missing or unreadable file is left out, and an utterance lacks the words, frames or label that were
            reported (NaN frames stay).

    Raises:
        DataError: there are no such files, or ``report`` raises.
    """
    parts = _Parts()
    found = [
        split for split in layout.prefixes if any((folder / name).is_file() for name in layout.files(split).values())
    ]
    if not found:
        expected = "".join(f"\n  {', '.join(layout.files(split).values())}" for split in layout.prefixes)
        raise DataError(
            f"{folder}: no {layout.name} data there, expected the files of at least one split:{expected}",
            hint="`sertool fetch-data data` downloads them, or `sertool prepare` the owner's copy (docs/corpora.md)",
        )
    for split in found:
        with reporting(report):
            _read_split(folder, layout, split, parts, report)
    vocabulary = None
    with reporting(report):
        vocabulary = _read_vocabulary(folder)
    return Corpus(
        name=layout.name,
        utterances=tuple(parts.utterances),
        audio=Frames.join(list(parts.frames), FRONTEND.width),
        left_out=tuple(parts.left_out),
        vocabulary=vocabulary,
        numbering=parts.numbering,
        source=f"{layout.name} in the reference's layout",
        synthetic=is_generated(folder),
    )


def _read_split(folder: Path, layout: PickleLayout, split: str, parts: _Parts, report: Report) -> None:
    paths = {kind: folder / name for kind, name in layout.files(split).items()}
    there = {kind: path for kind, path in paths.items() if path.is_file()}
    tasks = [task for task in layout.labels if task in there]
    missing = [paths[kind].name for kind in ("sentences", "mels") if kind not in there]
    if not tasks and split not in layout.unlabelled:
        missing.append(" or ".join(paths[task].name for task in layout.labels))
    if missing:
        raise DataError(
            f"{folder}: the {split} split lacks {' and '.join(missing)} (there: "
            f"{', '.join(path.name for path in there.values())})"
        )
    tables = {}
    for kind, path in there.items():
        with reporting(report):
            tables[kind] = _read_table(path)
            _check_size(path, kind, tables[kind])
    if len(tables) < len(there):
        return
    values = _Values(split, paths, tables, layout, report)
    # Ordered as the label files are, as in the reference; dicts serve as ordered sets.
    labelled = {key: None for task in tasks for key in tables[task]} if tasks else tables["sentences"]
    if split == "train":
        # The reference numbers the words of every training sentence, even of utterances that it then leaves out.
        sentences = [values.words(key) for key in tables["sentences"]]
        parts.numbering = Vocabulary.build(clean_words(words) for words in sentences).index
    count = len(parts.utterances)
    for key in labelled | tables["sentences"] | tables["mels"]:
        absent = [(kind, paths[kind].name) for kind in ("sentences", "mels") if key not in tables[kind]]
        reasons = [f"no {'words' if kind == 'sentences' else 'audio'} in {name}" for kind, name in absent]
        if key not in labelled:
            reasons.append(f"no label in {' or '.join(paths[task].name for task in tasks)}" if tasks else "")
        if any(reasons):
            parts.left_out.append(LeftOut(key, split, ", ".join(filter(None, reasons))))
            continue
        words = values.words(key)
        labels = values.labels(key, tasks)
        groups: dict[str, Any] = {**layout.groups(key, split), "order": layout.order(key)}
        parts.frames.append(values.frames(key))
        parts.utterances.append(Utterance(key, split, " ".join(words), clean_words(words), labels, **groups))
    if len(parts.utterances) == count:
        raise DataError(
            f"{folder}: the {split} split is empty, no utterance is in all of "
            f"{', '.join(path.name for path in there.values())}"
        )


def _read_table(path: Path) -> dict[str, Any]:
    table = load_pickle(path)
    if not isinstance(table, dict):
        raise DataError(f"{path}: holds {type(table).__name__}, expected a dict of utterances")
    for key in table:
        if not isinstance(key, str):
            raise DataError(f"{path}: utterance key {key!r:.60} is {type(key).__name__}, expected text")
    return {str(key): value for key, value in table.items()}


def _check_size(path: Path, kind: str, table: Mapping[str, Any]) -> None:
    """Refuse a list or array that thousands of keys share: as separate copies it would fill the memory."""
    if kind not in ("sentences", "mels"):
        return
    different = {id(value): value for value in table.values()}  # measured once, however many keys share it
    sizes = {key: _size(value) for key, value in different.items()}
    total, size = sum(sizes[id(value)] for value in table.values()), path.stat().st_size
    if total > MOST_BYTES + MOST_TIMES * size:
        raise DataError(
            f"{path}: its utterances would take {total:,} bytes, the file has {size:,}: many of them share one "
            f"{'list of words' if kind == 'sentences' else 'array'}",
            hint="if you trust the file, save it again with each utterance's own data",
        )


def _size(value: Any) -> int:
    """Return the bytes of words, as characters and a space each, or of frames, as float32."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return int(value.size) * 4 if value.dtype.kind != "U" else int(value.nbytes)
    value = list(value.flat) if isinstance(value, np.ndarray) else value
    words = value if isinstance(value, list | tuple) else ()  # anything else is refused where it is read
    return sum(len(word) + 1 for word in words if isinstance(word, str))


@dataclass(frozen=True)
class _Values:
    """Checked values of a split's files; a value that cannot be used is reported and left empty."""

    split: str
    paths: Mapping[str, Path]
    tables: Mapping[str, Mapping[str, Any]]
    layout: PickleLayout
    report: Report
    read_words: dict[str, list[str]] = field(default_factory=dict)

    def words(self, key: str) -> list[str]:
        """Return the original words; they are checked, and reported, only once."""
        if key not in self.read_words:
            self.read_words[key] = []
            with self._reporting("sentences", "words", key):
                self.read_words[key] = _words(self.tables["sentences"][key])
        return self.read_words[key]

    def frames(self, key: str) -> NDArray[np.float32]:
        """Return frames of shape (T, D), which keep their NaN."""
        frames = np.zeros((0, FRONTEND.width), np.float32)
        with self._reporting("mels", "width", key):
            frames = _frames(self.tables["mels"][key])
        with self._reporting("mels", "non-finite", key):
            if not np.isfinite(frames).all():
                raise DataError(f" holds NaN or infinite values in frame {_first_bad(frames)}")
        return frames

    def labels(self, key: str, tasks: Sequence[str]) -> dict[str, Any]:
        """Return the raw label by task, as JSON types."""
        labels = {}
        for task in tasks:
            if key in self.tables[task]:
                with self._reporting(task, "label", key):
                    labels[task] = _label(self.tables[task][key], self.layout.rules(task))
        return labels

    @contextmanager
    def _reporting(self, file: str, kind: Kind, key: str) -> Iterator[None]:
        """Report an error of the block with its file and utterance."""
        try:
            yield
        except DataError as error:
            message = f"{self.paths[file]}: utterance {key!r}{error!s:.400}"
            self.report(UtteranceError(message, kind=kind, split=self.split, id=key))


def _words(value: Any) -> list[str]:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f" is {_kind(value)}, expected a list of words")
    for word in value:
        if not isinstance(word, str):
            raise DataError(f" holds the word {word!r:.60}, expected text")
    return [str(word) for word in value]


def _frames(value: Any) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.shape[1] != FRONTEND.width:
        raise DataError(f" is {_kind(value)}, expected frames of shape (any, {FRONTEND.width})")
    if value.dtype.kind != "f":
        raise DataError(f" holds {value.dtype}, expected floating-point numbers")
    # A float64 beyond float32's range becomes infinite, which is then reported.
    with np.errstate(over="ignore"):
        return value.astype(np.float32, copy=False)


def _first_bad(frames: NDArray[np.float32]) -> int:
    return int(np.flatnonzero(~np.isfinite(frames).all(axis=1))[0])


def _label(value: Any, rule: Task) -> Any:
    """Return a raw label as a JSON type, and refuse it if the task's rule does."""
    # Checked first, because the rule's message would print all of it.
    size = value.size if isinstance(value, np.ndarray) else len(value) if isinstance(value, Sized) else 1
    if size > 1000:  # no published label has more than 6
        raise DataError(f": has {size:,} values or characters, too many for a label")
    raw = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    try:
        rule.target(raw)
    except DataError as error:
        raise DataError(f": {error}") from error
    return raw


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"of type {type(value).__name__}"


def _read_vocabulary(folder: Path) -> CachedVocabulary | None:
    """Read the cached vocabulary, if both of its files exist."""
    words_path, vectors_path = folder / VOCABULARY, folder / VECTORS
    if not (words_path.is_file() and vectors_path.is_file()):
        return None
    table = _read_table(words_path)
    index = {word: int(row) if isinstance(row, np.integer) else row for word, row in table.items()}
    vectors = load_array(vectors_path)
    check_vocabulary(index, vectors, words_path)
    return CachedVocabulary(index, np.array(vectors, np.float32))
