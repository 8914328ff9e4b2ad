"""`sertool compare`: paired figures, verdicts, what flipped, and every refusal, on predictions made by hand."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES, tiny_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student_t
from sklearn.metrics import balanced_accuracy_score, f1_score
from stored_sets import changed, make_origin, make_set, write_run
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.formatting import printable
from sertool.core.metrics import Difference, McNemar, holm
from sertool.core.reports.compare.contents import Comparison, Contender, Flip, MetricRow, Pair
from sertool.core.reports.compare.data_files import flips_csv
from sertool.core.reports.compare.pairs import compare, verdict
from sertool.core.reports.compare.terminal import show
from sertool.core.runs.prediction_files import set_path
from sertool.core.runs.predictions import MemberScore

TARGETS = [0, 1, 2, 1] * 10
WRONG_A = {0, 1, 2, 3, 11, 12, 20, 27, 32, 39}
WRONG_B = {0, 1, 2, 3, 11, 12, 8}
WIDTH = 80


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command; runs lie below ckpt."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, ["compare", *arguments])


def refusal(*arguments: str, code: int) -> str:
    """What stderr holds of a comparison that fails with ``code``; stdout must hold nothing."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def decided(decisions, *, members=1, name="test", origin=None, targets=TARGETS, **changes):
    """A set whose members all decide so; utterances belong to 8 speakers in turn."""
    decisions = np.array(decisions)
    base = make_set(name, len(decisions), origin=origin, members=members, speakers=8)
    logits = np.zeros((members, len(decisions), len(CLASSES)), np.float32)
    logits[:, np.arange(len(decisions)), decisions] = 4
    return changed(base, logits=logits, targets=np.array(targets), **changes)


def stored(name: str, *sets) -> Path:
    return write_run(Path("ckpt") / name, *sets)


def wrong(rows, targets=TARGETS):
    """Decisions that are right but in some rows."""
    return [(target + (row in rows)) % 3 for row, target in enumerate(targets)]


def worse_and_better(name="test", **changes) -> None:
    """Run a is wrong on 10 of 40 utterances, b on 6 of them and on one of its own."""
    stored("a", decided(wrong(WRONG_A), name=name, **changes))
    stored("b", decided(wrong(WRONG_B), name=name, **changes))


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
    assert 2 * student_t.sf(t, 7) == pytest.approx(0.079, abs=0.002)
    assert binomtest(1, 5).pvalue == 0.375
    assert 2 * (math.asin(math.sqrt(0.825)) - math.asin(math.sqrt(0.75))) == pytest.approx(0.18, abs=0.005)
    assert result.stdout.splitlines() == [
        "TINY · emotion, 3 classes · test · 40 utterances",
        "A  a · 1 of 1 member",
        "B  b · 1 of 1 member",
        "",
        "                 A      B  B - A  95 % interval      p   Holm",
        "accuracy     75.00  82.50  +7.50    0.0 to 15.0  0.079  0.176",
        "UAR          75.00  81.67  +6.67    0.0 to 16.7  0.111  0.176",
        "weighted F1  74.86  82.40  +7.54    0.0 to 14.7  0.059  0.176",
        "",
        "accuracy: +7.5 points, interval 0.0 to 15.0 by speaker: not shown to be better",
        "UAR: +6.7 points, interval 0.0 to 16.7 by speaker: not shown to be better",
        "weighted F1: +7.5 points, interval 0.0 to 14.7 by speaker: not shown to be better",
        "",
        "paired intervals over 8 speakers",
        "Holm: p corrected for all 3 tests above",
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


def text_of(row: int) -> str:
    return make_set("test", 40, members=1, speakers=8).spoken[row].text


def test_one_against_the_other_is_the_other_way_round(here):
    worse_and_better()
    there, back = (
        compare(names, Path("ckpt"), "test", ["accuracy", "uar"]) for names in (["a", "b"], ["b", "a"])
    )
    one, other = there.pairs[0], back.pairs[0]
    for row, turned in zip(one.metrics, other.metrics, strict=True):
        assert (row.a, row.b) == (turned.b, turned.a)
        assert row.difference.value == -turned.difference.value
        assert row.difference.low == pytest.approx(-turned.difference.high)
        assert row.difference.p == pytest.approx(turned.difference.p)
    assert one.cohens_h == pytest.approx(-other.cohens_h)
    assert [(flip.id, flip.a, flip.b) for flip in one.flips] == [
        (flip.id, flip.b, flip.a) for flip in other.flips
    ]
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
    assert "accuracy     97.50  97.50   0.00     0.0 to 0.0  1.000  1.000" in lines
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
    assert (
        run("a", "b", "--flips", "0").stdout.splitlines()[-1]
        == "from A to B: 4 wrong -> right · 1 right -> wrong"
    )


def test_one_metric_needs_no_correction(here):
    worse_and_better()
    lines = run("a", "b", "--metric", "f1_macro").stdout.splitlines()
    assert lines[4] == "              A      B  B - A  95 % interval      p"
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
    assert lines.count("Holm: p corrected for all 4 tests above") == 2
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


# How many members, and what is known of them


def members_that_differ(name: str, best: int):
    """Three members; only the ``best``-th is right, so that alone it beats every average that it is not in."""
    own = decided(wrong(set(range(40))), members=3, name=name)
    logits = own.predictions.logits.copy()
    logits[best - 1] = 10 * np.eye(3, dtype=np.float32)[TARGETS]
    return changed(own, logits=logits)


def test_k_is_chosen_on_validation(here):
    stored("a", members_that_differ("valid", 2), members_that_differ("test", 3))
    stored("b", decided(TARGETS))
    lines = run("a", "b").stdout.splitlines()
    assert lines[1] == "A  a · 2 of 3 members, chosen on validation by accuracy"
    assert lines[5].startswith("accuracy     0.00  100.00  +100.00 ")


def test_without_validation_all_members_are_averaged(here):
    stored("a", members_that_differ("test", 3))
    stored("b", decided(TARGETS))
    assert run("a", "b").stdout.splitlines()[1:3] == [
        "A  a · 3 of 3 members",
        "   all 3 members are averaged, because no predictions on validation are stored to choose k",
    ]


def test_what_was_selected_on_test_is_stamped(here):
    recipe = tiny_recipe(protocol="paper", splits={"valid": "test"})
    origin = make_origin(recipe, selected_on_test=True)
    stored("paper", decided(wrong({1}), origin=origin, members=2))
    stored("honest", decided(wrong({1, 2})))
    lines = run("paper", "honest").stdout.splitlines()
    assert lines[1:3] == [
        "A  paper · 1 of 2 members, chosen on test by accuracy",
        "   selected on test: epochs, order and k",
    ]
    assert "note: only paper was selected on test, so the comparison favours it" in lines


def test_members_with_nan_are_left_out_and_named(here):
    own = decided(wrong({3}), members=3)
    logits = own.predictions.logits.copy()
    logits[1, 7] = np.nan
    stored("a", changed(own, logits=logits))
    stored("b", decided(wrong({4})))
    lines = run("a", "b").stdout.splitlines()
    assert lines[1] == "A  a · 2 of 2 members"
    assert "   left out because their logits are not finite: run-2" in lines


def test_cross_validation_counts_members_by_fold(here):
    own = decided(wrong({3}), members=2, origin=make_origin(folds=3))
    members = [MemberScore(f"run-{seed}-{fold}", fold, 0.8, 0.8) for fold in range(3) for seed in (1, 2)]
    stored("a", changed(own, members=tuple(members)))
    stored("b", decided(wrong({4})))
    assert run("a", "b").stdout.splitlines()[1:3] == [
        "A  a · 2 of 2 members in each of 3 folds",
        "   all 2 members are averaged, because no predictions on validation are stored to choose k",
    ]


def test_test_utterances_that_it_started_from_are_told(here):
    stored("a", decided(wrong({3}), origin=make_origin(started_from="old", seen_in_test=7)))
    stored("b", decided(wrong({4})))
    assert (
        "   old, from which it started, was trained or selected on 7 utterances of the test set"
        in run("a", "b").stdout.splitlines()
    )


def test_synthetic_speech_is_said(here):
    stored("a", decided(wrong({3}), origin=make_origin(synthetic=True)))
    stored("b", decided(wrong({4}), origin=make_origin(synthetic=True)))
    assert run("a", "b").stdout.startswith(
        "TINY (synthetic speech) · emotion, 3 classes · test · 40 utterances\n"
    )


def test_the_validation_set(here):
    worse_and_better("valid")
    assert run("a", "b", "--set", "valid").stdout.startswith(
        "TINY · emotion, 3 classes · valid · 40 utterances\n"
    )


# Which utterances


def some(stored_set, rows):
    """The set with some of its utterances only."""
    own = stored_set.predictions
    changes = {"ids": tuple(own.ids[row] for row in rows), "utterances": tuple(range(len(rows)))}
    changes |= {"logits": own.logits[:, rows], "targets": own.targets[rows]}
    return replace(changed(stored_set, **changes), spoken=tuple(stored_set.spoken[row] for row in rows))


def test_shared_utterances_alone_are_compared_in_any_order(here):
    whole_a, whole_b = decided(wrong({0, 1, 20})), decided(wrong({1, 21}))
    stored("a", some(whole_a, list(range(30))))
    stored("b", some(whole_b, [*range(39, 9, -1)]))
    result = run("a", "b", "--csv", "flips.csv")
    lines = result.stdout.splitlines()
    assert lines[0] == "TINY · emotion, 3 classes · test · 20 utterances"
    assert (
        "note: compared on the 20 utterances that both runs cover; left out: 10 only in a, 10 only in b"
        in lines
    )
    assert [row["utterance"] for row in rows_of(Path("flips.csv"))] == ["test20", "test21"]


def test_no_utterance_in_common(here):
    whole = decided(TARGETS)
    stored("a", some(whole, list(range(10))))
    stored("b", some(whole, list(range(20, 40))))
    assert refusal("a", "b", code=1) == (
        "error: a and b have no utterance of the test set in common (the first are 'test0' and 'test20')\n"
        "  try: compare runs of one corpus: these are split differently, or name their utterances differently\n"
    )


def test_other_labels(here):
    stored("a", decided(TARGETS))
    stored("b", decided(TARGETS, targets=wrong({5, 7})))
    assert refusal("a", "b", code=1) == (
        "error: a and b have different labels for 2 of 40 utterances, the first is 'test5': happy and sad\n"
        "  try: evaluate both on the same version of the corpus: sertool ensemble --name NAME --sets test\n"
    )


def test_another_version_of_the_data_is_told(here):
    stored("a", decided(wrong({1})))
    stored("b", decided(wrong({2}), origin=make_origin(data_hash="ff", counts={"train": 1700})))
    assert (
        "note: the runs use different versions or splits of the data (trained on 800 and 1,700 utterances)"
        in run("a", "b").stdout.splitlines()
    )


def test_one_speaker(here):
    speaker = [replace(one, speaker="ann") for one in decided(TARGETS).spoken]
    for name, rows in (("a", {0, 1, 2}), ("b", {4})):
        stored(name, replace(decided(wrong(rows)), spoken=tuple(speaker)))
    lines = run("a", "b").stdout.splitlines()
    assert (
        "paired intervals over 40 utterances; one speaker only: the interval is over utterances, and says "
        "nothing about other speakers" in lines
    )


def test_one_utterance(here):
    stored("a", some(decided(wrong({0})), [0]))
    stored("b", some(decided(TARGETS), [0]))
    lines = run("a", "b").stdout.splitlines()
    assert lines[0] == "TINY · emotion, 3 classes · test · 1 utterance"
    assert lines[4:6] == [
        "                A       B    B - A  95 % interval  p",
        "accuracy     0.00  100.00  +100.00              -  -",
    ]
    assert "accuracy: +100.0 points: no interval can be given" in lines
    assert "paired intervals over 1 utterance; one utterance only: no interval can be given" in lines


def test_several_labels(here):
    """Decisions are by class: McNemar counts 120 of them; an utterance is right if all its classes are."""
    targets = np.eye(3, dtype=np.int64)[TARGETS]
    a, b = (np.where(targets, 2.0, -2.0).astype(np.float32)[None] for _ in range(2))
    a[0, 0], b[0, 4, 1] = -a[0, 0], 2.0
    origin = make_origin(rule="present")
    for name, logits in (("a", a), ("b", b)):
        base = decided(TARGETS, origin=origin)
        stored(name, changed(base, kind="multi", logits=logits, targets=targets))
    lines = run("a", "b", "--csv", "flips.csv").stdout.splitlines()
    assert "accuracy     97.50  99.17  +1.67" in "\n".join(lines)
    assert (
        "McNemar's exact test: only A is right 1 time, only B 3 times: p = 0.625; it assumes independent decisions"
        in lines
    )
    assert [(row["decision_a"], row["decision_b"], row["change"]) for row in rows_of(Path("flips.csv"))] == [
        ("happy|sad", "angry", "wrong -> right"),
        ("angry", "angry|happy", "right -> wrong"),
    ]


# What is refused


def test_runs_that_are_not_there(here):
    stored("calls-v1", decided(TARGETS))
    assert refusal("calls-v1", "calls-v2", code=2) == (
        "error: ckpt/calls-v2: no such run, did you mean 'calls-v1'?\n  try: ckpt holds: calls-v1\n"
    )
    assert refusal("a", "b", "--output", "nowhere", code=2) == (
        "error: nowhere/a: no such run\n  try: sertool train makes one\n"
    )


def test_too_few_or_the_same_twice(here):
    assert (
        refusal("a", code=2)
        == "error: two runs or more are needed, only a is given\n  try: sertool compare A B\n"
    )
    assert refusal("a", "b", "a", code=2) == "error: run a: is given twice\n"
    assert "Missing argument" in refusal(code=2)


def test_unknown_metrics_and_sets(here):
    worse_and_better()
    assert refusal("a", "b", "--metric", "acuracy", code=2) == (
        "error: --metric acuracy: expected one of accuracy, uar, f1_macro, f1_weighted, did you mean 'accuracy'?\n"
    )
    assert refusal("a", "b", "--metric", "uar,uar", code=2) == "error: --metric uar: is given twice\n"
    assert (
        refusal("a", "b", "--set", "private", code=2) == "error: --set private: expected one of test, valid\n"
    )


def test_no_predictions(here):
    stored("a", decided(TARGETS))
    (here / "ckpt/b").mkdir()
    assert refusal("a", "b", code=1) == (
        "error: b: no stored predictions for the test set\n  try: sertool ensemble --name b --sets test\n"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dataset": "OTHER"}, "data sets: TINY and OTHER"),
        ({"task": "mood"}, "tasks: emotion and mood"),
        ({"rule": "index"}, "rules for labels: name and index"),
    ],
)
def test_runs_that_do_not_belong_together(here, changes, named):
    stored("a", decided(TARGETS))
    stored("b", decided(TARGETS, origin=make_origin(**changes)))
    assert refusal("a", "b", code=2) == (
        f"error: a and b have different {named}\n  try: compare runs of the same task on the same data set\n"
    )


def test_other_classes(here):
    stored("a", decided(TARGETS))
    stored("b", decided(TARGETS, classes=("angry", "calm", "sad")))
    assert refusal("a", "b", code=2) == (
        "error: a and b have different classes: angry, happy, sad and angry, calm, sad\n"
        "  try: compare runs of the same task on the same data set\n"
    )


def test_unlabelled_or_nothing_finite(here):
    stored("a", decided(TARGETS))
    own = decided(TARGETS)
    stored("b", replace(own, predictions=replace(own.predictions, targets=None)))
    assert "error: " in refusal("a", "b", code=1)
    stored("c", changed(own, logits=np.full_like(own.predictions.logits, np.nan)))
    assert refusal("a", "c", code=1) == "error: c: all 1 members have logits that are not finite\n"


def test_another_format(here):
    stored("a", decided(TARGETS))
    stored("b", decided(TARGETS))
    path = set_path(Path("ckpt/b"), "test")
    path.write_bytes(path.read_bytes().replace(b"sertool-predictions/1", b"sertool-predictions/9"))
    assert refusal("a", "b", code=1) == (
        f"error: {path}: format 'sertool-predictions/9', expected sertool-predictions/1; "
        "recreate it: sertool ensemble --name b\n"
    )


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_damaged_files_are_refused_in_a_message(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    for name in ("a", "b"):
        write_run(folder / name, decided(wrong({1})))
    path = set_path(folder / "b", "test")
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    result = run("a", "b", "--output", str(folder))
    assert result.exit_code in (0, 1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code == 0) == (not result.stderr.startswith("error: "))


# Files


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
    row = MetricRow("accuracy", 0.5, 0.6, Difference(0.1, -0.1, 0.3, 0.3), 0.3, "not shown to be better")
    pair = Pair("a", name, 9, 0, 0, "speaker", 5, "", (row,), McNemar(1, 2, 1.0), 1.0, 0.2, tuple(flips), ())
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
    rows = list(csv.reader(io.StringIO(flips_csv(comparison), newline="")))
    assert len(rows) == len(flips) + 1
    assert {len(row) for row in rows} == {10}


def test_texts_are_cut_to_the_terminal_and_whole_elsewhere():
    flip = Flip("Ses01F_impro01_F000", None, "word " * 30, "neutral", "happy", "neutral", "wrong -> right")
    narrow, wide, piped = (show(a_comparison([flip]), width, 1)[-1] for width in (80, 120, None))
    assert len(narrow) == 80
    assert len(wide) == 120
    assert narrow.endswith("…")
    assert piped.endswith("word word")
