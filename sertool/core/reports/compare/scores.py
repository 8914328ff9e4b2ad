"""Predicted scores of two runs: differences by paired cluster bootstrap, and the utterances whose error changes."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, few_by_name
from sertool.core.metrics.baselines import baseline_of_scores
from sertool.core.metrics.bootstrap import bootstrap_differences
from sertool.core.metrics.scores import score_figures
from sertool.core.reports.compare.contents import AS_NEAR, FARTHER, NEARER, ClusterPair, Flip, MetricRow
from sertool.core.reports.compare.shared import Shared

FloatArray = NDArray[np.float64]


def score_metric_rows(
    shared: Shared, clusters: Clusters, metrics: Iterable[str], names: Sequence[str], means: FloatArray
) -> tuple[MetricRow, ...]:
    """Return rows for each metric, of the mean over the scores and of each, without correction and verdict.

    Args:
        shared: the utterances of both runs.
        clusters: clusters of these utterances.
        metrics: keys of ``DIMENSION_METRICS``.
        names: names of the D scores; a single one has no mean beside it.
        means: (D,) the score that the baseline always predicts.
    """
    parts: dict[str, slice] = {"": slice(None)}
    if len(names) > 1:
        parts |= {name: slice(place, place + 1) for place, name in enumerate(names)}
    found = {}
    for name, columns in parts.items():
        targets, a, b = (one[:, columns] for one in (shared.targets, shared.a, shared.b))
        found[name] = (
            score_figures(targets, a),
            score_figures(targets, b),
            baseline_of_scores(targets, means[columns]).metrics,
            bootstrap_differences(targets, a, b, clusters),
        )
    return tuple(
        MetricRow(metric, a[metric], b[metric], constant[metric], differences[metric], None, "", name)
        for metric in metrics
        for name, (a, b, constant, differences) in found.items()
    )


def scores_by_cluster(shared: Shared, clusters: Clusters, metrics: Iterable[str]) -> tuple[ClusterPair, ...]:
    """Return the mean figures of both runs cluster by cluster; none unless clusters are too few for intervals."""
    metrics, pairs = tuple(metrics), []
    for name, own in few_by_name(clusters).items():
        a, b = (score_figures(shared.targets[own], values[own]) for values in (shared.a, shared.b))
        pairs.append(ClusterPair(name, int(own.sum()), *({key: one[key] for key in metrics} for one in (a, b))))
    return tuple(pairs)


def moves_of(shared: Shared, names: Sequence[str], ranges: Sequence[tuple[float, float]]) -> tuple[Flip, ...]:
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
