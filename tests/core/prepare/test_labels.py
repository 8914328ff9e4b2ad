"""Labels of a table: one class, several, or a score; each trains and is judged with the recipe custom."""

import json

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.load import task_for
from sertool.core.doctor.inspect import inspect
from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.prepare.labels import classes_of, list_columns, parse_labels, stored
from sertool.core.prepare.table import read_table
from sertool.core.recipe.load import load

RATE = 8000
SMALL = (
    "frontend.sample_rate=8000",
    "frontend.mel_bands=20",
    "frontend.fft_size=512",
    "frontend.window_length=400",
    "model.hidden_size=8",
    "model.ffn_size=8",
    "model.num_heads=2",
    "model.num_layers=1",
    "model.embedding_size=8",
    "training.runs=2",
    "training.max_epochs=2",
)
LABELS = {
    "label": ["angry", "happy"],
    "emotion": ["angry|sad", "happy", "|", "sad"],
    "score": ["-3", "2.5", "0", "-0.25"],
}


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(3)
    for n in range(24):
        soundfile.write(tmp_path / f"{n}.wav", random.normal(0, 0.1, RATE // 2), RATE)
    return tmp_path


def write(folder, column):
    values = LABELS[column]
    rows = [f"u{n},{n}.wav,word {n % 3},{values[n % len(values)]},s{n % 6}" for n in range(24)]
    path = folder / "t.csv"
    path.write_text("\n".join([f"utterance,audio,text,{column},speaker", *rows]) + "\n")
    return path


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result


@pytest.mark.parametrize(
    ("column", "settings", "task", "shown"),
    [
        ("label", [], ("emotion", ("angry", "happy"), "name"), ["angry", "happy", "all"]),
        (
            "emotion",
            ["training.class_weights=none"],
            ("emotion", ("angry", "happy", "sad"), "present"),
            ["angry", "happy", "sad", "all"],
        ),
        (
            "score",
            ["dataset.task=sentiment", "dataset.num_classes=2"],
            ("sentiment", ("negative", "not negative"), "sign"),
            ["negative", "not negative", "all"],
        ),
    ],
)
def test_prepared_trained_and_judged(folder, column, settings, task, shown):
    out = folder / "SET"
    small = [word for setting in SMALL for word in ("--set", setting)]
    prepared = run("prepare", write(folder, column), "--out", out, *small, "--json", folder / "p.json")
    next_command = prepared.stdout.splitlines()[-1].removeprefix("next: sertool ").split()
    assert next_command[-2 * len(settings) :] == [w for s in settings for w in ("--set", s)] or not settings
    content = artifacts.read_json(folder / "p.json")
    assert content["splits_drawn_by"] == "speaker"
    counts = content["tasks"][task[0]]
    assert [*counts["classes"], "all"] == shown
    assert counts["labelled"] == content["splits"]
    recipe = load("custom", [f"dataset.path={out}", *settings])
    found = task_for("corpus", recipe.dataset.task, recipe.dataset.num_classes, read_corpus(out))
    assert (found.name, found.classes, found.rule) == task
    run(*next_command, "--name", "own", "--output", folder / "ckpt", "--device", "cpu")
    judged = run("ensemble", "--name", "own", "--output", folder / "ckpt", "--json", folder / "e.json")
    assert "SET" in judged.stdout
    assert json.loads((folder / "e.json").read_text())


def test_counts_of_several_classes_and_of_scores(folder):
    run("prepare", write(folder, "emotion"), "--out", folder / "MULTI", "--json", folder / "m.json")
    multi = artifacts.read_json(folder / "m.json")["tasks"]["emotion"]
    assert multi["kind"] == "multi"
    totals = {name: sum(split[name] for split in multi["splits"].values()) for name in multi["classes"]}
    assert totals == {"angry": 6, "happy": 6, "sad": 12}
    first = read_corpus(folder / "MULTI").utterances
    assert {u.id: u.labels["emotion"] for u in first if u.id in ("u0", "u1", "u2", "u3")} == {
        "u0": [1, 0, 1],
        "u1": [0, 1, 0],
        "u2": [0, 0, 0],
        "u3": [0, 0, 1],
    }
    run("prepare", write(folder, "score"), "--out", folder / "SCORE", "--json", folder / "s.json")
    score = artifacts.read_json(folder / "s.json")["tasks"]["sentiment"]
    assert score["kind"] == "score"
    totals = {name: sum(split[name] for split in score["splits"].values()) for name in score["classes"]}
    assert totals == {"negative": 12, "not negative": 12}
    corpus = read_corpus(folder / "SCORE")
    assert corpus.classes == {}
    assert {u.id: u.labels["sentiment"] for u in corpus.utterances}["u3"] == -0.25


def test_the_doctor_takes_all_three(folder):
    for column, settings in (("emotion", []), ("score", ["dataset.task=sentiment", "dataset.num_classes=7"])):
        run("prepare", write(folder, column), "--out", folder / column)
        recipe = load("custom", [f"dataset.path={folder / column}", *settings])
        found = inspect(recipe, folder / column, vectors=False, data_dir=folder)
        assert [finding.kind for finding in found.findings if finding.severity == "error"] == []


OTHER_SCALE = "is not from -3 to 3 (another scale is stated by --range LOW:HIGH, or mapped by --rescale LOW:HIGH)"


@pytest.mark.parametrize(
    ("score", "problem"),
    [
        ("3.5", OTHER_SCALE),
        ("good", "holds no numbers, expected scores from -3 to 3"),
        ("inf", "is not a finite number"),
        ("1e400", "is not a finite number"),
        ("-4", OTHER_SCALE),
        ('"2,5"', "has a decimal comma, expected a point as in 3.2"),
        ("1_0", "holds no numbers, expected scores from -3 to 3"),
    ],
)
def test_a_score_outside_its_range_is_a_problem(folder, score, problem):
    path = folder / "bad.csv"
    path.write_text(f"id,audio,score\nu1,1.wav,{score}\n")
    with pytest.raises(DataError) as caught:
        read_table(path)
    cell = score.strip('"')
    assert str(caught.value) == f"{path}: 1 problem\n  row 2: score {problem}: {cell!r}"


@given(st.lists(st.text(alphabet="ab |", min_size=1), min_size=1))
def test_any_values_become_labels_that_a_corpus_can_hold(values):
    records = [{"emotion": value} for value in values]
    is_list = "emotion" in list_columns(records)
    lists = list_columns(records)
    labels = [parse_labels(record, lists) for record in records]
    classes = classes_of(labels)
    for own, value in zip(labels, values, strict=True):
        kept = stored(own, classes)["emotion"]
        if is_list:
            present = {name for name, there in zip(classes["emotion"], kept, strict=True) if there}
            assert present == {part.strip() for part in value.split("|")} - {""}
        else:
            assert kept == value
