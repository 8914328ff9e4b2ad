"""The reference's data on disk: a folder of pickles, one dict ``utterance key -> value`` a file.

Each split has ``<split>_sentences.p`` (words), ``<split>_mels.p`` (frames x 80 log-mels) and a label file a
task (the unlabelled private set has none). ``token_to_ix.pkl`` and ``train_glove.npy`` cache a vocabulary.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.artifacts import read_error
from sertool.core.corpora.corpus import CachedVocabulary, Corpus, Frames, LeftOut, Utterance, check_vocabulary
from sertool.core.errors import DataError
from sertool.core.labels import Task
from sertool.core.safe_pickle import load_pickle
from sertool.core.text import Vocabulary, clean_words

MEL_BANDS = 80
VOCABULARY = "token_to_ix.pkl"
VECTORS = "train_glove.npy"


@dataclass(frozen=True)
class Layout:
    """How one data set uses the layout.

    Attributes:
        name: of the data set, for tables.
        prefixes: beginning of a split's file names, by split.
        labels: end of a label file's name, by task; the first that is there decides the utterances' order.
        tasks: the tasks by (name, number of classes asked for); the number is None where there is no choice.
        groups: speaker, session, dialogue and video, as far as (key, split) tells.
        unlabelled: splits without labels.
    """

    name: str
    prefixes: Mapping[str, str]
    labels: Mapping[str, str]
    tasks: Mapping[tuple[str, int | None], Task]
    groups: Callable[[str, str], Mapping[str, str]]
    unlabelled: tuple[str, ...] = field(default=())

    def files(self, split: str) -> dict[str, str]:
        """File names of a split by what they hold: ``sentences``, ``mels`` and the tasks."""
        kinds = {"sentences": "sentences", "mels": "mels"} | (
            {} if split in self.unlabelled else dict(self.labels)
        )
        return {kind: f"{self.prefixes[split]}_{end}.p" for kind, end in kinds.items()}

    def rules(self, task: str) -> Task:
        """The task that checks raw labels: of several the one with most classes, which leaves none out."""
        return max(
            (value for (name, _), value in self.tasks.items() if name == task), key=lambda t: len(t.classes)
        )

    def sources(self, folder: Path) -> list[str]:
        """Names of the files in ``folder`` that are read."""
        names = [name for split in self.prefixes for name in self.files(split).values()]
        return [name for name in (*names, VOCABULARY, VECTORS) if (folder / name).is_file()]


def video_of(key: str, split: str) -> dict[str, str]:
    """The video of a key of MOSI or MOSEI: of ``2iD-tVS8NPw[3]`` or ``2iD-tVS8NPw_3`` the first part."""
    found = re.fullmatch(r"(.+?)(?:\[.*\]|_\d+)", key)
    return {"video": found[1] if found else key}


@dataclass
class _Parts:
    """What the splits have given so far."""

    utterances: list[Utterance] = field(default_factory=list)
    frames: list[NDArray[np.float32]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    numbering: Mapping[str, int] | None = None


def read(folder: Path, layout: Layout) -> Corpus:
    """Read a data set's pickles.

    Raises:
        DataError: a file is missing, unreadable or empty, or an utterance in it is not as expected.
    """
    parts = _Parts()
    for split in layout.prefixes:
        if any((folder / name).is_file() for name in layout.files(split).values()):
            _read_split(folder, layout, split, parts)
    if not parts.utterances:
        expected = "".join(f"\n  {', '.join(layout.files(split).values())}" for split in layout.prefixes)
        raise DataError(
            f"{folder}: no {layout.name} data there, expected the files of at least one split:{expected}"
        )
    return Corpus(
        name=layout.name,
        utterances=tuple(parts.utterances),
        audio=Frames.join(list(parts.frames), MEL_BANDS),
        left_out=tuple(parts.left_out),
        vocabulary=_read_vocabulary(folder),
        numbering=parts.numbering,
        source=f"{layout.name} in the reference's layout",
    )


def _read_split(folder: Path, layout: Layout, split: str, parts: _Parts) -> None:
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
    tables = {kind: _read_table(path) for kind, path in there.items()}
    labelled = {key: None for task in tasks for key in tables[task]} if tasks else tables["sentences"]
    if split == "train":
        # The reference numbers the words of every training sentence, also of those it then leaves out.
        sentences = [_words(paths["sentences"], key, value) for key, value in tables["sentences"].items()]
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
        words = _words(paths["sentences"], key, tables["sentences"][key])
        labels = {
            task: _label(paths[task], key, tables[task][key], layout.rules(task))
            for task in tasks
            if key in tables[task]
        }
        groups: dict[str, Any] = dict(layout.groups(key, split))
        parts.frames.append(_frames(paths["mels"], key, tables["mels"][key]))
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


def _words(path: Path, key: str, value: Any) -> list[str]:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"{path}: utterance {key!r} is {_kind(value)}, expected a list of words")
    for word in value:
        if not isinstance(word, str):
            raise DataError(f"{path}: utterance {key!r} holds the word {word!r:.60}, expected text")
    return [str(word) for word in value]


def _frames(path: Path, key: str, value: Any) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.shape[1] != MEL_BANDS:
        raise DataError(
            f"{path}: utterance {key!r} is {_kind(value)}, expected frames of shape (any, {MEL_BANDS})"
        )
    if value.dtype.kind != "f":
        raise DataError(f"{path}: utterance {key!r} holds {value.dtype}, expected floating-point numbers")
    # A float64 beyond float32's range becomes infinite, which the next line reports.
    with np.errstate(over="ignore"):
        frames = value.astype(np.float32, copy=False)
    if not np.isfinite(frames).all():
        raise DataError(
            f"{path}: utterance {key!r} holds NaN or infinite values in frame {_first_bad(frames)}"
        )
    return frames


def _first_bad(frames: NDArray[np.float32]) -> int:
    return int(np.flatnonzero(~np.isfinite(frames).all(axis=1))[0])


def _label(path: Path, key: str, value: Any, rule: Task) -> Any:
    """A raw label as JSON holds it, refused where the task's rule refuses it."""
    raw = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    try:
        rule.target(raw)
    except DataError as error:
        raise DataError(f"{path}: utterance {key!r}: {error}") from error
    return raw


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"of type {type(value).__name__}"


def _read_vocabulary(folder: Path) -> CachedVocabulary | None:
    """The cached vocabulary, where both of its files are there."""
    words_path, vectors_path = folder / VOCABULARY, folder / VECTORS
    if not (words_path.is_file() and vectors_path.is_file()):
        return None
    table = _read_table(words_path)
    index = {word: int(row) if isinstance(row, np.integer) else row for word, row in table.items()}
    try:
        vectors = np.load(vectors_path, allow_pickle=False)
    except OSError as error:
        raise read_error(vectors_path, error) from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{vectors_path}: not a readable array ({error})") from error
    if not isinstance(vectors, np.ndarray):
        raise DataError(f"{vectors_path}: not a single array")
    check_vocabulary(index, vectors, words_path)
    return CachedVocabulary(index, vectors.astype(np.float32, copy=False))
