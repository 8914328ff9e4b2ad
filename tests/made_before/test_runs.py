"""Runs and stored predictions that the version of commit edc756f wrote still open and give the same results.

Only the command line is used, and what lies in files, so that the tests hold wherever the code lies:
tests/support/made_before/README.md.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from old_files import (
    FOLDS,
    HALTED,
    HALTED_FROM,
    SMALL,
    TINY,
    alike,
    as_then,
    check_temperatures,
    close,
    contents,
    files,
    plain,
    same_arrays,
    same_bytes,
    same_results,
    same_weights,
    times,
    without_missing_sizes,
    without_remarks,
    without_sentences,
)
from safetensors.numpy import load_file


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("first", [*TINY, "--runs", "2"]),
        ("second", [*TINY, "--runs", "1", "--from", "first"]),
        ("folds", [*SMALL, *FOLDS, "--runs", "1"]),
        ("chords", SMALL),
    ],
)
def test_what_is_trained_is_not_trained_again(sertool, name, options):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("ckpt", name).glob("run-*/*")}
    assert before
    sertool("train", "--name", name, *options, "--json", f"now/train-{name}.json")
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("ckpt", name).glob("run-*/*")}
    assert after == before
    same_bytes(f"train-{name}.json")


@pytest.mark.parametrize(("name", "options"), [("halted", HALTED), ("halted-from", HALTED_FROM)])
def test_a_training_that_was_killed_goes_on(sertool, name, options):
    folder = Path("ckpt", name)
    done = [path.parent for path in folder.glob("run-*/run.json")]
    (rest,) = [path for path in folder.glob("run-*") if path not in done]
    assert len(done) == (2 if name == "halted" else 0)
    before = [(contents(run), times(run)) for run in done]
    epochs = len(plain(rest / "history.jsonl"))
    shutil.rmtree("ckpt/first")  # what the one starts from was copied into its folder
    told = sertool("train", "--name", name, *options, "--json", f"now/train-{name}.json").err
    assert int(re.search(r"epoch (\d+)/", told)[1]) == epochs + 1
    assert not (folder / "state").exists()
    assert [(contents(run), times(run)) for run in done] == before
    close(f"train-{name}.json")
    was = Path("expected", name, rest.name)
    assert [path.name for path in files(rest)] == [path.name for path in files(was)]
    same_weights(rest / "model.safetensors", was / "model.safetensors")
    alike(plain(rest / "history.jsonl"), plain(was / "history.jsonl"), 1e-3)
    alike(plain(rest / "run.json"), plain(was / "run.json"))


def test_a_training_starts_from_a_run_of_then(sertool):
    options = [*TINY, "--runs", "1", "--from", "first"]
    sertool("train", "--name", "third", *options, "--json", "now/train-second.json")
    second, third = Path("ckpt/second"), Path("ckpt/third")
    for file in ("recipe.yaml", "corpus.json", "vocabulary.json", "start.json"):
        now, was = ((folder / file).read_text(encoding="utf-8") for folder in (third, second))
        assert without_sentences(now) == without_sentences(was), file
    alike(plain(third / "standardization.json"), plain(second / "standardization.json"))
    alike(plain(third / "run-1/run.json"), plain(second / "run-1/run.json"))
    same_weights(third / "run-1/model.safetensors", second / "run-1/model.safetensors")
    now = plain(Path("now/train-second.json"))
    assert now.pop("name") == "third"
    was = plain(Path("expected/train-second.json"))
    assert was.pop("name") == "second"
    alike(as_then(now, was), was)


@pytest.mark.parametrize("name", ["first", "second", "folds", "chords"])
def test_ensemble(sertool, unpacked, name):
    probe = ["--probe"] if name == "first" else []
    results = ("--json", f"now/ensemble-{name}.json", "--predictions", f"now/ensemble-{name}.csv")
    sertool("ensemble", "--name", name, "--sets", "valid,test", *probe, "--device", "cpu", *results)
    same_results(f"ensemble-{name}.json", tolerance=1e-5)
    close(f"ensemble-{name}.csv")
    now, was = Path("ckpt", name), unpacked / "ckpt" / name
    calibration, known = (plain(folder / "calibration.json") for folder in (now, was))
    for figure in ("ece_before", "nll_before"):
        assert calibration[figure] == pytest.approx(known[figure], abs=1e-4)
    assert (calibration["calibrated"], calibration["temperature"]) == (False, 1.0)  # 4 and 24 utterances cannot tell
    stored = [path.name for path in files(was / "predictions") if path.name != "private.safetensors"]
    assert len(stored) == (4 if probe else 2)
    for file in stored:
        same_arrays(now / "predictions" / file, was / "predictions" / file, 1e-5, skip=("facts",))
        facts, known = (json.loads(load_file(path / "predictions" / file)["facts"].tobytes()) for path in (now, was))
        if "origin" in facts:
            for one in (facts, known):
                del one["origin"]["made"]  # time, device and versions
        alike(as_then(facts, known), known)


def test_ensemble_on_utterances_without_labels(sertool):
    options = ("--sets", "private", "--device", "cpu", "--json", "now/ensemble-private.json")
    sertool("ensemble", "--name", "first", *options)
    same_results("ensemble-private.json", tolerance=1e-5)


def test_what_was_kept_of_the_reference(sertool):
    """Its pickles were deleted, as the documentation allows."""
    places = ("--data", "reference/data", "--output", "reference/ckpt", "--device", "cpu")
    assert not [path for path in Path("reference").rglob("*") if path.suffix in (".p", ".pkl")]
    options = ("--sets", "valid,test", "--json", "now/ensemble-reference.json")
    sertool("ensemble", "--name", "MODELS", *options, *places)
    same_results("ensemble-reference.json", tolerance=1e-5)


def test_a_temperature_of_then_is_not_used_until_it_is_checked(sertool):
    sertool("predict", "--name", "first", "--table", "asked.csv", "--json", "now/predict.json")
    found = plain(Path("now/predict.json"))
    assert (found["calibrated"], found["temperature"]) == (False, 1.0)
    assert "`sertool ensemble` fits and checks it" in found["uncalibrated"]


def test_predict(sertool):
    check_temperatures()
    options = ("--device", "cpu", "--json", "now/predict.json", "--csv", "now/predict.csv")
    sertool("predict", "--name", "first", "--table", "asked.csv", *options)
    without_remarks("predict.json")
    close("predict.json")
    now, was = plain(Path("now/predict.csv")), plain(Path("expected/predict.csv"))
    column = now[0].index("calibrated")
    assert [row.pop(column) for row in now] == ["calibrated", "yes", "no"]
    alike(now, was)
    options = ("--window", "0.2", "--device", "cpu", "--json", "now/predict-chords.json")
    sertool("predict", "--name", "chords", "recordings/s6-0.flac", "recordings/s4-1.flac", *options)
    without_remarks("predict-chords.json")
    close("predict-chords.json")


def test_report(sertool):
    check_temperatures()
    names = [option for name in ("first", "second", "folds", "chords") for option in ("--name", name)]
    sertool("report", *names, "--json", "now/report.json", "--csv", "now/report.csv")
    without_missing_sizes("report.json")
    same_results("report.json", "report.csv")


def test_compare(sertool):
    sertool("compare", "first", "second", "--json", "now/compare.json", "--csv", "now/compare.csv")
    sertool("compare", "first", "second", "--set", "valid", "--json", "now/compare-valid.json")
    without_missing_sizes("compare.json")
    without_missing_sizes("compare-valid.json")
    same_results("compare.json", "compare-valid.json")
    same_bytes("compare.csv")
