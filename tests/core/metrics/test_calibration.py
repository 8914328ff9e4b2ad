"""Temperature and calibration error against naive computations, and what ensemble stores and says."""

import json
import math
import os
from dataclasses import asdict

import numpy as np
import pytest
from builders import copy_case, tiny_recipe, write_tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.metrics.calibration import (
    BOUNDS,
    Calibration,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probabilities,
)
from sertool.core.metrics.classification import decide
from sertool.core.recipe.load import resolved
from sertool.core.runs.temperature import read_calibration, write_calibration

STORED = Calibration(("run-2", "run-1"), 1.25, "valid", 12, 0.2, 0.1, 1.1, 1.0)


def problem(count: int, classes: int, *, seed: int = 0, scale: float = 1.0, kind: str = "single"):
    """Logits of a model that is right about probabilities at temperature ``scale``, and targets drawn by them."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 1.5, (count, classes))
    shares = probabilities(true, kind)
    if kind == "multi":
        targets = (random.random((count, classes)) < shares).astype(np.int64)
    else:
        targets = np.array([random.choice(classes, p=row) for row in shares])
    return (true * scale).astype(np.float32), targets


def naive_error(logits, targets, kind: str, temperature: float) -> float:
    """The formula as it stands in the paper, one decision at a time, one bin at a time."""
    decisions = []
    for row, target in zip(logits.astype(np.float64) / temperature, targets, strict=True):
        if kind == "multi":
            for logit, wanted in zip(row, target, strict=True):
                yes = 1 / (1 + math.exp(-logit))
                decisions.append((max(yes, 1 - yes), (logit > 0) == bool(wanted)))
        else:
            powers = [math.exp(value - max(row)) for value in row]
            decisions.append((max(powers) / sum(powers), list(row).index(max(row)) == target))
    error = 0.0
    for number in range(15):
        inside = [
            (confidence, right) for confidence, right in decisions if number / 15 < confidence <= (number + 1) / 15
        ]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(confidence for confidence, _ in inside) / len(inside)
            error += len(inside) / len(decisions) * abs(accuracy - confidence)
    return error


@pytest.mark.parametrize("kind", ["single", "multi"])
@given(
    count=st.integers(1, 40),
    classes=st.integers(2, 6),
    seed=st.integers(0, 99),
    scale=st.floats(0.2, 5),
    temperature=st.floats(0.2, 5),
)
@settings(max_examples=40, deadline=None)
def test_the_calibration_error_is_the_naive_one(kind, count, classes, seed, scale, temperature):
    logits, targets = problem(count, classes, seed=seed, scale=scale, kind=kind)
    mine = expected_calibration_error(logits, targets, kind, temperature)
    assert mine == pytest.approx(naive_error(logits, targets, kind, temperature), abs=1e-9)


def test_a_confidence_of_one_is_in_the_last_bin():
    """If it fell out of the bins, a model that is always certain and half right would look perfect."""
    logits = np.array([[1000.0, 0.0], [1000.0, 0.0]])
    assert expected_calibration_error(logits, np.array([0, 1]), "single") == 0.5


def test_the_calibration_error_by_hand():
    logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    # 0.9: one of two right, a gap of 0.4; 0.6: two of two right, a gap of 0.4.
    targets = np.array([0, 1, 0, 1])
    assert expected_calibration_error(logits, targets, "single") == pytest.approx(0.4)
    assert expected_calibration_error(np.zeros((3, 2)), np.zeros((3, 2), int), "multi") == 0.5


@pytest.mark.parametrize("kind", ["single", "multi"])
@given(
    logits=arrays(np.float32, (5, 4), elements=st.floats(-30, 30, width=32)),
    temperature=st.floats(*BOUNDS),
)
@settings(max_examples=60, deadline=None)
def test_a_temperature_never_changes_a_decision(kind, logits, temperature):
    shares = probabilities(logits, kind, temperature)
    assert np.isfinite(shares).all()
    assert ((shares >= 0) & (shares <= 1)).all()
    if kind == "multi":
        assert (decide(logits, kind) == (logits > 0)).all()
        assert (shares[logits > 0] >= 0.5).all()
        assert (shares[logits <= 0] <= 0.5).all()
    else:
        assert shares.sum(-1) == pytest.approx(1)
        # The one that is decided for has the highest probability, also where rounding makes others equal.
        best = shares[np.arange(5), decide(logits, kind)]
        assert (best == shares.max(-1)).all()


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_fit_finds_the_temperature_that_was_planted(kind, scale):
    logits, targets = problem(4000, 4, scale=scale, kind=kind)
    assert fit_temperature(logits, targets, kind) == pytest.approx(scale, rel=0.06)


@pytest.mark.parametrize("kind", ["single", "multi"])
@given(count=st.integers(2, 60), seed=st.integers(0, 500), scale=st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_no_temperature_of_a_grid_is_better(kind, count, seed, scale):
    logits, targets = problem(count, 3, seed=seed, scale=scale, kind=kind)
    temperature = fit_temperature(logits, targets, kind)
    assert BOUNDS[0] <= temperature <= BOUNDS[1]
    if (decide(logits, kind) == targets).all():
        return
    grid = np.geomspace(*BOUNDS, 200)
    best = min(negative_log_likelihood(logits, targets, kind, t) for t in grid)
    assert negative_log_likelihood(logits, targets, kind, temperature) <= best + 1e-6


@pytest.mark.parametrize("count", [1, 5, 100, 10_000])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_all_right_gives_what_the_rule_of_succession_allows(count, kind):
    """No number of right answers proves that the next one is certain to be right."""
    logits = np.tile(np.array([[2.0, -1.0, -1.0]], np.float32), (count, 1))
    targets = np.zeros(count, int) if kind == "single" else np.tile([[1, 0, 0]], (count, 1))
    temperature = fit_temperature(logits, targets, kind)
    share = probabilities(logits[:1], kind, temperature)[0, 0]
    if kind == "single":
        assert 1 - share == pytest.approx(2 / 3 / (count + 1), rel=1e-3)
    assert BOUNDS[0] < temperature < BOUNDS[1]


def test_all_wrong_gives_the_highest_temperature():
    logits = np.tile(np.array([[2.0, -1.0]], np.float32), (20, 1))
    assert fit_temperature(logits, np.ones(20, int), "single") == pytest.approx(BOUNDS[1], rel=1e-3)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_equal_logits_have_nothing_to_fit(kind):
    targets = np.array([0, 1, 1]) if kind == "single" else np.array([[0, 1], [1, 1], [1, 0]])
    assert fit_temperature(np.zeros((3, 2)), targets, kind) == 1.0


def test_huge_logits_overflow_nowhere():
    logits = np.array([[3e38, -3e38], [-3e38, 3e38], [3e38, 0]], np.float32)
    made = calibrate(logits, np.array([0, 1, 1]), "single", members=["run-1"])
    assert BOUNDS[0] <= made.temperature <= BOUNDS[1] * 1.001
    assert math.isfinite(made.nll_before)


def test_calibrate_measures_before_and_after():
    logits, targets = problem(500, 3, scale=3.0)
    made = calibrate(logits, targets, "single", members=["run-2", "run-1"])
    assert (made.members, made.set, made.utterances) == (("run-2", "run-1"), "valid", 500)
    assert made.ece_before == expected_calibration_error(logits, targets, "single")
    assert made.ece_after == expected_calibration_error(logits, targets, "single", made.temperature)
    assert made.ece_after < made.ece_before / 3
    assert made.nll_after < made.nll_before
    assert made.nll_after == negative_log_likelihood(logits, targets, "single", made.temperature)


# The file


def test_what_is_written_is_read(tmp_path):
    assert read_calibration(tmp_path) is None
    write_calibration(tmp_path, STORED)
    assert read_calibration(tmp_path) == STORED
    content = json.loads((tmp_path / "calibration.json").read_text())
    assert content["format"] == "sertool-calibration/1"
    assert (content["members"], content["temperature"]) == (["run-2", "run-1"], 1.25)


def test_it_fits_only_the_members_it_was_fitted_for():
    assert STORED.fits(["run-2", "run-1"])
    assert not STORED.fits(["run-2"])
    assert not STORED.fits(["run-1", "run-2"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": "other/1"}, 'format: expected sertool-calibration/1 (got "other/1")'),
        ({"temperature": 0}, "temperature: must be at least 0.001 (got 0)"),
        ({"temperature": -1}, "temperature: must be at least 0.001 (got -1)"),
        ({"temperature": "hot"}, 'temperature: expected a number (got "hot")'),
        ({"members": 5}, "members: expected a list (got 5)"),
        ({"utterances": None}, "utterances: expected a whole number (got null)"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, text):
    write_calibration(tmp_path, STORED)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError) as raised:
        read_calibration(tmp_path)
    assert str(raised.value) == f"{path}: {text}"
    assert raised.value.hint == "delete it; `sertool ensemble` fits it again"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[]", "expected a table of keys (got [])"),
        ("5", "expected a table of keys (got 5)"),
        ("{}", "9 problems\n  " + "\n  ".join(f"{name}: is missing" for name in ("format", *asdict(STORED)))),
    ],
)
def test_another_file_of_that_name_is_damaged(tmp_path, content, text):
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(DataError) as raised:
        read_calibration(tmp_path)
    assert str(raised.value) == f"{tmp_path / 'calibration.json'}: {text}"
    assert raised.value.hint == "delete it; `sertool ensemble` fits it again"


# sertool ensemble


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


@pytest.mark.parametrize(("name", "members", "valid"), [("one", 3, 12), ("folds", 9, 48)])
def test_ensemble_fits_on_validation_whatever_was_asked(trained, name, members, valid):
    result = run("ensemble", "--name", name, *places(trained), "--json", str(trained / "r.json"))
    assert result.exit_code == 0, result.output
    stored = read_calibration(trained / "ckpt" / name)
    assert (len(stored.members), stored.utterances) == (members, valid)
    written = json.loads((trained / "r.json").read_text())["calibration"]
    assert written["temperature"] == stored.temperature
    assert written["sets"]["valid"]["ece_after"] == stored.ece_after
    test = written["sets"]["test"]
    assert calibration_line(result.stdout) == (
        f"calibration: temperature {stored.temperature:.2f}"
        f" · ECE valid {100 * stored.ece_before:.2f} % -> {100 * stored.ece_after:.2f} %"
        f" · test {100 * test['ece_before']:.2f} % -> {100 * test['ece_after']:.2f} %"
    )


def test_the_temperature_is_that_of_the_validation_logits_alone(trained):
    """From the predictions that ensemble itself writes, fitted again; test is not in it."""
    result = run(
        "ensemble", "--name", "one", "--sets", "valid,test", *places(trained), "--index", "2",
        "--predictions", str(trained / "p.csv"),
    )  # fmt: skip
    assert result.exit_code == 0
    header, *rows = [line.split(",") for line in (trained / "p.csv").read_text().splitlines()]
    classes = [name.removeprefix("logit_") for name in header[4:]]
    rows = [row for row in rows if row[0] == "valid"]
    logits = np.array([[float(value) for value in row[4:]] for row in rows])
    targets = np.array([classes.index(row[2]) for row in rows])
    stored = read_calibration(trained / "ckpt" / "one")
    assert len(stored.members) == 2
    assert stored.temperature == pytest.approx(fit_temperature(logits, targets, "single"), rel=1e-4)
    assert stored.ece_after == pytest.approx(
        expected_calibration_error(logits, targets, "single", stored.temperature), abs=1e-6
    )


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
        "calibration: none; validation is the test split here, and a temperature is never fitted on test"
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
    from sertool.core.errors import SertoolError
    from sertool.core.inference import evaluate as evaluating

    def refuse(folder, calibration):
        raise SertoolError(f"{folder}: cannot be written (Read-only file system)")

    monkeypatch.setattr(evaluating, "write_calibration", refuse)
    folder = copy_case("mosei6-mat", tmp_path)
    result = run("ensemble", "--name", "ref", *places(folder))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("calibration: temperature ")
    assert result.stderr.splitlines()[-1] == (
        f"error: not stored for report, predict and export: {folder / 'ckpt/ref'}: "
        "cannot be written (Read-only file system)"
    )
    assert "calibration: temperature " in result.stdout
