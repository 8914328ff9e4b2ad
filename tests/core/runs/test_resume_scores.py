"""Trainings of scores and of raters' votes that are killed, that others join, and that run in processes."""

import random
from dataclasses import replace

import pytest
from builders import CPU, write_tiny
from killed_training import DROPOUT, LONG, UNEVEN, Killed, contents, kill_and_resume, killing
from scored_corpora import scored_corpus, scored_recipe, voted_corpus, voted_recipe

from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.folder import list_runs
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe

FOLDS = {"scheme": "folds", "folds": 3, "group": "speaker"}
SIZES = {"train": 25, "valid": 12, "test": 9}  # batches of 8 leave a last one of 1
MIXED = {"loss": {"ccc": 1.0, "mse": 0.2}}
RECIPES = {
    "ccc": scored_recipe(training={**UNEVEN, "loss": "ccc"}, model=DROPOUT),
    "mae": scored_recipe(training={**UNEVEN, "loss": "mae", "select": "mae"}, model=DROPOUT),
    "folds": scored_recipe(training={**UNEVEN, **MIXED, "runs": 1}, model=DROPOUT, splits=FOLDS),
    "mnt": scored_recipe(training={**UNEVEN, **MIXED}, model={**DROPOUT, "architecture": "mnt"}),
    "linear": scored_recipe(training={**UNEVEN, "select": "pearson"}, model={"architecture": "linear"}),
    "soft": voted_recipe("soft", training={**UNEVEN, "class_weights": "balanced"}, model=DROPOUT),
    "any": voted_recipe("any", training=UNEVEN, model=DROPOUT),
}


def corpus_of(name):
    return voted_corpus(SIZES, speakers=9) if name in ("soft", "any") else scored_corpus(SIZES, speakers=9, raters=2)


def complete(recipe, data, folder, seeds, group_size=None, **changes):
    plan = plan_training(open_experiment(recipe, data), folder, seeds, group_size, CPU)
    return list(train_recipe(replace(plan, **changes), data, CPU))


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)


OFTEN = ("ccc", "folds", "soft")


@pytest.mark.parametrize(
    "name", [name if name == "linear" else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_killed_before_any_write_it_ends_with_the_same_bytes(tmp_path, monkeypatch, save_always, name):
    data, recipe = write_tiny(tmp_path / "data", corpus_of(name)), RECIPES[name]
    seeds = [1] if name == "folds" else [1, 2, 3]
    complete(recipe, data, tmp_path / "whole", seeds, 2)
    wanted = contents(tmp_path / "whole")
    assert len([file for file in wanted if file.endswith("run.json")]) == 3
    with monkeypatch.context() as patch:
        left = killing(patch, 10**6)
        complete(recipe, data, tmp_path / "counted", seeds, 2)
        writes = 10**6 - left[0]
    for at in random.Random(1).sample(range(1, writes + 1), 4):
        with monkeypatch.context() as patch:
            killing(patch, at)
            with pytest.raises(Killed):
                complete(recipe, data, tmp_path / f"killed-{at}", seeds, 2)
        complete(recipe, data, tmp_path / f"killed-{at}", seeds, 2)
        assert contents(tmp_path / f"killed-{at}") == wanted, at


@pytest.mark.slow
@pytest.mark.parametrize("name", OFTEN)
def test_more_members_join_and_leave_the_others_as_they_were(tmp_path, monkeypatch, save_always, name):
    data, recipe = write_tiny(tmp_path / "data", corpus_of(name)), RECIPES[name]
    with monkeypatch.context() as patch:
        killing(patch, 14)
        with pytest.raises(Killed):
            complete(recipe, data, tmp_path / "run", [1, 2], 1)
    complete(recipe, data, tmp_path / "run", [1, 2], 1)
    before = contents(tmp_path / "run")
    complete(recipe, data, tmp_path / "run", [1, 2, 3], 1)
    after = contents(tmp_path / "run")
    assert {file: after[file] for file in before} == before
    assert {run.seed for run in list_runs(tmp_path / "run")} == {1, 2, 3}
    # A member is what it is in a training of its own.
    complete(recipe, data, tmp_path / "alone", [3], 1)
    alone = contents(tmp_path / "alone")
    assert {file: after[file] for file in alone} == alone


@pytest.mark.slow
@pytest.mark.parametrize("name", OFTEN)
def test_processes_leave_every_byte_as_it_is(tmp_path, save_always, name):
    data, recipe = write_tiny(tmp_path / "data", corpus_of(name)), RECIPES[name]
    complete(recipe, data, tmp_path / "one", [1, 2], 1)
    complete(recipe, data, tmp_path / "two", [1, 2], 1, workers=2, processes=True)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.parametrize("splits", [{}, FOLDS], ids=["corpus", "folds"])
def test_kill_minus_nine(tmp_path, splits):
    recipe = scored_recipe(training={**LONG, **MIXED, "runs": 3}, model=DROPOUT, splits=splits)
    kill_and_resume(tmp_path, 3, recipe=recipe, corpus=corpus_of("ccc"))
