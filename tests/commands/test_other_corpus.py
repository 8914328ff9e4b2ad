"""``sertool ensemble --corpus``: what is shown, written and refused."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import make_corpus
from commands_run import refusal, run, tiny

from sertool.core.corpora.corpus_files import write_corpus

CPU = ("--device", "cpu")
GERMAN = {"angry": "Wut", "happy": "Freude", "sad": "Trauer"}


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Path:
    """A trained run, its corpus, and another corpus with other names of the classes and one more."""
    folder = tmp_path_factory.mktemp("other")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny(folder, training={"runs": 2, "max_epochs": 1})
        assert run("train", "--recipe", "tiny.yaml", *CPU).exit_code == 0
        assert run("ensemble", "--name", "tiny", *CPU).exit_code == 0
    corpus = make_corpus({"train": 6, "valid": 6, "test": 30}, seed=5)
    utterances = [replace(one, labels={"emotion": GERMAN[one.labels["emotion"]]}) for one in corpus.utterances]
    utterances[-1] = replace(utterances[-1], labels={"emotion": "Ekel"})
    classes = {"emotion": ("Ekel", *GERMAN.values())}
    made = replace(corpus, name="GERMAN", utterances=tuple(utterances), classes=classes)
    write_corpus(made, folder / "data" / "GERMAN")
    return folder


@pytest.fixture
def work(there, monkeypatch) -> Path:
    monkeypatch.chdir(there)
    return there


def judged(*options: str):
    done = run("ensemble", "--name", "tiny", "--corpus", "data/GERMAN", "--map", "four", *options, *CPU)
    assert done.exit_code == 0, done.output
    return done


def test_the_map_and_what_fell_out_are_shown_with_the_figures(work):
    done = judged("--json", "out.json", "--csv", "out.csv")
    assert "tiny on GERMAN · test · 29 utterances · emotion, 3 classes" in done.stdout
    assert "label map four: 3 classes: angry, happy, sad" in done.stdout
    assert "fell out: 1 of 42 utterances: 1 Ekel" in done.stdout
    assert "trained on TINY: 2 members" in done.stdout
    assert "calibration: uncalibrated, tiny: " in done.stdout
    assert "baseline, always" in done.stdout
    assert "next: sertool report --name tiny/on/GERMAN" in done.stdout
    written = json.loads(Path("out.json").read_text())
    assert written["map"]["fell_out"] == {"Ekel": 1}
    assert (written["name"], written["trained_on"], written["utterances"]) == ("tiny/on/GERMAN", "TINY", 29)
    assert written["calibration"]["ece_before"] == written["calibration"]["ece_after"]
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 29
    right = sum(row["label"] == row["predicted"] for row in rows)
    assert written["metrics"]["accuracy"]["value"] == pytest.approx(right / 29)


def test_a_report_and_a_comparison_take_the_stored_predictions(work):
    judged()
    done = run("report", "--name", "tiny/on/GERMAN")
    assert done.exit_code == 0, done.output
    assert "GERMAN" in done.stdout
    done = run("compare", "tiny/on/GERMAN", "tiny/on/GERMAN")
    assert done.exit_code in (0, 2), done.output


def test_the_map_of_the_training_is_meant_where_none_is_named(work):
    assert run("train", "--recipe", "tiny.yaml", "--name", "four", "--set", "dataset.map=four", *CPU).exit_code == 0
    done = run("ensemble", "--name", "four", "--corpus", "data/GERMAN", *CPU)
    assert done.exit_code == 0, done.output
    assert "label map four: 3 classes: angry, happy, sad" in done.stdout


def test_a_temperature_of_the_other_corpus_is_stated(work):
    done = judged("--calibrate-on", "valid", "--split", "test")
    assert "calibration: uncalibrated, " in done.stdout
    assert "(on validation of GERMAN, the judged corpus)" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "four"], "--map: is about another corpus, and --corpus is not given"),
        (["--calibrate-on", "valid"], "--calibrate-on: is about another corpus"),
        (["--corpus", "data/GERMAN", "--probe"], "--probe: for the run's own corpus"),
        (["--corpus", "data/GERMAN", "--split", "test,valid"], "one split of another corpus is judged"),
        (["--corpus", "data/GERMAN"], "and tiny predicts angry, happy, sad"),
        (["--corpus", "data/GERMAN", "--map", "fuor"], "did you mean 'four'"),
        (["--corpus", "data/GERMAN", "--map", "four", "--split", "tset"], "expected one of train, valid, test, all"),
        (["--corpus", "data/GERMAN", "--map", "four", "--calibrate-on", "test"], "expected valid"),
    ],
)
def test_options_that_do_not_fit_are_one_message(work, options, message):
    assert message in refusal("ensemble", "--name", "tiny", *options, *CPU, code=2)


def test_a_corpus_that_is_not_there_is_one_message(work):
    assert "no such corpus" in refusal("ensemble", "--name", "tiny", "--corpus", "data/NONE", *CPU, code=1)


def test_its_own_training_is_refused(work):
    told = refusal("ensemble", "--name", "tiny", "--corpus", "data/TINY", "--split", "all", *CPU, code=2)
    assert "tiny was trained or selected on" in told
