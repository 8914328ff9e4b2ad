"""Decisions of two runs: differences of their metrics, McNemar's test, and the utterances that flipped."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, Jackknife, McNemar, decision_differences, few_by_name, mcnemar
from sertool.core.metrics.baselines import baseline_metrics
from sertool.core.metrics.classification import LABEL_METRICS
from sertool.core.reports.compare.contents import (
    RIGHT_TO_WRONG,
    WRONG_TO_RIGHT,
    WRONG_TO_WRONG,
    ClusterPair,
    Flip,
    MetricRow,
)
from sertool.core.reports.compare.shared import Shared, named

Figures = dict[str, float]
Rows = NDArray[np.bool_] | slice
EVERY: Rows = slice(None)


def decision_rows(shared: Shared, clusters: Clusters, metrics: Iterable[str], classes: int) -> tuple[MetricRow, ...]:
    """Return a row for each metric of decisions, without correction and verdict."""
    differences = decision_differences(shared.targets, shared.a, shared.b, classes, Jackknife(clusters))
    constant, metrics = baseline_metrics(shared.targets, classes), tuple(metrics)
    of_a, of_b = decision_metrics(shared, metrics, classes)
    return tuple(
        MetricRow(name, of_a[name], of_b[name], constant[name], differences[name], None, "") for name in metrics
    )


def decision_metrics(shared: Shared, names: Iterable[str], classes: int, rows: Rows = EVERY) -> tuple[Figures, Figures]:
    """Return some metrics of both runs, over all utterances or over ``rows`` of them."""
    names = tuple(names)
    a, b = (
        {name: LABEL_METRICS[name](shared.targets[rows], decided[rows], classes) for name in names}
        for decided in (shared.a, shared.b)
    )
    return a, b


def decisions_by_cluster(
    shared: Shared, clusters: Clusters, metrics: Iterable[str], classes: int
) -> tuple[ClusterPair, ...]:
    """Return the metrics of both runs cluster by cluster; none unless clusters are too few for intervals."""
    metrics = tuple(metrics)
    return tuple(
        ClusterPair(name, int(own.sum()), *decision_metrics(shared, metrics, classes, own))
        for name, own in few_by_name(clusters).items()
    )


def mcnemar_of(shared: Shared, clusters: Clusters) -> McNemar:
    """Test the decisions of both runs; without a p-value where clusters are few."""
    right_a, right_b = (shared.targets == decided for decided in (shared.a, shared.b))
    test = mcnemar(right_a.ravel(), right_b.ravel())
    # It takes utterances as independent, which those of a few speakers are not.
    return replace(test, p=None) if clusters.few else test


def flips_of(shared: Shared, classes: tuple[str, ...]) -> tuple[Flip, ...]:
    """Return the utterances for which two runs decide differently."""
    number = len(shared.ids)
    targets, of_a, of_b = (part.reshape(number, -1) for part in (shared.targets, shared.a, shared.b))
    right_a, right_b = (targets == of_a).all(1), (targets == of_b).all(1)
    flips = []
    for row in np.flatnonzero((of_a != of_b).any(1)):
        spoken = shared.spoken[row]
        flips.append(
            Flip(
                id=shared.ids[row],
                speaker=spoken.speaker,
                text=spoken.text,
                target=named(shared.targets[row], classes),
                a=named(shared.a[row], classes),
                b=named(shared.b[row], classes),
                change=RIGHT_TO_WRONG if right_a[row] else WRONG_TO_RIGHT if right_b[row] else WRONG_TO_WRONG,
            )
        )
    return tuple(flips)


def joined(own: tuple[ClusterPair, ...], more: Mapping[str, tuple[Figures, Figures]]) -> tuple[ClusterPair, ...]:
    """Add further metrics of both runs to the figures of clusters, by name of cluster."""
    return tuple(replace(one, a={**one.a, **more[one.name][0]}, b={**one.b, **more[one.name][1]}) for one in own)
