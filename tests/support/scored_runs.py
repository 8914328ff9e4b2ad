"""Tiny runs with scores and with raters' votes, trained, evaluated and with all that predictions need."""

import json
from pathlib import Path

from builders import CPU, write_tiny
from scored_corpora import scored_corpus, scored_recipe, voted_corpus, voted_recipe

from sertool.core.corpora.corpus import Corpus
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.inference.evaluate import evaluate
from sertool.core.recipe.load import Recipe
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe

# As wide as the frames of the corpora, so that a model takes recordings.
RECORDINGS = {"mel_bands": 5}
FOLDS = {"scheme": "folds", "folds": 3, "group": "speaker"}
SHORT = {"runs": 2, "max_epochs": 3}


def train_scored(
    folder: Path, corpus: Corpus | None = None, *, steeper: float = 1.0, evaluated: bool = True, **sections
) -> None:
    """Train ``folder``/ckpt/tiny on scores.

    Args:
        folder: gets ``data`` and ``ckpt``.
        corpus: the corpus; None for two scores.
        steeper: factor of the stored deviations of the scores: with more than 1, predictions leave the ranges.
        evaluated: also store size and intervals.
        sections: changes of the recipe.
    """
    training = {**SHORT, **sections.pop("training", {})}
    recipe = scored_recipe(frontend=RECORDINGS, training=training, **sections)
    _train(folder, corpus or scored_corpus(), recipe)
    for path in (folder / "ckpt/tiny").glob("scores*.json"):
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "std": [steeper * one for one in content["std"]]}))
    if evaluated:
        evaluate_tiny(folder)


def train_voted(folder: Path, labels: str, **sections) -> None:
    """Train ``folder``/ckpt/tiny on raters' votes, and store size and predictions."""
    _train(folder, voted_corpus(), voted_recipe(labels, frontend=RECORDINGS, training=SHORT, **sections))
    evaluate_tiny(folder)


def _train(folder: Path, corpus: Corpus, recipe: Recipe) -> None:
    experiment = open_experiment(recipe, write_tiny(folder / "data", corpus))
    plan = plan_training(experiment, folder / "ckpt/tiny", range(1, recipe.training.runs + 1), None, CPU)
    for _ in train_recipe(plan, folder / "data", CPU):
        pass


def evaluate_tiny(folder: Path) -> None:
    """Store predictions, the size of two members, and their intervals."""
    ensemble = open_ensemble("tiny", folder / "ckpt", folder / "data")
    assert not evaluate(ensemble, ["valid", "test"], 2, CPU).unstored
