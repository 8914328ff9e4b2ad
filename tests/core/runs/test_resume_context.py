"""Trainings of models with context that are killed and resumed."""

import pytest
from builders import CPU, write_tiny
from dialogue_corpora import context_recipe, dialogue_corpus
from killed_training import DROPOUT, UNEVEN, Killed, contents, killing

from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe

FOLDS = {"scheme": "folds", "folds": 3, "group": "dialogue"}
SETTINGS = {"training": {**UNEVEN, "max_epochs": 3, "batch_size": 8}, "model": DROPOUT}


def complete(recipe, data, folder, group_size=None):
    plan = plan_training(open_experiment(recipe, data), folder, [1, 2], group_size, CPU)
    return list(train_recipe(plan, data, CPU))


@pytest.mark.parametrize("splits", [{}, FOLDS], ids=["corpus", "folds"])
def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path, monkeypatch, splits):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    corpus = dialogue_corpus(alone=not splits)  # by dialogue only those that have one are divided
    data, recipe = write_tiny(tmp_path / "data", corpus), context_recipe(splits=splits, **SETTINGS)
    complete(recipe, data, tmp_path / "whole")
    with monkeypatch.context() as patch:
        killing(patch, 5)
        with pytest.raises(Killed):
            complete(recipe, data, tmp_path / "killed")
    complete(recipe, data, tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
