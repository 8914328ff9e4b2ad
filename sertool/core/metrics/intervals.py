"""Metrics of decisions with their intervals, and differences between two models.

Arguments that the functions share:
    targets, predictions: (N,) class numbers, or (N, C) 0/1.
    num_classes: C.
    bootstrap: resamples of these utterances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.bootstrap import Bootstrap, Difference, Estimate
from sertool.core.metrics.classification import (
    METRICS,
    Counts,
    IntArray,
    count,
    counts_of,
    f1_of,
    indicators,
    precision_of,
    recall_of,
)
from sertool.core.metrics.clusters import Clusters

SHARE = (0.0, 1.0)  # range of these metrics


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, with the kind and number of its clusters; ``low`` and ``high`` are None where there is none."""

    low: float | None
    high: float | None
    unit: str
    clusters: int


def decision_estimates(
    targets: IntArray, predictions: IntArray, num_classes: int, bootstrap: Bootstrap
) -> dict[str, Estimate]:
    """Return every metric of ``METRICS`` with its interval, by its key.

    A class that is absent from a resample is treated as in any set: it counts in the macro F1, not in the UAR.
    """
    resampled = _resampled(targets, predictions, num_classes, bootstrap)
    return {
        name: bootstrap.estimate(metric(targets, predictions, num_classes), metric.of_counts(resampled), SHARE)
        for name, metric in METRICS.items()
    }


def class_estimates(
    targets: IntArray, predictions: IntArray, num_classes: int, bootstrap: Bootstrap
) -> list[dict[str, Estimate]]:
    """Return precision, recall and F1 of each class with their intervals.

    A figure that is not defined (recall of an absent class, precision of one that is never predicted) is 0, without
    an interval; in a resample it is 0 too.
    """
    own = count(targets, predictions, num_classes)
    resampled = _resampled(targets, predictions, num_classes, bootstrap)
    figures = {
        "precision": (precision_of(own), precision_of(resampled), own.predicted),
        "recall": (recall_of(own), recall_of(resampled), own.support),
        "f1": (f1_of(own), f1_of(resampled), own.support + own.predicted),
    }
    return [
        {
            # Without any utterance to divide by, the figure is not defined: 0, without an interval.
            name: bootstrap.estimate(float(value[c]), values[:, c], SHARE) if of[c] else Estimate(0.0)
            for name, (value, values, of) in figures.items()
        }
        for c in range(num_classes)
    ]


def decision_differences(
    targets: IntArray, a: IntArray, b: IntArray, num_classes: int, bootstrap: Bootstrap
) -> dict[str, Difference]:
    """Return every metric of predictions ``b`` minus that of predictions ``a``, on the same resamples, by its key."""
    of_a, of_b = (_resampled(targets, one, num_classes, bootstrap) for one in (a, b))
    return {
        name: bootstrap.difference(
            metric(targets, b, num_classes) - metric(targets, a, num_classes),
            metric.of_counts(of_b) - metric.of_counts(of_a),
            (-1.0, 1.0),  # range of a difference of shares
        )
        for name, metric in METRICS.items()
    }


def uar_interval(
    targets: IntArray,
    predictions: IntArray,
    num_classes: int,
    clusters: Sequence[str] | None,
    *,
    unit: str = "speaker",
    resamples: int = 10_000,
    seed: int = 1,
) -> Interval:
    """Return the interval of the UAR of single-label predictions.

    Args:
        targets: (N,) class numbers.
        predictions: (N,) class numbers.
        num_classes: C.
        clusters: name of each utterance's cluster; None resamples utterances, and the result says so.
        unit: kind of cluster.
        resamples: number of resamples.
        seed: seed of the random resampling.

    >>> uar_interval(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2, ["ann", "ann", "bob", "bob"])
    Interval(low=None, high=None, unit='speaker', clusters=2)
    """
    index: NDArray[np.integer] = np.arange(len(targets))
    if clusters is not None:
        index = np.unique(np.asarray(clusters), return_inverse=True)[1]
    own = Clusters(index, int(index.max()) + 1, unit if clusters is not None else "utterance")
    bootstrap = Bootstrap(own, resamples=resamples, seed=seed)
    found = decision_estimates(targets, predictions, num_classes, bootstrap)["uar"]
    return Interval(found.low, found.high, own.unit, own.number)


def _resampled(targets: IntArray, predictions: IntArray, num_classes: int, bootstrap: Bootstrap) -> Counts:
    sums = bootstrap.totals(indicators(targets, predictions, num_classes))
    return counts_of(sums, multi=targets.ndim == 2)
