"""Agreement on classes against the package krippendorff, published examples, and loops over pairs of raters."""

import itertools
import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from sertool.core.metrics import Clusters, Jackknife
from sertool.core.metrics.agreement import (
    Votes,
    accuracy_ceiling,
    agreeing,
    ceiling_columns,
    fleiss_kappa,
    majorities,
    nominal_alpha,
    recall_ceilings,
    uar_ceiling,
)

# Diagnoses of 30 patients by 6 raters each: depression, personality disorder, schizophrenia, neurosis, other.
# J. Fleiss, "Measuring Nominal Scale Agreement Among Many Raters", Psychological Bulletin 76, 1971, table 1.
FLEISS = [60, 3003, 1401, 6, 3030, 20400, 402, 20310, 20040, 6, 10050, 11040, 3300, 10050, 2031]
FLEISS += [501, 30012, 51000, 2040, 10203, 6, 1050, 2013, 20040, 10041, 5010, 40002, 2040, 10500, 6]
FLEISS = np.array([[row // 10**place % 10 for place in (4, 3, 2, 1, 0)] for row in FLEISS])
# Five categories by four raters; 0 stands for a gap. K. Krippendorff, "Computing Krippendorff's Alpha-Reliability",
# 2011, part C; K. Gwet, "Handbook of Inter-Rater Reliability", 4th edition, 2014, page 120.
GAPS = [123321412000, 123322412500, 33323422513, 123324412510]
GAPS = np.array([[row // 10**place % 10 for place in range(11, -1, -1)] for row in GAPS])


def votes_of(table, classes=None):
    """Votes of a table (R, N) of class numbers, -1 where a rater said nothing."""
    table = np.asarray(table)
    raters, of = np.nonzero(table.T >= 0)[::-1]
    said = np.eye(classes or max(table.max() + 1, 1))[table[raters, of]]
    return Votes(of, said, table.shape[1])


def tables(classes=4):
    """Tables (R, N) of class numbers with gaps, with constants among them, one rater, and nothing at all."""
    shape = st.tuples(st.integers(1, 5), st.integers(1, 9))
    return shape.flatmap(
        lambda size: st.lists(
            st.lists(st.integers(-1, classes - 1), min_size=size[1], max_size=size[1]),
            min_size=size[0],
            max_size=size[0],
        ).map(np.array)
    )


def random_table(seed, raters=5, number=60, classes=4, missing=0.3):
    """A table of raters who know the class more or less."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, classes, number)
    guess = draw.integers(0, classes, (raters, number))
    table = np.where(draw.random((raters, number)) < 0.5, true, guess)
    return np.where(draw.random((raters, number)) < missing, -1, table)


def over(number, clusters):
    return Jackknife(Clusters(np.arange(number) % clusters, clusters, "speaker"))


def alpha_of_package(table, level="nominal"):
    """Alpha by the package, which refuses what has no alpha."""
    data = np.where(table < 0, np.nan, table).astype(float)
    pairable = data[:, (~np.isnan(data)).sum(0) > 1]
    if len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        return math.nan
    return krippendorff.alpha(reliability_data=pairable, level_of_measurement=level)


# Krippendorff's alpha


@settings(max_examples=150, deadline=None)
@given(tables())
def test_alpha_is_that_of_the_package(table):
    assert nominal_alpha(votes_of(table, 4)).value == pytest.approx(alpha_of_package(table), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_alpha_of_larger_tables_is_that_of_the_package(seed):
    table = random_table(seed, missing=seed / 6)
    assert nominal_alpha(votes_of(table)).value == pytest.approx(alpha_of_package(table), abs=1e-12)


def test_alpha_of_the_published_example():
    votes = votes_of(GAPS - 1)
    assert nominal_alpha(votes).value == pytest.approx(0.743, abs=5e-4)
    assert votes.compared.tolist() == [True] * 11 + [False]


@pytest.mark.parametrize(
    "table",
    [[[0, 1, 2, 1]], [[-1] * 4] * 3, [[1] * 4] * 3, [[0, -1], [-1, 1]]],
    ids=["one rater", "nobody", "always the same", "never two on one"],
)
def test_what_cannot_be_compared_has_no_figures(table):
    votes = votes_of(table, 3)
    for figure in (nominal_alpha, fleiss_kappa):
        found = figure(votes, over(votes.number, votes.number))
        assert math.isnan(found.value)
        assert (found.low, found.high) == (None, None)
    alike = np.min(table) == np.max(table) == 1
    for figure in (accuracy_ceiling, uar_ceiling):
        assert figure(votes).value == pytest.approx(1 if alike else math.nan, nan_ok=True)


def test_no_utterance_and_no_class_have_no_figures():
    for votes in (Votes(np.zeros(0, int), np.zeros((0, 3)), 0), Votes(np.zeros(0, int), np.zeros((0, 0)), 4)):
        assert [math.isnan(one(votes).value) for one in (nominal_alpha, fleiss_kappa, accuracy_ceiling, uar_ceiling)]
        assert majorities(votes).tolist() == [-1] * votes.number
        assert len(recall_ceilings(votes)) == votes.said.shape[1]


# Votes that are split between classes


def naive_disagreement(a, b):
    """How often a choice from each of two votes differs."""
    return 1 - float(a @ b)


def split_votes(seed, number=12, classes=3):
    """Raters who choose one class, two or all of them."""
    draw = np.random.default_rng(seed)
    of = np.sort(draw.integers(0, number, 40))
    said = np.zeros((40, classes))
    for row in said:
        chosen = draw.choice(classes, draw.integers(1, classes + 1), replace=False)
        row[chosen] = 1 / len(chosen)
    return Votes(of, said, number)


@pytest.mark.parametrize("seed", range(4))
def test_split_votes_by_loops_over_pairs(seed):
    votes = split_votes(seed)
    each = [votes.said[votes.of == row] for row in range(votes.number)]
    pairable = [said for said in each if len(said) > 1]
    everything = np.concatenate(pairable)
    observed = sum(
        naive_disagreement(a, b) / (len(said) - 1) for said in pairable for a, b in itertools.permutations(said, 2)
    ) / len(everything)
    pairs = list(itertools.permutations(everything, 2))
    expected = sum(naive_disagreement(a, b) for a, b in pairs) / len(pairs)
    assert nominal_alpha(votes).value == pytest.approx(1 - observed / expected, abs=1e-12)
    shares = np.mean([said.mean(0) for said in each if len(said)], 0)
    agreed = np.mean(
        [np.mean([1 - naive_disagreement(a, b) for a, b in itertools.permutations(said, 2)]) for said in pairable]
    )
    by_chance = float((shares**2).sum())
    assert fleiss_kappa(votes).value == pytest.approx((agreed - by_chance) / (1 - by_chance), abs=1e-12)


def test_a_class_and_the_rest():
    table = random_table(3)
    for number in range(4):
        wanted = alpha_of_package(np.where(table < 0, -1, table == number))
        assert nominal_alpha(votes_of(table).rest(number)).value == pytest.approx(wanted, abs=1e-12)


# Fleiss' kappa


def test_kappa_of_the_published_example():
    votes = Votes.of_counts(FLEISS)
    assert fleiss_kappa(votes).value == pytest.approx(0.430, abs=5e-4)
    assert np.mean(agreeing(votes)) == pytest.approx(0.556, abs=5e-4)  # the paper's mean agreement
    # Table 2 of the paper: kappa of each diagnosis against the others.
    each = [fleiss_kappa(votes.rest(number)).value for number in range(5)]
    np.testing.assert_allclose(each, [0.245, 0.245, 0.520, 0.471, 0.566], atol=5e-4)


def test_kappa_with_different_numbers_of_raters_is_that_of_gwet():
    # The same value as in the tests of the package irrCAC.
    assert fleiss_kappa(votes_of(GAPS - 1)).value == pytest.approx(0.761, abs=5e-4)


@settings(max_examples=100, deadline=None)
@given(tables(3))
def test_kappa_by_its_formula(table):
    counts = np.stack([(table == number).sum(0) for number in range(3)], axis=-1)
    raters = counts.sum(1)
    rated, compared = counts[raters > 0], counts[raters > 1]
    wanted = math.nan
    if len(compared):
        number = compared.sum(1)
        agreed = ((compared * (compared - 1)).sum(1) / (number * (number - 1))).mean()
        by_chance = ((rated / rated.sum(1, keepdims=True)).mean(0) ** 2).sum()
        wanted = (agreed - by_chance) / (1 - by_chance) if by_chance < 1 - 1e-9 else math.nan
    assert fleiss_kappa(votes_of(table, 3)).value == pytest.approx(wanted, abs=1e-9, nan_ok=True)


# Ceilings


def naive_ceilings(votes):
    """Right and asked by class, leaving each rater out in a loop."""
    classes = votes.said.shape[1]
    right, asked = np.zeros(classes), np.zeros(classes)
    for row in range(votes.number):
        own = votes.said[votes.of == row]
        if len(own) < 2:
            continue
        for place, vote in enumerate(own):
            others = np.delete(own, place, 0).sum(0).round(9)
            most = np.flatnonzero(others == others.max())
            if len(most) == 1:
                right[most[0]] += vote[most[0]] / len(own)
                asked[most[0]] += 1 / len(own)
    return right, asked


@pytest.mark.parametrize("votes", [split_votes(1), votes_of(random_table(2)), Votes.of_counts(FLEISS)])
def test_ceilings_by_a_loop_over_raters(votes):
    right, asked = naive_ceilings(votes)
    assert accuracy_ceiling(votes).value == pytest.approx(right.sum() / asked.sum(), abs=1e-12)
    recalls = right[asked > 0] / asked[asked > 0]
    assert uar_ceiling(votes).value == pytest.approx(recalls.mean(), abs=1e-12)
    found = np.array([one.value for one in recall_ceilings(votes)])
    np.testing.assert_allclose(found[asked > 0], recalls, atol=1e-12)
    assert np.isnan(found[asked == 0]).all()


@settings(max_examples=80, deadline=None)
@given(tables(3))
def test_ceilings_of_any_table(table):
    votes = votes_of(table, 3)
    right, asked = naive_ceilings(votes)
    wanted = right.sum() / asked.sum() if asked.sum() else math.nan
    assert accuracy_ceiling(votes).value == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_only_some_utterances_are_those_alone():
    table = random_table(7)
    some = np.arange(60) % 3 > 0
    alone, whole = votes_of(table[:, some], 4), votes_of(table, 4)
    for figure in (nominal_alpha, fleiss_kappa, accuracy_ceiling, uar_ceiling):
        assert figure(whole, of=some).value == pytest.approx(figure(alone).value, abs=1e-12)


def test_majorities_know_ties_of_split_votes():
    thirds = np.array([[1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [0, 1, 0], [0, 1, 0]])
    votes = Votes(np.array([0, 0, 0, 1]), thirds, 3)
    assert majorities(votes).tolist() == [-1, 1, -1]
    assert agreeing(votes)[0] == pytest.approx((1 / 3 + 1 / 3 + 0) / 3)


# Intervals


@pytest.mark.parametrize("figure", [nominal_alpha, fleiss_kappa, accuracy_ceiling, uar_ceiling])
def test_the_interval_is_the_jackknife_of_the_figure_itself(figure):
    table = random_table(11, number=48)
    votes, jackknife = votes_of(table, 4), over(48, 8)
    left = [figure(votes_of(table[:, np.arange(48) % 8 != number], 4)).value for number in range(8)]
    left += [figure(votes_of(np.delete(table, row, 1), 4)).value for row in range(48)]
    found = figure(votes, jackknife)
    within = (0, 1) if "ceiling" in figure.__name__ else (-1, 1)
    counted = {nominal_alpha: votes.raters > 1, fleiss_kappa: votes.raters > 0}
    of = counted.get(figure, ceiling_columns(votes)[:, 4:].any(1))
    wanted = jackknife.estimate(figure(votes).value, np.array(left), within, of)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high), abs=1e-9)
    assert found.low < found.value < found.high


def test_a_kappa_below_minus_one_has_an_interval_too():
    """Utterances with one rater make a class frequent, and the two that can be compared never agree."""
    counts = np.array([[1, 1]] * 6 + [[1, 0]] * 60)
    counts[0] = [2, 0]
    found = fleiss_kappa(Votes.of_counts(counts), over(66, 6))
    assert found.value < -1
    assert found.low < found.value < found.high


def raters_of(draw, speakers, each, raters, correct, classes=4):
    """Votes of raters who are right with a known probability, and else choose any other class."""
    number = speakers * each
    true = draw.integers(0, classes, number)
    wrong = (true + draw.integers(1, classes, (raters, number))) % classes
    return votes_of(np.where(draw.random((raters, number)) < correct, true, wrong), classes)


def true_ceiling(raters, correct, classes=4):
    """Probability that one more rater chooses the majority of the others, given that these have one: all outcomes."""
    shares = [correct, *[(1 - correct) / (classes - 1)] * (classes - 1)]
    right = asked = 0.0
    for outcome in itertools.product(range(classes), repeat=raters - 1):
        counts = np.bincount(outcome, minlength=classes)
        most = np.flatnonzero(counts == counts.max())
        if len(most) == 1:
            chance = math.prod(shares[one] for one in outcome)
            asked += chance
            right += chance * shares[most[0]]
    return right / asked


@pytest.mark.parametrize(("raters", "correct"), [(3, 0.6), (5, 0.6), (4, 0.8), (2, 0.7)])
def test_intervals_hold_the_ceiling_and_alpha_that_the_noise_implies(raters, correct):
    draw = np.random.default_rng(raters)
    # Two raters agree by being right, or by the same mistake; all classes are equally frequent.
    agree = correct**2 + (1 - correct) ** 2 / 3
    truths = {nominal_alpha: 1 - (1 - agree) / 0.75, accuracy_ceiling: true_ceiling(raters, correct)}
    truths |= {fleiss_kappa: truths[nominal_alpha], uar_ceiling: truths[accuracy_ceiling]}
    held = dict.fromkeys(truths, 0)
    sets = 200
    for _ in range(sets):
        votes = raters_of(draw, 12, 20, raters, correct)
        jackknife = over(240, 12)
        for figure, truth in truths.items():
            found = figure(votes, jackknife)
            held[figure] += found.low <= truth <= found.high
    # 95 % of 200 sets, within what chance allows in one of 1,000 tests; intervals may be a little too wide.
    lowest = binom.ppf(0.0005, sets, 0.95)
    assert min(held.values()) >= lowest, {figure.__name__: number for figure, number in held.items()}


def test_figures_of_a_million_votes_take_seconds():
    import time

    draw = np.random.default_rng(0)
    votes = Votes(np.repeat(np.arange(200_000), 5), np.eye(8)[draw.integers(0, 8, 1_000_000)], 200_000)
    jackknife = over(200_000, 1000)
    start = time.perf_counter()
    for figure in (nominal_alpha, fleiss_kappa, accuracy_ceiling, uar_ceiling):
        assert abs(figure(votes, jackknife).value) < 0.2
    assert time.perf_counter() - start < 20
