"""Figures that need no model: always the same decision, or always the same score.

A figure means little alone: where three of four utterances are neutral, a model has an accuracy of 75 % before it has
learned anything.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray, IntArray, metrics_of
from sertool.core.metrics.moments import ccc
from sertool.core.metrics.scores import score_figures
from sertool.core.metrics.sentiment import VALUES, rounded


@dataclass(frozen=True)
class Baseline:
    """Figures that need no model: the same answer for every utterance.

    Attributes:
        name: the answer: ``always neutral``, ``no label at all`` in a multi-label task, ``always the mean`` of scores.
        metrics: metrics of decisions, by key; of scores too, where always the mean score is given.
    """

    name: str
    metrics: Mapping[str, float]


def constant_decisions(targets: IntArray, num_classes: int) -> NDArray[np.int64]:
    """Return the decisions of a model that always gives the most frequent class, or in a multi-label task no label.

    Args:
        targets: (N,) classes, or (N, C) 0/1 of a multi-label task.
        num_classes: C.

    Returns:
        Decisions of the shape of the targets. Of several classes that are as frequent, the first is taken.

    >>> constant_decisions(np.array([2, 1, 2]), 3).tolist()
    [2, 2, 2]
    >>> constant_decisions(np.array([[1, 0], [1, 1]]), 2).tolist()
    [[0, 0], [0, 0]]
    """
    if targets.ndim == 2:
        return np.zeros(targets.shape, np.int64)
    frequent = np.bincount(targets, minlength=num_classes).argmax() if len(targets) else 0
    return np.full(len(targets), frequent, np.int64)


def baseline_metrics(targets: IntArray, num_classes: int) -> dict[str, float]:
    """Return every metric of decisions of :func:`constant_decisions`, by key.

    >>> baseline_metrics(np.array([0, 0, 0, 1]), 2)["uar"]
    0.5
    """
    decisions = constant_decisions(targets, num_classes)
    metrics = metrics_of("multi" if targets.ndim == 2 else "single")
    return {name: metric(targets, decisions, num_classes) for name, metric in metrics.items()}


def baseline_name(targets: IntArray, classes: Sequence[str]) -> str:
    """Name the baseline, as ``always neutral``; ``no label at all`` in a multi-label task.

    >>> baseline_name(np.array([1, 1, 0]), ["sad", "happy"])
    'always happy'
    """
    if targets.ndim == 2:
        return "no label at all"
    return f"always {classes[int(constant_decisions(targets, len(classes))[0])]}" if len(targets) else "always the same"


def baseline_scores(scores: FloatArray, num_classes: int) -> dict[str, float]:
    """Return the metrics of ``SCORE_METRICS`` of always the mean score; of two classes, of always the likelier sign.

    The mean is that of these utterances, so that no constant has a smaller squared error. Pearson's correlation with a
    constant is not defined, NaN.

    Args:
        scores: (N,) raw labels, -3 to 3.
        num_classes: number of classes of the model, seven or two.

    >>> baseline_scores(np.array([-1.0, 0.0, 2.0, 3.0]), 7)["mae"]
    1.5
    """
    scores = np.asarray(scores, np.float64)
    scored = num_classes == len(VALUES)
    always = float(scores.mean()) if scored else 2.0 * (np.mean(scores >= 0) >= 0.5) - 1.0
    other = scores != 0
    found: dict[str, float] = {}
    if scored or not other.all():
        found["acc2_with_zeros"] = float(np.mean((always >= 0) == (scores >= 0)))
    if other.any():
        found["acc2_without_zeros"] = float(np.mean((always > 0) == (scores[other] > 0)))
    if scored:
        found["acc7"] = float(np.mean(rounded(np.full(1, always), 3) == rounded(scores, 3)))
        found["mae"] = float(np.abs(always - scores).mean())
        found["pearson"] = math.nan  # the same object always, so that equal baselines are equal
        found["ccc"] = ccc(scores, np.full(len(scores), always))
    return found


def baseline_of_scores(targets: FloatArray, means: FloatArray) -> Baseline:
    """Return the mean figures over scores of a model that always predicts the mean of training.

    Args:
        targets: (N, D) true scores, NaN where one is missing; one column gives the figures of one score.
        means: (D,) mean of each score in training.

    >>> own = baseline_of_scores(np.array([[1.0], [2.0], [6.0]]), np.array([3.0]))
    >>> own.name, own.metrics["mae"], own.metrics["ccc"]
    ('always the mean', 2.0, 0.0)
    """
    found = score_figures(targets, np.broadcast_to(means, targets.shape))
    # The same NaN always, so that equal baselines are equal.
    return Baseline("always the mean", {name: math.nan if one != one else one for name, one in found.items()})
