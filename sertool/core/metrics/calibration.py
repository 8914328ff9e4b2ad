"""Calibrated probabilities: temperature scaling, fitted on validation, and the calibration error.

A model's logits are divided by the temperature before they become probabilities. That changes the confidence and never
the predicted class. A multi-label task is one two-class problem for each utterance and class, with logits 0 and z.

A temperature from little data is often worse than none, so it is fitted with a prior and used only where validation
can tell it: :func:`calibrate` has the rule, and tools/temperature_rule.py the simulation by which it was chosen.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import plural
from sertool.core.metrics.clusters import Clusters, few_clusters

BINS = 15  # bins of the calibration error, as in the source
BOUNDS = (0.05, 20.0)  # lowest and highest temperature that is tried
PRIOR = 0.5  # standard deviation of log T around 0: most networks need a temperature from 0.4 to 2.7
FEWEST_UTTERANCES = 30  # of validation; fewer cannot tell a temperature
NEAR = 1.25  # an interval within 1 / NEAR to NEAR is narrow: an error of that size costs about 0.01 nats

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Calibration:
    """A temperature, or the reason why validation cannot tell it, as stored in a run's folder.

    Attributes:
        members: names of the members whose mean logits it was fitted for, best first.
        temperature: divisor of the logits; above 1, the members were overconfident; 1 if not ``calibrated``.
        set: name of the set it was fitted on.
        utterances: number of utterances in that set.
        ece_before, ece_after: expected calibration error on that set, a fraction.
        nll_before, nll_after: mean negative log-likelihood on that set, in nats.
        calibrated: validation can tell the temperature.
        reason: sentence on why it cannot; empty if it can.
        low, high: 95 % interval of the temperature; None where there is none.
        note: sentence on the limits of that interval, such as few speakers; empty where there are none.
    """

    members: tuple[str, ...]
    temperature: float
    set: str
    utterances: int
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float
    calibrated: bool = True
    reason: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""

    def fits(self, members: Sequence[str]) -> bool:
        """Check whether it was fitted for these members, in this order."""
        return self.members == tuple(members)


def why_uncalibrated(calibration: Calibration | None) -> str:
    """Return the reason why probabilities are not calibrated; empty if they are.

    >>> why_uncalibrated(None)
    'no temperature was fitted for these members'
    """
    return "no temperature was fitted for these members" if calibration is None else calibration.reason


@dataclass(frozen=True)
class Fit:
    """A temperature fitted with a prior, and its 95 % interval."""

    temperature: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """True if the interval excludes 1, or lies so close around it that a wrong temperature hardly matters."""
        return self.low > 1 or self.high < 1 or (self.low >= 1 / NEAR and self.high <= NEAR)


def probabilities(logits: FloatArray, kind: str, temperature: float = 1.0) -> NDArray[np.float64]:
    """Turn logits (N, C) into probabilities (N, C): ``softmax(z / T)``, or ``sigmoid(z / T)`` of each class.

    Args:
        logits: (N, C) z, the mean logits of an ensemble.
        kind: ``single`` (softmax) or ``multi`` (sigmoid).
        temperature: T, positive; 1 leaves the logits as they are.

    >>> probabilities(np.array([[2.0, 0.0]]), "single", 2.0).round(3).tolist()
    [[0.731, 0.269]]
    """
    if kind == "multi":
        return np.exp(_log_softmax(_two_class(logits) / temperature))[:, 1].reshape(logits.shape)
    return np.exp(_log_softmax(logits.astype(np.float64) / temperature))


def expected_calibration_error(logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0) -> float:
    """Return the expected calibration error: the sum over bins b of ``n_b / N * |accuracy_b - confidence_b|``.

    The confidence is the probability of the predicted class. There are 15 bins of equal width, ``(b/15, (b+1)/15]``.

    Args:
        logits: (N, C).
        targets: (N,) classes, or (N, C) 0/1 where ``kind`` is ``multi``; then all N times C decisions count.
        kind: ``single`` or ``multi``.
        temperature: temperature of the probabilities.

    >>> logits = np.log([[0.8, 0.2], [0.8, 0.2]])  # twice 80 % sure of class 0, once right
    >>> round(expected_calibration_error(logits, np.array([0, 1]), "single"), 3)
    0.3
    """
    confidence, right = confidences(logits, targets, kind, temperature)
    gaps = np.bincount(bin_of(confidence), weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def confidences(
    logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the probability of each decision and whether it is right: (N,), or (N * C,) where ``kind`` is ``multi``.

    >>> confidence, right = confidences(np.log([[0.8, 0.2]]), np.array([0]), "single")
    >>> confidence.round(2).tolist(), right.tolist()
    ([0.8], [True])
    """
    logits, targets = _single(logits, targets, kind)
    shares = probabilities(logits, "single", temperature)
    # By the logits, so that rounding of probabilities never changes a decision.
    decisions = logits.argmax(-1)
    return shares[np.arange(len(shares)), decisions], decisions == targets


def bin_of(confidence: FloatArray) -> IntArray:
    """Return the number of the bin that each confidence falls into, 0 to 14.

    >>> bin_of(np.array([0.05, 1 / 15, 0.5, 1.0])).tolist()
    [0, 0, 7, 14]
    """
    return np.searchsorted(np.linspace(0, 1, BINS + 1), confidence, side="left").clip(1, BINS) - 1


def negative_log_likelihood(logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0) -> float:
    """Return ``-mean(log p(target))`` in nats, over N targets, or over N times C where ``kind`` is ``multi``.

    >>> round(negative_log_likelihood(np.log([[0.8, 0.2]]), np.array([0]), "single"), 4)
    0.2231
    """
    logits, targets = _single(logits, targets, kind)
    return _cross_entropy(logits / temperature, targets, 0.0)


def fit_temperature(logits: FloatArray, targets: IntArray, kind: str, clusters: Clusters) -> Fit:
    """Return the most probable temperature T under a prior, between 1/20 and 20, with its interval.

    It maximises the likelihood of the targets times the prior density of log T, a normal distribution around 0 with
    standard deviation ``PRIOR``. The prior counts for nothing where there are many utterances, and keeps T near 1
    where there are few. Where every decision is right, the likelihood has no maximum. The targets are then smoothed
    by the rule of succession, as if one more utterance of an unknown class had been seen.

    The interval is that of log T plus or minus Student's t times its standard error, with one degree of freedom less
    than clusters. The error is the larger of the model's own and of the sandwich estimate over clusters: H. White,
    "Maximum Likelihood Estimation of Misspecified Models", Econometrica 50(1), 1982; K.-Y. Liang, S. Zeger,
    "Longitudinal data analysis using generalized linear models", Biometrika 73(1), 1986.

    Args:
        logits: (N, C) finite, N at least 1.
        targets: (N,), or (N, C) 0/1 where ``kind`` is ``multi``.
        kind: ``single`` or ``multi``.
        clusters: clusters of the N utterances, at least 2.

    >>> logits, targets = np.tile([[2.0, 0.0]], (4000, 1)), np.tile([0, 0, 0, 1], 1000)  # 75 % are right
    >>> fit = fit_temperature(logits, targets, "single", Clusters(np.arange(4000), 4000, "utterance"))
    >>> round(float(probabilities(logits, "single", fit.temperature)[0, 0]), 2)
    0.75
    """
    from scipy.optimize import minimize_scalar  # slow to import, and only needed here
    from scipy.special import stdtrit

    count = len(logits)
    index = clusters.index.repeat(logits.shape[1]) if kind == "multi" else clusters.index
    logits, targets = _single(logits, targets, kind)
    smoothing = 1 / (count + 1) if (logits.argmax(-1) == targets).all() else 0.0

    def loss(log_temperature: float) -> float:
        fit = len(logits) * _cross_entropy(logits / math.exp(log_temperature), targets, smoothing)
        return fit + log_temperature**2 / (2 * PRIOR**2)

    # In log T, where steps are of even size for large and small T.
    low, high = (math.log(bound) for bound in BOUNDS)
    found = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)
    scaled = logits / math.exp(found)
    shares = np.exp(_log_softmax(scaled))
    mean = (shares * scaled).sum(-1)
    # Derivatives of the loss by log T: of each decision, and the expected second one, its variance under the model.
    slopes = scaled[np.arange(len(scaled)), targets] - mean
    curvature = float((shares * (scaled - mean[:, None]) ** 2).sum()) + PRIOR**-2
    of_clusters = np.bincount(index, weights=slopes, minlength=clusters.number)
    spread = float(of_clusters.var() * clusters.number**2 / (clusters.number - 1))
    error = math.sqrt(max(spread, curvature)) / curvature
    half = float(stdtrit(clusters.number - 1, 0.975)) * error
    return Fit(math.exp(found), math.exp(max(found - half, low)), math.exp(min(found + half, high)))


def calibrate(
    logits: FloatArray,
    targets: IntArray,
    kind: str,
    *,
    members: Sequence[str],
    clusters: Clusters,
    advise: bool = True,
) -> Calibration:
    """Fit the temperature on the validation set if that can tell it, and measure both errors there before and after.

    It can tell it if there are enough utterances and clusters (speakers, where they are known), the interval of the
    temperature excludes 1, or the interval lies so close around 1 that it hardly matters. Otherwise T stays 1, and the
    result says why.

    Args:
        logits: (N, C) mean logits of the members on validation, finite, N at least 1.
        targets: (N,), or (N, C) 0/1 where ``kind`` is ``multi``.
        kind: ``single`` or ``multi``.
        members: names of the members, best first.
        clusters: clusters of the N utterances.
        advise: False if the run is cross-validated already.
    """
    reason = _too_few(targets, clusters, advise=advise)
    fit = None if reason else fit_temperature(logits, targets, kind, clusters)
    if fit is not None and not fit.is_told:
        reason = (
            f"{plural(len(logits), 'validation utterance')} cannot tell the temperature from 1: its 95 % interval is "
            f"{fit.low:.2f} to {fit.high:.2f}"
        )
    temperature = 1.0 if fit is None or reason else fit.temperature
    ece = [expected_calibration_error(logits, targets, kind, t) for t in (1.0, temperature)]
    nll = [negative_log_likelihood(logits, targets, kind, t) for t in (1.0, temperature)]
    return Calibration(
        members=tuple(members),
        temperature=temperature,
        set="valid",
        utterances=len(logits),
        ece_before=ece[0],
        ece_after=ece[1],
        nll_before=nll[0],
        nll_after=nll[1],
        calibrated=not reason,
        reason=reason,
        low=None if fit is None else fit.low,
        high=None if fit is None else fit.high,
        note="" if reason else clusters.note,
    )


def _too_few(targets: IntArray, clusters: Clusters, *, advise: bool) -> str:
    """Say why a validation set is too small or too uniform to fit a temperature; empty if it is not."""
    if clusters.few:
        return few_clusters(clusters.number, clusters.unit, "validation", advise=advise)
    if len(targets) < FEWEST_UTTERANCES:
        return f"{plural(len(targets), 'validation utterance')}: too few ({FEWEST_UTTERANCES} are needed)"
    if (targets == targets[0]).all():
        return "all validation utterances have the same label"
    return ""


def _two_class(logits: FloatArray) -> NDArray[np.float64]:
    """Turn logits (N, C) of yes into logits (N * C, 2) of no and yes."""
    flat = logits.astype(np.float64).reshape(-1)
    return np.stack([np.zeros_like(flat), flat], axis=-1)


def _single(logits: FloatArray, targets: IntArray, kind: str) -> tuple[NDArray[np.float64], IntArray]:
    """Turn a multi-label problem into N times C two-class problems; leave a single-label one as it is."""
    if kind == "multi":
        return _two_class(logits), targets.reshape(-1)
    return logits.astype(np.float64), targets


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # The largest logit is subtracted first, so that exp() cannot overflow.
    shifted = logits - logits.max(-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _cross_entropy(logits: NDArray[np.float64], targets: IntArray, smoothing: float) -> float:
    logs = _log_softmax(logits)
    right = logs[np.arange(len(logs)), targets].mean()
    return float(-(1 - smoothing) * right - smoothing * logs.mean())
