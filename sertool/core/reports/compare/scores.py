"""Predicted scores of two runs: differences by paired cluster bootstrap, and the utterances whose error changes."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, Difference, few_by_name
from sertool.core.metrics.baselines import baseline_of_scores
from sertool.core.metrics.bootstrap import bootstrap_differences, sentiment_differences
from sertool.core.metrics.scores import score_figures
from sertool.core.metrics.sentiment import RANGE, SENTIMENT_METRICS, sentiment_figures
from sertool.core.reports.compare.contents import AS_NEAR, FARTHER, NEARER, ClusterPair, Flip, MetricRow
from sertool.core.reports.compare.shared import Shared

FloatArray = NDArray[np.float64]
Ranges = Sequence[tuple[float, float]]
Compared = dict[str, tuple[float, float, float, Difference]]  # figures of a, of b, of the baseline, and b - a


def score_metric_rows(
    shared: Shared,
    clusters: Clusters,
    metrics: Iterable[str],
    names: Sequence[str],
    ranges: Ranges,
    means: FloatArray,
) -> tuple[MetricRow, ...]:
    """Return rows for each metric, without correction and verdict.

    A metric of ``DIMENSION_METRICS`` has a row for the mean over the scores and one for each, a metric of
    ``SENTIMENT_METRICS`` one for each score from -3 to 3.

    Args:
        shared: the utterances of both runs.
        clusters: clusters of these utterances.
        metrics: keys of these metrics.
        names: names of the D scores; a single one has no mean beside it.
        ranges: lowest and highest value of each.
        means: (D,) the score that the baseline always predicts.
    """
    found = {"": _compared(shared, clusters, slice(None), means)}
    for place, name in enumerate(names):
        own = slice(place, place + 1)
        one = found[""] if len(names) == 1 else _compared(shared, clusters, own, means)
        if ranges[place] == RANGE:
            one = one | _sentiment_compared(shared, clusters, place, means)
        found["" if len(names) == 1 else name] = one
    return tuple(
        MetricRow(metric, *rows[metric], None, "", name)
        for metric in metrics
        for name, rows in found.items()
        if metric in rows
    )


def _compared(shared: Shared, clusters: Clusters, columns: slice, means: FloatArray) -> Compared:
    """Compare the mean over some columns of the scores by every metric of ``DIMENSION_METRICS``."""
    targets, a, b = (one[:, columns] for one in (shared.targets, shared.a, shared.b))
    of_a, of_b = (score_figures(targets, one) for one in (a, b))
    constant = baseline_of_scores(targets, means[columns]).metrics
    differences = bootstrap_differences(targets, a, b, clusters)
    return {name: (of_a[name], of_b[name], constant[name], own) for name, own in differences.items()}


def _sentiment_compared(shared: Shared, clusters: Clusters, place: int, means: FloatArray) -> Compared:
    """Compare a score from -3 to 3 by every metric of ``SENTIMENT_METRICS``."""
    targets, a, b = (one[:, place] for one in (shared.targets, shared.a, shared.b))
    of_a, of_b, constant = (_sentiment(targets, one) for one in (a, b, np.full(len(targets), means[place])))
    # Nothing is told of a metric that these scores do not allow.
    differences = dict.fromkeys(SENTIMENT_METRICS, Difference(math.nan))
    differences |= sentiment_differences(targets, a, b, clusters)
    return {name: (of_a[name], of_b[name], constant[name], own) for name, own in differences.items()}


def _sentiment(targets: FloatArray, values: FloatArray) -> dict[str, float]:
    """Return every metric of ``SENTIMENT_METRICS``; NaN where it is not defined, as of scores of which all are 0."""
    return dict.fromkeys(SENTIMENT_METRICS, math.nan) | sentiment_figures(targets, values)


def scores_by_cluster(
    shared: Shared, clusters: Clusters, metrics: Iterable[str], ranges: Ranges
) -> tuple[ClusterPair, ...]:
    """Return the mean figures of both runs cluster by cluster; none unless clusters are too few for intervals.

    The metrics of ``SENTIMENT_METRICS`` are there for a single score only, as they have no mean over several.
    """
    metrics, pairs = tuple(metrics), []
    for name, own in few_by_name(clusters).items():
        figures = []
        for values in (shared.a, shared.b):
            found = score_figures(shared.targets[own], values[own])
            if ranges == (RANGE,):
                found |= _sentiment(shared.targets[own, 0], values[own, 0])
            figures.append({key: found[key] for key in metrics if key in found})
        pairs.append(ClusterPair(name, int(own.sum()), *figures))
    return tuple(pairs)


def moves_of(shared: Shared, names: Sequence[str], ranges: Ranges) -> tuple[Flip, ...]:
    """Return every known score with both predictions, first where the error changes most.

    Errors of several scores are compared as shares of the range of each.

    Args:
        shared: the utterances of both runs.
        names: names of the D scores.
        ranges: lowest and highest value of each.
    """
    targets, a, b = (np.asarray(one, np.float64) for one in (shared.targets, shared.a, shared.b))
    low, high = np.array(ranges).T
    change = (np.abs(b - targets) - np.abs(a - targets)) / (high - low)
    known = np.argwhere(np.isfinite(change))
    order = np.argsort(-np.abs(change[tuple(known.T)]), kind="stable")
    moves = []
    for row, column in known[order].tolist():
        spoken, by = shared.spoken[row], change[row, column]
        moves.append(
            Flip(
                id=shared.ids[row],
                speaker=spoken.speaker,
                text=spoken.text,
                target=_written(targets[row, column]),
                a=_written(a[row, column]),
                b=_written(b[row, column]),
                change=NEARER if by < 0 else FARTHER if by > 0 else AS_NEAR,
                score=names[column],
            )
        )
    return tuple(moves)


def _written(score: float) -> str:
    return f"{score:.3f}"
