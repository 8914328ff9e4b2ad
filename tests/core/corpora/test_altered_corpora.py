"""Every field of every file of a corpus altered: it is read, or refused in one message; never more."""

import json
import shutil
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from alterations import VALUES, alter
from builders import make_corpus, tiny_recipe
from scored_corpora import scored_corpus, scored_recipe, voted_corpus, voted_recipe

from sertool.core.corpora.corpus import CachedVocabulary, Frames, LeftOut
from sertool.core.corpora.corpus_files import read_corpus, write_corpus
from sertool.core.doctor.inspect import inspect
from sertool.core.errors import DataError, SertoolError
from sertool.core.runs.experiment import fit_inputs, open_experiment, tables_of

MEMORY, SECONDS = 60 << 20, 5  # for a corpus of a few kilobytes
SIZES = {"train": 8, "valid": 4, "test": 4}
ALTERATIONS = [pytest.param(first, 60, marks=() if first == 0 else pytest.mark.slow) for first in range(0, 2040, 240)]

RATED = (scored_recipe(training={"loss": "ccc"}), voted_recipe("soft"), voted_recipe("any"))


def full_corpus():
    """A corpus with every file and every field."""
    corpus = make_corpus({"train": 8, "valid": 3, "test": 3})
    filled = [
        replace(
            one, speaker=f"s{n % 3}", session="a", dialogue="d", video="v", seconds=1.5, gender="F", transcriber="t"
        )
        for n, one in enumerate(corpus.utterances)
    ]
    words = sorted({word for one in filled for word in one.words})
    return replace(
        corpus,
        utterances=tuple(filled),
        left_out=(LeftOut("x", "test", "no audio"),),
        text_frames=Frames.join([np.ones((2, 5), np.float32)] * len(filled), 5),
        vocabulary=CachedVocabulary({"UNK": 1, "a": 2}, np.ones((3, 6), np.float32)),
        numbering={word: place for place, word in enumerate(words, start=1)},
        frontend=tiny_recipe().frontend.model_dump(),
        source="somewhere",
    )


def rated_corpus():
    """A corpus with scores and votes of raters, one of whom named several classes, and with folds."""
    scores, votes = scored_corpus(SIZES, raters=2), voted_corpus(SIZES)
    both = [
        replace(
            one,
            labels={**one.labels, **other.labels},
            ratings={**one.ratings, "emotion": {**other.ratings["emotion"], "eve": ("happy", "sad")}},
            fold=str(n % 3),
        )
        for n, (one, other) in enumerate(zip(scores.utterances, votes.utterances, strict=True))
    ]
    return replace(scores, utterances=tuple(both), classes=votes.classes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "TINY"
    write_corpus(full_corpus(), folder)
    assert use(folder) == []
    return folder


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rated") / "TINY"
    write_corpus(rated_corpus(), folder)
    assert use(folder, *RATED) == []
    return folder


def without_hashes(folder: Path) -> None:
    """Take the hashes away, as in an older corpus, so that an altered value is met by what reads it."""
    path = folder / "corpus.json"
    header = json.loads(path.read_text())
    del header["sha256"]
    path.write_text(json.dumps(header))


def use(folder: Path, *recipes) -> list[str]:
    """Read a corpus as training does and as the doctor does; return the messages of what was refused."""
    refused = []
    for recipe in recipes or (tiny_recipe(),):
        for do in (learn, look):
            try:
                do(recipe, folder)
            except SertoolError as error:
                refused.append(str(error))
    return refused


def learn(recipe, folder: Path) -> None:
    """Read a corpus as training does; what is learnt from it and what standardises it are numbers."""
    experiment = open_experiment(recipe, folder.parent)
    inputs = fit_inputs(experiment)
    if recipe.dataset.target == "classes" and recipe.dataset.labels == "majority":
        return
    tables = tables_of(experiment, inputs, torch.device("cpu"))
    assert torch.isfinite(tables.targets[list(experiment.folds[0].sets["train"])]).any(0).all()
    if tables.scores is not None:
        assert torch.isfinite(tables.scores).all()
        assert (tables.scores[:, 1] > 0).all()


def look(recipe, folder: Path) -> None:
    """Inspect the corpus as the doctor does, with the agreement of its raters."""
    inspect(recipe, folder, data_dir=folder.parent)


@pytest.mark.parametrize(("first", "number"), ALTERATIONS)
def test_an_altered_corpus_is_used_or_refused(first, number, written, tmp_path):
    check(written, sorted(path.name for path in written.iterdir()), range(first, first + number), tmp_path)


@pytest.mark.parametrize(("first", "number"), ALTERATIONS)
def test_an_altered_corpus_of_scores_and_raters_is_used_or_refused(first, number, rated, tmp_path):
    check(rated, ["utterances.jsonl", "utterances.jsonl", "corpus.json"], range(first, first + number), tmp_path, RATED)


def check(written: Path, names: list[str], seeds: range, tmp_path: Path, recipes: tuple = ()) -> None:
    tracemalloc.start()
    try:
        for seed in seeds:
            random = Random(seed)
            folder = tmp_path / "TINY"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(written, folder)
            without_hashes(folder)
            done = alter(folder / names[seed % len(names)], random)
            tracemalloc.reset_peak()
            begun = time.process_time()
            try:
                refused = use(folder, *recipes[seed // len(names) % 3 :][:1])  # one recipe in turn: each takes long
            except Exception as error:
                raise AssertionError(f"alteration {seed}: {done}") from error
            assert all(len(message) < 8000 and message.count("\n") <= 30 for message in refused), done
            assert time.process_time() - begun < SECONDS, done
            assert tracemalloc.get_traced_memory()[1] < MEMORY, done
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["utterances.jsonl", "audio.safetensors", "text.safetensors", "vocabulary.json"])
def test_with_hashes_every_altered_file_is_refused(name, written, tmp_path):
    for seed in range(40):
        folder = tmp_path / str(seed)
        shutil.copytree(written, folder)
        done = alter(folder / name, Random(seed))
        if (folder / name).read_bytes() != (written / name).read_bytes():
            with pytest.raises(DataError) as caught:
                read_corpus(folder)
            assert str(folder) in str(caught.value), done


@pytest.mark.parametrize(
    "key", ["name", "ranges", "source", "frontend", "classes", "left_out", "synthetic", "utterances"]
)
def test_every_value_in_the_place_of_a_key_of_corpus_json(key, written, tmp_path):
    folder = tmp_path / "TINY"
    shutil.copytree(written, folder)
    header = json.loads((folder / "corpus.json").read_text())
    for value in VALUES:
        (folder / "corpus.json").write_text(json.dumps({**header, key: "\0"}).replace('"\\u0000"', value, 1))
        told = refusal(folder)
        assert told.startswith(str(folder / "corpus.json")) or told == "" or "corpus.json says" in told, value


def refusal(folder: Path) -> str:
    """Return the message of a corpus that is refused; empty if it is read."""
    try:
        read_corpus(folder)
    except DataError as error:
        return str(error)
    return ""
