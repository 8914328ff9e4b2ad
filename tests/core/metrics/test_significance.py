"""Tests of significance against scipy's, and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sertool.core.metrics import (
    McNemar,
    cohens_h,
    fisher_less,
    holm,
    mcnemar,
)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemar_is_the_binomial_test(pairs):
    a, b = np.array(pairs, bool).reshape(-1, 2).T
    only_a, only_b = (a & ~b).sum(), (b & ~a).sum()
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    differ = only_a + only_b
    wanted = stats.binomtest(int(only_a), int(differ)).pvalue if differ else 1.0
    assert found.p == pytest.approx(wanted)


def test_mcnemar_by_hand():
    a, b = np.array([1, 1, 1, 1, 1, 1, 0, 1], bool), np.array([0, 0, 0, 0, 0, 1, 1, 1], bool)
    # Of six decisions one or none is b's: (1 + 6) / 64, twice.
    assert mcnemar(a, b) == McNemar(5, 1, pytest.approx(14 / 64))
    assert mcnemar(a, a) == McNemar(0, 0, 1.0)


def test_holm_by_hand():
    """Three tests: times 3, 2 and 1 in the order of size, never below an earlier one, never above 1."""
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.001, 0.2))
def test_holm_rejects_as_the_procedure_does(p_values, level):
    rejected = set()
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] * (len(p_values) - rank) > level:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p <= level} == rejected


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 300), st.integers(0, 300))
@settings(deadline=None)
def test_fisher_is_scipys(right, wrong, rest_right, rest_wrong):
    table = [[right, wrong], [rest_right, rest_wrong]]
    wanted = stats.fisher_exact(table, alternative="less").pvalue
    found = fisher_less(right, right + wrong, rest_right, rest_right + rest_wrong)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_fishers_tea():
    """Four cups of eight, three of four named rightly: 1 - 1/70 that as few or fewer are."""
    assert fisher_less(3, 4, 1, 4) == pytest.approx(69 / 70)
    assert fisher_less(1, 4, 3, 4) == pytest.approx(17 / 70)
    assert fisher_less(0, 0, 3, 4) == 1


def test_cohens_h_by_hand():
    assert cohens_h(0.5, 0.7) == pytest.approx(0.4115, abs=1e-4)
    assert cohens_h(0.7, 0.5) == -cohens_h(0.5, 0.7)
    assert cohens_h(0, 1) == pytest.approx(math.pi)
