"""The command `sertool doctor`, and the one line about findings that training prints."""

import json
from pathlib import Path

import numpy as np
import pytest
from builders import copy_case, make_corpus, tiny_recipe, write_tiny
from planting import B, clean_tables, nan_frame, recipe_for, sound, write
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.doctor.inspect import inspect, inspect_opened, summary_line
from sertool.core.files import artifacts
from sertool.core.recipe import load as recipes
from sertool.core.recipe.load import resolved
from sertool.core.runs.experiment import open_experiment


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command, and a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, ["doctor", *arguments])


def tiny(folder: Path, corpus=None) -> None:
    write_tiny(folder / "data", corpus)
    artifacts.write_text(folder / "tiny.yaml", resolved(tiny_recipe()))


def test_the_packaged_corpus_has_four_test_voices_and_is_clean(here):
    result = run("--recipe", "demo", "--json", "out.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "demo (synthetic speech) · emotion, 4 classes · train 384 · valid 96 · test 192 ·\n"
        "  14 speakers\n"
        "\n"
        "       train  valid  test\n"
        "angry     96     24    48\n"
        "calm      96     24    48\n"
        "happy     96     24    48\n"
        "sad       96     24    48\n"
        "all      384     96   192\n"
        "supports as published\n"
        "\n"
        "test words known from training: 100 % of 1,197, 100 % of 154 different ones\n"
        "\n"
        "warning: 4 test speakers: too few for an interval (5 are needed) [few-speakers]\n"
        "  june · kurt · lena · milo\n"
        "  try: cross-validate with --set splits.scheme=folds\n"
        "\n"
        "next: sertool train --recipe demo\n"
    )
    written = json.loads((here / "out.json").read_text())
    assert (written["as_published"], written["errors"], len(written["findings"])) == (True, 0, 1)
    assert written["command"] == "sertool doctor --recipe demo"
    assert written["test_words"] == {"words": 1197, "known": 1197, "distinct": 154, "distinct_known": 154}


def test_what_it_says_of_a_planted_corpus(here):
    tables = clean_tables()
    sound(tables, 0)
    nan_frame(tables)
    tables["train"]["mels"][B][0, 0] = np.nan
    tables["test"]["mels"]["test0[0]"][:] = 1e-8
    write(tables, here / "data", "reference")
    result = run(
        *["--data", "data/MOSEI", "--recipe", "mosei-2", "--set", "dataset.vectors=none"],
        *["--set", "expected={train: {utterances: 12, classes: [6, 5]}}", "--json", "out.json"],
    )
    assert result.exit_code == 1, result.stderr
    assert result.stdout == (
        "MOSEI · sentiment, 2 classes · train 12 · valid 6 · test 6\n"
        "\n"
        "              train  valid  test\n"
        "negative          6      3     3\n"
        "not negative  6 ≠ 5      3     3\n"
        "all              12      6     6\n"
        "≠ the published number\n"
        "\n"
        "test words known from training: 67 % of 18, 88 % of 8 different ones\n"
        "\n"
        "error: 1 count of train differs from the published one [counts]\n"
        "  train not negative: 6, published 5\n"
        "  try: get the published files again; figures on other data cannot be compared\n"
        "    with the paper's\n"
        "\n"
        "error: 2 utterances with NaN or infinite values; the first:\n"
        "  data/MOSEI/train_mels.p: utterance 'train0[0]' holds NaN or infinite values in\n"
        "  frame 1 [non-finite]\n"
        "  train0[0] (train) · train0[1] (train)\n"
        "  try: extract their features again, or leave them out: one such value spoils a\n"
        "    whole training\n"
        "\n"
        "warning: 1 utterance silent from beginning to end [silent]\n"
        "  test0[0] (test)\n"
        "  try: listen to the recordings; a file may be damaged or its channel empty\n"
        "\n"
        "correct the errors, then check again:\nsertool doctor --data data/MOSEI --recipe mosei-2"
        " --set dataset.vectors=none --set 'expected={train: {utterances: 12, classes: [6, 5]}}'\n"
    )
    written = json.loads((here / "out.json").read_text())
    assert (written["errors"], written["warnings"], written["notes"]) == (2, 1, 0)
    assert written["findings"][2] == {
        "kind": "silent",
        "severity": "warning",
        "number": 1,
        "text": "1 utterance silent from beginning to end",
        "examples": ["test0[0] (test)"],
        "advice": "listen to the recordings; a file may be damaged or its channel empty",
    }
    assert written["counts"][0] == {
        "split": "train",
        "utterances": 12,
        "classes": [6, 6],
        "published": 12,
        "published_classes": [6, 5],
    }


def test_the_ways_to_name_a_corpus(here):
    copy_case("meld7-mat", here)
    outputs = [
        run(*arguments)
        for arguments in (
            ["--data", "data/MELD", "--recipe", "meld"],
            ["--data", "data", "--recipe", "meld"],
            ["--data", "data/MELD"],
            ["--recipe", "meld"],
        )
    ]
    assert {result.exit_code for result in outputs} == {1}
    assert len({result.stdout for result in outputs}) == 1
    assert outputs[0].stdout.startswith("MELD · emotion, 7 classes · train 42 · valid 21 · test 28\n")
    command = "sertool doctor --data data/MELD --recipe meld"
    assert outputs[0].stdout.endswith(f"correct the errors, then check again:\n{command}\n")


def test_a_corpus_of_ones_own_needs_no_recipe(here):
    corpus = make_corpus({"train": 24, "valid": 12, "test": 12})
    write_corpus(corpus, here / "data/CALLS")
    result = run("--data", "data/CALLS")
    assert result.exit_code == 0
    assert result.stdout.startswith("TINY · emotion, 3 classes · train 24 · valid 12 · test 12 · 6 speakers\n")
    assert result.stdout.endswith("next: sertool train --recipe custom --name calls --set dataset.path=data/CALLS\n")


def test_where_the_next_command_finds_the_corpus(here):
    write_tiny(here / "data")
    artifacts.write_text(here / "tiny.yaml", resolved(tiny_recipe()))
    elsewhere = write_tiny(here / "else where")
    last = [
        run(*arguments, "--recipe", "tiny.yaml").stdout.splitlines()[-1]
        for arguments in (["--data", "data"], ["--data", str(elsewhere)], ["--data", "else where/TINY"])
    ]
    assert last == [
        "next: sertool train --recipe tiny.yaml",
        f"next: sertool train --recipe tiny.yaml --data '{elsewhere}'",
        "next: sertool train --recipe tiny.yaml --data 'else where'",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--data", "data"],
            2,
            "error: data: give --recipe too: neither its content nor its name says which recipe it is for\n"
            "  try: sertool doctor --data data --recipe NAME; `sertool recipes list` shows them\n",
        ),
        (["--data", "none"], 1, "error: none: no such folder\n"),
        (["--recipe", "mled"], 2, "error: no recipe 'mled', did you mean 'meld'?\n"),
        (["--recipe", "meld"], 1, "error: data/MELD: no such corpus\n"),
        (
            ["--set", "a.b=1"],
            2,
            "error: --set changes a recipe, and no --recipe is given\n  try: sertool doctor --recipe NAME --set ...\n",
        ),
        (
            ["--data", "data/TINY", "--set", "dataset.task=mood"],
            2,
            "error: dataset.task: TINY has no task 'mood'\n  try: its tasks: emotion\n",
        ),
    ],
)
def test_mistakes(arguments, code, message, here):
    tiny(here)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(message)


def test_an_empty_folder_is_told(here):
    (here / "data/MELD").mkdir(parents=True)
    result = run("--recipe", "meld")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "MELD · emotion · nothing could be read\n\nerror: 1 part could not be read [unreadable]\n"
        "  data/MELD: no MELD data there, expected the files of at least one split:"
    )


def test_lines_fit_the_terminal(here, monkeypatch):
    copy_case("iemocap-mat", here)
    for columns in (80, 60):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = run("--recipe", "iemocap").stdout.splitlines()
        assert max(len(line) for line in lines if not line.startswith(("next: ", "sertool "))) <= columns


def test_ids_that_no_terminal_takes_are_spelled_out(here):
    odd = make_corpus({"train": 4, "valid": 2, "test": 2})
    first = Utterance("a\nb\x1b[31m", "train", "", (), {"emotion": "happy"})
    corpus = type(odd)(**{**odd.__dict__, "utterances": (first, *odd.utterances[1:])})
    tiny(here, corpus)
    result = run("--recipe", "tiny.yaml")
    assert "a\\nb\\x1b[31m (train)" in result.stdout
    assert "\x1b" not in result.stdout


# In a training


def test_the_summary_names_a_few(tmp_path):
    folder = copy_case("iemocap-mat", tmp_path) / "data/IEMOCAP"
    inspection = inspect(recipes.load("iemocap"), folder, data_dir=tmp_path, vectors=False)
    assert summary_line(inspection) == (
        "doctor: 1 error, 7 warnings (published counts differ, selected on test, speakers shared: 10, "
        f"sessions shared: 5, ...) · sertool doctor --data {folder} --recipe iemocap"
    )


def test_an_experiment_gives_the_same_findings(tmp_path):
    copy_case("iemocap-mat", tmp_path)
    recipe = recipes.load("iemocap")
    experiment = open_experiment(recipe, tmp_path / "data")
    parts = (experiment.corpus, experiment.task, experiment.targets, experiment.folds)
    opened = inspect_opened(recipe, *parts, "x")
    direct = inspect(recipe, tmp_path / "data/IEMOCAP", vectors=False, data_dir=tmp_path)
    assert opened.findings == direct.findings


def test_training_says_it_in_a_line(here):
    tiny(here)
    result = CliRunner().invoke(app, ["train", "--recipe", "tiny.yaml", "--runs", "1"])
    assert result.exit_code == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("doctor: ")]
    assert lines == [
        "doctor: 3 warnings (too few speakers: 2, 4 without text, 7 without audio) · "
        "sertool doctor --data data/TINY --recipe tiny.yaml"
    ]
    shown = run("--data", "data/TINY", "--recipe", "tiny.yaml").stdout
    assert "warning: 4 utterances without words [no-text]" in shown


def test_training_on_a_clean_corpus_says_nothing(here):
    tables = clean_tables()
    write(tables, here / "data", "own")
    artifacts.write_text(here / "own.yaml", resolved(recipe_for("own", "training.max_epochs=1")))
    result = CliRunner().invoke(app, ["train", "--recipe", "own.yaml", "--runs", "1"])
    assert result.exit_code == 0, result.stderr
    assert "doctor" not in result.stderr
