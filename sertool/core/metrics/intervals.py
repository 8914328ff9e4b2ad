"""Metrics of decisions with their intervals, and differences between two models.

Arguments that the functions share:
    targets, predictions: (N,) class numbers, or (N, C) 0/1.
    num_classes: C.
    jackknife: jackknife over these utterances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import (
    Counts,
    IntArray,
    counts_of,
    f1_of,
    indicators,
    metrics_of,
    precision_of,
    recall_of,
)
from sertool.core.metrics.clusters import Clusters
from sertool.core.metrics.jackknife import SHARE, Difference, Estimate, Jackknife


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, with the kind and number of its clusters; ``low`` and ``high`` are None where there is none."""

    low: float | None
    high: float | None
    unit: str
    clusters: int


def decision_estimates(
    targets: IntArray, predictions: IntArray, num_classes: int, jackknife: Jackknife
) -> dict[str, Estimate]:
    """Return every metric of ``metrics_of`` this kind of task with its interval, by its key.

    A class that only one cluster has is treated without it as in any set: it counts in the macro F1, not in the UAR.
    """
    left = counts_left(targets, predictions, num_classes, jackknife)
    return {
        name: jackknife.estimate(metric(targets, predictions, num_classes), metric.of_counts(left), SHARE)
        for name, metric in metrics_of(_kind(targets)).items()
    }


def class_estimates(
    targets: IntArray, predictions: IntArray, num_classes: int, jackknife: Jackknife
) -> list[dict[str, Estimate]]:
    """Return precision, recall and F1 of each class with their intervals.

    A figure that is not defined (recall of an absent class, precision of one that is never predicted) is 0, without
    an interval. So is one about utterances of fewer than five clusters.
    """
    columns = indicators(targets, predictions, num_classes)
    own, each = (counts_of(part, multi=targets.ndim == 2) for part in (columns.sum(0), columns))
    left = counts_left(targets, predictions, num_classes, jackknife)
    # With each figure the utterances that it is about.
    figures = {
        "precision": (precision_of(own), precision_of(left), each.predicted),
        "recall": (recall_of(own), recall_of(left), each.support),
        "f1": (f1_of(own), f1_of(left), each.support | each.predicted),
    }
    return [
        {
            name: jackknife.estimate(float(value[c]), values[:, c], SHARE, of[:, c])
            for name, (value, values, of) in figures.items()
        }
        for c in range(num_classes)
    ]


def decision_differences(
    targets: IntArray, a: IntArray, b: IntArray, num_classes: int, jackknife: Jackknife
) -> dict[str, Difference]:
    """Return every metric of predictions ``b`` minus that of predictions ``a``, paired by utterance, by its key."""
    of_a, of_b = (counts_left(targets, one, num_classes, jackknife) for one in (a, b))
    return {
        name: jackknife.difference(
            metric(targets, b, num_classes) - metric(targets, a, num_classes),
            metric.of_counts(of_b) - metric.of_counts(of_a),
        )
        for name, metric in metrics_of(_kind(targets)).items()
    }


def uar_interval(
    targets: IntArray,
    predictions: IntArray,
    num_classes: int,
    clusters: Sequence[str] | None,
    *,
    unit: str = "speaker",
) -> Interval:
    """Return the interval of the UAR of single-label predictions.

    Args:
        targets: (N,) class numbers.
        predictions: (N,) class numbers.
        num_classes: C.
        clusters: name of each utterance's cluster; None makes each utterance its own, and the result says so.
        unit: kind of cluster.

    >>> uar_interval(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2, ["ann", "ann", "bob", "bob"])
    Interval(low=None, high=None, unit='speaker', clusters=2)
    """
    index: NDArray[np.integer] = np.arange(len(targets))
    if clusters is not None:
        index = np.unique(np.asarray(clusters), return_inverse=True)[1]
    own = Clusters(index, int(index.max()) + 1, unit if clusters is not None else "utterance")
    found = decision_estimates(targets, predictions, num_classes, Jackknife(own))["uar"]
    return Interval(found.low, found.high, own.unit, own.number)


def _kind(targets: IntArray) -> str:
    return "multi" if targets.ndim == 2 else "single"


def counts_left(targets: IntArray, predictions: IntArray, num_classes: int, jackknife: Jackknife) -> Counts:
    """Count the utterances without each cluster, then without each utterance: leading axis (G + N,).

    >>> clusters = Clusters(np.array([0, 0, 1]), 2, "speaker")
    >>> counts_left(np.array([0, 1, 1]), np.array([0, 1, 0]), 2, Jackknife(clusters)).utterances.tolist()
    [1.0, 2.0, 2.0, 2.0, 2.0]
    """
    sums = jackknife.totals(indicators(targets, predictions, num_classes))
    return counts_of(sums, multi=targets.ndim == 2)
