"""Counts of a corpus of a published layout: scores on a scale of their own, left-out utterances, the next command."""

import json
from pathlib import Path

import pytest
from fake_layout import made, register
from recorded_tables import SETTINGS, run, write

from sertool.commands._prepared import inspect_prepared, next_lines
from sertool.core.corpora.corpus import Corpus, Frames, Utterance


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    register(monkeypatch)
    monkeypatch.chdir(tmp_path)

    def prepare(more="", *options):
        return run(made(tmp_path / "in", more=more), "--out", "out", *SETTINGS, "--workers", "1", *options)

    return prepare


def test_scores_of_another_scale_have_figures_of_their_own(prepare):
    result = prepare("", "--json", "out.json")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.partition("\nraters of emotion")[0].splitlines()]
    assert [line[:1] for line in lines[-9:-4]] == [["excited"], ["sad"], ["all"], ["valence,"], ["mean"]]
    assert lines[-6] == ["valence,", "1", "to", "5", "train", "valid", "test"]
    assert lines[-1][0] == "all"
    content = json.loads(Path("out.json").read_text())
    valence = content["tasks"]["valence"]
    assert valence["range"] == [1, 5]
    assert valence["labelled"] == {"train": 4, "valid": 1, "test": 1}
    assert set(valence["splits"]["train"]) == {"mean", "sd", "lowest", "highest"}
    assert valence["splits"]["test"]["sd"] is None


def test_the_next_command_is_about_a_task_of_classes(prepare):
    assert "dataset.task" not in prepare().stdout


def corpus_of(labels, **more):
    utterances = tuple(Utterance(f"u{n}", "train", "well", ("well",), labels) for n in range(2))
    return Corpus("X", utterances, Frames.join([], 1), **more)


def test_scores_alone_are_for_the_recipe_of_scores(prepare):
    table = write(Path.cwd(), "text,speaker,arousal\n" + "".join(f"w {n},s{n % 6},{n % 5 + 1}\n" for n in range(30)))
    result = run(table, "--out", "scores", "--range", "1:5")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == (
        "next: sertool train --recipe custom-scores --name scores --set dataset.path=scores "
        "--set 'dataset.modalities=[text]'"
    )
    given = run(table, "--out", "given", "--range", "1:5", "--recipe", "custom-scores", "--set", "dataset.task=valence")
    assert "--set dataset.task=valence --set dataset.task=all" in given.stdout.splitlines()[-1]


def test_a_corpus_of_classes_and_scores_names_both_commands(prepare):
    rows = "".join(f"w {n},s{n % 6},{n % 5 + 1},{'xy'[n % 2]}\n" for n in range(30))
    table = write(Path.cwd(), "text,speaker,arousal,label\n" + rows)
    lines = run(table, "--out", "both", "--range", "1:5", "--set", "training.runs=2").stdout.splitlines()
    named = "--name both --set dataset.path=both --set training.runs=2 --set 'dataset.modalities=[text]'"
    assert lines[-2:] == [
        f"for arousal as scores: sertool train --recipe custom-scores {named}",
        f"next: sertool train --recipe custom {named}",
    ]
    smoothed = run(table, "--out", "new", "--range", "1:5", "--set", "training.label_smoothing=0.2")
    assert smoothed.exit_code == 0, smoothed.output
    assert "as scores" not in smoothed.stdout  # the setting is for classes


def test_a_recipe_of_the_other_kind_has_nothing_to_train_on(tmp_path):
    scores = corpus_of({"valence": 2.5}, ranges={"valence": (1, 5)})
    classes = corpus_of({"emotion": "sad"}, classes={"emotion": ("sad",)})
    for corpus, recipe, held in (
        (scores, "custom-modern", "classes, and the corpus has valence"),
        (classes, "custom-scores", "scores, and the corpus has emotion"),
    ):
        settings, inspection = inspect_prepared(corpus, recipe, [], tmp_path)
        assert (settings, inspection) == (["dataset.modalities=[text]"], None)
        told = f"nothing to train on: the recipe {recipe} predicts {held}"
        assert next_lines(corpus, None, recipe, settings, tmp_path) == [told]


def test_left_out_utterances_are_counted_by_reason(prepare):
    result = prepare("b1 s1 broken 1\nb2 s1 broken 1\n")
    assert "left out 2 of 8 utterances\n  known to be broken: 2, such as b1 (train), b2 (train)\n" in result.stderr


def test_a_task_that_is_set_stays(prepare):
    result = prepare("", "--set", "dataset.task=emotion")
    assert "--set dataset.task=emotion" in result.stdout
    assert result.stdout.count("dataset.task") == 1
