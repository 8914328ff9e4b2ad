"""The utterances of a corpus on which answers from elsewhere are judged, with their labels under the seal.

Imported predictions, ready models and runs of other corpora are all judged through a :class:`Subject`, so that they are
judged on the same utterances: those of the corpus's test split, or all with a label where it has none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sertool.core.corpora.class_maps import ClassMap, MapNote
from sertool.core.corpora.corpus import SPLITS, Corpus
from sertool.core.corpora.corpus_files import is_corpus
from sertool.core.corpora.load import load_corpus, task_of
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.corpora.score_tasks import ranges_in
from sertool.core.corpora.seal import DECISIONS, Seal, seal, with_labels, without_labels
from sertool.core.corpora.splits import Fold
from sertool.core.corpora.targets import label_hash, targets_of
from sertool.core.corpora.tasks import Target, Task
from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import names_of, plural
from sertool.core.recipe.dataset import ALL_SCORES, Dataset, score_names

ALL = "all"  # every utterance with a label, whatever its split
JUDGED = (*(name for name in SPLITS if name != "private"), ALL)
USUAL_TASK = "emotion"
_CLASSES = re.compile(r"(.+?), ([27]) classes")  # as reports write a score from -3 to 3 that is divided into classes


@dataclass(frozen=True)
class Subject:
    """Utterances to judge.

    Attributes:
        folder: folder of the corpus.
        corpus: the corpus through the label map; without the labels of judged utterances before :meth:`unsealed`.
        dataset: task and reader, as a recipe states them.
        task: the task.
        split: the judged split, or ``all``.
        rows: positions of the judged utterances; each has a label.
        targets: target of every utterance; None where it has none, and where it is sealed.
        seal: hidden labels, and the reads of them.
        data_hash: hexadecimal hash of the ids, words and targets of the whole corpus.
        map_note: facts on the label map; None without one.
    """

    folder: Path
    corpus: Corpus
    dataset: Dataset
    task: Task
    split: str
    rows: tuple[int, ...]
    targets: tuple[Target | None, ...]
    seal: Seal
    data_hash: str
    map_note: MapNote | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the judged utterances."""
        return tuple(self.corpus.utterances[row].id for row in self.rows)

    @property
    def set(self) -> str:
        """Name under which predictions of these utterances are stored: validation as such, all else as test."""
        return "valid" if self.split == "valid" else "test"

    def unsealed(self, reader: str, purpose: str) -> "Subject":
        """Return the subject with the labels of the judged utterances, and note who read them unless they validate.

        Args:
            reader: command or program that reads the labels, for the run's log.
            purpose: reason for reading them, for the run's log.
        """
        if self.set == "test":
            self.seal.note(reader, purpose, DECISIONS, len(self.rows))
        corpus, targets = with_labels(self.corpus, self.targets, self.seal)
        return replace(self, corpus=corpus, targets=targets)


def open_subject(
    folder: Path,
    *,
    task: str | None = None,
    split: str | None = None,
    label_map: ClassMap | None = None,
    answers: Sequence[str] | None = None,
) -> Subject:
    """Read a corpus and choose the utterances on which answers are judged.

    Args:
        folder: folder of a corpus, or of a published data set's pickles.
        task: name of the label; of scores their names, separated by commas, or ``all``; for a score from -3 to 3 that
            is divided into classes ``NAME, 2 classes`` or ``NAME, 7 classes``. None: the emotion, or else the only
            task of classes, or else all scores.
        split: ``test``, ``valid``, ``train`` or ``all``. None: test if it has utterances with a label, else all.
        label_map: the labels are read through it.
        answers: classes that are answered, so that only classes are judged that the map has for both sides.

    Raises:
        DataError: the corpus cannot be read.
        UsageError: there is no such task or split, or no judged utterance has a label.
    """
    return subject_of(open_judged(folder), task=task, split=split, label_map=label_map, answers=answers)


@dataclass(frozen=True)
class JudgedCorpus:
    """A corpus as it was read, with all labels: its folder, the name of its reader, and its utterances."""

    folder: Path
    reader: str
    corpus: Corpus

    @property
    def class_tasks(self) -> list[str]:
        """Names of its tasks of classes."""
        return list(self.classes)

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Names of the classes of each of its tasks of classes."""
        if self.reader == "corpus":
            return dict(self.corpus.classes)
        tasks = LAYOUTS[self.reader].tasks.items()
        return {name: task.classes for (name, number), task in tasks if number is None}

    @property
    def scores(self) -> list[str]:
        """Names of its scores; the labels of pickles that are class numbers are none."""
        return [name for name in ranges_in(self.corpus) if name not in self.classes]


def open_judged(folder: Path) -> JudgedCorpus:
    """Read the corpus in a folder, or the pickles of a published data set.

    Raises:
        DataError: it cannot be read.
    """
    reader = reader_of(folder)
    return JudgedCorpus(folder, reader, load_corpus(reader, folder))


def subject_of(
    judged: JudgedCorpus,
    *,
    task: str | None = None,
    split: str | None = None,
    label_map: ClassMap | None = None,
    answers: Sequence[str] | None = None,
) -> Subject:
    """Choose the utterances of a corpus on which answers are judged, see :func:`open_subject`.

    Raises:
        UsageError, DataError: see :func:`open_subject`.
    """
    corpus, note = judged.corpus, None
    if label_map is not None:
        name = task or _usual_task(judged, by_scores=bool(label_map.scores))
        corpus, note = label_map.map_labels(corpus, name, answers)
        dataset = _dataset(judged, name, target="classes", map=label_map.name)
    else:
        dataset = _dataset_of(judged, task)
    found = task_of(dataset, corpus)
    targets = tuple(targets_of(corpus, found))
    chosen, rows = _chosen(corpus, targets, split, found)
    fold = Fold("judged", {"train": (), "valid": (), "test": rows})
    hidden = seal(corpus, targets, [fold])
    visible, seen = without_labels(corpus, targets, hidden)
    return Subject(
        judged.folder, visible, dataset, found, chosen, rows, seen, hidden, label_hash(corpus, targets), note
    )


def reader_of(folder: Path) -> str:
    """Return the reader of a folder: ``corpus``, or that of the pickles of a published data set that lie in it.

    The files of the data sets have some names in common. The one that has the folder's name is meant, or else the one
    of which most files are there.
    """
    if is_corpus(folder) or not folder.is_dir():
        return "corpus"
    name = folder.resolve().name.casefold()
    there = {key: len(layout.sources(folder)) for key, layout in LAYOUTS.items()}
    best = max(there, key=lambda key: (there[key] > 0 and key == name, there[key]))
    return best if there[best] else "corpus"


def _usual_task(judged: JudgedCorpus, *, by_scores: bool = False) -> str:
    """Return the task that is meant where none is named.

    Raises:
        UsageError: the corpus has several, or none.
    """
    classes = judged.class_tasks
    if USUAL_TASK in classes or (by_scores and not classes):
        return USUAL_TASK
    if len(classes) == 1:
        return classes[0]
    if not classes and judged.scores:
        return ALL_SCORES
    held = f"it has {names_of(classes)}" if classes else "it has neither classes nor scores"
    raise UsageError(f"{judged.corpus.name}: which task is not clear: {held}", hint="--task NAME names one")


def _dataset_of(judged: JudgedCorpus, task: str | None) -> Dataset:
    """Describe a task of a corpus as the section of a recipe does."""
    name = task or _usual_task(judged)
    classes, scores = judged.class_tasks, judged.scores
    if name in classes:
        return _dataset(judged, name, target="classes")
    divided = _CLASSES.fullmatch(name)
    if divided and divided[1] in scores:
        return _dataset(judged, divided[1], target="classes", num_classes=int(divided[2]))
    if scores and (name == ALL_SCORES or set(score_names(name)) <= set(scores)):
        return _dataset(judged, name, target="scores")
    known = [*classes, *scores]
    near = did_you_mean(name, known)
    raise UsageError(f"--task {name}: {judged.corpus.name} has no such task{near}", hint=f"it has {names_of(known)}")


def _dataset(judged: JudgedCorpus, task: str, **more: Any) -> Dataset:
    return Dataset.model_validate({"reader": judged.reader, "path": str(judged.folder), "task": task, **more})


def _chosen(
    corpus: Corpus, targets: Sequence[Target | None], split: str | None, task: Task
) -> tuple[str, tuple[int, ...]]:
    """Return the judged split and the positions of its utterances with a label."""
    if split is not None and split not in JUDGED:
        near = did_you_mean(split, list(JUDGED))
        raise UsageError(f"--split {split}: expected one of {', '.join(JUDGED)}{near}")
    labelled = [row for row, target in enumerate(targets) if target is not None]
    if not labelled:
        raise DataError(f"{corpus.name}: no utterance has a label for {task.name}")
    tested = any(corpus.utterances[row].split == "test" for row in labelled)
    chosen = split or ("test" if tested else ALL)
    rows = tuple(row for row in labelled if chosen in (ALL, corpus.utterances[row].split))
    if not rows:
        there = {name: count for name, count in corpus.counts().items() if name != "private"}
        held = ", ".join(f"{name} {count:,}" for name, count in there.items())
        raise UsageError(
            f"--split {chosen}: {corpus.name} has no such utterances with a label for {task.name}",
            hint=f"it has {held}; --split all judges {plural(len(labelled), 'utterance')}",
        )
    return chosen, rows
