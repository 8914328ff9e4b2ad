"""A recipe joined with a corpus: task, folds, vocabularies, statistics and tables."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sertool.core.corpora.corpus import CachedVocabulary, Corpus
from sertool.core.corpora.dialogues import check_undivided, dialogues_of
from sertool.core.corpora.feature_sets import missing_frames
from sertool.core.corpora.label_maps import MapNote
from sertool.core.corpora.load import corpus_folder, load_for, mapped, task_of
from sertool.core.corpora.seal import Seal, seal, with_labels, without_labels
from sertool.core.corpora.splits import Fold, make_folds
from sertool.core.corpora.splitting import check_recipe
from sertool.core.corpora.targets import class_counts, label_hash, labels_of, targets_of
from sertool.core.corpora.tasks import Target, Task
from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.corpora.word_vectors import load_vectors
from sertool.core.errors import UsageError
from sertool.core.formatting import names_of, plural
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.target_statistics import check_scores, fit_scores, ties_in
from sertool.core.training.batches import (
    Standardization,
    Tables,
    fit_corpora,
    fit_speakers,
    fit_standardization,
    make_tables,
)


@dataclass(frozen=True)
class Experiment:
    """A corpus as a recipe divides and labels it, before any model.

    Attributes:
        recipe: settings of the experiment.
        corpus: the utterances, without the sealed labels.
        task: the task to predict.
        targets: target of every utterance; None where the task leaves the utterance out, or where it is sealed.
        folds: one fold, or several in cross-validation.
        seal: labels of the test utterances, see :mod:`~sertool.core.corpora.seal`.
        label_hash: hexadecimal hash of ids, splits, words and targets of all utterances.
        ties: number of utterances whose raters tie, so that none of the classes is their label.
        map_note: facts on the recipe's label map; None without one.
    """

    recipe: Recipe
    corpus: Corpus
    task: Task
    targets: tuple[Target | None, ...]
    folds: tuple[Fold, ...]
    seal: Seal
    label_hash: str
    ties: int = 0
    map_note: MapNote | None = None

    def unsealed(self, reader: str, purpose: str, use: str) -> "Experiment":
        """Return the experiment with the labels of its test utterances, and note who read them.

        Args:
            reader: command or program that reads the labels, for the run's log.
            purpose: reason for reading them, for the run's log.
            use: ``COUNTS`` or ``DECISIONS`` of :mod:`~sertool.core.corpora.seal`.
        """
        self.seal.note(reader, purpose, use, len(self.tested))
        corpus, targets = with_labels(self.corpus, self.targets, self.seal)
        return replace(self, corpus=corpus, targets=targets)

    @cached_property
    def speakers(self) -> Mapping[str, Standardization]:
        """Statistics of each speaker's own frames, in all splits, where the recipe asks for them."""
        dataset = self.recipe.dataset
        return fit_speakers(self.corpus, dataset.max_audio_length) if dataset.by_speaker else {}

    @cached_property
    def corpora(self) -> Sequence[Mapping[str, Standardization]]:
        """Each fold's statistics of each corpus's own frames, where the recipe asks for them."""
        dataset = self.recipe.dataset
        if not dataset.by_corpus:
            return ()
        return [fit_corpora(self.corpus, fold.sets["train"], dataset.max_audio_length) for fold in self.folds]

    @property
    def tested(self) -> frozenset[int]:
        """Positions of the utterances that are in the test set of any fold."""
        return frozenset(row for fold in self.folds for row in fold.sets.get("test", ()))

    @property
    def selected_on_test(self) -> bool:
        """True if any fold validates on its test utterances."""
        return any(fold.selected_on_test for fold in self.folds)


@dataclass(frozen=True)
class FoldInputs:
    """Vocabulary and statistics of a fold's training utterances; stored with the model.

    Attributes:
        vocabulary: rows of the words.
        standardization: mean and deviation of the audio frames, if the recipe asks for them.
        scores: mean and deviation of the targets of a task of scores.
    """

    vocabulary: Vocabulary
    standardization: Standardization | None
    scores: Standardization | None = None


def open_experiment(recipe: Recipe, data: Path) -> Experiment:
    """Read the recipe's corpus in the folder ``data`` and divide it into folds.

    Raises:
        DataError, UsageError: the corpus cannot be read, or does not fit the recipe.
    """
    dataset = recipe.dataset
    folder = corpus_folder(dataset.path, data)
    corpus, map_note = mapped(dataset, load_for(recipe, folder))
    task = task_of(dataset, corpus)
    for missing in missing_frames(recipe, corpus, folder):
        raise UsageError(f"{folder}: {missing.text}", hint=missing.hint)
    if "text" in dataset.modalities and recipe.text_frontend == "words":
        check_recipe(dataset.words, corpus, folder)
    targets = targets_of(corpus, task)
    folds = make_folds(corpus, targets, recipe.splits)
    if recipe.context is not None:
        names = [utterance.dialogue for utterance in corpus.utterances]
        check_undivided(dialogues_of(corpus.utterances), names, folds)
    hidden = seal(corpus, targets, folds)  # before anything else can see the labels of test
    visible, seen = without_labels(corpus, targets, hidden)
    if recipe.training.balance == "corpus" and not corpus.joined:
        raise UsageError(
            f"training.balance: {corpus.name} was not joined of several corpora",
            hint="`sertool prepare --join A B --out DIR` joins them; or leave training.balance out",
        )
    if task.kind == "scores":
        check_scores(task, targets, folds, recipe.training.select)
    labels = label_hash(corpus, targets)
    return Experiment(recipe, visible, task, seen, tuple(folds), hidden, labels, ties_in(corpus, task), map_note)


def fit_inputs(experiment: Experiment) -> list[FoldInputs]:
    """Fit vocabulary and statistics of each fold on its training utterances alone."""
    fitted = []
    # A vocabulary that came with the corpus belongs to the corpus's own training split. Under any other division it
    # would hold words of held-out utterances.
    as_published = experiment.recipe.splits.scheme == "corpus"
    cached, numbering = experiment.corpus.vocabulary, experiment.corpus.numbering
    for fold in experiment.folds:
        train = fold.sets["train"]
        if cached is not None and as_published:
            vocabulary = Vocabulary(dict(cached.index), rows=len(cached.vectors))
        elif numbering is not None and as_published:
            # The reference numbers the words of all training sentences, even those without audio or label.
            vocabulary = Vocabulary.of(numbering)
        else:
            vocabulary = Vocabulary.build([experiment.corpus.utterances[row].words for row in train])
        standardization = None
        if experiment.recipe.dataset.by_training_frames:
            standardization = fit_standardization(experiment.corpus, train, experiment.recipe.dataset.max_audio_length)
        scores = None
        if experiment.task.kind == "scores":
            scores = fit_scores(labels_of(experiment.targets, train, "scores"))
        fitted.append(FoldInputs(vocabulary, standardization, scores))
    return fitted


def tables_of(experiment: Experiment, inputs: Sequence[FoldInputs], device: torch.device) -> Tables:
    """Convert the corpus to tensors on the device, with the folds' vocabularies and statistics."""
    return make_tables(
        experiment.corpus,
        experiment.targets,
        vocabularies=[fold.vocabulary for fold in inputs],
        standardizations=[fold.standardization for fold in inputs],
        dataset=experiment.recipe.dataset,
        task=experiment.task,
        device=device,
        speakers=experiment.speakers,
        scores=[fold.scores for fold in inputs if fold.scores is not None],
        context=experiment.recipe.context,
        corpora=experiment.corpora,
    )


def corpora_notes(experiment: Experiment) -> list[str]:
    """Say which corpora ``standardize: each-corpus`` standardises by the frames of utterances that are judged."""
    if not experiment.recipe.dataset.by_corpus:
        return []
    names = [utterance.corpus or "" for utterance in experiment.corpus.utterances]
    trained = [{names[row] for row in fold.sets["train"]} for fold in experiment.folds]
    left = [name for name in dict.fromkeys(names) if any(name not in own for own in trained)]
    if not left:
        return []
    where = "in a fold " if len(experiment.folds) > 1 else ""
    return [
        f"standardize: each-corpus: {names_of(left)} {where}without training utterances: the mean and deviation of all "
        "frames of that corpus stand in, without labels"
    ]


def speaker_notes(experiment: Experiment) -> list[str]:
    """Say how many utterances ``standardize: speaker`` cannot standardise by their speaker."""
    dataset, utterances = experiment.recipe.dataset, experiment.corpus.utterances
    if not dataset.by_speaker:
        return []
    left = sum(utterance.speaker not in experiment.speakers for utterance in utterances)
    unnamed = sum(utterance.speaker is None for utterance in utterances)
    if not left:
        return []
    return [
        f"standardize: speaker: for {left:,} of {plural(len(utterances), 'utterance')} the mean and deviation of the "
        f"training frames stand in: {unnamed:,} name no speaker, {left - unnamed:,} have a speaker with "
        "fewer than two recordings"
    ]


def embedding_tables(
    experiment: Experiment, inputs: Sequence[FoldInputs], data: Path
) -> tuple[list[Tensor | None], list[str]]:
    """Load the initial word vectors of each fold.

    Returns:
        Vectors (rows, D) of each fold, or None where they are drawn at random; and notes for the user.

    Raises:
        UsageError: the vectors are not as wide as the recipe's embedding.
    """
    width = experiment.recipe.model.embedding_size
    cached = experiment.corpus.vocabulary
    source = experiment.recipe.dataset.vectors
    uses_words = "text" in experiment.recipe.dataset.modalities and experiment.corpus.text_frames is None
    if not uses_words:
        return [None] * len(inputs), []
    tables: list[Tensor | None]
    if cached is not None:
        tables = [_cached_rows(cached, fold.vocabulary) for fold in inputs]
        notes = [f"word vectors: {len(cached.vectors)} rows that came with the data"]
    elif source == "none":
        return [None] * len(inputs), ["word vectors: none, the embedding starts from random numbers"]
    else:
        loaded = [load_vectors(source, fold.vocabulary.words_by_row(), data_dir=data) for fold in inputs]
        tables = [torch.from_numpy(vectors.array) for vectors in loaded]
        missing = sum(not found for found in loaded[0].found)
        notes = [f"word vectors: {loaded[0].source}; {missing} of {len(loaded[0].found)} words have none"]
    for table in tables:
        if table is not None and table.shape[1] != width:
            raise UsageError(f"word vectors are {table.shape[1]} wide, the recipe's model.embedding_size is {width}")
    return tables, notes


def _cached_rows(cached: CachedVocabulary, vocabulary: Vocabulary) -> Tensor:
    """Order the vectors that came with a corpus by a vocabulary's rows; a word without a vector gets zeros."""
    table = torch.zeros(vocabulary.rows, cached.vectors.shape[1])
    for row, word in enumerate(vocabulary.words_by_row()):
        # Row 0 is the padding, which starts as the vector of the unknown word does.
        place = 0 if row == 0 else cached.index.get(word)
        if place is not None:
            table[row] = torch.from_numpy(np.asarray(cached.vectors[place], np.float32))
    return table


def class_weights_of(experiment: Experiment) -> Tensor | None:
    """Compute the weights (V, C) of the C classes in the loss of each of the V folds; None without weights.

    ``balanced`` is n / (C * n_c) of the fold's training utterances, as scikit-learn's compute_class_weight defines it.

    Raises:
        UsageError: the list does not have one weight per class, or the task is multi-label.
    """
    wanted = experiment.recipe.training.class_weights
    classes = experiment.task.classes
    if wanted == "none":
        return None
    if experiment.task.kind == "multi":
        raise UsageError("training.class_weights: only for tasks with one class per utterance")
    if isinstance(wanted, list):
        if len(wanted) != len(classes):
            raise UsageError(f"training.class_weights: {len(wanted)} weights for {len(classes)} classes")
        return torch.tensor([wanted] * len(experiment.folds))
    rows = []
    for fold in experiment.folds:
        counts = class_counts(experiment.task, [experiment.targets[row] for row in fold.sets["train"]])
        rows.append(counts.sum() / (len(classes) * np.where(counts > 0, counts, 1)))  # a class may be missing in a fold
    return torch.tensor(np.array(rows), dtype=torch.float32)


def corpus_note(experiment: Experiment) -> dict[str, object]:
    """Describe the data of a run, for corpus.json: counts, and a hash of utterances, targets, division and frames."""
    digest, corpus = hashlib.blake2b(digest_size=16), experiment.corpus
    digest.update(experiment.label_hash.encode())  # made before the labels of test were sealed
    digest.update(corpus.audio.offsets.tobytes())
    digest.update(np.ascontiguousarray(corpus.audio.flat).data)
    if corpus.text_frontend is not None and corpus.text_frames is not None:
        digest.update(corpus.text_frames.offsets.tobytes())
        digest.update(np.ascontiguousarray(corpus.text_frames.flat).data)
    return {
        "name": corpus.name,
        "task": experiment.task.name,
        "classes": list(experiment.task.classes),
        "rule": experiment.task.rule,
        **({"ranges": [list(own) for own in experiment.task.ranges]} if experiment.task.ranges else {}),
        "audio_width": corpus.audio.width,
        "text_width": corpus.text_frames.width if corpus.text_frames is not None else None,
        "counts": corpus.counts(),
        "folds": [{"name": f.name, **{name: len(rows) for name, rows in f.sets.items()}} for f in experiment.folds],
        "hash": digest.hexdigest(),
        "synthetic": corpus.synthetic,
        "machine_text": corpus.machine_text,
        # Left out where they are None, so that runs of earlier versions resume.
        **({"word_splitting": corpus.word_splitting} if corpus.word_splitting is not None else {}),
        **({"map": experiment.map_note.to_json()} if experiment.map_note is not None else {}),
        **_encoders(corpus),
    }


def _encoders(corpus: Corpus) -> dict[str, object]:
    """Return the notes of the encoders that made a corpus's frames, with the facts of their models."""
    notes = {"frontend": corpus.frontend, "text_frontend": corpus.text_frontend}
    return {key: dict(note) for key, note in notes.items() if note is not None and "weights" in note}
