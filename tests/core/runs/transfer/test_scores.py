"""``train --from`` between runs of scores: rows of scores that both know, other ranges, and kills."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
from builders import CPU, write_tiny
from killed_training import DROPOUT, Killed, contents, killing
from scored_corpora import scored_corpus, scored_recipe
from transfers import STANDING, complete, weights_of

from sertool.core.corpora.corpus import Corpus
from sertool.core.files import artifacts
from sertool.core.inference.ensemble import open_ensemble, run_members
from sertool.core.runs import train as runs
from sertool.core.runs.folder import list_runs

LAST = ("classifier.weight", "classifier.bias")
FOLDS = {"scheme": "folds", "folds": 3}


def renamed(corpus: Corpus, **names: str) -> Corpus:
    """Return the corpus with other names of scores."""

    def of(name: str) -> str:
        return names.get(name, name)

    utterances = [replace(one, labels={of(name): raw for name, raw in one.labels.items()}) for one in corpus.utterances]
    return replace(corpus, utterances=tuple(utterances), ranges={of(name): own for name, own in corpus.ranges.items()})


@pytest.fixture
def here(tmp_path):
    """A run of two scores, ``ckpt/first``, and its corpus as ``data``."""
    data = write_tiny(tmp_path / "data", scored_corpus())
    complete(tmp_path / "ckpt/first", scored_recipe(training={"max_epochs": 2}), data=data)
    return tmp_path


def best(folder):
    return list_runs(folder)[0].folder.name


def test_scores_that_both_know_keep_their_rows(here):
    # In another order, and one of them is new.
    write_tiny(
        here / "data", renamed(scored_corpus(seed=5, scores=("arousal", "sentiment", "valence")), sentiment="mood")
    )
    recipe = scored_recipe(training=STANDING)
    (note,) = [note for note in complete(here / "ckpt/next", recipe, source="first", seeds=(1,)) if "starting" in note]
    assert note.endswith("; scores known: arousal, valence; new: mood")
    complete(here / "ckpt/drawn", recipe, seeds=(1,))
    theirs, ours, drawn = (
        weights_of(here / "ckpt" / name, run)
        for name, run in (("first", best(here / "ckpt/first")), ("next", "run-1"), ("drawn", "run-1"))
    )
    assert artifacts.read_json(here / "ckpt/next/corpus.json")["classes"] == ["arousal", "mood", "valence"]
    for name in LAST:
        wanted = np.stack([theirs[name][1], drawn[name][1], theirs[name][0]])
        np.testing.assert_allclose(ours[name], wanted, rtol=0, atol=1e-9)
    for name in set(ours) - {*LAST, "text_encoder.embedding.weight"}:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-9, err_msg=name)


def test_one_of_several_scores_starts_from_all_of_them(here):
    (note,) = [
        note
        for note in complete(
            here / "ckpt/next",
            scored_recipe(dataset={"task": "arousal"}, training=STANDING),
            source="first",
            seeds=(1,),
        )
        if "starting" in note
    ]
    assert note.endswith("; scores known: arousal")
    theirs, ours = weights_of(here / "ckpt/first", best(here / "ckpt/first")), weights_of(here / "ckpt/next", "run-1")
    for name in LAST:
        np.testing.assert_allclose(ours[name], theirs[name][1:], rtol=0, atol=1e-9)


def test_on_another_range_a_run_starts_as_good_as_the_earlier_one(here):
    """Members learn standardised scores, so the same corpus in percent starts from the same predictions in percent."""
    earlier = scored_corpus(scores=("valence",))
    percent = [replace(one, labels={"valence": 25 * (one.labels["valence"] - 1)}) for one in earlier.utterances]
    for name, corpus in (
        ("one", earlier),
        ("two", replace(earlier, utterances=tuple(percent), ranges={"valence": (0.0, 100.0)})),
    ):
        data = write_tiny(here / name, corpus)
        source, training = ("one", STANDING) if name == "two" else (None, {"max_epochs": 3})
        complete(here / "ckpt" / name, scored_recipe(training=training), data=data, source=source, seeds=(1,))
    found = []
    for name in ("one", "two"):
        ensemble = open_ensemble(name, here / "ckpt", here / name)
        (predictions,) = run_members(ensemble, ensemble.experiment, ["valid"], CPU)
        found.append(predictions.logits)
        assert predictions.figures(1)["ccc"] == pytest.approx(list_runs(here / "ckpt" / name)[0].score, abs=1e-5)
    np.testing.assert_allclose(found[1], 25 * (found[0] - 1), rtol=0, atol=1e-3)


def test_cross_validation_starts_from_cross_validation_with_the_fold_statistics_of_its_own(here):
    recipe = scored_recipe(training={"max_epochs": 2, "loss": "ccc"}, splits=FOLDS, protocol="paper")
    complete(here / "ckpt/folds", recipe, seeds=(1,))
    notes = complete(here / "ckpt/next", recipe, source="folds", seeds=(1,))
    assert any("starting from folds (3 members, best first)" in note for note in notes)
    own = [artifacts.read_json(here / "ckpt/next" / f"scores-{fold}.json") for fold in range(3)]
    assert own == [artifacts.read_json(here / "ckpt/folds" / f"scores-{fold}.json") for fold in range(3)]
    assert own[0] != own[1]


@pytest.mark.slow
def test_killed_before_any_write_it_ends_with_the_same_bytes(here, monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    write_tiny(here / "data", scored_corpus(seed=5, scores=("arousal", "sentiment")))
    recipe = scored_recipe(training={"max_epochs": 3, "loss": "ccc"}, model=DROPOUT)
    command = {"recipe": recipe, "source": "first", "group_size": 1}
    complete(here / "ckpt/whole", **command)
    wanted = contents(here / "ckpt/whole")
    with monkeypatch.context() as patch:
        left = killing(patch, 10**6)
        complete(here / "ckpt/counted", **command)
        writes = 10**6 - left[0]
    for at in random.Random(3).sample(range(1, writes), 5):
        with monkeypatch.context() as patch:
            killing(patch, at)
            with pytest.raises(Killed):
                complete(here / f"ckpt/killed-{at}", **command)
        complete(here / f"ckpt/killed-{at}", **command)
        assert contents(here / f"ckpt/killed-{at}") == wanted, at
    # Once it has begun, the earlier run may go.
    shutil.rmtree(here / "ckpt/first")
    assert complete(here / "ckpt/whole", **command) == []
