"""Figures of unusual sets: one utterance, one speaker, several labels, sentiment scores, cross-validation."""

from dataclasses import replace

import numpy as np
import pytest
from builders import CLASSES, tiny_recipe
from faulty_runs import text
from stored_sets import changed, make_origin, make_set, only, report, write_run

from sertool.core.runs.predictions import MemberScore

FEW = "1 test speaker: too few for an interval (5 are needed); cross-validate with --set splits.scheme=folds"


def test_one_utterance(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", 1))
    run = only(tmp_path)
    test = run.sets["test"]
    assert test.metrics["accuracy"].low is None
    assert test.slices == ()
    assert text(run, "few-clusters") == FEW


def test_one_speaker_and_one_class(tmp_path):
    test = make_set("test", 80, speakers=1)
    write_run(tmp_path / "tiny", changed(test, targets=np.ones(80, np.int64)))
    run = only(tmp_path)
    assert text(run, "few-clusters") == FEW
    assert "always happy reaches 100.0 %" in text(run, "no-better-than-majority")
    assert "UAR" not in text(run, "no-better-than-majority")
    assert [row.support for row in run.sets["test"].classes] == [0, 80, 0]
    assert [row.kind for row in run.sets["test"].slices] == ["words"] * 3 + ["seconds"] * 3


def test_several_labels(tmp_path):
    test, valid = (make_set(name, 300, kind="multi", seed=2) for name in ("test", "valid"))
    stored = make_origin(rule="present")
    write_run(tmp_path / "tiny", *(replace(one, origin=stored) for one in (test, valid)))
    run = only(tmp_path)
    own, shown = test.predictions, run.sets["test"]
    assert run.kind == "multi"
    assert shown.metrics["accuracy"].value == own.metric("accuracy", shown.k)
    assert (shown.confusion, shown.baseline.name) == (None, "no label at all")
    assert [row.support for row in shown.classes] == own.targets.sum(0).tolist()
    happy = next(row for row in shown.slices if row.name == "happy")
    assert happy.size == own.targets[:, 1].sum()
    assert happy.accuracy.value == pytest.approx((own.decisions(shown.k) == own.targets)[own.targets[:, 1] > 0].mean())
    first = shown.rows[0]
    assert first.target == ", ".join(name for name, yes in zip(CLASSES, own.targets[0], strict=True) if yes)
    assert first.confidence == pytest.approx(min(max(p, 1 - p) for p in first.probabilities))
    assert [found for found in run.findings if found.severity != "note"] == []


def test_sentiment_has_scores_and_a_task_by_its_classes(tmp_path):
    test = make_set("test", classes=[str(score) for score in range(-3, 4)])
    recipe = tiny_recipe(dataset={"task": "sentiment", "num_classes": 7})
    origin = make_origin(recipe, task="sentiment", rule="seven", train_classes=[1] * 7)
    scored = changed(test, scores=test.predictions.targets - 3.0)
    write_run(tmp_path / "tiny", replace(scored, origin=origin))
    run = only(tmp_path)
    assert list(run.sets["test"].scores) == [
        "acc2_with_zeros",
        "acc2_without_zeros",
        "acc7",
        "mae",
        "pearson",
        "ccc",
    ]
    assert run.sets["test"].scores["acc7"].value == run.sets["test"].metrics["accuracy"].value
    assert run.task == "sentiment, 7 classes"
    assert report(tmp_path).tasks[0].ours[0].metrics["mae"] == run.sets["test"].scores["mae"]


def fold_members() -> tuple[MemberScore, ...]:
    """Three seeds of three folds."""
    return tuple(
        MemberScore(f"run-{seed}-{fold}", fold, 0.7 + fold / 100, 0.8) for seed in (1, 2, 3) for fold in range(3)
    )


def test_cross_validation_knows_members_by_their_accuracy_only(tmp_path):
    recipe = tiny_recipe(splits={"scheme": "folds", "folds": 3})
    origin = make_origin(recipe, folds=3)
    members = tuple(
        MemberScore(f"run-{seed}-{fold}", fold, 0.7 + fold / 100, 0.8) for seed in (1, 2, 3) for fold in range(3)
    )
    write_run(
        tmp_path / "tiny",
        *(changed(replace(make_set(name), origin=origin), members=members) for name in ("test", "valid")),
    )
    run = only(tmp_path)
    assert (run.members, run.expected_members, run.folds) == (9, 9, 3)
    test = run.sets["test"]
    assert [member.metrics for member in test.members][:3] == [{"accuracy": 0.7 + f / 100} for f in range(3)]
    assert len(test.sizes) == 3
    assert test.spread["uar"].sd > 0
    assert run.provenance["division"] == "3 folds by speaker, seed 1"


def test_a_fold_member_without_finite_logits_takes_its_rank_with_it(tmp_path):
    origin = make_origin(tiny_recipe(splits={"scheme": "folds", "folds": 3}), folds=3)
    members = fold_members()
    test = changed(replace(make_set("test"), origin=origin), members=members)
    logits = test.predictions.logits.copy()
    logits[1, :9] = np.inf
    write_run(tmp_path / "tiny", changed(test, logits=logits))
    run = only(tmp_path)
    assert text(run, "nan-logits") == "3 of 9 members have no finite logits and are left out: run-2-0, run-2-1, run-2-2"
    assert run.members == 6


def test_published_counts_stand_beside_ours_where_the_split_is_the_corpuss_own(tmp_path):
    counts = {"test": {"utterances": 500, "classes": [200, 150, 150]}, "valid": {"utterances": 200}}
    for scheme, shown in (("corpus", [500, 200]), ("holdout", [500, None])):
        recipe = tiny_recipe(expected=counts, splits={"scheme": scheme})
        write_run(tmp_path / scheme, *(make_set(name, origin=make_origin(recipe)) for name in ("test", "valid")))
        (run,) = report(tmp_path, scheme).runs
        assert [run.sets[name].published_utterances for name in ("test", "valid")] == shown
        assert [row.published for row in run.sets["test"].classes] == [200, 150, 150]
        assert [row.published for row in run.sets["valid"].classes] == [None] * 3
