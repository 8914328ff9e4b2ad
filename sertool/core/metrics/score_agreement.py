"""Agreement of raters on a score: Krippendorff's alpha, their spread, and the ceiling that they set for a model.

The counterpart of :mod:`~sertool.core.metrics.agreement` for numbers, such as arousal from 1 to 7. Scores count as an
interval scale: a difference of 2 weighs four times one of 1.

Source of alpha: K. Krippendorff, "Content Analysis: An Introduction to Its Methodology", 4th edition, 2019, chapter 12.

Arguments that the functions share:
    ratings: the scores that raters gave N utterances.
    jackknife: jackknife over these N utterances; None for a figure without an interval.
    of: (N,) True for the utterances that a figure is about; all by default.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.agreement import CORRELATION, alpha_by, estimate
from sertool.core.metrics.jackknife import Estimate, Jackknife
from sertool.core.metrics.moments import quotient, terms
from sertool.core.metrics.scores import DIMENSION_METRICS

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ratings:
    """Scores that raters gave.

    Attributes:
        of: (V,) the utterance of each rating, 0 to ``number`` - 1.
        said: (V,) the score, a finite number.
        number: number of utterances, N.
    """

    of: NDArray[np.int64]
    said: Array
    number: int

    @classmethod
    def of_table(cls, table: Array) -> "Ratings":
        """Return the ratings of a table (R, N) of R raters, NaN where one said nothing.

        >>> Ratings.of_table(np.array([[1.0, 2.0], [3.0, np.nan]])).said.tolist()
        [1.0, 3.0, 2.0]
        """
        columns = np.asarray(table, np.float64).T
        of, raters = np.nonzero(np.isfinite(columns))
        return cls(of, columns[of, raters], len(columns))

    @cached_property
    def raters(self) -> NDArray[np.intp]:
        """(N,) number of raters."""
        return np.bincount(self.of, minlength=self.number)

    @property
    def compared(self) -> Mask:
        """(N,): True where at least two raters can be compared."""
        return self.raters > 1

    @cached_property
    def centred(self) -> Array:
        """(V,) the scores less their mean: the square of a large mean would take the digits of a small spread."""
        return self.said - self.said.mean() if len(self.said) else self.said

    @cached_property
    def totals(self) -> Array:
        """(N,) sum of the centred scores."""
        return np.asarray(np.bincount(self.of, self.centred, self.number), np.float64)

    @cached_property
    def within(self) -> Array:
        """(N,) squared deviations of an utterance's scores from their mean, summed."""
        away = self.centred - (self.totals / np.maximum(self.raters, 1))[self.of]
        return np.asarray(np.bincount(self.of, away**2, self.number), np.float64)


def interval_alpha(ratings: Ratings, jackknife: Jackknife | None = None, of: Mask | None = None) -> Estimate:
    """Return Krippendorff's alpha of scores, ``1 - observed / expected`` disagreement; NaN where none differ.

    Disagreement of two scores is their squared difference. Observed is its mean over pairs of an utterance's raters,
    each utterance weighted by its number of raters; expected that over pairs of all ratings.

    >>> round(interval_alpha(Ratings.of_table(np.array([[1.0, 2, 3, 3], [1, 2, 3, 4]]))).value, 3)
    0.889

    Source: Krippendorff (2019), chapter 12. With s_u the squared deviations of an utterance's m scores from their mean,
    its observed disagreement is ``2 m s_u / (m - 1)``.
    """
    return estimate(alpha_columns(ratings, of), _alpha, jackknife, CORRELATION, _counted(ratings, of))


def alpha_columns(ratings: Ratings, of: Mask | None = None) -> Array:
    """Return (N, 4) the terms of :func:`interval_alpha`; zeros where fewer than two raters can be compared.

    They are the observed disagreement, the number of ratings, and the sums of the scores and of their squares, less the
    mean of all.

    >>> alpha_columns(Ratings.of_table(np.array([[1.0, 4.0], [3.0, np.nan]])))[:, :2].tolist()
    [[8.0, 2.0], [0.0, 0.0]]
    """
    number = ratings.raters
    squares = ratings.within + ratings.totals**2 / np.maximum(number, 1)
    observed = 2 * number * ratings.within / np.maximum(number - 1, 1)
    columns = np.stack([observed, number, ratings.totals, squares], axis=-1)
    return np.where(_counted(ratings, of)[:, None], columns, 0.0)


def expected_of(sums: Array) -> Array:
    """Return (...) the mean squared difference of two of all ratings, from sums (..., 4); NaN where none differ.

    >>> float(expected_of(alpha_columns(Ratings.of_table(np.array([[1.0], [3.0]]))).sum(0)))
    4.0
    """
    number, total, squares = sums[..., 1], sums[..., 2], sums[..., 3]
    apart = 2 * quotient(number * squares - total**2, number * (number - 1))
    # What is left of the squares by rounding counts as 0.
    return np.where(apart > 1e-12 * quotient(squares, number) + 1e-20, apart, np.nan)


def spread(ratings: Ratings, jackknife: Jackknife | None = None, of: Mask | None = None) -> Estimate:
    """Return the standard deviation of the raters of one utterance, pooled over utterances, in the scores' unit.

    >>> spread(Ratings.of_table(np.array([[1.0, 5.0], [3.0, 5.0]]))).value
    1.0
    """
    counted = _counted(ratings, of)
    columns = np.stack([ratings.within, ratings.raters - 1.0], axis=-1)

    def deviation(sums: Array) -> Array:
        return np.sqrt(np.maximum(quotient(sums[..., 0], sums[..., 1]), 0.0))

    return estimate(np.where(counted[:, None], columns, 0.0), deviation, jackknife, (0.0, math.inf), counted)


def score_ceilings(ratings: Ratings, jackknife: Jackknife | None = None, of: Mask | None = None) -> dict[str, Estimate]:
    """Return the figures that raters set for a model, by the keys of ``DIMENSION_METRICS``: CCC, Pearson's r, MAE, ...

    They are those of one rater against the mean of the others: each rater of an utterance is left out in turn, and each
    of its m raters counts 1/m, so that an utterance counts once. They are no upper bound: a model that always knew the
    mean of many raters would be nearer to it than one rater.

    >>> found = score_ceilings(Ratings.of_table(np.array([[1.0, 2, 3, 3], [1, 2, 3, 4]])))
    >>> round(found["ccc"].value, 3), round(found["mae"].value, 3)
    (0.873, 0.25)
    """
    counted = _counted(ratings, of)
    columns = ceiling_columns(ratings, counted)
    return {
        name: estimate(columns, metric, jackknife, metric.within, counted) for name, metric in DIMENSION_METRICS.items()
    }


def ceiling_columns(ratings: Ratings, of: Mask | None = None) -> Array:
    """Return (N, S) the terms of ``moments.terms`` for the mean of the others and a rater's score, means over raters.

    >>> ceiling_columns(Ratings.of_table(np.array([[1.0, 2.0], [3.0, 2.0]])))[:, -3:].tolist()
    [[2.0, 4.0, 1.0], [0.0, 0.0, 1.0]]
    """
    counted = _counted(ratings, of)
    rows = np.flatnonzero(counted[ratings.of])
    whose, own = ratings.of[rows], ratings.centred[rows]
    others = (ratings.totals[whose] - own) / (ratings.raters[whose] - 1)
    each = terms(others, own) / ratings.raters[whose, None]
    sums = [np.bincount(whose, one, ratings.number) for one in each.T]
    columns = np.stack(sums, axis=-1).astype(np.float64)
    columns[:, -1] = counted  # exactly 1, which 1/m added m times may miss
    return columns


def _alpha(sums: Array) -> Array:
    return alpha_by(sums, expected_of(sums))


def _counted(ratings: Ratings, of: Mask | None) -> Mask:
    return ratings.compared if of is None else ratings.compared & of
