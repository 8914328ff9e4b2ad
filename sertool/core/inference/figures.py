"""Figures of predicted scores, and of probabilities beside raters' votes, that `sertool ensemble` gives of a set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sertool.core.corpora.agreement import plain
from sertool.core.inference.ensemble import finite
from sertool.core.inference.score_intervals import coverage_of
from sertool.core.metrics import Clusters, Estimate, Jackknife
from sertool.core.metrics.baselines import Baseline, baseline_of_scores
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.conformal import Coverage, Intervals
from sertool.core.metrics.distributions import cross_entropy, distribution_estimates
from sertool.core.metrics.scores import dimension_estimates, mean_estimates
from sertool.core.metrics.sentiment import RANGE, sentiment_estimates, sentiment_figures
from sertool.core.runs.predictions import Predictions


@dataclass(frozen=True)
class ScoreFigures:
    """Figures of predicted scores on a set, with intervals over its clusters.

    Attributes:
        each: metrics of ``DIMENSION_METRICS`` by score, then key.
        mean: their means over the scores, by key.
        known: number of utterances that have each score.
        baseline: the mean figures of always the mean of training.
        sentiment: metrics of ``SENTIMENT_METRICS`` of the scores from -3 to 3, by score, then key.
        constant: the same of always the mean of training.
        coverage: how often the intervals of each score hold the true one; empty without intervals.
    """

    each: Mapping[str, Mapping[str, Estimate]]
    mean: Mapping[str, Estimate]
    known: Mapping[str, int]
    baseline: Baseline
    sentiment: Mapping[str, Mapping[str, Estimate]]
    constant: Mapping[str, Mapping[str, float]]
    coverage: Mapping[str, Coverage]


@dataclass(frozen=True)
class VoteFigures:
    """Figures of probabilities beside the votes of raters.

    Attributes:
        utterances: number of utterances with votes.
        metrics: metrics of ``DISTRIBUTION_METRICS`` with their intervals, by key.
        entropy: mean entropy of the votes in nats; no cross-entropy is lower.
        accuracy: accuracy of the decisions.
        ceiling: accuracy of one rater against the majority of the others; None where no utterance has two raters.
    """

    utterances: int
    metrics: Mapping[str, Estimate]
    entropy: float
    accuracy: float
    ceiling: Estimate | None


def score_figures_of(
    own: Predictions, k: int, clusters: Clusters, means: list[float], intervals: Intervals | None
) -> ScoreFigures:
    """Judge the scores that the first k members predict together.

    Args:
        own: predictions of a labelled set of scores.
        k: number of averaged members.
        clusters: clusters of its utterances.
        means: mean of each score in training.
        intervals: intervals of these members, if there are any.
    """
    assert own.targets is not None
    jackknife, values = Jackknife(clusters), own.ensemble_logits(k)
    columns = dict(zip(own.classes, zip(own.targets.T, values.T, strict=True), strict=True))
    of_sentiment = [name for name, ends in zip(own.classes, own.ranges, strict=True) if ends == RANGE]
    constant = dict(zip(own.classes, means, strict=True))
    return ScoreFigures(
        each={name: dimension_estimates(*pair, jackknife) for name, pair in columns.items()},
        mean=mean_estimates(own.targets, values, jackknife),
        known={name: int(np.isfinite(true).sum()) for name, (true, _) in columns.items()},
        baseline=baseline_of_scores(own.targets, np.array(means)),
        sentiment={name: sentiment_estimates(*columns[name], jackknife) for name in of_sentiment},
        constant={
            name: sentiment_figures(columns[name][0], np.full(len(own.ids), constant[name])) for name in of_sentiment
        },
        coverage={} if intervals is None else coverage_of(own, k, intervals, jackknife),
    )


def vote_figures_of(own: Predictions, k: int, clusters: Clusters, temperature: float) -> VoteFigures | None:
    """Compare the probabilities of the first k members with the votes of raters; None for a set without votes.

    Args:
        own: predictions of a labelled set.
        k: number of averaged members.
        clusters: clusters of its utterances.
        temperature: temperature of the probabilities, as `sertool predict` has it.
    """
    votes, logits = own.votes, own.ensemble_logits(k)
    if votes is None or own.targets is None or not np.isfinite(logits).all():
        return None
    known = np.isfinite(votes).all(1)
    found = own.ceilings.values()  # of the only task
    return VoteFigures(
        utterances=int(known.sum()),
        metrics=distribution_estimates(votes, probabilities(logits, own.kind, temperature), Jackknife(clusters)),
        entropy=float(cross_entropy(votes[known], votes[known]).mean()),
        accuracy=own.metric("accuracy", k),
        ceiling=next((one["accuracy"] for one in found if "accuracy" in one), None),
    )


def score_table(own: Predictions, figures: ScoreFigures) -> dict[str, Any]:
    """Return figures of scores as plain data for ``--json``: values alone, then the same with their intervals."""
    table: dict[str, Any] = {
        "scores": {
            name: {key: plain(one)["value"] for key, one in found.items()} for name, found in figures.each.items()
        },
        "estimates": {"mean": _plain(figures.mean), "scores": {n: _plain(one) for n, one in figures.each.items()}},
        "baseline": {"name": figures.baseline.name, "metrics": finite(figures.baseline.metrics)},
    }
    if figures.sentiment:
        table["sentiment"] = {name: _plain(one) for name, one in figures.sentiment.items()}
    if own.ceilings:
        table["ceilings"] = {name: _plain(one) for name, one in own.ceilings.items()}
    return table


def vote_table(figures: VoteFigures) -> dict[str, Any]:
    """Return figures beside votes as plain data for ``--json``."""
    return {
        **_values(figures.metrics),
        "accuracy": figures.accuracy,
        "ceiling": None if figures.ceiling is None else figures.ceiling.value,
        "utterances": figures.utterances,
        "entropy": figures.entropy,
        "estimates": _plain({**figures.metrics, **({} if figures.ceiling is None else {"ceiling": figures.ceiling})}),
    }


def _values(figures: Mapping[str, Estimate]) -> dict[str, float | None]:
    return finite({key: one.value for key, one in figures.items()})


def _plain(figures: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {key: plain(one) for key, one in figures.items()}
