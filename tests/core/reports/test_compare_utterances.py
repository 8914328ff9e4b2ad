"""`sertool compare`: which utterances are compared, and by which members."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import tiny_recipe
from compared_runs import TARGETS, decided, refusal, rows_of, run, stored, worse_and_better, wrong
from stored_sets import changed, in_dialogues, make_origin

from sertool.core.runs.predictions import MemberScore

# How many members, and what is known of them


def members_that_differ(name: str, best: int):
    """Three members; only the ``best``-th is right, so that alone it beats every average that it is not in."""
    own = decided(wrong(set(range(40))), members=3, name=name)
    logits = own.predictions.logits.copy()
    logits[best - 1] = 10 * np.eye(3, dtype=np.float32)[TARGETS]
    return changed(own, logits=logits)


def test_k_is_chosen_on_validation(here):
    valid = members_that_differ("valid", 2)
    logits = valid.predictions.logits.copy()
    logits[2] *= 100  # it spoils the average of all three
    stored("a", changed(valid, logits=logits), members_that_differ("test", 3))
    stored("b", decided(TARGETS))
    lines = run("a", "b").stdout.splitlines()
    assert lines[1] == "A  a · 2 of 3 members, chosen on validation by accuracy"
    assert lines[5].startswith("accuracy     0.00  100.00     50.00  +100.00 ")


def test_without_validation_all_members_are_averaged(here):
    stored("a", members_that_differ("test", 3))
    stored("b", decided(TARGETS))
    assert run("a", "b").stdout.splitlines()[1:3] == [
        "A  a · 3 of 3 members",
        "   all 3 members are averaged: there are no validation utterances to choose on",
    ]


def test_what_was_selected_on_test_is_stamped(here):
    recipe = tiny_recipe(protocol="paper", splits={"valid": "test"})
    origin = make_origin(recipe, selected_on_test=True)
    stored("paper", decided(wrong({1}), origin=origin, members=2))
    stored("honest", decided(wrong({1, 2})))
    lines = run("paper", "honest").stdout.splitlines()
    assert lines[1:3] == [
        "A  paper · 1 of 2 members, selected on test by accuracy",
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
        "   all 2 members are averaged: there are no validation utterances to choose on",
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
    assert run("a", "b").stdout.startswith("TINY (synthetic speech) · emotion, 3 classes · test · 40 utterances\n")


def test_the_validation_set(here):
    worse_and_better("valid")
    assert run("a", "b", "--set", "valid").stdout.startswith("TINY · emotion, 3 classes · valid · 40 utterances\n")


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
    assert "note: compared on the 20 utterances that both runs cover; left out: 10 only in a, 10 only in b" in lines
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
        "  try: evaluate both on the same version of the corpus: sertool ensemble --name NAME --split test\n"
    )


def test_another_version_of_the_data_is_told(here):
    stored("a", decided(wrong({1})))
    stored("b", decided(wrong({2}), origin=make_origin(data_hash="ff", counts={"train": 1700})))
    assert (
        "note: the runs use different versions or splits of the data "
        "(trained on 800 utterances and on 1,700 utterances)" in run("a", "b").stdout.splitlines()
    )


FEW = "1 test speaker: too few for an interval (5 are needed); cross-validate with --set splits.scheme=folds"


def test_one_speaker(here):
    speaker = [replace(one, speaker="ann") for one in decided(TARGETS).spoken]
    for name, rows in (("a", {0, 1, 2}), ("b", {4})):
        stored(name, replace(decided(wrong(rows)), spoken=tuple(speaker)))
    lines = run("a", "b").stdout.splitlines()
    assert FEW in "\n".join(lines)
    (accuracy,) = [line for line in lines if line.startswith("accuracy  ")]
    assert accuracy.split()[-2:] == ["-", "-"]


def test_one_utterance(here):
    stored("a", some(decided(wrong({0})), [0]))
    stored("b", some(decided(TARGETS), [0]))
    lines = run("a", "b").stdout.splitlines()
    assert lines[0] == "TINY · emotion, 3 classes · test · 1 utterance"
    assert lines[4:6] == [
        "                A       B  baseline    B - A  95 % interval  p",
        "accuracy     0.00  100.00    100.00  +100.00              -  -",
    ]
    assert "accuracy: +100.0 points: cannot tell from 1 speaker" in lines
    assert FEW in "\n".join(lines)


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
    assert "label accuracy           97.50  99.17     66.67  +1.67" in "\n".join(lines)
    assert (
        "McNemar's exact test: only A is right 1 time, only B 3 times: p = 0.625; it assumes independent decisions"
        in lines
    )
    assert [(row["decision_a"], row["decision_b"], row["change"]) for row in rows_of(Path("flips.csv"))] == [
        ("happy|sad", "angry", "wrong -> right"),
        ("angry", "angry|happy", "right -> wrong"),
    ]


def test_ids_that_repeat_are_told_apart_by_their_dialogues(here):
    """Folds may test utterances of all splits of a corpus, and MELD numbers its dialogues anew in each."""
    wrongs = ({3, 5, 8}, {5, 23})
    origin = make_origin(folds=3, trained=[30, 30, 30])
    plain = [in_dialogues(decided(wrong(rows), origin=origin), length=20) for rows in wrongs]
    ids = tuple(f"dia0_utt{row % 20}" for row in range(40))
    members = tuple(MemberScore(f"run-{fold + 1}", fold, 0.8, 0.8) for fold in range(3))
    stored("a", changed(plain[0], ids=ids, members=members))
    turned = [*range(20, 40), *range(20)]  # the other run has its folds in another order
    own = plain[1].predictions
    other = changed(
        plain[1],
        ids=tuple(ids[row] for row in turned),
        members=members,
        logits=own.logits[:, turned],
        targets=own.targets[turned],
    )
    stored("b", replace(other, spoken=tuple(plain[1].spoken[row] for row in turned)))
    said = run("a", "b", "--csv", "flips.csv").stdout
    assert "from A to B: 2 wrong -> right · 1 right -> wrong" in said
    assert {row["utterance"] for row in rows_of(Path("flips.csv"))} >= {"dia0_utt3", "dia0_utt8"}
