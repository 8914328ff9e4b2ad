"""The corpus of a benchmark: random content of the size of a published corpus, or the user's own corpus."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sertool.core.bench.random_corpus import random_corpus
from sertool.core.compute.device import Precision
from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.errors import UsageError
from sertool.core.recipe.frontends import SpeechEncoder
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.experiment import Experiment, FoldInputs, fit_inputs, open_experiment, tables_of
from sertool.core.training.batches import Tables


@dataclass(frozen=True)
class Workload:
    """The data that both sides work on.

    Attributes:
        experiment: recipe and corpus.
        inputs: vocabulary and statistics of each fold.
        tables: the corpus on the device.
        precision: device and number format.
        generated: the corpus is random.
        train, held_out: (N,) positions of the first fold's utterances for training and for evaluation.
    """

    experiment: Experiment
    inputs: list[FoldInputs]
    tables: Tables
    precision: Precision
    generated: bool
    train: torch.Tensor
    held_out: torch.Tensor


def open_workload(recipe: Recipe, data: Path, precision: Precision) -> Workload:
    """Open the corpus of a recipe: a random one of the published size, or the user's own below ``data``.

    Raises:
        DataError, UsageError: the user's corpus is missing or does not fit the recipe, or random data cannot stand in
            for the published one.
    """
    generated = recipe.dataset.reader != "corpus"
    if generated and (isinstance(recipe.frontend, SpeechEncoder) or recipe.text_frontend != "words"):
        raise UsageError(
            f"recipe {recipe.name}: random data stand in for a published corpus, and they are log-mels and words, not "
            "the states of an encoder",
            hint="--set frontend={} --set text_frontend=words, or a recipe on a corpus of your own",
        )
    if generated:
        # Word vectors would have to be downloaded, and a step takes the same time: the embedding is trained anyway.
        dataset = recipe.dataset.model_copy(update={"vectors": "none"})
        recipe = recipe.model_copy(update={"dataset": dataset})
        with tempfile.TemporaryDirectory() as folder:
            write_corpus(random_corpus(recipe), Path(folder) / recipe.dataset.path)
            experiment = open_experiment(recipe, Path(folder))
    else:
        experiment = open_experiment(recipe, data)
    inputs = fit_inputs(experiment)
    sets = experiment.folds[0].sets
    return Workload(
        experiment=experiment,
        inputs=inputs,
        tables=tables_of(experiment, inputs, precision.device),
        precision=precision,
        generated=generated,
        train=torch.tensor(sets["train"]),
        held_out=torch.tensor(sets.get("test") or sets["valid"]),
    )


@dataclass(frozen=True)
class Fill:
    """The real share of the padded positions: mean words and frames after cutting, and the share that is cut."""

    words: float
    frames: float
    words_cut: float
    frames_cut: float


def fill(corpus: Corpus, max_text_length: int, max_audio_length: int) -> Fill:
    """Measure the lengths of a corpus after cutting to the lengths of the recipe."""
    words = np.array([len(utterance.words) for utterance in corpus.utterances])
    if corpus.text_frames is not None:
        words = np.diff(corpus.text_frames.offsets)
    frames = np.diff(corpus.audio.offsets)
    return Fill(
        words=float(np.minimum(words, max_text_length).mean()),
        frames=float(np.minimum(frames, max_audio_length).mean()),
        words_cut=float((words > max_text_length).mean()),
        frames_cut=float((frames > max_audio_length).mean()),
    )
