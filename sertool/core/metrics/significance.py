"""Tests of whether two models, or two groups of utterances, differ in their decisions, and an effect size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class McNemar:
    """Result of McNemar's test.

    Attributes:
        only_a, only_b: number of decisions that only this model got right.
        p: two-sided p-value of the hypothesis that both models are equally good; None where it was not tested.
    """

    only_a: int
    only_b: int
    p: float | None


def mcnemar(a_right: NDArray[np.bool_], b_right: NDArray[np.bool_]) -> McNemar:
    """Run McNemar's exact test on the decisions of two models, taken as independent of each other.

    ``p = min(1, 2 P(X <= min(a, b)))`` for X binomial with ``a + b`` trials of probability 1/2, where a and b count the
    decisions that only one of the models got right.

    Args:
        a_right: (N,) True where the first model is right.
        b_right: (N,) True where the second model is right.

    >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [True]))
    McNemar(only_a=6, only_b=1, p=0.125)

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12,
    1947; exact by the binomial distribution.
    """
    from scipy.special import bdtr  # slow to import, and only needed here

    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    fewer, both = min(only_a, only_b), only_a + only_b
    return McNemar(only_a, only_b, min(1.0, 2 * float(bdtr(fewer, both, 0.5))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests so that the chance of any false alarm is that of one test; same order.

    The i-th smallest of m becomes the largest of ``(m - j + 1) p_j`` over ``j <= i``, at most 1.

    >>> holm([0.03, 0.01, 0.04])
    [0.06, 0.03, 0.06]

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def cohens_h(a: float, b: float) -> float:
    """Return the effect size of share ``b`` over share ``a``, ``2 asin(sqrt(b)) - 2 asin(sqrt(a))``.

    By convention 0.2 is a small effect, 0.5 a medium and 0.8 a large one.

    >>> round(cohens_h(0.5, 0.75), 4)
    0.5236

    Source: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 6.
    """
    return 2 * (math.asin(math.sqrt(b)) - math.asin(math.sqrt(a)))


def fisher_less(right: int, of: int, rest_right: int, rest_of: int) -> float:
    """Return the one-sided p-value of Fisher's exact test: is the group right less often than the rest?

    It is ``P(X <= right)`` for X hypergeometric: the right decisions in a random group of this size.

    Args:
        right: number of right decisions of the group.
        of: number of decisions of the group.
        rest_right: number of right decisions of the rest.
        rest_of: number of decisions of the rest.

    >>> round(fisher_less(1, 4, 3, 4), 4)
    0.2429

    Source: R. Fisher, "The logic of inductive inference", Journal of the Royal Statistical Society 98, 1935.
    """
    all_right = right + rest_right
    few = np.arange(max(0, all_right - rest_of), right + 1)
    logs = _log_choose(of, few) + _log_choose(rest_of, all_right - few) - _log_choose(of + rest_of, all_right)
    return min(1.0, float(np.exp(logs).sum()))


def _log_choose(n: int, k: Any) -> Any:
    """Return ``log(n choose k)`` by the beta function, which does not overflow."""
    from scipy.special import betaln  # slow to import, and only needed here

    return -np.log(n + 1) - betaln(n - k + 1, k + 1)
