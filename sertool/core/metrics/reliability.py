"""Quality of probabilities on a labelled set: reliability, calibration error, Brier score, risk against coverage.

Arguments that all functions share:
    logits: (N, C), N at least 1.
    targets: (N,) classes, or (N, C) 0/1 where ``kind`` is ``multi``. A multi-label task makes N times C decisions;
        those of an utterance stay together.
    kind: ``single`` or ``multi``.
    temperature: temperature of the probabilities, fitted elsewhere (:mod:`sertool.core.metrics.calibration`).
    jackknife: jackknife over these utterances.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Estimate, Jackknife
from sertool.core.metrics.calibration import (
    BINS,
    FloatArray,
    IntArray,
    bin_of,
    confidences,
    expected_calibration_error,
    probabilities,
)

POINTS = 20  # points of the curve of risk against coverage
Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class Bin:
    """Decisions of about the same confidence.

    Attributes:
        confidence: their mean probability.
        accuracy: fraction of them that is right.
        count: number of decisions.
        low, high: ends of the 95 % interval of the accuracy; None where it is not given.
    """

    confidence: float
    accuracy: float
    count: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Point:
    """The decisions that remain when a model abstains below a probability.

    Attributes:
        coverage: share of decisions that remain.
        accuracy: accuracy of the decisions that remain.
        threshold: the probability; decisions exactly at it remain.
    """

    coverage: float
    accuracy: float
    threshold: float


def reliability(logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0) -> list[Bin]:
    """Return accuracy by confidence, in the 15 bins of the calibration error; empty bins are left out.

    The intervals are Wilson's, which take the decisions as independent of each other.

    >>> [(one.accuracy, one.count) for one in reliability(np.log([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1]), "single")]
    [(0.5, 2)]

    Source: E. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
    Statistical Association 22, 1927.
    """
    confidence, right = confidences(logits, targets, kind, temperature)
    place = bin_of(confidence)
    found = []
    for number in np.unique(place):
        inside = place == number
        count, share = int(inside.sum()), float(right[inside].mean())
        found.append(Bin(float(confidence[inside].mean()), share, count, *_wilson(share, count)))
    return found


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Return ``(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``."""
    middle = share + Z**2 / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


def _gaps(logits: FloatArray, targets: IntArray, kind: str, temperature: float) -> NDArray[np.float64]:
    """Return (N, 15 + 1): the gaps of each utterance's decisions by bin, and their number."""
    confidence, right = confidences(logits, targets, kind, temperature)
    each = len(confidence) // len(logits)
    columns = np.zeros((len(logits), BINS + 1))
    np.add.at(columns, (np.arange(len(confidence)) // each, bin_of(confidence)), right - confidence)
    columns[:, BINS] = each
    return columns


def ece_estimate(
    logits: FloatArray, targets: IntArray, kind: str, temperature: float, jackknife: Jackknife
) -> Estimate:
    """Return the expected calibration error with its interval, which is never below 0."""
    value = expected_calibration_error(logits, targets, kind, temperature)
    sums = jackknife.totals(_gaps(logits, targets, kind, temperature))
    return jackknife.estimate(value, np.abs(sums[:, :BINS]).sum(-1) / sums[:, BINS], (0.0, math.inf))


def ece_expected(
    logits: FloatArray,
    targets: IntArray,
    kind: str,
    temperature: float = 1.0,
    *,
    draws: int = 200,
    seed: int = 1,
) -> tuple[float, float]:
    """Return the calibration error that chance alone would give this model, and the p-value of the error it has.

    Labels are simulated with the model's own probabilities. The first value is the mean error over ``draws``
    simulations. The second is the share of simulations with an error at least as large as that of ``targets``, with
    ``targets`` counted as one more simulation, so that it is never 0.

    >>> ece_expected(np.array([[50.0, 0.0]]), np.array([0]), "single")  # sure and right: chance gives no error
    (0.0, 1.0)

    Source: consistency resampling, J. Bröcker, L. Smith, "Increasing the Reliability of Reliability Diagrams",
    Weather and Forecasting 22, 2007.
    """
    confidence, _ = confidences(logits, targets, kind, temperature)
    place, random = bin_of(confidence), np.random.default_rng(seed)
    errors = np.empty(draws)
    for number in range(draws):
        # A label matters only by whether the decision is right, which has the probability that the model claims.
        right = random.random(len(confidence)) < confidence
        gaps = np.bincount(place, weights=right - confidence, minlength=BINS)
        errors[number] = np.abs(gaps).sum() / len(confidence)
    seen = expected_calibration_error(logits, targets, kind, temperature)
    as_large = int((errors >= seen - 1e-12).sum())  # equal errors may differ by rounding
    return float(errors.mean()), (as_large + 1) / (draws + 1)


def brier(logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0) -> float:
    """Return the Brier score: the mean over utterances of ``sum((p_c - y_c)^2)`` over classes c, y_c being 0 or 1.

    It is 0 to 2 for single-label tasks, 0 to C for multi-label ones; lower is better.

    >>> round(brier(np.log([[0.8, 0.2]]), np.array([0]), "single"), 3)
    0.08

    Source: G. Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 78, 1950.
    """
    return float(_squares(logits, targets, kind, temperature).mean())


def brier_estimate(
    logits: FloatArray, targets: IntArray, kind: str, temperature: float, jackknife: Jackknife
) -> Estimate:
    """Return the Brier score with its interval."""
    squares = _squares(logits, targets, kind, temperature)
    sums = jackknife.totals(np.stack([squares, np.ones_like(squares)], axis=-1))
    return jackknife.estimate(float(squares.mean()), sums[:, 0] / sums[:, 1], (0.0, math.inf))


def risk_coverage(logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0) -> list[Point]:
    """Return the coverage and accuracy that abstaining leaves, at about 20 thresholds; the last one keeps everything.

    Decisions of equal probability stay together, so there may be fewer points. Multi-label models abstain from single
    decisions, not from utterances.

    >>> points = risk_coverage(np.log([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), "single")
    >>> [(point.coverage, point.accuracy) for point in points]
    [(0.5, 1.0), (1.0, 0.5)]

    Source: R. El-Yaniv, Y. Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 11, 2010.
    """
    confidence, right = confidences(logits, targets, kind, temperature)
    last = np.ceil(np.arange(1, POINTS + 1) * len(confidence) / POINTS).astype(int) - 1
    points = []
    for threshold in np.unique(np.sort(confidence)[::-1][last])[::-1]:
        left = confidence >= threshold
        points.append(Point(float(left.mean()), float(right[left].mean()), float(threshold)))
    return points


def _squares(logits: FloatArray, targets: IntArray, kind: str, temperature: float) -> NDArray[np.float64]:
    """Return (N,): the Brier score of each utterance."""
    wanted = targets if kind == "multi" else np.eye(logits.shape[1])[targets]
    squares: NDArray[np.float64] = ((probabilities(logits, kind, temperature) - wanted) ** 2).sum(-1)
    return squares
