"""Figures that need no model: always the same decision, or always the same score.

A figure means little beside nothing. A model of a corpus in which three of four utterances are neutral has an accuracy of
75 % before it has learned anything.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import IntArray, metrics_of


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
