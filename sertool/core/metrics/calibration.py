"""Calibrated probabilities: temperature scaling, fitted on validation, and the calibration error.

A model's logits are divided by the temperature before they become probabilities. That changes the confidence and never
the predicted class. A multi-label task is one two-class problem for each utterance and class, with logits 0 and z.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15  # bins of the calibration error, as in the source
BOUNDS = (0.05, 20.0)  # lowest and highest temperature that is tried

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Calibration:
    """A fitted temperature, as it is stored in a run's folder.

    Attributes:
        members: names of the members whose mean logits it was fitted for, best first.
        temperature: divisor of the logits; above 1, the members were overconfident.
        set: name of the set it was fitted on.
        utterances: number of utterances in that set.
        ece_before, ece_after: expected calibration error on that set, a fraction.
        nll_before, nll_after: mean negative log-likelihood on that set, in nats.
    """

    members: tuple[str, ...]
    temperature: float
    set: str
    utterances: int
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float

    def fits(self, members: Sequence[str]) -> bool:
        """Check whether it was fitted for these members, in this order."""
        return self.members == tuple(members)


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


def fit_temperature(logits: FloatArray, targets: IntArray, kind: str) -> float:
    """Return the temperature with the smallest negative log-likelihood, between 1/20 and 20.

    Where every decision is right, a smaller temperature is always better. The targets are then smoothed by the rule of
    succession, as if one more utterance of an unknown class had been seen. Where no temperature is better than 1 (all
    logits are equal), it is 1.

    Args:
        logits: (N, C), N at least 1.
        targets: (N,), or (N, C) 0/1 where ``kind`` is ``multi``.
        kind: ``single`` or ``multi``.

    >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    >>> temperature = fit_temperature(logits, np.array([0, 0, 0, 1]), "single")  # 75 % are right
    >>> round(float(probabilities(logits, "single", temperature)[0, 0]), 4)
    0.75
    """
    from scipy.optimize import minimize_scalar  # slow to import, and only needed here

    count = len(logits)
    logits, targets = _single(logits, targets, kind)
    smoothing = 1 / (count + 1) if (logits.argmax(-1) == targets).all() else 0.0

    def loss(log_temperature: float) -> float:
        return _cross_entropy(logits / math.exp(log_temperature), targets, smoothing)

    # The loss is convex in 1/T, so it has one minimum in log T, where steps are of even size for large and small T.
    low, high = (math.log(bound) for bound in BOUNDS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def calibrate(logits: FloatArray, targets: IntArray, kind: str, *, members: Sequence[str]) -> Calibration:
    """Fit the temperature on the validation set, and measure both errors there before and after."""
    temperature = fit_temperature(logits, targets, kind)
    ece = [expected_calibration_error(logits, targets, kind, t) for t in (1.0, temperature)]
    nll = [negative_log_likelihood(logits, targets, kind, t) for t in (1.0, temperature)]
    return Calibration(tuple(members), temperature, "valid", len(logits), *ece, *nll)


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
