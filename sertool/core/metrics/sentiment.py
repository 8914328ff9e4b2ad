"""Metrics of sentiment scores from -3 to 3 with their intervals: acc2, acc7, MAE, Pearson's r, CCC.

A model of seven classes predicts a score, the mean of -3 to 3 under its probabilities. One of two predicts a sign only.

acc2 and acc7 are as the field computes them on CMU-MOSI and CMU-MOSEI, for example Y.-H. H. Tsai et al., "Multimodal
Transformer for Unaligned Multimodal Language Sequences", ACL 2019.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, Estimate, Jackknife
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.classification import FloatArray, Metric
from sertool.core.metrics.clusters import UNITS
from sertool.core.metrics.jackknife import SHARE
from sertool.core.metrics.moments import ccc_of, mean_of, pearson_of, terms
from sertool.core.metrics.scores import DIMENSION_METRICS

VALUES = np.arange(-3.0, 4.0)  # score of each of seven classes

Array = NDArray[np.float64]

# The metrics of scores, in the order of every table; those of decisions are METRICS in metrics/classification.py.
SCORE_METRICS: dict[str, Metric] = {
    "acc2_with_zeros": Metric("acc2, with zeros"),
    "acc2_without_zeros": Metric("acc2, without zeros"),
    "acc7": Metric("acc7"),
    **{name: DIMENSION_METRICS[name] for name in ("mae", "pearson", "ccc")},
}


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

    * ``acc2_with_zeros``: share of utterances whose prediction is negative exactly where the score is; defined where
      some scores are 0, or for seven classes.
    * ``acc2_without_zeros``: share with the right sign, among scores other than 0; defined where there are such scores.
    * ``acc7``: share whose class is the score rounded to a whole one, halves to the even one; for seven classes.
    * ``mae``: ``mean(|prediction - score|)``; for seven classes.
    * ``pearson``, ``ccc``: see metrics/moments.py; NaN, without an interval, where nothing varies.

    Args:
        scores: (N,) raw labels, -3 to 3.
        logits: (N, C).
        classes: names of the classes, seven or two.
        jackknife: jackknife over these utterances.
        temperature: temperature of the probabilities.
    """
    scores = np.asarray(scores, np.float64)
    said, decided = score_of(logits, classes, temperature), logits.argmax(-1)
    # The second class is "not negative" where zeros are part of the task, else "positive".
    sign = said if said is not None else decided * 2.0 - 1.0
    everything, other = np.ones(len(scores), bool), scores != 0
    found: dict[str, Estimate] = {}
    if said is not None or not other.all():
        found["acc2_with_zeros"] = _share((sign >= 0) == (scores >= 0), everything, jackknife)
    if other.any():
        found["acc2_without_zeros"] = _share((sign > 0) == (scores > 0), other, jackknife)
    if said is not None:
        rounded = np.round(scores).clip(VALUES[0], VALUES[-1])
        found["acc7"] = _share(VALUES[decided] == rounded, everything, jackknife)
        apart = np.stack([np.abs(said - scores), everything], axis=-1)
        found["mae"] = _estimate(apart, mean_of, jackknife, (0.0, 6.0))
        columns = terms(scores, said)
        found["pearson"] = _estimate(columns, pearson_of, jackknife, (-1.0, 1.0))
        found["ccc"] = _estimate(columns, ccc_of, jackknife, (-1.0, 1.0))
    return found


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


def _share(right: NDArray[np.bool_], of: NDArray[np.bool_], jackknife: Jackknife) -> Estimate:
    """Return the share of right predictions among the utterances that count."""
    return _estimate(np.stack([right & of, of], axis=-1), mean_of, jackknife, SHARE, of)


def _estimate(
    columns: NDArray[Any],
    figure: Callable[[Array], Array],
    jackknife: Jackknife,
    within: tuple[float, float],
    of: NDArray[np.bool_] | None = None,
) -> Estimate:
    """Return a figure with its interval; ``figure`` computes it from sums over utterances, (..., S) to (...)."""
    totals = np.asarray(columns.sum(0), np.float64)
    return jackknife.estimate(float(figure(totals)), figure(jackknife.totals(columns)), within, of)
