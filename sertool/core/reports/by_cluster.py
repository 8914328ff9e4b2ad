"""Figures cluster by cluster, as speaker by speaker: they take the place of intervals where clusters are few."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, few_by_name, few_clusters
from sertool.core.metrics.classification import METRICS, FloatArray
from sertool.core.metrics.scores import score_figures
from sertool.core.metrics.sentiment import score_metrics
from sertool.core.reports.contents import ClusterRow

Decisions = NDArray[np.int64]


def limits_of(clusters: Clusters, where: str, *, folds: int) -> str:
    """Return a sentence on the limits of the intervals over clusters; empty where there are none.

    Args:
        clusters: the clusters of a set.
        where: the set, as ``test``.
        folds: number of folds of the run, 0 without training; with one, a run with too few clusters may be
            cross-validated.
    """
    return few_clusters(clusters.number, clusters.unit, where, advise=folds == 1) if clusters.few else clusters.note


def cluster_rows(
    targets: Decisions, decisions: Decisions, num_classes: int, clusters: Clusters
) -> tuple[ClusterRow, ...]:
    """Return number of utterances, accuracy and UAR of each cluster; none unless they are too few for an interval.

    The UAR is the mean over the classes that occur in the cluster.

    Args:
        targets: (N,) class numbers, or (N, C) 0/1.
        decisions: (N,) or (N, C), likewise.
        num_classes: C.
        clusters: the clusters of the utterances.
    """
    return tuple(
        ClusterRow(
            name=name,
            utterances=int(own.sum()),
            accuracy=METRICS["accuracy"](targets[own], decisions[own], num_classes),
            uar=METRICS["uar"](targets[own], decisions[own], num_classes),
        )
        for name, own in few_by_name(clusters).items()
    )


def score_rows(targets: FloatArray, values: FloatArray, clusters: Clusters) -> tuple[ClusterRow, ...]:
    """Return number of utterances, and the mean figures over several scores, of each cluster.

    There are no rows unless clusters are too few for an interval. Accuracy and UAR, which scores do not have, are NaN.

    Args:
        targets: (N, D) true scores, NaN where one is missing.
        values: (N, D) predicted scores.
        clusters: the clusters of the utterances.
    """
    return tuple(
        ClusterRow(name, int(own.sum()), math.nan, math.nan, score_figures(targets[own], values[own]))
        for name, own in few_by_name(clusters).items()
    )


def with_scores(
    rows: Sequence[ClusterRow],
    scores: FloatArray,
    logits: FloatArray,
    classes: Sequence[str],
    clusters: Clusters,
    temperature: float,
) -> tuple[ClusterRow, ...]:
    """Add the metrics of scores to the rows of :func:`cluster_rows`.

    Args:
        rows: the rows, none or one for each cluster.
        scores: (N,) raw labels, -3 to 3.
        logits: (N, C).
        classes: names of the classes, seven or two.
        clusters: the clusters of the utterances.
        temperature: temperature of the probabilities.
    """
    of = few_by_name(clusters)
    return tuple(
        replace(row, scores=score_metrics(scores[own], logits[own], classes, temperature=temperature))
        for row in rows
        for own in [of[row.name]]
    )
