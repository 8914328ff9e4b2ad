"""`sertool compare`: paired figures, verdicts, flipped utterances, and files, on predictions made by hand."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES
from compared_runs import (
    TARGETS,
    WRONG_A,
    WRONG_B,
    decided,
    rows_of,
    run,
    stored,
    text_of,
    worse_and_better,
    wrong,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student_t
from sklearn.metrics import balanced_accuracy_score, f1_score

from sertool.core.files.csv_text import csv_text
from sertool.core.formatting import printable
from sertool.core.metrics import Difference, McNemar, holm
from sertool.core.reports.compare.contents import Comparison, Contender, Flip, MetricRow, Pair
from sertool.core.reports.compare.data_files import flip_rows
from sertool.core.reports.compare.pairs import compare, verdict
from sertool.core.reports.compare.terminal import show

WIDTH = 80


# What is shown


def test_the_whole_output(here):
    """Both tests of accuracy are checked by hand, from the clusters' own means and by SciPy."""
    worse_and_better()
    result = run("a", "b")
    assert result.exit_code == 0, result.stderr
    figures = [
        (balanced_accuracy_score(TARGETS, own), f1_score(TARGETS, own, average="weighted"))
        for own in (wrong(WRONG_A), wrong(WRONG_B))
    ]
    assert figures == [pytest.approx((0.75, 0.7486), abs=5e-5), pytest.approx((0.81667, 0.8240), abs=5e-5)]
    # Of each of the 8 speakers' 5 utterances; one of the first speaker's became right, one wrong.
    changes = np.array([0, 0, 0, 0.2, 0.2, 0, 0, 0.2])
    t = changes.mean() / (changes.std(ddof=1) / math.sqrt(8))
    assert 2 * student_t.sf(t, 7) == pytest.approx(0.0796, abs=5e-5)
    half = student_t.ppf(0.975, 7) * changes.mean() / t
    assert (0.075 - half, 0.075 + half) == pytest.approx((-0.0115, 0.1615), abs=5e-5)
    assert binomtest(1, 5).pvalue == 0.375
    assert 2 * (math.asin(math.sqrt(0.825)) - math.asin(math.sqrt(0.75))) == pytest.approx(0.18, abs=0.005)
    assert result.stdout.splitlines() == [
        "TINY · emotion, 3 classes · test · 40 utterances",
        "A  a · 1 of 1 member",
        "B  b · 1 of 1 member",
        "",
        "                 A      B  baseline  B - A  95 % interval      p   Holm",
        "accuracy     75.00  82.50     50.00  +7.50   -1.2 to 16.2  0.080  0.237",
        "UAR          75.00  81.67     33.33  +6.67   -4.9 to 18.2  0.214  0.237",
        "weighted F1  74.86  82.40     33.33  +7.54   -0.9 to 16.0  0.079  0.237",
        "",
        "accuracy: +7.5 points, interval -1.2 to 16.2 by speaker: not shown to be better",
        "UAR: +6.7 points, interval -4.9 to 18.2 by speaker: not shown to be better",
        "weighted F1: +7.5 points, interval -0.9 to 16.0 by speaker: not shown to be better",
        "",
        "paired intervals over 8 speakers",
        "Holm: p corrected for 3 tests, one for each p of the table",
        "McNemar's exact test: only A is right 1 time, only B 4 times: p = 0.375; it assumes independent utterances",
        "effect size of the accuracy: Cohen's h 0.18, below what counts as small",
        "",
        "from A to B: 4 wrong -> right · 1 right -> wrong",
        "utterance  change          label  A      B      text",
        "test8      right -> wrong  angry  angry  happy  " + text_of(8),
        "test20     wrong -> right  angry  happy  angry  " + text_of(20),
        "test27     wrong -> right  happy  sad    happy  " + text_of(27),
        "test32     wrong -> right  angry  happy  angry  " + text_of(32),
        "test39     wrong -> right  happy  sad    happy  " + text_of(39),
    ]


def test_one_against_the_other_is_the_other_way_round(here):
    worse_and_better()
    there, back = (compare(names, Path("ckpt"), "test", ["accuracy", "uar"]) for names in (["a", "b"], ["b", "a"]))
    one, other = there.pairs[0], back.pairs[0]
    for row, turned in zip(one.metrics, other.metrics, strict=True):
        assert (row.a, row.b) == (turned.b, turned.a)
        assert row.difference.value == -turned.difference.value
        assert row.difference.low == pytest.approx(-turned.difference.high)
        assert row.difference.p == pytest.approx(turned.difference.p)
    assert one.cohens_h == pytest.approx(-other.cohens_h)
    assert [(flip.id, flip.a, flip.b) for flip in one.flips] == [(flip.id, flip.b, flip.a) for flip in other.flips]
    assert one.count("wrong -> right") == other.count("right -> wrong") == 4


def test_a_much_better_run_is_better_and_the_worse_one_worse(here):
    stored("bad", decided(wrong(set(range(0, 40, 2)) | {1, 3, 5})))
    stored("good", decided(wrong({0, 9})))
    first, second = run("bad", "good").stdout, run("good", "bad").stdout
    assert "accuracy: +52.5 points, interval " in first
    assert " by speaker: better" in first
    assert "accuracy: -52.5 points, interval " in second
    assert " by speaker: worse" in second
    assert "not shown" not in first + second


def test_runs_that_decide_alike(here):
    stored("a", decided(wrong({1})))
    stored("b", decided(wrong({1})))
    lines = run("a", "b").stdout.splitlines()
    assert "accuracy     97.50  97.50     50.00   0.00     0.0 to 0.0  1.000  1.000" in lines
    assert "accuracy: 0.0 points, interval 0.0 to 0.0 by speaker: no difference" in lines
    assert "note: a and b predict the same for every utterance" in lines
    assert lines[-1] == "from A to B: 0 wrong -> right · 0 right -> wrong"


def test_utterances_that_both_get_wrong_otherwise_are_flips_too(here):
    stored("a", decided([1, *TARGETS[1:]]))
    stored("b", decided([2, *TARGETS[1:]]))
    lines = run("a", "b").stdout.splitlines()
    assert lines[-3] == "from A to B: 0 wrong -> right · 0 right -> wrong · 1 wrong -> wrong"
    assert lines[-1].startswith("test0      wrong -> wrong  angry  happy  sad  ")


def test_as_many_flips_as_asked_for(here):
    worse_and_better()
    lines = run("a", "b", "--flips", "2").stdout.splitlines()
    assert lines[-1] == "and 3 more: --flips N shows N, --csv FILE writes all"
    assert lines[-2].startswith("test20 ")
    assert run("a", "b", "--flips", "0").stdout.splitlines()[-1] == "from A to B: 4 wrong -> right · 1 right -> wrong"


def test_one_metric_needs_no_correction(here):
    worse_and_better()
    lines = run("a", "b", "--metric", "f1_macro").stdout.splitlines()
    assert lines[4] == "              A      B  baseline  B - A  95 % interval      p"
    assert lines[5].startswith("macro F1  ")
    assert "Holm" not in "\n".join(lines)


def test_three_runs_are_compared_with_the_first_and_corrected_together(here):
    worse_and_better()
    stored("c", decided(wrong({5, 6, 7, 8})))
    result = run("a", "b", "c", "--metric", "accuracy,uar", "--json", "out.json")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "B against A: 40 utterances" in lines
    assert "C against A: 40 utterances" in lines
    assert lines.count("Holm: p corrected for 4 tests, one for each p of the 2 pairs") == 2
    pairs = json.loads(Path("out.json").read_text())["pairs"]
    assert [(pair["a"], pair["b"]) for pair in pairs] == [("a", "b"), ("a", "c")]
    rows = [row for pair in pairs for row in pair["metrics"]]
    assert [row["holm"] for row in rows] == holm([row["difference"]["p"] for row in rows])
    tests = [pair["mcnemar"]["p"] for pair in pairs]
    assert tests == pytest.approx([binomtest(1, 5).pvalue, binomtest(4, 14).pvalue])
    assert [pair["mcnemar_holm"] for pair in pairs] == holm(tests)
    assert "p = 0.375, p = 0.375 by Holm over 2 pairs; it assumes" in result.stdout


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        (Difference(0.019, -0.008, 0.045, 0.2), 0.2, "not shown to be better"),
        (Difference(-0.019, -0.045, 0.008, 0.2), 0.2, "not shown to be worse"),
        (Difference(0.0, -0.01, 0.01, 1.0), 1.0, "not shown to be different"),
        (Difference(0.0, 0.0, 0.0, 1.0), 1.0, "no difference"),
        (Difference(0.02, 0.01, 0.03, 0.001), 0.003, "better"),
        (Difference(-0.02, -0.03, -0.01, 0.001), 0.003, "worse"),
        (Difference(0.02, 0.001, 0.03, 0.03), 0.09, "not shown to be better after correction for 3 tests"),
        (Difference(0.02, -0.001, 0.03, 0.049), 0.049, "not shown to be better"),
        (Difference(0.02), None, "no interval can be given"),
    ],
)
def test_verdicts(difference, p, expected):
    assert verdict(difference, p, 3) == expected


# Files


def test_files(here):
    worse_and_better()
    result = run("a", "b", "--csv", "out/flips.csv", "--json", "out/all.json", "--flips", "1")
    assert result.stdout.splitlines()[-2:] == ["written: out/flips.csv", "written: out/all.json"]
    rows = rows_of(here / "out/flips.csv")
    assert len(rows) == 5
    assert rows[0] == {
        "a": "a",
        "b": "b",
        "set": "test",
        "utterance": "test8",
        "speaker": "test-0",
        "label": "angry",
        "decision_a": "angry",
        "decision_b": "happy",
        "change": "right -> wrong",
        "text": text_of(8),
    }
    content = json.loads((here / "out/all.json").read_text())
    assert content["format"] == "sertool-comparison/1"
    assert content["contenders"][0]["k"] == 1
    assert (content["pairs"][0]["metrics"][0]["a"], content["pairs"][0]["metrics"][0]["b"]) == (0.75, 0.825)
    assert len(content["pairs"][0]["flips"]) == 5


def a_comparison(flips, name="b") -> Comparison:
    row = MetricRow("accuracy", 0.5, 0.6, 0.25, Difference(0.1, -0.1, 0.3, 0.3), 0.3, "not shown to be better")
    pair = Pair("a", name, 9, 0, 0, "speaker", 5, "", (), (row,), McNemar(1, 2, 1.0), 1.0, 0.2, tuple(flips), ())
    contenders = tuple(Contender(one, 1, 1, 1, "uar", "all", "", ()) for one in ("a", name))
    return Comparison("SET", "emotion", "test", "", "single", CLASSES, contenders, (pair,), 1)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
FLIPS = st.builds(Flip, TEXTS, st.none() | TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.just("wrong -> right"))


@given(st.lists(FLIPS, max_size=4), TEXTS)
def test_whatever_the_corpus_holds_lines_and_cells_stay_whole(flips, name):
    comparison = a_comparison(flips, name)
    for width in (WIDTH, None):
        lines = show(comparison, width, 10)
        assert all(line.isprintable() for line in lines)
        assert all(len(line) <= WIDTH for line in lines if width and len(printable(name)) < 40)
    rows = list(csv.reader(io.StringIO(csv_text(flip_rows(comparison)), newline="")))
    assert len(rows) == len(flips) + 1
    assert {len(row) for row in rows} == {10}


def test_texts_are_cut_to_the_terminal_and_whole_elsewhere():
    flip = Flip("Ses01F_impro01_F000", None, "word " * 30, "neutral", "happy", "neutral", "wrong -> right")
    narrow, wide, piped = (show(a_comparison([flip]), width, 1)[-1] for width in (80, 120, None))
    assert len(narrow) == 80
    assert len(wide) == 120
    assert narrow.endswith("…")
    assert piped.endswith("word word")
