"""Intervals of predicted scores by split conformal prediction, and how often they hold the true score.

The absolute residuals of a set that the model was not trained on, validation, are sorted. Their quantile is half the
width of every interval: predicted score plus or minus that. If the utterances to come are exchangeable with those of
validation, such an interval holds the true score with the chosen probability at least, whatever the model is.

Utterances of new speakers are not quite exchangeable with those of a few validation speakers. docs/statistics.md says
how much that costs.

Sources: H. Papadopoulos, K. Proedrou, V. Vovk, A. Gammerman, "Inductive Confidence Machines for Regression", ECML 2002;
J. Lei, M. G'Sell, A. Rinaldo, R. Tibshirani, L. Wasserman, "Distribution-Free Predictive Inference for Regression",
Journal of the American Statistical Association 113, 2018.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sertool.core.formatting import plural
from sertool.core.metrics.classification import FloatArray
from sertool.core.metrics.clusters import Clusters
from sertool.core.metrics.jackknife import SHARE, Estimate, Jackknife
from sertool.core.metrics.moments import mean_of

LEVEL = 0.9  # probability that an interval holds the true score


@dataclass(frozen=True)
class Intervals:
    """The intervals of the scores that some members predict, as stored in a run's folder.

    Attributes:
        level: probability that an interval holds the true score.
        half: half the width of the intervals of each score, in its unit; None where validation cannot tell it.
        set: name of the set they were fitted on.
        utterances: number of utterances in that set.
        members: names of the members whose mean score they were fitted for, best first.
        names: names of the scores.
        reasons: for each score a sentence on why there is no interval; empty where there is one.
        note: sentence on the limits of the intervals, such as few speakers; empty where there are none.
    """

    level: float
    half: tuple[float | None, ...]
    set: str
    utterances: int
    members: tuple[str, ...]
    names: tuple[str, ...]
    reasons: tuple[str, ...]
    note: str = ""

    def fits(self, members: Sequence[str]) -> bool:
        """Check whether they were fitted for these members, in this order."""
        return self.members == tuple(members)


@dataclass(frozen=True)
class Coverage:
    """The share of the intervals of one score that hold the true one, and their width.

    Attributes:
        covered: share of utterances with a true score whose interval holds it.
        width: mean width of the intervals, in the unit of the score.
    """

    covered: Estimate
    width: float


def fewest_for(level: float) -> int:
    """Return the least number of utterances that can tell intervals of this level.

    >>> fewest_for(0.9), fewest_for(0.95)
    (9, 19)
    """
    return math.ceil(level / (1 - level) - 1e-9)


def fit_half_widths(targets: FloatArray, predictions: FloatArray, level: float = LEVEL) -> tuple[float | None, ...]:
    """Return half the width of the intervals of each score: a quantile of its absolute residuals.

    With n of them it is the k-th smallest, ``k = ceil((n + 1) level)``. That is None where k exceeds n, or where a
    prediction is not finite.

    Args:
        targets: (N, D) true scores, NaN where one is missing.
        predictions: (N, D) in the same unit.
        level: probability that an interval holds the true score.

    >>> targets = np.arange(9.0)[:, None]
    >>> fit_half_widths(targets, targets + 0.1 * targets), fit_half_widths(targets[:8], targets[:8])
    ((0.8000000000000007,), (None,))
    """
    found: list[float | None] = []
    for x, y in zip(np.asarray(targets, np.float64).T, np.asarray(predictions, np.float64).T, strict=True):
        residuals = np.sort(np.abs(x - y)[np.isfinite(x)])  # NaN of predictions come last
        # Without the small number, rounding would turn 110 * 0.9 = 99 into the 100th.
        rank = math.ceil((len(residuals) + 1) * level - 1e-9)
        usable = rank <= len(residuals) and bool(np.isfinite(residuals).all())
        found.append(float(residuals[rank - 1]) if usable else None)
    return tuple(found)


def why_no_interval(count: int, level: float = LEVEL, where: str = "validation") -> str:
    """Return the reason why scores have no interval, as a sentence without a full stop.

    Args:
        count: number of utterances with a true score.
        level: probability that an interval holds the true score.
        where: name of the set.

    >>> why_no_interval(4)
    '4 validation utterances have this score: intervals of 90 % need 9'
    """
    if count < fewest_for(level):
        have = "has" if count == 1 else "have"
        return (
            f"{plural(count, f'{where} utterance')} {have} this score: intervals of {100 * level:g} % need "
            f"{fewest_for(level)}"
        )
    return f"some predictions for {where} are not finite"


def fit_intervals(
    targets: FloatArray,
    predictions: FloatArray,
    *,
    members: Sequence[str],
    names: Sequence[str],
    clusters: Clusters,
    level: float = LEVEL,
    where: str = "validation",
) -> Intervals:
    """Fit the intervals of several scores on validation; say why where that cannot tell one.

    Args:
        targets: (N, D) true scores, NaN where one is missing.
        predictions: (N, D) mean scores of the members.
        members: names of the members, best first.
        names: names of the D scores.
        clusters: clusters of the N utterances; few of them are noted.
        level: probability that an interval holds the true score.
        where: name of the set in sentences.
    """
    half = fit_half_widths(targets, predictions, level)
    counts = np.isfinite(targets).sum(0)
    note = clusters.note
    if clusters.few:
        note = (
            f"from {plural(clusters.number, clusters.unit)} of {where}: for other {clusters.unit}s the intervals may "
            f"hold the true score more or less often than {100 * level:g} %"
        )
    return Intervals(
        level=level,
        half=half,
        set="valid",
        utterances=len(targets),
        members=tuple(members),
        names=tuple(names),
        reasons=tuple(
            why_no_interval(int(count), level, where) if one is None else ""
            for one, count in zip(half, counts, strict=True)
        ),
        note=note,
    )


def coverage_estimates(
    targets: FloatArray,
    predictions: FloatArray,
    half: Sequence[float | None],
    jackknife: Jackknife,
    ranges: Sequence[tuple[float, float]] | None = None,
) -> tuple[Coverage | None, ...]:
    """Return how often the intervals of each score hold the true one, with an interval; None where there are none.

    Args:
        targets: (N, D) true scores, NaN where one is missing.
        predictions: (N, D) in the same unit.
        half: (D,) half the width of the intervals, from :func:`fit_half_widths`.
        jackknife: jackknife over the N utterances.
        ranges: lowest and highest value of each score, which cut the widths; None does not cut them.

    >>> from sertool.core.metrics import Clusters
    >>> jackknife = Jackknife(Clusters(np.arange(4), 4, "utterance"))
    >>> found = coverage_estimates(np.array([[0.0], [1.0], [2.0], [3.0]]), np.ones((4, 1)), [1.0], jackknife)
    >>> found[0].covered.value, found[0].width
    (0.75, 2.0)
    """
    found: list[Coverage | None] = []
    for place, own in enumerate(half):
        if own is None:
            found.append(None)
            continue
        x, y = (np.asarray(one, np.float64)[:, place] for one in (targets, predictions))
        known = np.isfinite(x)
        columns = np.stack([known & (np.abs(x - y) <= own), known], axis=-1)
        held = jackknife.estimate(
            float(mean_of(columns.sum(0).astype(np.float64))), mean_of(jackknife.totals(columns)), SHARE, known
        )
        lowest, highest = ranges[place] if ranges is not None else (-math.inf, math.inf)
        widths = (y + own).clip(lowest, highest) - (y - own).clip(lowest, highest)
        found.append(Coverage(held, float(widths.mean()) if len(widths) else math.nan))
    return tuple(found)
