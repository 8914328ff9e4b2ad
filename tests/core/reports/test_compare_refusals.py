"""`sertool compare`: every run and option that is refused, each with its message."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compared_runs import TARGETS, decided, refusal, run, stored, worse_and_better, wrong
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_sets import make_score_set, make_voted_set
from stored_sets import changed, make_origin, write_run

from sertool.core.runs.prediction_files import set_path


def test_runs_that_are_not_there(here):
    stored("calls-v1", decided(TARGETS))
    assert refusal("calls-v1", "calls-v2", code=2) == (
        "error: ckpt/calls-v2: no such run, did you mean 'calls-v1'?\n  try: ckpt holds: calls-v1\n"
    )
    assert refusal("a", "b", "--output", "nowhere", code=2) == (
        "error: nowhere/a: no such run\n  try: sertool train makes one\n"
    )


def test_too_few_or_the_same_twice(here):
    assert refusal("a", code=2) == "error: two runs or more are needed, only a is given\n  try: sertool compare A B\n"
    assert refusal("a", "b", "a", code=2) == "error: run a: is given twice\n"
    assert "Missing argument" in refusal(code=2)


def test_unknown_metrics_and_sets(here):
    worse_and_better()
    assert refusal("a", "b", "--metric", "acuracy", code=2) == (
        "error: --metric acuracy: expected one of accuracy, exact_match, uar, f1_macro, f1_micro, "
        "f1_weighted, cross_entropy, jsd, ccc, pearson, mae, rmse, r2, acc2, f1, acc2_with_zeros, acc2_without_zeros, "
        "f1_with_zeros, f1_without_zeros, acc7, acc5, did you mean 'accuracy'?\n"
    )
    assert refusal("a", "b", "--metric", "uar,uar", code=2) == "error: --metric uar: is given twice\n"
    assert refusal("a", "b", "--split", "private", code=2) == "error: --split private: expected one of test, valid\n"


def test_no_predictions(here):
    stored("a", decided(TARGETS))
    (here / "ckpt/b").mkdir()
    assert refusal("a", "b", code=1) == (
        "error: b: no stored predictions for the test split\n  try: sertool ensemble --name b --split test\n"
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
    assert refusal("a", "c", code=1) == "error: c: its only member has logits that are not finite\n"


def test_another_format(here):
    stored("a", decided(TARGETS))
    stored("b", decided(TARGETS))
    path = set_path(Path("ckpt/b"), "test")
    path.write_bytes(path.read_bytes().replace(b"sertool-predictions/1", b"sertool-predictions/9"))
    assert refusal("a", "b", code=1) == (
        f'error: {path}: format: expected sertool-predictions/1 (got "sertool-predictions/9"); '
        "recreate it: sertool ensemble --name b\n"
    )


SETS = {"classes": decided(wrong({1})), "scores": make_score_set(number=40), "votes": make_voted_set(number=40)}


@pytest.mark.parametrize("kind", SETS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_damaged_files_are_refused_in_a_message(tmp_path_factory, kind, data):
    folder = tmp_path_factory.mktemp("damaged")
    for name in ("a", "b"):
        write_run(folder / name, SETS[kind])
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
