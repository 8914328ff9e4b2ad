"""Calibration by ``sertool ensemble``: what it stores and says."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from builders import copy_case, tiny_recipe, write_tiny
from typer.testing import CliRunner

from sertool.cli import app
from sertool.commands.ensemble import show_calibration
from sertool.core.errors import SertoolError
from sertool.core.export.source import open_trained
from sertool.core.files import artifacts
from sertool.core.inference import evaluate as evaluating
from sertool.core.metrics.calibration import Calibration, expected_calibration_error, negative_log_likelihood
from sertool.core.recipe.load import resolved
from sertool.core.reports.build import build_report
from sertool.core.runs.ensemble_size import EnsembleSize, read_size
from sertool.core.runs.members import open_runs
from sertool.core.runs.temperature import read_calibration

CROSS = "; cross-validate with --set splits.scheme=folds"


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three tiny members, and as many a fold in cross-validation."""
    folder = tmp_path_factory.mktemp("calibrated")
    write_tiny(folder / "data")
    folds = {"scheme": "folds", "folds": 3, "group": "speaker"}
    for name, splits in (("one", {"scheme": "corpus"}), ("folds", folds)):
        recipe = tiny_recipe(splits=splits, training={"max_epochs": 2})
        artifacts.write_text(folder / f"{name}.yaml", resolved(recipe))
        result = run("train", "--recipe", str(folder / f"{name}.yaml"), "--name", name, *places(folder))
        assert result.exit_code == 0, result.output
    return folder


def places(folder) -> list[str]:
    return ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]


def calibration_line(output: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith("calibration: ")]
    return line


@pytest.mark.parametrize(
    ("name", "valid", "reason"),
    [
        ("one", 12, f"2 validation speakers: too few for an interval (5 are needed){CROSS}"),
        ("folds", 48, None),
    ],
)
def test_ensemble_calibrates_on_validation_whatever_was_asked(trained, name, valid, reason):
    result = run("ensemble", "--name", name, *places(trained), "--json", str(trained / "r.json"))
    assert result.exit_code == 0, result.output
    stored = read_calibration(trained / "ckpt" / name)
    opened, size = open_runs(trained / "ckpt" / name), read_size(trained / "ckpt" / name)
    assert stored.members == tuple(member.name for member in size.chosen(opened.members))
    assert stored.utterances == valid
    written = json.loads((trained / "r.json").read_text())["calibration"]
    assert (written["temperature"], written["calibrated"]) == (stored.temperature, stored.calibrated)
    assert written["sets"]["valid"]["ece_after"] == stored.ece_after
    assert stored.reason == written["reason"]
    assert reason is None or stored.reason == reason
    assert calibration_line(result.stdout) == f"calibration: uncalibrated, {stored.reason}"


@pytest.mark.parametrize("higher", [False, True])
def test_ensemble_says_where_the_error_rose(monkeypatch, higher):
    """The temperature is fitted by likelihood, so it may raise the calibration error, and that is told."""
    sets = {
        name: {"ece_before": 0.2, "ece_after": after, "nll_before": 1.0, "nll_after": 0.9}
        for name, after in (("valid", 0.1), ("test", 0.25 if higher else 0.125))
    }
    monkeypatch.setattr(evaluating, "calibration_table", lambda evaluation: {"sets": sets, "reason": ""})
    calibration = replace(
        Calibration(("run-1",), 1.25, "valid", 12, 0.2, 0.1, 1.1, 1.0), low=1.1, high=1.4, note="rough"
    )
    size = EnsembleSize(1, 1, "all", None, "", ("a",))
    line = show_calibration(evaluating.Evaluation((), size, calibration, {}))
    test = "25.00 % · higher than before on test" if higher else "12.50 %"
    assert line == (
        f"calibration: temperature 1.25 (1.10 - 1.40) · ECE valid 20.00 % -> 10.00 % · test 20.00 % -> {test} · rough"
    )


def test_the_calibration_is_that_of_the_validation_logits_alone(trained):
    """From the predictions that ensemble itself writes, fitted again; test is not in it."""
    result = run(
        "ensemble", "--name", "folds", "--sets", "valid,test", *places(trained), "--index", "2",
        "--predictions", str(trained / "p.csv"),
    )  # fmt: skip
    assert result.exit_code == 0
    header, *rows = [line.split(",") for line in (trained / "p.csv").read_text().splitlines()]
    classes = [name.removeprefix("logit_") for name in header[4:]]
    rows = [row for row in rows if row[0] == "valid"]
    logits = np.array([[float(value) for value in row[4:]] for row in rows])
    targets = np.array([classes.index(row[2]) for row in rows])
    stored = read_calibration(trained / "ckpt" / "folds")
    assert len(stored.members) == 6
    assert stored.nll_before == pytest.approx(negative_log_likelihood(logits, targets, "single"), abs=1e-6)
    assert stored.ece_before == pytest.approx(expected_calibration_error(logits, targets, "single"), abs=1e-6)


@pytest.mark.parametrize("damaged", ["run-1", "run-*"])
def test_members_of_logits_that_are_not_finite_are_left_out_of_size_and_calibration(trained, damaged):
    folder = trained / "ckpt" / damaged.replace("*", "all")
    shutil.copytree(trained / "ckpt" / "one", folder)
    for path in folder.glob(f"{damaged}/model.safetensors"):
        arrays, _ = artifacts.read_arrays(path)
        artifacts.write_arrays(path, {name: np.full_like(value, np.nan) for name, value in arrays.items()})
    (folder / "calibration.json").unlink(missing_ok=True)
    result = run("ensemble", "--name", folder.name, *places(trained))
    if damaged == "run-*":
        assert result.exit_code == 1
        assert "run-all: no member has finite logits; their weights are damaged: train them again" in result.stderr
        assert read_calibration(folder) is None
        return
    assert result.exit_code == 0, result.output
    assert "left out because their logits are not finite: run-1" in result.stdout
    assert "run-1" not in read_calibration(folder).members
    # The others stay the same ensemble everywhere.
    size, members = read_size(folder), open_runs(folder).members
    assert size.left_out == ("run-1",)
    opened = open_trained(folder.name, trained / "ckpt", trained / "data", None)
    names = tuple(one.name for one in opened.members)
    assert names == read_calibration(folder).members == tuple(one.name for one in size.chosen(members))
    (reported,) = build_report([folder.name], trained / "ckpt", trained / "data").runs
    assert reported.sets["test"].k == size.k


def test_two_commands_give_the_same_bytes(trained):
    path = trained / "ckpt" / "one" / "calibration.json"
    contents = []
    for _ in range(2):
        run("ensemble", "--name", "one", *places(trained))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_nothing_is_fitted_where_validation_is_test(tmp_path):
    folder = copy_case("iemocap-mat", tmp_path)
    result = run("ensemble", "--name", "ref", *places(folder), "--json", str(folder / "r.json"))
    assert calibration_line(result.stdout) == (
        "calibration: uncalibrated, validation is the test split here, and a temperature is never fitted on test"
    )
    assert not (folder / "ckpt/ref/calibration.json").exists()
    assert json.loads((folder / "r.json").read_text())["calibration"]["temperature"] is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    folder = copy_case("mosei6-mat", tmp_path)
    (folder / "ckpt/ref").chmod(0o555)
    result = run("ensemble", "--name", "ref", *places(folder))
    assert result.exit_code == 1
    assert "not stored for report, predict and export: " in result.stderr


def test_results_that_cannot_be_stored_are_shown_and_end_with_exit_code_1(tmp_path, monkeypatch):

    def refuse(folder, calibration):
        raise SertoolError(f"{folder}: cannot be written (Read-only file system)")

    monkeypatch.setattr(evaluating, "write_calibration", refuse)
    folder = copy_case("mosei6-mat", tmp_path)
    result = run("ensemble", "--name", "ref", *places(folder))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("calibration: ")
    assert result.stderr.splitlines()[-1] == (
        f"error: not stored for report, predict and export: {folder / 'ckpt/ref'}: "
        "cannot be written (Read-only file system)"
    )
