"""Agreement of raters on classes: Krippendorff's alpha, Fleiss' kappa, and the ceiling that they set for a model.

Utterances may have different numbers of raters. One with a single rater says nothing about agreement and is left out
(but for the expected agreement of kappa). A rater who chose several classes has one vote, split evenly among them: two
votes then agree as often as one choice from each, drawn at random, would be the same.

Every figure is a function of sums over utterances, so its interval is the jackknife's over clusters (speakers). Raters
count as given: the interval says what other speakers would give with raters like these.

Sources: K. Krippendorff, "Content Analysis: An Introduction to Its Methodology", 4th edition, 2019, chapter 12 (alpha
from coincidences, with missing ratings); J. Fleiss, "Measuring Nominal Scale Agreement Among Many Raters",
Psychological Bulletin 76, 1971 (kappa); K. Gwet, "Handbook of Inter-Rater Reliability", 4th edition, 2014, chapter 2
(kappa for different numbers of raters).

Arguments that the functions share:
    votes: the votes on N utterances.
    jackknife: jackknife over these N utterances; None for a figure without an interval.
    of: (N,) True for the utterances that a figure is about; all by default.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.jackknife import ANYWHERE, SHARE, Estimate, Jackknife, Range

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

Figure = Callable[[Array, Array], Array]  # of how often raters were right and asked by class, (..., C) each

LIKE = 1e-9  # sums of shares of votes that differ by less are the same
CORRELATION: Range = (-1.0, 1.0)


@dataclass(frozen=True)
class Votes:
    """Votes of raters for classes.

    Attributes:
        of: (V,) the utterance of each vote, 0 to ``number`` - 1.
        said: (V, C) each vote: a single 1, or equal shares for a rater who chose several classes. Rows sum to 1.
        number: number of utterances, N.
    """

    of: NDArray[np.int64]
    said: Array
    number: int

    @classmethod
    def of_counts(cls, counts: NDArray[np.integer]) -> "Votes":
        """Return the votes of (N, C) numbers of raters who chose each class.

        >>> Votes.of_counts(np.array([[2, 1], [0, 0]])).said.tolist()
        [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
        """
        counts = np.asarray(counts)
        rows, columns = np.nonzero(counts)
        times = counts[rows, columns]
        said = np.eye(counts.shape[1])[np.repeat(columns, times)]
        return cls(np.repeat(rows, times), said, len(counts))

    @cached_property
    def counts(self) -> Array:
        """(N, C) votes for each class."""
        columns = [np.bincount(self.of, one, self.number) for one in self.said.T]
        return np.stack(columns, axis=-1) if columns else np.zeros((self.number, 0))

    @cached_property
    def raters(self) -> NDArray[np.intp]:
        """(N,) number of raters."""
        return np.bincount(self.of, minlength=self.number)

    @property
    def compared(self) -> Mask:
        """(N,): True where at least two raters can be compared."""
        return self.raters > 1

    @cached_property
    def apart(self) -> Array:
        """(N,) pairs of raters who disagree, over all ordered pairs of an utterance's raters."""
        return np.asarray(self.raters * (self.raters - 1) - (self.counts**2).sum(1) + self.own)

    @cached_property
    def own(self) -> Array:
        """(N,) the sum of each rater's agreement with himself: 1 for a single class, 1/k for k classes."""
        return np.asarray(np.bincount(self.of, (self.said**2).sum(1), self.number), np.float64)

    @cached_property
    def left_out(self) -> Array:
        """(N, 2 C) the terms of :func:`ceiling_columns`."""
        classes = self.said.shape[1]
        columns = np.zeros((self.number, 2 * classes))
        rows = np.flatnonzero(self.compared[self.of])
        if not len(rows):
            return columns
        of, said = self.of[rows], self.said[rows]
        others = self.counts[of] - said
        most = others >= others.max(1, keepdims=True) - LIKE
        asked = most.sum(1) == 1
        of, said, majority = of[asked], said[asked], most[asked].argmax(1)
        weights = 1 / self.raters[of]
        np.add.at(columns, (of, majority), weights * said[np.arange(len(said)), majority])
        np.add.at(columns, (of, classes + majority), weights)
        return columns

    def rest(self, number: int) -> "Votes":
        """Return the votes for a class or any other: two columns, the class and the rest.

        >>> Votes.of_counts(np.array([[1, 1, 1]])).rest(1).said.tolist()
        [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
        """
        chosen = self.said[:, number]
        return Votes(self.of, np.stack([chosen, 1 - chosen], axis=-1), self.number)


def majorities(votes: Votes) -> NDArray[np.intp]:
    """Return (N,) the class that most raters chose; -1 for a tie, and where nobody chose any.

    >>> majorities(Votes.of_counts(np.array([[2, 1], [1, 1], [0, 0]]))).tolist()
    [0, -1, -1]
    """
    if not votes.counts.size:
        return np.full(votes.number, -1)
    most = votes.counts >= votes.counts.max(1, keepdims=True) - LIKE
    return np.where((most.sum(1) == 1) & (votes.raters > 0), most.argmax(1), -1)


def agreeing(votes: Votes) -> Array:
    """Return (N,) how often two of an utterance's raters choose the same class; NaN with fewer than two raters.

    >>> agreeing(Votes.of_counts(np.array([[3, 1], [1, 0]]))).tolist()
    [0.5, nan]
    """
    pairs = votes.raters * (votes.raters - 1)
    return np.asarray(1 - votes.apart / np.where(pairs > 0, pairs, np.nan))


def ceiling_columns(votes: Votes, of: Mask | None = None) -> Array:
    """Return (N, 2 C) the terms of ceilings: for each class how often a left-out rater was right, then how often asked.

    Each rater of an utterance is left out in turn. If one class has the most votes of the others, the rater is asked
    for it, and is right as far as the own vote is for that class. Where the others tie, nothing is asked: a model is
    not judged on utterances without a majority either. Each of the m raters of an utterance counts 1/m.

    >>> ceiling_columns(Votes.of_counts(np.array([[3, 0], [2, 1], [1, 0]]))).round(3).tolist()
    [[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.333, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    return np.where(_counted(votes, of)[:, None], votes.left_out, 0.0)


def accuracy_ceiling(votes: Votes, jackknife: Jackknife | None = None, of: Mask | None = None) -> Estimate:
    """Return the accuracy that raters set for a model: how often one rater chooses what most of the others chose.

    This is the accuracy of one more rater against the majority label of the others, on the utterances where these have
    one. It is no upper bound: a model that always knew the likeliest class would be right more often than one rater.
    ``of`` must not leave out utterances because their raters tie: those that remain would be the ones with agreement.

    >>> accuracy_ceiling(Votes.of_counts(np.array([[3, 0], [2, 1]]))).value
    0.75
    """
    return _ceiling(votes, jackknife, of, lambda right, asked: _quotient(right.sum(-1), asked.sum(-1)))


def uar_ceiling(votes: Votes, jackknife: Jackknife | None = None, of: Mask | None = None) -> Estimate:
    """Return the UAR that raters set for a model: the mean of :func:`recall_ceilings` over the classes that have one.

    >>> uar_ceiling(Votes.of_counts(np.array([[3, 0], [2, 1], [0, 2]]))).value
    0.875
    """
    return _ceiling(votes, jackknife, of, _mean_recall)


def recall_ceilings(votes: Votes, jackknife: Jackknife | None = None, of: Mask | None = None) -> list[Estimate]:
    """Return for each class how often a rater chooses it where most of the others did; NaN where they never did.

    >>> [one.value for one in recall_ceilings(Votes.of_counts(np.array([[3, 0, 0], [2, 1, 0], [0, 2, 0]])))]
    [0.75, 1.0, nan]
    """
    columns = ceiling_columns(votes, of)
    own = [columns[:, number :: votes.said.shape[1]] for number in range(votes.said.shape[1])]
    return [estimate(one, _share, jackknife, SHARE, one[:, 1] > 0) for one in own]


def _ceiling(votes: Votes, jackknife: Jackknife | None, of: Mask | None, figure: Figure) -> Estimate:
    columns = ceiling_columns(votes, of)
    classes = votes.said.shape[1]
    asked = columns[:, classes:].sum(1) > 0
    return estimate(columns, lambda sums: figure(sums[..., :classes], sums[..., classes:]), jackknife, SHARE, asked)


def _share(sums: Array) -> Array:
    return _quotient(sums[..., 0], sums[..., 1])


def _mean_recall(right: Array, asked: Array) -> Array:
    there = asked > LIKE
    recall = np.where(there, right / np.where(there, asked, 1.0), 0.0)
    return _quotient(recall.sum(-1), there.sum(-1))


def nominal_alpha(votes: Votes, jackknife: Jackknife | None = None, of: Mask | None = None) -> Estimate:
    """Return Krippendorff's alpha of classes, ``1 - observed / expected`` disagreement; NaN where all votes are alike.

    Observed is how often two raters of an utterance disagree, each utterance weighted by its number of raters; expected
    how often two of all ratings do, whatever they are about. 1 is perfect agreement, 0 that of chance.

    >>> votes = Votes.of_counts(np.array([[3, 0, 0], [0, 2, 0], [0, 2, 1], [1, 0, 0]]))
    >>> round(nominal_alpha(votes).value, 4)
    0.6316

    Source: Krippendorff (2019), chapter 12, in the form of coincidences: ``1 - (sum(d_u) / n) / (D / (n (n - 1)))``,
    where d_u are the disagreeing pairs of an utterance divided by its raters less 1, and D those of all n ratings that
    can be paired.
    """
    return estimate(alpha_columns(votes, of), alpha_of, jackknife, CORRELATION, _counted(votes, of))


def alpha_columns(votes: Votes, of: Mask | None = None) -> Array:
    """Return (N, C + 3) the terms of :func:`nominal_alpha`; zeros where fewer than two raters can be compared.

    >>> alpha_columns(Votes.of_counts(np.array([[2, 1], [1, 0]]))).tolist()
    [[2.0, 3.0, 3.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    terms = [votes.apart / np.maximum(votes.raters - 1, 1), votes.raters, votes.own]
    columns = np.concatenate([np.stack(terms, axis=-1), votes.counts], axis=-1)
    return np.where(_counted(votes, of)[:, None], columns, 0.0)


def expected_of(sums: Array) -> Array:
    """Return (...) how often two of all ratings differ, from sums (..., C + 3); NaN where they never do.

    >>> float(expected_of(alpha_columns(Votes.of_counts(np.array([[2, 0], [0, 2]]))).sum(0)).round(3))
    0.667
    """
    number, own, counts = sums[..., 1], sums[..., 2], sums[..., 3:]
    pairs = number * (number - 1)
    differ = _quotient(pairs - (counts**2).sum(-1) + own, pairs)
    return np.where(differ > LIKE, differ, np.nan)


def alpha_of(sums: Array) -> Array:
    """Return (...) alpha from sums (..., C + 3) of :func:`alpha_columns`; NaN where all votes are alike.

    >>> round(float(alpha_of(alpha_columns(Votes.of_counts(np.array([[2, 0], [0, 2], [1, 1]]))).sum(0))), 3)
    0.444
    """
    return alpha_by(sums, expected_of(sums))


def alpha_by(sums: Array, expected: Array | float) -> Array:
    """Return (...) alpha of parts of a set by the expected disagreement of the whole, as of its speakers.

    A speaker whose utterances are all of one class, rightly, would have no alpha of his own. Alphas of parts, weighted
    by their ratings, have the alpha of the whole as their mean.

    Args:
        sums: (..., S) sums over each part; the first term is the observed disagreement, the second counts ratings.
        expected: disagreement that chance gives in the whole set.

    >>> columns = alpha_columns(Votes.of_counts(np.array([[2, 0], [0, 2], [1, 1]])))
    >>> alpha_by(columns, float(expected_of(columns.sum(0)))).round(3).tolist()
    [1.0, 1.0, -0.667]
    """
    return np.asarray(1 - _quotient(sums[..., 0], sums[..., 1]) / expected)


def fleiss_kappa(votes: Votes, jackknife: Jackknife | None = None, of: Mask | None = None) -> Estimate:
    """Return Fleiss' kappa, ``(observed - expected) / (1 - expected)`` agreement; NaN where all votes are alike.

    Observed is the mean over utterances of how often two of its raters agree; expected is the sum over classes of the
    squared mean share of votes, to which utterances with one rater count too. With the same number of raters everywhere
    it is Fleiss' (1971), otherwise Gwet's (2014).

    >>> round(fleiss_kappa(Votes.of_counts(np.array([[2, 0], [0, 2], [1, 1]]))).value, 3)
    0.333
    """
    rated = votes.raters > 0 if of is None else (votes.raters > 0) & of
    shares = votes.counts / np.maximum(votes.raters, 1)[:, None]
    first = [np.nan_to_num(agreeing(votes)), votes.compared, np.ones(votes.number)]
    columns = np.concatenate([np.stack(first, axis=-1), shares], axis=-1)
    return estimate(np.where(rated[:, None], columns, 0.0), _kappa, jackknife, CORRELATION, rated)


def _kappa(sums: Array) -> Array:
    agreed, compared, rated, shares = sums[..., 0], sums[..., 1], sums[..., 2:3], sums[..., 3:]
    expected = (_quotient(shares, rated) ** 2).sum(-1)
    return np.asarray(1 - _quotient(1 - _quotient(agreed, compared), 1 - expected))


def _counted(votes: Votes, of: Mask | None) -> Mask:
    return votes.compared if of is None else votes.compared & of


def estimate(
    columns: Array, figure: Callable[[Array], Array], jackknife: Jackknife | None, within: Range, of: Mask
) -> Estimate:
    """Return a figure of the sums of columns with its interval.

    Args:
        columns: (N, S) terms of each utterance, zeros for those that do not count.
        figure: computes the figure from sums, (..., S) to (...).
        jackknife: jackknife over the N utterances; None: no interval.
        within: lowest and highest value of the figure.
        of: (N,) True for the utterances that count.

    >>> estimate(np.array([[1.0], [2.0]]), lambda sums: sums[..., 0], None, SHARE, np.ones(2, bool)).value
    3.0
    """
    value = float(figure(columns.sum(0)))
    if jackknife is None or not math.isfinite(value):
        return Estimate(value)
    inside = within[0] <= value <= within[1]
    return jackknife.estimate(value, figure(jackknife.totals(columns)), within if inside else ANYWHERE, of)


def _quotient(part: Array, whole: Array) -> Array:
    """Divide; NaN where there is nothing to divide by."""
    return np.asarray(part / np.where(whole > LIKE, whole, np.nan))  # subtraction may leave 1e-17 of nothing
