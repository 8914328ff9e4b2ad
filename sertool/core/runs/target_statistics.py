"""Statistics of training targets: what standardises scores, how often classes occur, and what cannot be learnt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.splits import Fold
from sertool.core.corpora.targets import labels_of, raters_tie
from sertool.core.corpora.tasks import Target, Task
from sertool.core.errors import DataError
from sertool.core.recipe.schema import Training
from sertool.core.training.batches import Standardization

# Deviation of a score as a share of its largest value: models compute in float32, where less is rounding.
LEAST = 1e-6


def fit_scores(targets: NDArray[np.float64]) -> Standardization:
    """Compute mean and standard deviation of each score over training targets (N, D), NaN where one is missing."""
    return Standardization(tuple(np.nanmean(targets, 0).tolist()), tuple(np.nanstd(targets, 0).tolist()))


def training_means(targets: Sequence[Target | None], folds: Sequence[Fold]) -> list[float]:
    """Return the mean of each score over the utterances that train in any fold."""
    rows = sorted({row for fold in folds for row in fold.sets["train"]})
    means: list[float] = np.nanmean(labels_of(targets, rows, "scores"), 0).tolist()
    return means


def check_scores(task: Task, targets: Sequence[Target | None], folds: Sequence[Fold], select: str) -> None:
    """Refuse scores that are constant where something must be learnt or chosen by them.

    Args:
        task: task of the scores.
        targets: targets of all utterances.
        folds: training and validation sets.
        select: metric that chooses the best epoch; correlations need two different targets in validation.

    Raises:
        DataError: a score has fewer than two different values in a fold's training or validation utterances, or values
            that float32 hardly tells apart.
    """
    for fold in folds:
        where = f" of fold {fold.name}" if len(folds) > 1 else ""
        for name, set_name in (("train", "training"), ("valid", "validation")):
            own = labels_of(targets, fold.sets[name], "scores")
            for score, column in zip(task.classes, own.T, strict=True):
                values = column[~np.isnan(column)]
                held = _sameness(values)
                if not held or (name == "valid" and select == "mae" and len(values)):
                    continue
                others = ", ".join(other for other in task.classes if other != score)
                hint = f"leave it out: --set 'dataset.task={others}'" if others else None
                meaning = "nothing can be learnt from it"
                if name == "valid" and len(values):
                    meaning = "no correlation can choose the best epoch by it"
                    hint = "--set training.select=mae needs no different values"
                elif name == "valid":
                    meaning = "no epoch can be chosen by it"
                raise DataError(f"{score} {held} in {set_name}{where}: {meaning}", hint=hint)


def _sameness(values: NDArray[np.float64]) -> str:
    """Say why nothing can be learnt from the known values of a score; empty where they differ."""
    if not len(values):
        return "is missing for all utterances"
    if values.std() > LEAST * np.abs(values).max():
        return ""
    low, high = values.min(), values.max()
    return f"is always {low:g}" if low == high else f"differs by {high - low:g} around {values.mean():g} and no more"


def loss_notes(settings: Training, folds: Sequence[Fold]) -> list[str]:
    """Say where the last batch of an epoch is too small for the correlation that the loss holds.

    Args:
        settings: section ``training`` of the recipe.
        folds: training sets.
    """
    short = sum(len(fold.sets["train"]) % settings.batch_size == 1 for fold in folds)
    if not settings.needs_batches or not short:
        return []
    where = f" in {short} of {len(folds)} folds" if len(folds) > 1 else ""
    return [
        f"the last batch of an epoch holds 1 utterance{where}: too few for a correlation, so its squared error counts "
        "instead"
    ]


def ties_in(corpus: Corpus, task: Task) -> int:
    """Count the utterances with raters that have no label for a task, because the raters tie."""
    if task.kind == "scores":
        return 0
    unlabelled = (one for one in corpus.utterances if one.split != "private" and task.name not in one.labels)
    return sum(raters_tie((one.ratings or {}).get(task.name, {}), task.classes) for one in unlabelled)
