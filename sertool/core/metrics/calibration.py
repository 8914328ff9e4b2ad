"""Probabilities that mean what they say: one temperature, fitted on validation, and how far off they are.

A model's logits are divided by the temperature before they become probabilities. That changes how sure it sounds
and never what it decides. A multi-label task is a two-class problem an utterance and class, with the logits 0 and z.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of the calibration error, as in the source
BOUNDS = (0.05, 20.0)  # of the temperature

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Calibration:
    """A fitted temperature, as it lies in a run's folder.

    Attributes:
        members: names of the members whose mean logits it is for, best first.
        temperature: what logits are divided by; above 1 the members were too sure of themselves.
        set: what it was fitted on.
        utterances: of that set.
        ece_before, ece_after: expected calibration error there, a fraction.
        nll_before, nll_after: mean negative log-likelihood there, in nats.
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
        """Whether it was fitted for these members."""
        return self.members == tuple(members)


def probabilities(logits: FloatArray, kind: str, temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits (N, C) as probabilities (N, C): of the one class (softmax), or of each class (sigmoid).

    Args:
        logits: of an ensemble.
        kind: ``single`` or ``multi``.
        temperature: positive; 1 leaves the logits as they are.
    """
    if kind == "multi":
        return np.exp(_log_softmax(_two_class(logits) / temperature))[:, 1].reshape(logits.shape)
    return np.exp(_log_softmax(logits.astype(np.float64) / temperature))


def expected_calibration_error(
    logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0
) -> float:
    """How far confidence and accuracy lie apart: sum over bins of ``n_b / N * |accuracy_b - confidence_b|``.

    The confidence is the probability of what is decided. There are 15 bins of equal width, ``(b/15, (b+1)/15]``;
    a confidence of exactly 1 belongs to the last one.

    Args:
        logits: (N, C).
        targets: (N,) classes, or (N, C) 0/1 where ``kind`` is ``multi``; then all N times C decisions count.
        kind: ``single`` or ``multi``.
        temperature: of the probabilities.
    """
    confidence, right = confidences(logits, targets, kind, temperature)
    gaps = np.bincount(bin_of(confidence), weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def confidences(
    logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The probability of what is decided, and whether it is right, of all N decisions, or N times C where ``multi``."""
    logits, targets = _single(logits, targets, kind)
    shares = probabilities(logits, "single", temperature)
    # By the logits, so that rounding of probabilities never changes a decision.
    decisions = logits.argmax(-1)
    return shares[np.arange(len(shares)), decisions], decisions == targets


def bin_of(confidence: FloatArray) -> IntArray:
    """The bin of each confidence, from 0."""
    return np.searchsorted(np.linspace(0, 1, BINS + 1), confidence, side="left").clip(1, BINS) - 1


def negative_log_likelihood(
    logits: FloatArray, targets: IntArray, kind: str, temperature: float = 1.0
) -> float:
    """Mean negative log-probability of the targets, in nats; multi-label over all N times C of them."""
    logits, targets = _single(logits, targets, kind)
    return _cross_entropy(logits / temperature, targets, 0.0)


def fit_temperature(logits: FloatArray, targets: IntArray, kind: str) -> float:
    """The temperature with the least negative log-likelihood, between 1/20 and 20.

    Where every decision is right, no finite temperature is the best; the targets are then smoothed by the rule of
    succession, as if one more utterance had been seen whose class is anyone's guess. Where no temperature is better
    than none (all logits are equal), it is 1.

    Args:
        logits: (N, C), N at least 1.
        targets: (N,), or (N, C) 0/1 where ``kind`` is ``multi``.
        kind: ``single`` or ``multi``.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and only needed here

    count = len(logits)
    logits, targets = _single(logits, targets, kind)
    smoothing = 1 / (count + 1) if (logits.argmax(-1) == targets).all() else 0.0

    def loss(log_temperature: float) -> float:
        return _cross_entropy(logits / math.exp(log_temperature), targets, smoothing)

    # Convex in 1/T, so it has one valley in log T.
    low, high = (math.log(bound) for bound in BOUNDS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def calibrate(logits: FloatArray, targets: IntArray, kind: str, *, members: Sequence[str]) -> Calibration:
    """Fit the temperature of some members' mean logits on validation, and measure what it does there."""
    temperature = fit_temperature(logits, targets, kind)
    ece = [expected_calibration_error(logits, targets, kind, t) for t in (1.0, temperature)]
    nll = [negative_log_likelihood(logits, targets, kind, t) for t in (1.0, temperature)]
    return Calibration(tuple(members), temperature, "valid", len(logits), *ece, *nll)


def _two_class(logits: FloatArray) -> NDArray[np.float64]:
    """Logits (N, C) of yes as logits (N * C, 2) of no and yes."""
    flat = logits.astype(np.float64).reshape(-1)
    return np.stack([np.zeros_like(flat), flat], axis=-1)


def _single(logits: FloatArray, targets: IntArray, kind: str) -> tuple[NDArray[np.float64], IntArray]:
    """A multi-label problem as its N times C two-class problems, a single-label one as it is."""
    if kind == "multi":
        return _two_class(logits), targets.reshape(-1)
    return logits.astype(np.float64), targets


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _cross_entropy(logits: NDArray[np.float64], targets: IntArray, smoothing: float) -> float:
    logs = _log_softmax(logits)
    right = logs[np.arange(len(logs)), targets].mean()
    return float(-(1 - smoothing) * right - smoothing * logs.mean())
