"""Figures of two scores, the true and the predicted one, from sums over utterances: CCC, Pearson's r, MAE, RMSE, R2.

Every figure is a function of the same few sums, so that it is computed for all utterances, without each cluster of
them, or for resampled clusters by one rule. The last axis of such sums has one entry for each term of :func:`terms`;
the axes in front of it are parts of the set, and dimensions.
"""

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray

Array = NDArray[np.float64]


def terms(targets: FloatArray, predictions: FloatArray) -> Array:
    """Return (N, ..., 9): what each utterance adds to the sums; zeros where its target is missing.

    The terms are both scores less their means, their squares and product, the difference of the scores, its absolute
    value and its square, and 1. With S the size of the last axis, all functions of this module take sums (..., S).

    Args:
        targets: (N, ...) true scores; NaN where one is missing.
        predictions: (N, ...) predicted scores, in the same unit.

    >>> terms(np.array([1.0, np.nan]), np.array([3.0, 0.0])).tolist()[0][5:]
    [-2.0, 2.0, 4.0, 1.0]
    """
    x, y = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    known = np.isfinite(x)
    number = np.maximum(known.sum(0), 1)
    x, y = (np.where(known, one, 0.0) for one in (x, y))
    # Centred first: the square of a large mean would take the digits of a small variance.
    a, b = (np.where(known, one - one.sum(0) / number, 0.0) for one in (x, y))
    apart = x - y
    return np.stack([a, b, a * a, b * b, a * b, apart, np.abs(apart), apart * apart, known], axis=-1)


def varies(sums: Array) -> NDArray[np.bool_]:
    """Return (...): True where the targets have at least two different values.

    >>> bool(varies(terms(np.array([0.1, 0.1, 0.1]), np.array([0.0, 1.0, 2.0])).sum(0)))
    False
    """
    return np.asarray(_central(sums)[0] > 0)


def number_of(sums: Array) -> Array:
    """Return (...) the number of utterances that have a target.

    >>> float(number_of(terms(np.array([1.0, np.nan]), np.array([3.0, 0.0])).sum(0)))
    1.0
    """
    return np.asarray(sums[..., -1])


def pearson_of(sums: Array) -> Array:
    """Return (...) Pearson's correlation, ``cov(x, y) / sqrt(var(x) var(y))``; NaN where one never varies.

    >>> round(float(pearson_of(terms(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])).sum(0))), 3)
    1.0
    """
    of_x, of_y, covariance, _ = _central(sums)
    return quotient(covariance, np.sqrt(of_x * of_y)).clip(-1, 1)


def ccc_of(sums: Array) -> Array:
    """Return (...) the concordance correlation coefficient; NaN where neither varies, 0 where one never does.

    ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with moments divided by N.

    >>> round(float(ccc_of(terms(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])).sum(0))), 3)  # offset of 1
    0.571

    Source: L. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics 45, 1989.
    """
    of_x, of_y, covariance, apart = _central(sums)
    both = of_x + of_y
    return quotient(2 * covariance, np.where(both > 0, both + apart**2, 0.0))


def mae_of(sums: Array) -> Array:
    """Return (...) the mean absolute error, in the unit of the scores; NaN where there are no targets.

    >>> float(mae_of(terms(np.array([0.0, 1.0]), np.array([1.0, 3.0])).sum(0)))
    1.5
    """
    return quotient(sums[..., 6], number_of(sums))


def rmse_of(sums: Array) -> Array:
    """Return (...) the root of the mean squared error, in the unit of the scores; NaN where there are no targets.

    >>> round(float(rmse_of(terms(np.array([0.0, 1.0]), np.array([1.0, 3.0])).sum(0))), 3)
    1.581
    """
    # Sums without an utterance come from a subtraction, which may leave -1e-17 where there is no error.
    return np.sqrt(np.maximum(quotient(sums[..., 7], number_of(sums)), 0.0))


def r2_of(sums: Array) -> Array:
    """Return (...) R2, ``1 - sum((x - y)^2) / sum((x - mean(x))^2)``; NaN where the target never varies.

    It is 0 for a model that always predicts the mean of these targets, and negative for worse ones.

    >>> float(r2_of(terms(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])).sum(0)))
    0.5

    Source: the coefficient of determination as in N. Draper, H. Smith, "Applied Regression Analysis", 1998.
    """
    return np.asarray(1 - quotient(sums[..., 7] / np.maximum(number_of(sums), 1), _central(sums)[0]))


def pearson(targets: FloatArray, predictions: FloatArray) -> float:
    """Return :func:`pearson_of` two (N,).

    >>> round(pearson(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])), 3)
    1.0
    """
    return float(pearson_of(terms(targets, predictions).sum(0)))


def ccc(targets: FloatArray, predictions: FloatArray) -> float:
    """Return :func:`ccc_of` two (N,).

    >>> round(ccc(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])), 3)
    0.571
    """
    return float(ccc_of(terms(targets, predictions).sum(0)))


def mean_of(sums: Array) -> Array:
    """Return (...) the mean of sums (..., 2) of a value and of 1; NaN over nothing.

    >>> float(mean_of(np.array([3.0, 4.0])))
    0.75
    """
    total, number = np.moveaxis(sums, -1, 0)
    return quotient(total, number)


def quotient(part: Array, whole: Array) -> Array:
    """Divide; NaN where there is nothing to divide by.

    >>> quotient(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    return np.asarray(part / np.where(whole > 0, whole, np.nan))


def _central(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Return both variances, the covariance and the difference of means, (...) each."""
    number = number_of(sums)
    a, b, aa, bb, ab, apart = (quotient(one, number) for one in np.moveaxis(sums, -1, 0)[:6])
    of_x, of_y = _variance(a, aa), _variance(b, bb)
    return of_x, of_y, np.where((of_x == 0) | (of_y == 0), 0.0, ab - a * b), apart


def _variance(mean: Array, square: Array) -> Array:
    # What is left of the square by rounding counts as 0, so that a constant has no correlation rather than any.
    variance = square - mean**2
    return np.where(variance <= 1e-12 * square + 1e-20, 0.0, variance)
