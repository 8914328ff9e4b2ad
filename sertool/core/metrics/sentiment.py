"""Metrics of sentiment scores from -3 to 3 with their intervals: the field's accuracies, F1, MAE, correlations.

A regression model predicts the score itself. A model of seven classes predicts one too, the mean of -3 to 3 under its
probabilities. One of two classes predicts a sign only. The same functions compute the metrics of all three.

Sources, for CMU-MOSI and CMU-MOSEI: Y.-H. H. Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language
Sequences", ACL 2019, with its code (acc7, acc5, negative against positive); W. Yu, H. Xu, Z. Yuan, J. Wu, "Learning
Modality-Specific Representations with Self-Supervised Multi-Task Learning for Multimodal Sentiment Analysis", AAAI
2021, with the code of its framework MMSA, which tells both binary metrics apart as Has0 and Non0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, Estimate, Jackknife
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.classification import FloatArray, Metric, counts_of, f1_weighted_of, indicators
from sertool.core.metrics.clusters import UNITS
from sertool.core.metrics.jackknife import SHARE, Range
from sertool.core.metrics.moments import ccc_of, mean_of, pearson_of, terms
from sertool.core.metrics.scores import DIMENSION_METRICS

VALUES = np.arange(-3.0, 4.0)  # score of each of seven classes
RANGE = (-3.0, 3.0)  # of scores that have the metrics of this module

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The field's metrics of scores from -3 to 3, in the order of every table; MAE and correlations are DIMENSION_METRICS in
# metrics/scores.py, metrics of decisions METRICS in metrics/classification.py.
SENTIMENT_METRICS: dict[str, Metric] = {
    "acc2_with_zeros": Metric("acc2, with zeros"),
    "acc2_without_zeros": Metric("acc2, without zeros"),
    "f1_with_zeros": Metric("F1, with zeros"),
    "f1_without_zeros": Metric("F1, without zeros"),
    "acc7": Metric("acc7"),
    "acc5": Metric("acc5"),
}
# Those of models with classes, in the order of every table.
SCORE_METRICS: dict[str, Metric] = {
    **{name: SENTIMENT_METRICS[name] for name in ("acc2_with_zeros", "acc2_without_zeros", "acc7")},
    **{name: DIMENSION_METRICS[name] for name in ("mae", "pearson", "ccc")},
}


@dataclass(frozen=True)
class Figure:
    """A metric before its interval.

    Attributes:
        columns: (N, S) what each utterance adds to its sums.
        of_sums: computes it from sums, (..., S) to (...).
        of: (N,) True for the utterances that it is about.
        within: its lowest and highest value.
    """

    columns: Array
    of_sums: Callable[[Array], Array]
    of: Mask
    within: Range = SHARE

    @property
    def value(self) -> float:
        """The metric of all utterances."""
        return float(self.of_sums(self.columns.sum(0)))

    def estimate(self, jackknife: Jackknife) -> Estimate:
        """Return the metric with its interval."""
        return jackknife.estimate(self.value, self.of_sums(jackknife.totals(self.columns)), self.within, self.of)


def sentiment_estimates(scores: FloatArray, predictions: FloatArray, jackknife: Jackknife) -> dict[str, Estimate]:
    """Return the metrics of ``SENTIMENT_METRICS`` of predicted scores with their intervals, by key.

    * ``acc2_with_zeros``: share of utterances whose prediction is negative exactly where the score is: negative
      against not negative, MMSA's Has0.
    * ``acc2_without_zeros``: share whose prediction is positive exactly where the score is, among scores other than 0:
      negative against positive, MMSA's Non0. A prediction of 0 counts as negative.
    * ``f1_with_zeros``, ``f1_without_zeros``: F1 of the same two decisions, weighted by the number of true utterances
      of each, as MMSA and scikit-learn compute it. The code of Tsai et al. weights by the number of predicted ones.
    * ``acc7``: share whose score, cut to -3 to 3 and rounded, is the one predicted, cut and rounded as well.
    * ``acc5``: the same, cut to -2 to 2.

    Halves are rounded to the even number, as NumPy does and with it all published code.

    Args:
        scores: (N,) true scores, -3 to 3; NaN where one is missing: such utterances are left out.
        predictions: (N,) predicted scores.
        jackknife: jackknife over the N utterances.

    Returns:
        The metrics that are defined: without a score other than 0 those with zeros, acc7 and acc5; without any score
        none.
    """
    return {name: figure.estimate(jackknife) for name, figure in sentiment_parts(scores, predictions).items()}


def sentiment_figures(scores: FloatArray, predictions: FloatArray) -> dict[str, float]:
    """Return the metrics of :func:`sentiment_estimates` without their intervals.

    >>> found = sentiment_figures(np.array([-2.6, 0.0, 0.5, 1.5]), np.array([-2.0, -0.1, 0.4, 3.2]))
    >>> found["acc2_with_zeros"], found["acc2_without_zeros"], found["acc7"], found["acc5"]
    (0.75, 1.0, 0.5, 1.0)
    """
    return {name: figure.value for name, figure in sentiment_parts(scores, predictions).items()}


def sentiment_parts(scores: FloatArray, predictions: FloatArray) -> dict[str, Figure]:
    """Return the metrics of :func:`sentiment_estimates` as sums over utterances, for intervals and tests of any kind.

    >>> found = sentiment_parts(np.array([-2.0, 0.0, 1.0]), np.array([-1.0, 1.0, 1.0]))
    >>> found["acc2_without_zeros"].columns.sum(0).tolist()  # right ones, and those that count
    [2.0, 2.0]
    """
    x, y = np.asarray(scores, np.float64), np.asarray(predictions, np.float64)
    known = np.isfinite(x)
    other = known & (x != 0)
    found = {
        "acc2_with_zeros": _share(*_not_negative(x, y), known),
        "acc2_without_zeros": _share(*_positive(x, y), other),
        "f1_with_zeros": _f1(*_not_negative(x, y), known),
        "f1_without_zeros": _f1(*_positive(x, y), other),
        "acc7": _share(rounded(x, 3), rounded(y, 3), known),
        "acc5": _share(rounded(x, 2), rounded(y, 2), known),
    }
    return {name: figure for name, figure in found.items() if figure.of.any()}


def score_of(logits: FloatArray, classes: Sequence[str], temperature: float = 1.0) -> Array | None:
    """Return (N,) scores, the mean of -3 to 3 under the probabilities of logits (N, 7); None for two classes.

    >>> score_of(np.log([[1e-9, 1e-9, 1e-9, 0.25, 0.25, 0.5, 1e-9]]), list("1234567")).round(3).tolist()
    [1.25]
    """
    return probabilities(logits, "single", temperature) @ VALUES if len(classes) == len(VALUES) else None


def score_estimates(
    scores: FloatArray,
    logits: FloatArray,
    classes: Sequence[str],
    jackknife: Jackknife,
    *,
    temperature: float = 1.0,
) -> dict[str, Estimate]:
    """Return the metrics of ``SCORE_METRICS`` that are defined for these scores and classes, with their intervals.

    * ``acc2_with_zeros``: as of predicted scores; defined where some scores are 0, or for seven classes.
    * ``acc2_without_zeros``: as of predicted scores; defined where some scores are not 0.
    * ``acc7``: share whose class is the score rounded to a whole one; for seven classes.
    * ``mae``: ``mean(|prediction - score|)``; for seven classes.
    * ``pearson``, ``ccc``: see metrics/moments.py; NaN, without an interval, where nothing varies.

    Args:
        scores: (N,) raw labels, -3 to 3.
        logits: (N, C).
        classes: names of the classes, seven or two.
        jackknife: jackknife over these utterances.
        temperature: temperature of the probabilities.
    """
    true = np.asarray(scores, np.float64)
    said, decided = score_of(logits, classes, temperature), logits.argmax(-1)
    everything, other = np.ones(len(true), bool), true != 0
    found: dict[str, Figure] = {}
    # The second class is "not negative" where zeros are part of the task, else "positive".
    sign = said if said is not None else decided * 2.0 - 1.0
    if said is not None or not other.all():
        found["acc2_with_zeros"] = _share(*_not_negative(true, sign), everything)
    if other.any():
        found["acc2_without_zeros"] = _share(*_positive(true, sign), other)
    if said is not None:
        found["acc7"] = _share(rounded(true, 3), rounded(VALUES[decided], 3), everything)
        apart = np.stack([np.abs(said - true), everything], axis=-1)
        found["mae"] = Figure(apart, mean_of, everything, (0.0, 6.0))
        columns = terms(true, said)
        found["pearson"] = Figure(columns, pearson_of, everything, (-1.0, 1.0))
        found["ccc"] = Figure(columns, ccc_of, everything, (-1.0, 1.0))
    return {name: figure.estimate(jackknife) for name, figure in found.items()}


def score_metrics(
    scores: FloatArray, logits: FloatArray, classes: Sequence[str], *, temperature: float = 1.0
) -> dict[str, float]:
    """Return the metrics of :func:`score_estimates` without their intervals.

    >>> score_metrics(np.array([2.0, -1.0]), np.array([[0.0, 9.0], [0.0, 9.0]]), ["negative", "positive"])
    {'acc2_without_zeros': 0.5}
    """
    together = Clusters(np.zeros(len(scores), np.int64), 1, UNITS[0])
    found = score_estimates(scores, logits, classes, Jackknife(together), temperature=temperature)
    return {name: estimate.value for name, estimate in found.items()}


def rounded(scores: FloatArray, limit: int) -> Array:
    """Return scores cut to ``-limit`` to ``limit`` and rounded, halves to the even number.

    >>> rounded(np.array([-3.4, -1.5, 0.5, 2.5]), 3).tolist()
    [-3.0, -2.0, 0.0, 2.0]
    """
    return np.round(np.asarray(scores, np.float64).clip(-limit, limit))


def _not_negative(scores: Array, predictions: Array) -> tuple[Mask, Mask]:
    """Return both decisions, negative or not, (N,) each."""
    return scores >= 0, predictions >= 0


def _positive(scores: Array, predictions: Array) -> tuple[Mask, Mask]:
    """Return both decisions, positive or not, (N,) each."""
    return scores > 0, predictions > 0


def _share(wanted: Array | Mask, said: Array | Mask, of: Mask) -> Figure:
    """Return the share of predictions that are the wanted ones, among the utterances that count."""
    return Figure(np.stack([(wanted == said) & of, of], axis=-1).astype(np.float64), mean_of, of)


def _f1(wanted: Mask, said: Mask, of: Mask) -> Figure:
    """Return the weighted F1 of a decision between two classes, among the utterances that count."""
    columns = indicators(wanted.astype(np.int64), said.astype(np.int64), 2) & of[:, None]
    return Figure(columns.astype(np.float64), lambda sums: f1_weighted_of(counts_of(sums, multi=False)), of)
