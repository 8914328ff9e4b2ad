"""Metrics of predicted scores with their intervals: CCC, Pearson's r, MAE, RMSE and R2, of one dimension or several.

A dimension is one score, such as arousal. The mean figure is the mean over dimensions. A dimension counts in it where
its targets allow the figure: CCC, Pearson's r and R2 need targets that vary, MAE and RMSE at least one target. So the
same dimensions count for every model. A constant prediction correlates with nothing, so it counts as 0 in the mean of
Pearson's r; for the dimension alone it is not defined.

Arguments that the functions share:
    targets: (N,) true scores of one dimension, or (N, D) of several; NaN where one is missing.
    predictions: the predicted scores, of the shape of the targets and in their unit.
    jackknife: jackknife over these utterances.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray, Metric
from sertool.core.metrics.jackknife import ANYWHERE, Difference, Estimate, Jackknife, Range
from sertool.core.metrics.moments import (
    ccc_of,
    mae_of,
    number_of,
    pearson_of,
    r2_of,
    rmse_of,
    terms,
    varies,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class DimensionMetric(Metric):
    """A metric of predicted scores.

    Attributes:
        of_sums: computes it from sums (..., S) of ``moments.terms``, for many parts of a set at once.
        within: its lowest and highest value; infinite where there is none.
        needs_spread: True if it is not defined where the targets never vary.
        needs_spread_of_both: True if it is not defined either where the predictions never vary; 0 in a mean then.
    """

    of_sums: Callable[[Array], Array]
    within: Range
    needs_spread: bool = True
    needs_spread_of_both: bool = False
    is_share: bool = False

    def __call__(self, sums: Array) -> Array:
        """Return (...) the figure; NaN where the targets do not allow it."""
        return np.where(self.allowed(sums), self.of_sums(sums), math.nan)

    def allowed(self, sums: Array) -> Mask:
        """Return (...): True where the targets allow the figure."""
        return varies(sums) if self.needs_spread else np.asarray(number_of(sums) > 0)


# The only list of metrics of predicted scores, in the order of every table. The field's accuracies of sentiment scores
# are SENTIMENT_METRICS in metrics/sentiment.py.
DIMENSION_METRICS: dict[str, DimensionMetric] = {
    "ccc": DimensionMetric("CCC", of_sums=ccc_of, within=(-1.0, 1.0)),
    "pearson": DimensionMetric("Pearson", of_sums=pearson_of, within=(-1.0, 1.0), needs_spread_of_both=True),
    "mae": DimensionMetric("MAE", of_sums=mae_of, within=(0.0, math.inf), needs_spread=False, higher_is_better=False),
    "rmse": DimensionMetric(
        "RMSE", of_sums=rmse_of, within=(0.0, math.inf), needs_spread=False, higher_is_better=False
    ),
    "r2": DimensionMetric("R2", of_sums=r2_of, within=(-math.inf, 1.0)),
}


def dimension_figures(targets: FloatArray, predictions: FloatArray) -> dict[str, float]:
    """Return every metric of one dimension, by key, without intervals; NaN where it is not defined.

    >>> found = dimension_figures(np.array([0.0, 1.0, 2.0, np.nan]), np.array([1.0, 2.0, 3.0, 9.0]))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'ccc': 0.571, 'pearson': 1.0, 'mae': 1.0, 'rmse': 1.0, 'r2': -0.5}
    """
    sums = terms(targets, predictions).sum(0)
    return {name: float(metric(sums)) for name, metric in DIMENSION_METRICS.items()}


def dimension_estimates(targets: FloatArray, predictions: FloatArray, jackknife: Jackknife) -> dict[str, Estimate]:
    """Return every metric of one dimension with its interval, by key; NaN, without an interval, where not defined.

    Args:
        targets: (N,), NaN where a score is missing: such utterances are left out.
        predictions: (N,).
        jackknife: jackknife over the N utterances.
    """
    columns, known = terms(targets, predictions), np.isfinite(targets)
    own, left = columns.sum(0), jackknife.totals(columns)
    return {
        name: jackknife.estimate(float(metric(own)), metric(left), metric.within, known)
        for name, metric in DIMENSION_METRICS.items()
    }


def score_figures(targets: FloatArray, predictions: FloatArray) -> dict[str, float]:
    """Return the mean over dimensions of every metric, by key, without intervals.

    Constant predictions have CCC and Pearson's r 0. Dimensions whose targets do not allow a figure are left out; where
    none does, it is NaN, as where predictions are not finite.

    Args:
        targets: (N, D), NaN where a score is missing.
        predictions: (N, D).

    >>> targets = np.array([[0.0, 5.0], [1.0, np.nan], [2.0, np.nan]])  # the second dimension has one score only
    >>> score_figures(targets, np.ones((3, 2)))["ccc"], score_figures(targets, np.ones((3, 2)))["mae"]
    (0.0, 2.3333333333333335)
    """
    own = terms(targets, predictions).sum(0)
    return {name: float(mean_figure(metric, own, metric.allowed(own))) for name, metric in DIMENSION_METRICS.items()}


def figures_left(targets: FloatArray, predictions: FloatArray, jackknife: Jackknife) -> dict[str, Array]:
    """Return the mean figures without each cluster, then without each utterance: (G + N,) each, by key.

    Args:
        targets: (N, D), NaN where a score is missing.
        predictions: (N, D).
        jackknife: jackknife over the N utterances, with G clusters.

    >>> from sertool.core.metrics import Clusters
    >>> jackknife = Jackknife(Clusters(np.array([0, 0, 1]), 2, "speaker"))
    >>> figures_left(np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [5.0]]), jackknife)["mae"].tolist()
    [3.0, 0.0, 1.5, 1.5, 0.0]
    """
    columns = terms(targets, predictions)
    own, left = columns.sum(0), _totals(columns, jackknife)
    return {name: mean_figure(metric, left, metric.allowed(own)) for name, metric in DIMENSION_METRICS.items()}


def mean_estimates(targets: FloatArray, predictions: FloatArray, jackknife: Jackknife) -> dict[str, Estimate]:
    """Return the mean over dimensions of every metric with its interval, by key.

    The mean itself is computed without each cluster, so that dimensions that err together widen its interval.
    Which dimensions count, the module says.

    Args:
        targets: (N, D), NaN where a score is missing.
        predictions: (N, D).
        jackknife: jackknife over the N utterances.
    """
    columns, known = terms(targets, predictions), np.asarray(np.isfinite(targets).any(1))
    own, left = columns.sum(0), _totals(columns, jackknife)
    found = {}
    for name, metric in DIMENSION_METRICS.items():
        value, values = (mean_figure(metric, sums, metric.allowed(own)) for sums in (own, left))
        found[name] = jackknife.estimate(float(value), values, metric.within, known)
    return found


def score_differences(targets: FloatArray, a: FloatArray, b: FloatArray, jackknife: Jackknife) -> dict[str, Difference]:
    """Return every mean figure of predictions ``b`` minus that of predictions ``a``, paired by utterance, by its key.

    Args:
        targets: (N, D), NaN where a score is missing.
        a: (N, D).
        b: (N, D).
        jackknife: jackknife over the N utterances.
    """
    known = np.asarray(np.isfinite(targets).any(1))
    of_a, of_b = (terms(targets, one) for one in (a, b))
    own = [one.sum(0) for one in (of_a, of_b)]
    left = [_totals(one, jackknife) for one in (of_a, of_b)]
    found = {}
    for name, metric in DIMENSION_METRICS.items():
        allowed = metric.allowed(own[0])  # by the targets alone, so the same for both
        first, second = (mean_figure(metric, sums, allowed) for sums in own)
        first_left, second_left = (mean_figure(metric, sums, allowed) for sums in left)
        found[name] = jackknife.difference(float(second - first), second_left - first_left, known, within=ANYWHERE)
    return found


def dimension_differences(
    targets: FloatArray, a: FloatArray, b: FloatArray, jackknife: Jackknife
) -> dict[str, Difference]:
    """Return every figure of one dimension of predictions ``b`` minus that of ``a``, paired by utterance, by its key.

    Args:
        targets: (N,), NaN where a score is missing.
        a: (N,).
        b: (N,).
        jackknife: jackknife over the N utterances.
    """
    return score_differences(targets[:, None], a[:, None], b[:, None], jackknife)


def mean_figure(metric: DimensionMetric, sums: Array, allowed: Mask) -> Array:
    """Return (...) the mean over dimensions of a figure, from sums (..., D, S) of ``moments.terms``.

    Args:
        metric: the metric.
        sums: sums over all utterances, or over parts of them.
        allowed: (D,) True for the dimensions that count, by the targets of all utterances. Where one of these is not
            defined in a part, the mean is not either: it would be one over other dimensions.

    >>> sums = terms(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 0.0], [1.0, 3.0]])).sum(0)
    >>> float(mean_figure(DIMENSION_METRICS["mae"], sums, np.array([True, True])))
    0.5
    """
    sums = sums[..., allowed, :]
    values = metric(sums)
    if metric.needs_spread_of_both:
        # Constant predictions have CCC 0 where Pearson's r is not defined; predictions of NaN have none of both.
        values = np.where(np.isnan(values) & varies(sums) & (ccc_of(sums) == 0), 0.0, values)
    # A sum, as numpy warns about the mean of nothing.
    return np.asarray(values.sum(-1) / (allowed.sum() or math.nan))


def _totals(columns: Array, jackknife: Jackknife) -> Array:
    """Sum columns (N, D, S) without each cluster, then without each utterance: (G + N, D, S)."""
    return jackknife.totals(columns.reshape(len(columns), -1)).reshape(-1, *columns.shape[1:])
