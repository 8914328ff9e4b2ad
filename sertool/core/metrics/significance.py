"""Whether decisions of two models, or of two groups of utterances, differ: tests and an effect size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class McNemar:
    """McNemar's test.

    Attributes:
        only_a, only_b: decisions that only the one model got right.
        p: two-sided, of both being as good.
    """

    only_a: int
    only_b: int
    p: float


def mcnemar(a_right: NDArray[np.bool_], b_right: NDArray[np.bool_]) -> McNemar:
    """McNemar's exact test of two models on the same decisions, taken as independent of each other.

    Args:
        a_right: whether each decision of the one is right.
        b_right: the same of the other.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12,
    1947; exact by the binomial distribution.
    """
    from scipy.special import bdtr  # slow to import, and only needed here

    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())
    fewer, both = min(only_a, only_b), only_a + only_b
    return McNemar(only_a, only_b, min(1.0, 2 * float(bdtr(fewer, both, 0.5))))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, adjusted so that all together err as rarely as one; in the order given.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def cohens_h(a: float, b: float) -> float:
    """How far share ``b`` lies above share ``a``, on a scale where 0.2 is small, 0.5 medium, 0.8 large.

    Source: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 6.
    """
    return 2 * (math.asin(math.sqrt(b)) - math.asin(math.sqrt(a)))


def fisher_less(right: int, of: int, rest_right: int, rest_of: int) -> float:
    """Fisher's exact test, one-sided: the p-value of a group whose share of right decisions is not below the rest's.

    Args:
        right: right decisions of the group.
        of: all its decisions.
        rest_right: right decisions of the rest.
        rest_of: all decisions of the rest.

    Source: R. Fisher, "The logic of inductive inference", Journal of the Royal Statistical Society 98, 1935.
    """
    all_right = right + rest_right
    few = np.arange(max(0, all_right - rest_of), right + 1)
    logs = _log_choose(of, few) + _log_choose(rest_of, all_right - few) - _log_choose(of + rest_of, all_right)
    return min(1.0, float(np.exp(logs).sum()))


def _log_choose(n: int, k: Any) -> Any:
    from scipy.special import betaln  # slow to import, and only needed here

    return -np.log(n + 1) - betaln(n - k + 1, k + 1)
