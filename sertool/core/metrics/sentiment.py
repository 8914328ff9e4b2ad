"""Figures of sentiment scores from -3 to 3 with their intervals: acc2, acc7, MAE, Pearson's r, CCC.

A model of seven classes says a score, the mean of -3 to 3 by its probabilities. One of two classes says a sign only.

acc2 and acc7 are as the field computes them on CMU-MOSI and CMU-MOSEI, for example Y.-H. H. Tsai et al., "Multimodal
Transformer for Unaligned Multimodal Language Sequences", ACL 2019.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Bootstrap, Estimate
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.classification import FloatArray, Metric

VALUES = np.arange(-3.0, 4.0)

Array = NDArray[np.float64]

# The metrics of scores, in the order of every table; those of decisions are METRICS in metrics/classification.py.
SCORE_METRICS: dict[str, Metric] = {
    "acc2_with_zeros": Metric("acc2, with zeros"),
    "acc2_without_zeros": Metric("acc2, without zeros"),
    "acc7": Metric("acc7"),
    "mae": Metric("MAE", is_share=False),
    "pearson": Metric("Pearson", is_share=False),
    "ccc": Metric("CCC", is_share=False),
}


def score_of(logits: FloatArray, classes: Sequence[str], temperature: float = 1.0) -> Array | None:
    """(N,) the scores that logits (N, C) say, -3 to 3: the mean by their probabilities; None for two classes.

    Args:
        logits: (N, C).
        classes: names of the classes, ``SEVEN`` or ``SIGN`` of the labels.
        temperature: of the probabilities.
    """
    return probabilities(logits, "single", temperature) @ VALUES if len(classes) == len(VALUES) else None


def score_estimates(
    scores: FloatArray,
    logits: FloatArray,
    classes: Sequence[str],
    bootstrap: Bootstrap,
    *,
    temperature: float = 1.0,
) -> dict[str, Estimate]:
    """The figures that exist for a task, with their intervals.

    ``acc2_with_zeros`` (negative or not) needs utterances of score 0, or seven classes; ``acc2_without_zeros``
    (negative or positive, scores of 0 left out) needs others; ``acc7`` (rounded to whole scores, halves to the even
    one), ``mae``, ``pearson`` and ``ccc`` need seven classes. A correlation with what never varies is NaN, without an
    interval.

    Args:
        scores: (N,) raw labels, -3 to 3.
        logits: (N, C).
        classes: names of the classes, ``SEVEN`` or ``SIGN`` of the labels.
        bootstrap: of these utterances.
        temperature: of the probabilities.
    """
    scores = np.asarray(scores, np.float64)
    said, decided = score_of(logits, classes, temperature), logits.argmax(-1)
    # The second class is "not negative" where zeros are part of the task, else "positive".
    sign = said if said is not None else decided * 2.0 - 1.0
    everything, other = np.ones(len(scores), bool), scores != 0
    found: dict[str, Estimate] = {}
    if said is not None or not other.all():
        found["acc2_with_zeros"] = _share((sign >= 0) == (scores >= 0), everything, bootstrap)
    if other.any():
        found["acc2_without_zeros"] = _share((sign > 0) == (scores > 0), other, bootstrap)
    if said is not None:
        rounded = np.round(scores).clip(VALUES[0], VALUES[-1])
        found["acc7"] = _share(VALUES[decided] == rounded, everything, bootstrap)
        apart = np.stack([np.abs(said - scores), everything], axis=-1)
        found["mae"] = _estimate(apart, _mean, bootstrap, (0.0, 6.0))
        columns = _moments(scores, said)
        found["pearson"] = _estimate(columns, _pearson, bootstrap, (-1.0, 1.0))
        found["ccc"] = _estimate(columns, _ccc, bootstrap, (-1.0, 1.0))
    return found


def pearson(targets: FloatArray, predictions: FloatArray) -> float:
    """Pearson's correlation of two (N,); NaN where one of them never varies."""
    return float(_pearson(_moments(targets, predictions).sum(0)))


def ccc(targets: FloatArray, predictions: FloatArray) -> float:
    """The concordance correlation coefficient of two (N,); NaN where neither varies.

    ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with moments divided by N.

    Source: L. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics 45, 1989.
    """
    return float(_ccc(_moments(targets, predictions).sum(0)))


def _share(right: NDArray[np.bool_], of: NDArray[np.bool_], bootstrap: Bootstrap) -> Estimate:
    """The share that is right of the utterances that count."""
    return _estimate(np.stack([right & of, of], axis=-1), _mean, bootstrap, (0.0, 1.0))


def _estimate(
    columns: NDArray[Any], figure: Callable[[Array], Array], bootstrap: Bootstrap, within: tuple[float, float]
) -> Estimate:
    """A figure of sums over utterances, (..., S) to (...), with its interval."""
    totals = np.asarray(columns.sum(0), np.float64)
    return bootstrap.estimate(float(figure(totals)), figure(bootstrap.totals(columns)), within)


def _mean(sums: Array) -> Array:
    total, number = np.moveaxis(sums, -1, 0)
    return _quotient(total, number)


def _moments(x: FloatArray, y: FloatArray) -> Array:
    """(N, 7) what correlations are made of. Each is centred first, so that no digits are lost to its mean."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = x - x.mean(), y - y.mean()
    return np.stack([a, b, a * a, b * b, a * b, x - y, np.ones_like(x)], axis=-1)


def _central(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Variances, exactly 0 where nothing varies, covariance and difference of means, (...) each."""
    *totals, number = np.moveaxis(sums, -1, 0)
    a, b, aa, bb, ab, apart = (one / number for one in totals)
    variances = (
        np.where(square - mean**2 > 1e-12 * square + 1e-20, square - mean**2, 0.0)
        for mean, square in ((a, aa), (b, bb))
    )
    return *variances, ab - a * b, apart


def _pearson(sums: Array) -> Array:
    of_x, of_y, covariance, _ = _central(sums)
    return _quotient(covariance, np.sqrt(of_x * of_y)).clip(-1, 1)


def _ccc(sums: Array) -> Array:
    of_x, of_y, covariance, apart = _central(sums)
    both = of_x + of_y
    return _quotient(2 * covariance, np.where(both > 0, both + apart**2, 0.0))


def _quotient(part: Array, whole: Array) -> Array:
    """Part by whole, NaN where there is nothing."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan))
