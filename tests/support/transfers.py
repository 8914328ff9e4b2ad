"""Trainings that start from an earlier run: run them, and read what they left."""

from dataclasses import replace

import numpy as np
import pytest
from builders import CPU, make_corpus, tiny_recipe

from sertool.core.corpora.corpus import Frames
from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.folder import list_runs
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, train_recipe

# So small a step that the weights stay what they started as.
STANDING = {"learning_rate": 1e-12, "max_epochs": 1}
EMBEDDING = "text_encoder.embedding.weight"


def complete(folder, recipe, *, data=None, seeds=(1, 2), source=None, group_size=None):
    """Train a recipe into ``folder``; returns the notes."""
    data = data or folder.parent.parent / "data"
    experiment = open_experiment(recipe, data)
    plan = plan_training(experiment, folder, list(seeds), group_size, CPU, source)
    return [event.text for event in train_recipe(plan, data, CPU) if isinstance(event, Note)]


def weights_of(folder, run):
    return artifacts.read_arrays(folder / run / "model.safetensors")[0]


def words_of(folder):
    return artifacts.read_json(folder / "vocabulary.json")["index"]


def other_corpus(seed=5, **sizes):
    """Make other recordings than ``make_corpus()``: half of the words are new, and so is one of the classes."""
    corpus = make_corpus(sizes or None, seed=seed)
    odd = {word: f"new{word[4:]}" for word in (f"word{number}" for number in range(1, 40, 2))}
    utterances = [
        replace(
            utterance,
            words=tuple(odd.get(word, word) for word in utterance.words),
            labels={"emotion": utterance.labels["emotion"].replace("happy", "bored")},
        )
        for utterance in corpus.utterances
    ]
    return replace(corpus, name="OTHER", utterances=tuple(utterances), classes={"emotion": ("sad", "bored", "angry")})


def best_of(folder):
    return [run.folder.name for run in list_runs(folder)]


def refused(here, recipe, name="next", kind=UsageError, **arguments):
    with pytest.raises(kind) as caught:
        complete(here / "ckpt" / name, recipe, **arguments)
    return str(caught.value), caught.value.hint


def overlapping(number, seed=5):
    """Make the other corpus; ``number`` of its test utterances are training recordings of the first, retranscribed."""
    first, corpus = make_corpus(), other_corpus(seed)
    sounding = [row for row in range(24) if np.abs(first.audio[row]).sum() > 0]
    arrays = [corpus.audio[row] for row in range(len(corpus.utterances))]
    tests = [row for row, u in enumerate(corpus.utterances) if u.split == "test"]
    for row, theirs in zip(tests[:number], sounding, strict=False):
        arrays[row] = first.audio[theirs]
    return replace(corpus, audio=Frames.join(arrays, corpus.audio.width))


def modal(*modalities, **sections):
    return tiny_recipe(dataset={"modalities": list(modalities)}, **sections)
