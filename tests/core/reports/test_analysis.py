"""The figures of a report, on stored predictions made by hand and on the nine cases of the reference."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES, REFERENCE, copy_case
from faulty_runs import PAPERS, text
from stored_sets import changed, make_origin, make_set, only, report, shuffled, write_run
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.files import artifacts
from sertool.core.metrics.calibration import fit_temperature
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.metrics.clusters import clusters_of
from sertool.core.recipe.load import load
from sertool.core.reports.build import build_report
from sertool.core.runs.ensemble_size import (
    all_members,
    choose_best,
    chosen_by_user,
    read_size,
    write_size,
)


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
    assert test.baseline.metrics["accuracy"] == np.bincount(own.targets).max() / 400
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


def test_the_size_is_the_one_stored_with_the_run(clean):
    size = read_size(clean / "tiny")
    for k in (1, 2):
        write_size(clean / "tiny", replace(size, k=k, reason="because"))
        run = only(clean)
        assert (run.chosen_by, run.sets["test"].k, run.sets["valid"].k) == ("validation", k, k)
        own = make_set("test").predictions
        assert run.sets["test"].metrics["uar"].value == own.metric("uar", k)
        assert run.provenance["size"].endswith("chosen on validation by accuracy: because")
        assert report(clean).tasks[0].ours[0].k == k


def test_a_size_of_the_user_is_named_and_repeated_in_the_command(clean):
    write_size(clean / "tiny", chosen_by_user(make_set().predictions.members, 2))
    run = only(clean)
    assert (run.chosen_by, run.sets["test"].k) == ("user", 2)
    assert run.provenance["size"] == "2 members, chosen by the user"
    assert " --members 2 " in run.commands[1]


@pytest.mark.parametrize("stored", [False, True])
def test_a_run_without_a_size_for_its_members_is_reported_as_before_and_says_what_others_use(tmp_path, stored):
    valid = make_set("valid", 200)
    write_run(tmp_path / "tiny", make_set("test"), valid, sized=False)
    why = "no size is stored with the run"
    if stored:  # trained further since
        write_size(tmp_path / "tiny", all_members(make_set(members=2).predictions.members, ""))
        why = "the stored size was chosen among other members"
    run = only(tmp_path)
    best = 1 + int(np.argmax([valid.predictions.metric("accuracy", k) for k in (1, 2, 3)]))
    assert (run.chosen_by, run.sets["test"].k, best) == ("validation", 2, 2)
    assert report(tmp_path).tasks[0].ours[0].note == (
        f"{why}; sertool ensemble --name tiny chooses it; "
        "until then report and compare average 2 members, predict and export all 3"
    )


def test_under_the_papers_protocol_a_run_without_a_size_is_chosen_on_test_and_says_so(tmp_path):
    test = make_set("test", origin=PAPERS)
    write_run(tmp_path / "tiny", test, sized=False)
    (row,) = report(tmp_path).tasks[0].ours
    assert row.k == choose_best(test.predictions, "accuracy").k < 3
    assert row.note.startswith("no size is stored with the run; sertool ensemble --name tiny chooses it; until then ")


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
    assert run.provenance["size"] == "3 members, all that were trained: there are no validation utterances to choose on"
    assert run.provenance["calibration"] == (
        "uncalibrated: neither a temperature of the first 3 members nor predictions on validation are stored"
    )


def test_a_stored_temperature_is_used_for_its_members_only(clean):
    write_size(clean / "tiny", chosen_by_user(make_set().predictions.members, 2))
    run = only(clean)
    stored = json.loads((clean / "tiny/calibration.json").read_text())
    valid = make_set("valid", 200)
    own, k = valid.predictions, run.sets["test"].k
    refit = fit_temperature(own.ensemble_logits(k), own.targets, "single", clusters_of(valid.spoken))
    assert k == 2
    assert run.sets["test"].calibration.temperature is None  # these logits are right as they are
    reason = f"cannot tell the temperature from 1: its 95 % interval is {refit.low:.2f} to {refit.high:.2f}"
    assert run.sets["test"].calibration.uncalibrated == f"200 validation utterances {reason}"
    assert run.provenance["calibration"] == f"uncalibrated: 200 validation utterances {reason}"
    stored |= {"members": ["run-1", "run-2"], "temperature": 1.25, "calibrated": True, "reason": ""}
    (clean / "tiny/calibration.json").write_text(json.dumps(stored))
    run = only(clean)
    assert run.sets["test"].calibration.temperature == 1.25
    assert run.provenance["calibration"] == "temperature 1.250, stored with the run"


def test_a_temperature_that_is_not_stored_is_fitted_on_validation(tmp_path):
    sets = [make_set("test"), make_set("valid", 200)]
    sure = [changed(own, logits=3 * own.predictions.logits) for own in sets]
    write_run(tmp_path / "tiny", *sure, calibrated=False)
    run = only(tmp_path)
    valid, k = sure[1], run.sets["test"].k
    own = valid.predictions
    refit = fit_temperature(own.ensemble_logits(k), own.targets, "single", clusters_of(valid.spoken))
    calibration = run.sets["test"].calibration
    assert (calibration.temperature, calibration.uncalibrated) == (refit.temperature, "")
    assert run.provenance["calibration"].endswith(f"fitted on validation for the first {k} members")


def test_a_temperature_is_never_fitted_on_test(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", origin=PAPERS), make_set("valid", origin=PAPERS))
    run = only(tmp_path)
    assert run.sets["test"].calibration.temperature is None
    assert run.provenance["calibration"].startswith("uncalibrated: validation is the test split")


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
        "sertool ensemble --name tiny --split valid,test --output .",
        "sertool report --name tiny --output .",
    )


def test_a_shipped_recipe_is_named_in_the_commands(tmp_path):
    origin = make_origin(load("demo"), started_from="earlier", data_hash="00ff")
    write_run(tmp_path / "mine", make_set("test", origin=origin), probes=lambda own: {"text masked": shuffled(own)})
    (run,) = build_report(["mine"], tmp_path, Path("data"), command="sertool report --all").runs
    assert run.commands == (
        f"sertool train --recipe demo --name mine --from earlier --output {tmp_path}",
        f"sertool ensemble --name mine --split test --probe --output {tmp_path}",
        "sertool report --all",
    )
    assert run.data_hash == run.provenance["data hash"] == "00ff"


CASES = sorted(path.parent.name for path in REFERENCE.glob("*/expected.json"))


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
