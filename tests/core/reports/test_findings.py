"""Findings of a report: what is wrong with a run is named, with its figures; what is right is not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import tiny_recipe
from faulty_runs import kinds, planted, text
from stored_sets import changed, make_origin, make_set, only, report, write_run

from sertool.core.reports.findings import KINDS, SEVERITIES
from sertool.core.runs.prediction_files import write_set

TEXTS = {
    "seen-in-test": "earlier, from which it started, was trained or selected on 12 test utterances",
    "shared-speakers": "as told",
    "training-unknown": "how it was trained is not known: the judged utterances, or their speakers, may have been "
    "in its training",
    "training-stated": "imported, training as stated: an SVM on the train split",
    "no-test-split": "all utterances with a label were judged, not a test split",
    "nan-logits": "1 of 3 members have no finite logits and are left out: run-2",
    "few-members": "only 2 of 3 members have finished",
    "one-member": "only one member: the variation between seeds is unknown",
    "other-clusters": "only 2 speakers: the interval is over 9 videos, and says nothing about other speakers",
    "few-clusters": "3 test speakers: too few for an interval (5 are needed); cross-validate with "
    "--set splits.scheme=folds",
    "read-often": "the test labels were used for evaluation 4 times; each time is a chance to choose by them",
    "ignores-audio": "test: it uses the text and ignores the audio: with the audio of other utterances the accuracy "
    "stays at {0} % ({0} % as it is), and the 95 % interval excludes a fall of 2 points",
    "ignores-context": "test: it uses the text and the audio and ignores the dialogue: with the dialogue of other "
    "utterances the accuracy stays at {0} % ({0} % as it is), and the 95 % interval excludes a fall of 2 points",
    "ignores-text": "test: it uses the audio and ignores the text: with the text of other utterances the accuracy "
    "stays at {0} % ({0} % as it is), and the 95 % interval excludes a fall of 2 points",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_named_by_its_kind(tmp_path, kind):
    planted(kind, tmp_path / "tiny")
    run = only(tmp_path)
    assert kind in kinds(run)
    severities = [SEVERITIES.index(found.severity) for found in run.findings]
    assert severities == sorted(severities)
    assert all(found.severity == KINDS[found.kind][0] for found in run.findings)
    if kind in TEXTS:
        accuracy = f"{100 * run.sets['test'].metrics['accuracy'].value:.1f}"
        assert text(run, kind) == TEXTS[kind].format(accuracy)
    beside = {
        "one-member": {"few-members", "weak-slice"},
        "no-probabilities": {"training-unknown"},
        "no-test-split": {"training-unknown"},
        "no-better-than-majority": {"miscalibrated"},
        "never-predicted": {"weak-slice", "miscalibrated"},
        "weak-slice": {"miscalibrated"},
        "selected-on-test": {"miscalibrated"},
        "miscalibrated": {"weak-slice"},
    }
    assert set(kinds(run)) <= {kind} | beside.get(kind, set())


@pytest.mark.parametrize(
    ("asked", "left", "said"),
    [
        ([2], 2, None),
        ([5, 2], 2, None),
        ([2, 5], 2, "only 2 of 5 members have finished"),
        ([4], 1, "only 1 of 4 members has finished"),
        ([2], 3, None),
        ([], 2, "only 2 of 3 members have finished"),
    ],
)
def test_members_are_few_if_the_last_training_was_asked_for_more(tmp_path, asked, left, said):
    """The recipe has three, and counts for logs of earlier versions, which do not say what was asked."""
    test = make_set("test")
    own = test.predictions
    write_run(tmp_path / "tiny", changed(test, logits=own.logits[:left], members=own.members[:left]))
    with (tmp_path / "tiny/log.jsonl").open("a") as file:
        file.writelines(json.dumps({"asked": number}) + "\n" for number in asked)
    run = only(tmp_path)
    assert [one.text for one in run.findings if one.kind == "few-members"] == ([said] if said else [])
    assert run.expected_members == max([left, *(asked or [3])[-1:]])


def test_miscalibration_says_which_way(tmp_path):
    planted("miscalibrated", tmp_path / "tiny")
    run = only(tmp_path)
    row = run.sets["test"].calibration
    said = text(run, "miscalibrated")
    assert said.startswith(
        f"test: overconfident: mean probability {100 * row.confidence:.1f} %, correct {100 * row.accuracy:.1f} %; "
    )
    assert row.p < 0.01
    test, valid = make_set("test"), make_set("valid", 200)
    write_run(tmp_path / "other", changed(test, logits=test.predictions.logits / 4), valid)
    (other,) = report(tmp_path, "other").runs
    assert text(other, "miscalibrated").startswith("test: underconfident: mean probability ")


def test_a_weak_part_is_named_with_its_figures(tmp_path):
    planted("weak-slice", tmp_path / "tiny")
    run = only(tmp_path)
    (women,) = [row for row in run.sets["test"].slices if (row.kind, row.name) == ("gender", "f")]
    assert women.weak
    assert (women.size, women.clusters) == (200, 5)
    told = [found.text for found in run.findings if found.kind == "weak-slice"]
    start = f"test: gender f: accuracy {100 * women.accuracy.value:.1f} % ("
    assert sum(one.startswith(start) for one in told) == 1
    (said,) = [one for one in told if one.startswith(start)]
    assert f"{-100 * women.difference:.1f} points below the rest (200 utterances of 5 speakers, p " in said


def test_accuracy_below_the_majority_with_a_uar_above_chance_says_both(tmp_path):
    test = make_set("test")
    targets = test.predictions.targets.copy()
    logits = test.predictions.logits.copy()
    targets[:320] = 0
    logits[:, :200] = (0, 9, 0)
    logits[:, 200:] = 9 * np.eye(3)[targets[200:]]
    write_run(tmp_path / "tiny", changed(test, logits=logits, targets=targets))
    said = text(only(tmp_path), "no-better-than-majority")
    assert said.startswith("test: accuracy 50.0 % (46.3 - 53.7), while always angry reaches 8")
    assert said.endswith(" is above chance, 33.3 %")


def test_a_model_of_one_modality_is_not_said_to_ignore_the_other(tmp_path):
    planted("ignores-audio", tmp_path / "tiny")
    recipe = tiny_recipe(dataset={"modalities": ["text"]})
    for name in ("test", "valid"):
        stored = make_set(name, 400 if name == "test" else 200)
        write_set(tmp_path / "tiny", replace(stored, origin=make_origin(recipe=recipe)))
    run = only(tmp_path)
    assert len(run.sets["test"].probes) == 4
    assert "ignores-audio" not in kinds(run)


def test_probes_tell_what_they_cost(tmp_path):
    planted("ignores-audio", tmp_path / "tiny")
    test = only(tmp_path).sets["test"]
    rows = {row.name: row for row in test.probes}
    assert list(rows) == ["text masked", "text shuffled", "audio masked", "audio shuffled"]
    assert rows["audio masked"].drop.value == 0
    assert rows["audio masked"].p == 1
    for name in ("text masked", "text shuffled"):
        row = rows[name]
        assert row.drop.value == pytest.approx(test.metrics["accuracy"].value - row.metrics["accuracy"].value)
        assert row.drop.low > 0.2
        assert row.p < 0.001
