"""The analysis behind `sertool report`, on stored predictions made by hand and on the nine cases of the reference."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES, REFERENCE, copy_case, tiny_recipe
from stored_sets import changed, make_origin, make_set, only, report, shuffled, write_run
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.files import artifacts
from sertool.core.metrics import Bootstrap, clusters_of
from sertool.core.metrics.calibration import fit_temperature
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.recipe.load import load
from sertool.core.reports.build import build_report
from sertool.core.reports.contents import Report, RunReport
from sertool.core.reports.findings import KINDS, SEVERITIES
from sertool.core.reports.slices import slice_rows
from sertool.core.runs.prediction_files import write_set
from sertool.core.runs.predictions import MemberScore

PAPER = tiny_recipe(protocol="paper")
PAPERS = make_origin(PAPER, selected_on_test=True)
CASES = sorted(path.parent.name for path in REFERENCE.glob("*/expected.json"))


def kinds(run: RunReport) -> list[str]:
    return [found.kind for found in run.findings]


def text(run: RunReport, kind: str) -> str:
    (found,) = [found.text for found in run.findings if found.kind == kind]
    return found


@pytest.fixture
def clean(tmp_path):
    """A folder with one clean run."""
    write_run(tmp_path / "tiny", make_set("test"), make_set("valid", 200))
    return tmp_path


def test_a_clean_run_has_no_finding_and_no_problem(clean):
    made = report(clean)
    assert made.problems == ()
    assert made.runs[0].findings == ()
    assert made.title == "tiny"
    assert list(made.runs[0].sets) == ["test", "valid"]


def test_figures_are_those_of_the_metrics(clean):
    stored = make_set("test")
    own, run = stored.predictions, only(clean)
    test = run.sets["test"]
    decisions = own.decisions(test.k)
    for name, metric in METRICS.items():
        assert test.metrics[name].value == metric(own.targets, decisions, 3)
        assert test.metrics[name].low < test.metrics[name].value < test.metrics[name].high
        assert [size.metrics[name] for size in test.sizes] == [own.metric(name, k) for k in (1, 2, 3)]
        alone = [metric(own.targets, decide(one, "single"), 3) for one in own.logits]
        assert [member.metrics[name] for member in test.members] == alone
        assert test.spread[name].mean == pytest.approx(np.mean(alone))
        assert test.spread[name].sd == pytest.approx(np.std(alone, ddof=1))
    assert (test.unit, test.clusters, test.unit_note) == ("speaker", 10, "")
    assert [row.support for row in test.classes] == np.bincount(own.targets).tolist()
    assert [row.predicted for row in test.classes] == np.bincount(decisions).tolist()
    assert [row.train for row in test.classes] == [300, 250, 250]
    assert np.diag(test.confusion).sum() == round(test.metrics["accuracy"].value * 400)
    assert test.majority == np.bincount(own.targets).max() / 400
    assert test.scores == {}
    assert sum(bin.count for bin in test.calibration.bins) == 400
    assert test.calibration.risk[-1].coverage == 1


def test_utterances_are_all_there_for_browsing(clean):
    rows = only(clean).sets["test"].rows
    assert [row.id for row in rows] == [f"test{number}" for number in range(400)]
    for row in rows:
        assert row.right == (row.target == row.decision)
        assert row.confidence == max(row.probabilities)
        assert CLASSES[int(np.argmax(row.probabilities))] == row.decision
        assert sum(row.probabilities) == pytest.approx(1)
        assert 0 <= row.members <= 3
    assert {row.members for row in rows} > {3}


def test_validation_chooses_the_size_and_equal_ones_give_the_smallest(tmp_path):
    valid, test = make_set("valid", 200), make_set("test")
    logits = valid.predictions.logits.copy()
    logits[0] = -logits[0]  # the first member alone is wrong, the first two together still are
    logits[1] = 0.5 * logits[1]
    write_run(tmp_path / "tiny", test, changed(valid, logits=logits))
    run = only(tmp_path)
    by_size = [changed(valid, logits=logits).predictions.metric("accuracy", k) for k in (1, 2, 3)]
    assert (run.chosen_by, run.sets["test"].k) == ("validation", 1 + int(np.argmax(by_size)))
    assert run.sets["test"].k == 3
    same = np.stack([valid.predictions.logits[0]] * 3)
    write_run(tmp_path / "tiny", test, changed(valid, logits=same))
    assert only(tmp_path).sets["test"].k == 1


@pytest.mark.parametrize(
    ("selected", "stamp"),
    [(True, "selected on test: epochs, order and k"), (False, "selected on test: k")],
)
def test_the_papers_protocol_takes_the_best_size_on_test_and_says_so(tmp_path, selected, stamp):
    origin = replace(PAPERS, selected_on_test=selected)
    test, valid = make_set("test", origin=origin), make_set("valid", 200, origin=origin)
    write_run(tmp_path / "tiny", test, valid)
    run = only(tmp_path)
    figures = [test.predictions.metric("accuracy", k) for k in (1, 2, 3)]
    assert run.sets["test"].k == 1 + int(np.argmax(figures))
    assert (run.chosen_by, run.stamp) == ("test", stamp)
    chosen = stamp.partition(": ")[2]
    verb = "was" if chosen == "k" else "were"
    assert (
        text(run, "selected-on-test")
        == f"{chosen} {verb} selected on the test utterances, as in the paper: the figures are optimistic"
    )
    assert report(tmp_path).tasks[0].ours[0].stamp == stamp


def test_without_validation_all_members_are_averaged_and_nothing_is_calibrated(tmp_path):
    write_run(tmp_path / "tiny", make_set("test"))
    run = only(tmp_path)
    assert (run.chosen_by, run.sets["test"].k, run.stamp) == ("all", 3, "")
    assert run.sets["test"].calibration.temperature is None
    assert run.provenance["size"] == (
        "all 3 members are averaged, because no predictions on validation are stored to choose k"
    )
    assert run.provenance["calibration"] == (
        "none: neither a temperature of the first 3 members nor predictions on validation are stored"
    )


def test_a_stored_temperature_is_used_for_its_members_only(clean):
    run = only(clean)
    stored = json.loads((clean / "tiny/calibration.json").read_text())
    valid = make_set("valid", 200).predictions
    k = run.sets["test"].k
    refit = fit_temperature(valid.ensemble_logits(k), valid.targets, "single")
    assert k == 2
    assert run.sets["test"].calibration.temperature == refit
    assert run.provenance["calibration"].endswith("fitted on validation for the first 2 members")
    stored |= {"members": ["run-1", "run-2"], "temperature": 1.25}
    (clean / "tiny/calibration.json").write_text(json.dumps(stored))
    run = only(clean)
    assert run.sets["test"].calibration.temperature == 1.25
    assert run.provenance["calibration"] == "temperature 1.250, stored with the run"


def test_a_temperature_is_never_fitted_on_test(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", origin=PAPERS), make_set("valid", origin=PAPERS))
    run = only(tmp_path)
    assert run.sets["test"].calibration.temperature is None
    assert run.provenance["calibration"].startswith("none: validation is the test split")


# Findings


def planted(kind: str, folder: Path) -> None:
    """A run with one thing wrong."""
    test, valid, options = make_set("test"), make_set("valid", 200), {}
    own, random = test.predictions, np.random.default_rng(1)
    if kind == "miscalibrated":
        noisy = random.random(400) < 0.4
        test = changed(test, targets=np.where(noisy, random.integers(0, 3, 400), own.targets))
    elif kind == "weak-slice":
        women = np.array([one.gender == "f" for one in test.spoken])
        test = changed(test, targets=np.where(women & (random.random(400) < 0.5), 0, own.targets))
    elif kind in ("ignores-audio", "ignores-text"):
        ignored = kind.removeprefix("ignores-")
        other = {"audio": "text", "text": "audio"}[ignored]
        options["probes"] = lambda stored: {
            f"{ignored} shuffled": stored.predictions.logits,
            f"{ignored} masked": stored.predictions.logits,
            f"{other} shuffled": shuffled(stored),
            f"{other} masked": shuffled(stored, 6),
        }
    elif kind == "never-predicted":
        logits = own.logits.copy()
        logits[:, :, 2] = -20
        test = changed(test, logits=logits)
    elif kind == "no-better-than-majority":
        test = changed(test, targets=random.integers(0, 3, 400))
    elif kind == "nan-logits":
        logits = own.logits.copy()
        logits[1, 7, 0] = np.nan
        test = changed(test, logits=logits)
    elif kind in ("few-members", "one-member"):
        left = 2 if kind == "few-members" else 1
        test, valid = (
            changed(one, logits=one.predictions.logits[:left], members=one.predictions.members[:left])
            for one in (test, valid)
        )
    elif kind == "few-clusters":
        test = make_set("test", speakers=3)
    elif kind == "read-often":
        options["judged"] = 4
    else:
        test, valid = (replace(one, origin=made_by(kind)) for one in (test, valid))
    write_run(folder, test, valid, **options)


def made_by(kind: str):
    if kind == "selected-on-test":
        return PAPERS
    if kind == "seen-in-test":
        return make_origin(started_from="earlier", seen_in_test=12)
    return make_origin(
        doctor=[["no-text", "warning", "3 utterances without words"], [kind, "error", "as told"]]
    )


TEXTS = {
    "seen-in-test": "earlier, from which it started, was trained or selected on 12 test utterances",
    "shared-speakers": "as told",
    "nan-logits": "1 of 3 members have no finite logits and are left out: run-2",
    "few-members": "only 2 of the 3 members that the recipe asks for have finished",
    "one-member": "only one member: the variation between seeds is unknown",
    "few-clusters": "only 3 speakers: the interval is rough",
    "read-often": "the test labels were used for evaluation 4 times; each time is a chance to choose by them",
    "ignores-audio": "test: uses the text and ignores the audio: with the audio of other utterances the accuracy "
    "stays at {0} % ({0} % as it is)",
    "ignores-text": "test: uses the audio and ignores the text: with the text of other utterances the accuracy "
    "stays at {0} % ({0} % as it is)",
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
        "no-better-than-majority": {"miscalibrated"},
        "never-predicted": {"weak-slice", "miscalibrated"},
        "weak-slice": {"miscalibrated"},
        "selected-on-test": {"miscalibrated"},
        "miscalibrated": {"weak-slice"},
    }
    assert set(kinds(run)) <= {kind} | beside.get(kind, set())


def test_miscalibration_says_which_way(tmp_path):
    planted("miscalibrated", tmp_path / "tiny")
    run = only(tmp_path)
    row = run.sets["test"].calibration
    said = text(run, "miscalibrated")
    assert said.startswith(
        f"test: overconfident: mean probability {100 * row.confidence:.1f} %, accuracy {100 * row.accuracy:.1f} %; "
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


def test_parts_are_named_and_tested_together(clean):
    rows = only(clean).sets["test"].slices
    assert [row.name for row in rows if row.kind == "speaker"] == [f"test-{number}" for number in range(10)]
    assert [row.name for row in rows if row.kind == "gender"] == ["f", "m"]
    assert [row.name for row in rows if row.kind == "words"] == [
        "1 to 4 words",
        "5 to 8 words",
        "9 to 12 words",
    ]
    assert [row.name for row in rows if row.kind == "seconds"] == [
        "0.4 to 1.6 s",
        "2.0 to 3.2 s",
        "3.6 to 4.8 s",
    ]
    assert [row.name for row in rows if row.kind == "class"] == list(CLASSES)
    assert not [row for row in rows if row.kind == "modality"]
    assert not any(row.weak for row in rows)
    assert all(row.accuracy.low <= row.accuracy.value <= row.accuracy.high for row in rows)


def test_parts_of_clean_sets_are_seldom_weak_however_much_speakers_differ():
    weak = 0
    for seed in range(100):
        stored, random = make_set("test", seed=seed), np.random.default_rng(seed)
        skill = random.normal(0.8, 1, 10)[np.arange(400) % 10]
        right = (random.random(400) < 1 / (1 + np.exp(-skill))).astype(float)
        bootstrap = Bootstrap(clusters_of(stored.spoken), resamples=500)
        weak += any(row.weak for row in slice_rows(stored, right, bootstrap) if row.kind != "speaker")
    assert weak <= 8


def test_a_gender_of_few_speakers_is_not_tested(tmp_path):
    test = make_set("test", speakers=4)
    women = np.array([one.gender == "f" for one in test.spoken])
    wrong = (test.predictions.logits.mean(0).argmax(-1) + 1) % 3
    write_run(tmp_path / "tiny", changed(test, targets=np.where(women, wrong, test.predictions.targets)))
    rows = {row.name: row for row in only(tmp_path).sets["test"].slices}
    assert rows["f"].difference < -0.5
    assert (rows["f"].p, rows["f"].weak) == (None, False)
    assert rows["test-0"].weak


def test_missing_modalities_are_parts_and_small_parts_are_not_tested(tmp_path):
    test = make_set("test", 60)
    spoken = [replace(one, words=0, text="") if row < 12 else one for row, one in enumerate(test.spoken)]
    spoken = [replace(one, frames=0) if 12 <= row < 15 else one for row, one in enumerate(spoken)]
    write_run(tmp_path / "tiny", replace(test, spoken=tuple(spoken)))
    rows = {(row.kind, row.name): row for row in only(tmp_path).sets["test"].slices}
    assert rows["modality", "no text"].size == rows["words", "no words"].size == 12
    assert rows["modality", "no audio"].size == 3
    assert rows["modality", "no audio"].p is None
    assert rows["modality", "no text"].p is not None
    assert rows["modality", "text and audio"].size == 45


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


# Kinds of sets


def test_one_utterance(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", 1))
    run = only(tmp_path)
    test = run.sets["test"]
    assert test.metrics["accuracy"].low is None
    assert test.slices == ()
    assert text(run, "few-clusters") == "one utterance only: no interval can be given"


def test_one_speaker_and_one_class(tmp_path):
    test = make_set("test", 80, speakers=1)
    write_run(tmp_path / "tiny", changed(test, targets=np.ones(80, np.int64)))
    run = only(tmp_path)
    assert text(run, "few-clusters") == (
        "one speaker only: the interval is over utterances, and says nothing about other speakers"
    )
    assert "always predicting happy reaches 100.0 %" in text(run, "no-better-than-majority")
    assert "UAR" not in text(run, "no-better-than-majority")
    assert [row.support for row in run.sets["test"].classes] == [0, 80, 0]
    assert [row.kind for row in run.sets["test"].slices] == ["words"] * 3 + ["seconds"] * 3


def test_accuracy_below_the_majority_with_a_uar_above_chance_says_both(tmp_path):
    test = make_set("test")
    targets = test.predictions.targets.copy()
    logits = test.predictions.logits.copy()
    targets[:320] = 0
    logits[:, :200] = (0, 9, 0)
    logits[:, 200:] = 9 * np.eye(3)[targets[200:]]
    write_run(tmp_path / "tiny", changed(test, logits=logits, targets=targets))
    said = text(only(tmp_path), "no-better-than-majority")
    assert said.startswith("test: accuracy 50.0 %, while always predicting angry reaches 8")
    assert said.endswith(" is above chance, 33.3 %")


def test_several_labels(tmp_path):
    test, valid = (make_set(name, 300, kind="multi", seed=2) for name in ("test", "valid"))
    stored = make_origin(rule="present")
    write_run(tmp_path / "tiny", *(replace(one, origin=stored) for one in (test, valid)))
    run = only(tmp_path)
    own, shown = test.predictions, run.sets["test"]
    assert run.kind == "multi"
    assert shown.metrics["accuracy"].value == own.metric("accuracy", shown.k)
    assert (shown.confusion, shown.majority) == (None, None)
    assert [row.support for row in shown.classes] == own.targets.sum(0).tolist()
    happy = next(row for row in shown.slices if row.name == "happy")
    assert happy.size == own.targets[:, 1].sum()
    assert happy.accuracy.value == pytest.approx(
        (own.decisions(shown.k) == own.targets)[own.targets[:, 1] > 0].mean()
    )
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
        MemberScore(f"run-{seed}-{fold}", fold, 0.7 + fold / 100, 0.8)
        for seed in (1, 2, 3)
        for fold in range(3)
    )


def test_cross_validation_knows_members_by_their_accuracy_only(tmp_path):
    recipe = tiny_recipe(splits={"scheme": "folds", "folds": 3})
    origin = make_origin(recipe, folds=3)
    members = tuple(
        MemberScore(f"run-{seed}-{fold}", fold, 0.7 + fold / 100, 0.8)
        for seed in (1, 2, 3)
        for fold in range(3)
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
    assert (
        text(run, "nan-logits")
        == "3 of 9 members have no finite logits and are left out: run-2-0, run-2-1, run-2-2"
    )
    assert run.members == 6


def test_published_counts_stand_beside_ours_where_the_split_is_the_corpuss_own(tmp_path):
    counts = {"test": {"utterances": 500, "classes": [200, 150, 150]}, "valid": {"utterances": 200}}
    for scheme, shown in (("corpus", [500, 200]), ("holdout", [500, None])):
        recipe = tiny_recipe(expected=counts, splits={"scheme": scheme})
        write_run(
            tmp_path / scheme, *(make_set(name, origin=make_origin(recipe)) for name in ("test", "valid"))
        )
        (run,) = report(tmp_path, scheme).runs
        assert [run.sets[name].published_utterances for name in ("test", "valid")] == shown
        assert [row.published for row in run.sets["test"].classes] == [200, 150, 150]
        assert [row.published for row in run.sets["valid"].classes] == [None] * 3


# Tables


def pair(folder: Path, honest_ids: range = range(400), **changes) -> Report:
    """A paper's run, and an honest one that is worse and was judged on the utterances of these numbers."""
    test, rows = make_set("test"), [number % 400 for number in honest_ids]
    write_run(folder / "tiny", replace(test, origin=PAPERS))
    own = test.predictions
    noise = np.random.default_rng(2).normal(0, 2, own.logits.shape).astype(np.float32)
    origin = make_origin(tiny_recipe(name="tiny-honest"), counts={"train": 700, "test": 400})
    honest = changed(
        replace(test, origin=origin, spoken=tuple(test.spoken[row] for row in rows)),
        ids=tuple(f"test{number}" for number in honest_ids),
        utterances=tuple(honest_ids),
        targets=own.targets[rows],
        logits=(own.logits + noise)[:, rows],
    )
    write_run(folder / "tiny-honest", changed(honest, **changes))
    return report(folder)


def test_paper_less_honest_is_paired_over_the_same_utterances(tmp_path):
    (task,) = pair(tmp_path).tasks
    on_test = [make_set("test").predictions.metric("accuracy", k) for k in (1, 2, 3)]
    assert [(row.run, row.protocol, row.k) for row in task.ours] == [
        ("tiny", "paper", 1 + int(np.argmax(on_test))),
        ("tiny-honest", "honest", 3),
    ]
    rows = {row.metric: row for row in task.differences}
    assert list(rows) == list(METRICS)
    difference = rows["accuracy"].difference
    figures = [row.metrics["accuracy"].value for row in task.ours]
    assert difference.value == pytest.approx(figures[0] - figures[1])
    assert 0 < difference.low < difference.value < difference.high
    assert rows["accuracy"].p < 0.05
    assert {row.note for row in task.differences} == {
        "the honest run was trained on 700 utterances, the paper's run on 800 utterances"
    }


def test_the_difference_is_over_shared_utterances_and_says_so(tmp_path):
    (task,) = pair(tmp_path, range(150, 500)).tasks
    row = task.differences[0]
    assert row.note.startswith("over the 250 utterances that both runs cover; ")
    assert row.difference.low is not None


def test_without_shared_utterances_or_with_other_labels_there_is_no_interval(tmp_path):
    (task,) = pair(tmp_path, range(400, 800)).tasks
    row = task.differences[0]
    assert (row.difference.low, row.p) == (None, None)
    assert row.note.startswith("the test utterances differ, so there is no interval; ")
    (task,) = pair(tmp_path, targets=np.zeros(400, np.int64)).tasks
    assert task.differences[0].note.startswith(
        "the labels of the same utterances differ, so there is no interval; "
    )


def test_runs_that_differ_in_more_than_protocol_are_not_set_against_each_other(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", origin=PAPERS))
    larger = tiny_recipe(name="larger", model={"hidden_size": 16})
    write_run(tmp_path / "larger", make_set("test", origin=make_origin(larger)))
    (task,) = report(tmp_path).tasks
    assert len(task.ours) == 2
    assert task.differences == ()


def test_published_figures_are_the_recipes(tmp_path):
    recipe = load("iemocap")
    origin = make_origin(recipe, dataset="IEMOCAP", selected_on_test=True)
    write_run(tmp_path / "iemocap", make_set("test", classes=list("abcd"), origin=origin))
    (task,) = report(tmp_path).tasks
    assert [(row.metric, row.value, row.members) for row in task.published] == [
        ("accuracy", 787 / 1085, 5),
        ("f1_weighted", 0.74, None),
    ]


def test_expected_recipes_without_a_result_say_what_to_do(tmp_path):
    (tmp_path / "data/VGAF").mkdir(parents=True)
    folder = tmp_path / "ckpt"
    (folder / "meld/run-1").mkdir(parents=True)
    (folder / "meld/run-1/run.json").write_text("{}")
    write_run(folder / "tiny", make_set("test"))
    data = tmp_path / "data"
    made = build_report(["tiny"], folder, data, expect=["iemocap", "vgaf", "meld", "emodb"])
    lines = {line for task in made.tasks for line in task.missing}
    assert lines == {
        f"iemocap: needs {data}/IEMOCAP: sertool fetch-data data",
        "vgaf: not trained yet: sertool train --recipe vgaf",
        "meld: not evaluated yet: sertool ensemble --name meld --sets test",
        f"emodb: needs {data}/EMODB: sertool recipes show emodb",
    }
    assert [(task.dataset, task.task) for task in made.tasks][:2] == [
        ("TINY", "emotion"),
        ("IEMOCAP", "emotion"),
    ]


def test_published_stands_for_the_recipes_of_the_published_data_sets(tmp_path):
    made = report(tmp_path, expect=["published"])
    names = [line.partition(":")[0] for task in made.tasks for line in task.missing]
    assert len(names) == len(set(names)) == 21
    assert not {"demo", "custom", "emodb", "iemocap-tuned"} & set(names)
    assert made.runs == made.problems == ()


def test_an_expected_run_is_reported_without_being_named(tmp_path):
    write_run(tmp_path / "vgaf", make_set("test", origin=make_origin(load("vgaf"), dataset="VGAF")))
    made = report(tmp_path, expect=["vgaf"])
    assert [run.name for run in made.runs] == ["vgaf"]
    assert made.tasks[0].missing == ()


# Where it is from


def test_histories_seeds_reads_and_commands(clean, monkeypatch):
    folder = clean / "tiny"
    epoch = {"epoch": 1, "loss": 0.5, "score": 0.4, "learning_rate": 0.01, "outcome": "better"}
    for seed in (1, 2, 3, 10):
        artifacts.write_json_lines(folder / f"run-{seed}/history.jsonl", [epoch])
        if seed < 10:  # the last one is still training
            note = {"format": "sertool-run/1", "seed": seed, "fold": 0, "score": 0.4, "epochs": 1}
            artifacts.write_json(folder / f"run-{seed}/run.json", note)
    monkeypatch.chdir(clean)
    (run,) = build_report(["tiny"], Path(), Path("data")).runs
    assert list(run.histories) == ["run-1", "run-2", "run-3", "run-10"]
    assert run.histories["run-10"][0].loss == 0.5
    assert [read.by for read in run.reads] == ["sertool train", "sertool ensemble"]
    assert run.provenance["seconds of training"] == "8"
    assert run.commands == (
        "sertool train --recipe tiny/recipe.yaml --output .",
        "sertool ensemble --name tiny --sets valid,test --output .",
        "sertool report --name tiny --output .",
    )


def test_a_shipped_recipe_is_named_in_the_commands(tmp_path):
    origin = make_origin(load("demo"), started_from="earlier", data_hash="00ff")
    write_run(
        tmp_path / "mine", make_set("test", origin=origin), probes=lambda own: {"text masked": shuffled(own)}
    )
    (run,) = build_report(["mine"], tmp_path, Path("data"), command="sertool report --all").runs
    assert run.commands == (
        f"sertool train --recipe demo --name mine --from earlier --output {tmp_path}",
        f"sertool ensemble --name mine --sets test --output {tmp_path} --probe",
        "sertool report --all",
    )
    assert run.data_hash == run.provenance["data hash"] == "00ff"


# The reference


@cache
def expected(case: str) -> dict:
    return json.loads((REFERENCE / case / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_the_references_figures(case, tmp_path, monkeypatch):
    monkeypatch.chdir(copy_case(case, tmp_path))
    numbers = {name: own for name, own in expected(case)["sets"].items() if "labels" in own}
    done = CliRunner().invoke(app, ["ensemble", "--name", "ref", "--sets", ",".join(expected(case)["sets"])])
    assert done.exit_code == 0, done.output
    made = build_report(["ref"], Path("ckpt"), Path("data"))
    (run,) = made.runs
    assert set(run.sets) == set(numbers)
    assert (run.protocol, run.chosen_by) == ("paper", "test")
    assert (run.members, run.expected_members) == (2, 2)
    for name, own in numbers.items():
        shown = run.sets[name]
        members = dict(zip(expected(case)["checkpoints"], own["accuracy"], strict=True))
        assert {one.name: 100 * one.metrics["accuracy"] for one in shown.members} == pytest.approx(members)
        assert 100 * shown.sizes[0].metrics["accuracy"] == pytest.approx(members[shown.members[0].name])
        assert 100 * shown.sizes[1].metrics["accuracy"] == pytest.approx(own["ensemble_accuracy"][1])
        if shown.k == 2:
            assert_report(shown, own["report"])
    assert made.problems == ()


def assert_report(shown, text: str) -> None:
    """Precision, recall, F1 and support of each class as the reference's report prints them."""
    lines = [line.split() for line in text.splitlines()]
    printed = {line[0]: line[1:] for line in lines if len(line) == 5 and line[0].isdigit()}
    assert printed
    for number, row in enumerate(shown.classes):
        figures = [f"{own.value:.2f}" for own in (row.precision, row.recall, row.f1)]
        wanted = printed.get(str(number), ["0.00", "0.00", "0.00", "0"])
        assert [*figures, str(row.support)] == wanted
