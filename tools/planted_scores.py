"""Scores of arousal, valence and dominance for planted utterances, and the CCC that their noise allows.

Units: a score is the middle of its range plus a third of half the range times a number that never leaves -3 to 3, so
that no score is ever clipped and variances add up exactly. That number is the planted signal from -1 to 1, an offset
of the speaker (uniform) and noise (triangular), both of stated standard deviation and zero mean.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from planted_content import AROUSAL_VARIANCE, VALENCE_VARIANCE, Spoken

FloatArray = NDArray[np.float64]
DIMENSIONS = ("arousal", "valence", "dominance")
SIGNAL_VARIANCES = (AROUSAL_VARIANCE, VALENCE_VARIANCE, (AROUSAL_VARIANCE + VALENCE_VARIANCE) / 4)
NOISE = {"arousal": 0.22, "valence": 0.3, "dominance": 0.2}
LIMIT = 3.0


@dataclass(frozen=True)
class ScorePlan:
    """Sizes of what is drawn; standard deviations in the unit of the planted signals, which go from -1 to 1.

    Attributes:
        range: lowest and highest score.
        noise: standard deviation of the noise of an utterance, by dimension.
        speaker: that of the speakers' offsets.
        raters: number of raters who score every utterance; 0: scores without raters.
        bias: offset of the kindest rater; those of the others are spread evenly down to ``-bias``.
        rater_noise: standard deviation of a rater's noise.
        missing: share of the utterances without a score of dominance.
    """

    range: tuple[float, float] = (1.0, 5.0)
    noise: Mapping[str, float] = field(default_factory=lambda: dict(NOISE))
    speaker: float = 0.06
    raters: int = 0
    bias: float = 0.25
    rater_noise: float = 0.35
    missing: float = 0.1

    def __post_init__(self) -> None:
        if self.raters == 1 or self.raters < 0:
            raise ValueError("expected no raters, or at least two")
        if not self.range[0] < self.range[1] or not 0 <= self.missing < 1 or set(self.noise) != set(DIMENSIONS):
            raise ValueError("expected a range from low to high, a share below 1, and noise for each dimension")
        raters = self.bias + math.sqrt(6) * self.rater_noise if self.raters else 0.0
        largest = 1 + math.sqrt(3) * self.speaker + math.sqrt(6) * max(self.noise.values()) + raters
        if largest > LIMIT:
            raise ValueError(
                f"expected less noise: numbers may reach {largest:.2f}, and {LIMIT:g} is the end of a range"
            )

    @property
    def biases(self) -> FloatArray:
        """Return the raters' biases, (R,); their mean is 0."""
        return np.linspace(-self.bias, self.bias, self.raters) if self.raters else np.zeros(0)

    def in_units(self, numbers: FloatArray) -> FloatArray:
        """Turn numbers from -3 to 3 into scores of the range."""
        low, high = self.range
        return (low + high) / 2 + (high - low) / 2 / LIMIT * numbers


@dataclass(frozen=True)
class Scored:
    """Scores of utterances, in their units.

    Attributes:
        expected: (N, 3) scores that words and sound tell, without noise.
        scores: (N, 3), NaN where missing.
        ratings: (N, 3, R) the raters' scores, NaN where missing; R is 0 without raters.
    """

    expected: FloatArray
    scores: FloatArray
    ratings: FloatArray


def draw_scores(random: np.random.Generator, spoken: Spoken, plan: ScorePlan) -> Scored:
    """Draw the scores of utterances."""
    arousal, valence = spoken.arousal, spoken.valence
    signals = np.stack([arousal, valence, (arousal + valence) / 2], axis=1)
    offsets = plan.speaker * math.sqrt(3) * random.uniform(-1, 1, (int(spoken.speakers.max()) + 1, 3))
    deviations = np.array([plan.noise[name] for name in DIMENSIONS])
    true = signals + offsets[spoken.speakers] + deviations * _triangular(random, signals.shape)
    missing = random.random(len(true)) < plan.missing
    noise = plan.rater_noise * _triangular(random, (*true.shape, plan.raters))
    # Rounded as people would write them; the error is small beside any noise.
    ratings = plan.in_units(true[:, :, None] + plan.biases + noise).round(3)
    scores = ratings.mean(2) if plan.raters else plan.in_units(true).round(3)
    for values in (scores, ratings):
        values[missing, DIMENSIONS.index("dominance")] = np.nan
    return Scored(plan.in_units(signals), scores, ratings)


def _triangular(random: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Draw numbers of standard deviation 1 that never leave plus or minus the square root of 6."""
    total: FloatArray = random.uniform(-1, 1, (2, *shape)).sum(0) * math.sqrt(1.5)
    return total


def score_truth(plan: ScorePlan) -> dict[str, dict[str, float]]:
    """Return what the noise allows on unseen speakers, by dimension, in closed form.

    With S, the variance of the planted signal, and N, that of all noise in the score (utterance, unseen speaker, and
    the raters' own noise over their number), the largest correlation of any prediction from words and sound with the
    score is ``r = sqrt(S / (S + N))``. CCC is never above the correlation, and the signal stretched around its mean
    by ``1 / r`` reaches it, so the largest CCC is r too. The signal as it is has ``2 S / (2 S + N)``. For raters, V is
    the variance of what all of them hear (S, speaker, utterance), E that of a rater's noise, R their number, B
    the mean square of their biases:

    * of pairs of a rater and the mean of the others, pooled over raters, the covariance is ``C = V - B / (R - 1)`` and
      the variances are ``V + E + B`` and ``V + E / (R - 1) + B / (R - 1)^2``, which give their CCC and correlation;
    * Krippendorff's alpha (interval) is ``1 - (E + B R / (R - 1)) / (V + E + B)`` for many utterances.

    Returns:
        ``ccc`` (the largest), ``ccc_of_signal``; with raters also ``rater_ccc``, ``rater_pearson`` and ``alpha``.
    """
    truth = {}
    number, error = plan.raters, plan.rater_noise**2
    for name, signal in zip(DIMENSIONS, SIGNAL_VARIANCES, strict=True):
        heard = signal + plan.speaker**2 + plan.noise[name] ** 2
        noise = heard - signal + (error / number if number else 0.0)
        truth[name] = {"ccc": math.sqrt(signal / (signal + noise)), "ccc_of_signal": 2 * signal / (2 * signal + noise)}
        if number:
            square = float((plan.biases**2).mean())
            covariance = heard - square / (number - 1)
            own, others = heard + error + square, heard + error / (number - 1) + square / (number - 1) ** 2
            truth[name] |= {
                "rater_ccc": 2 * covariance / (own + others),
                "rater_pearson": covariance / math.sqrt(own * others),
                "alpha": 1 - (error + square * number / (number - 1)) / own,
            }
    return truth
