"""Counts of a corpus of a published layout: scores on a scale of their own, left-out utterances, the next command."""

import json
from pathlib import Path

import pytest
from fake_layout import made, register
from recorded_tables import SETTINGS, run

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
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[:1] for line in lines[-11:-6]] == [["excited"], ["sad"], ["all"], ["valence,"], ["mean"]]
    assert lines[-8] == ["valence,", "1", "to", "5", "train", "valid", "test"]
    assert lines[-3][0] == "all"
    content = json.loads(Path("out.json").read_text())
    valence = content["tasks"]["valence"]
    assert valence["range"] == [1, 5]
    assert valence["labelled"] == {"train": 4, "valid": 1, "test": 1}
    assert set(valence["splits"]["train"]) == {"mean", "sd", "lowest", "highest"}
    assert valence["splits"]["test"]["sd"] is None


def test_the_next_command_is_about_a_task_of_classes(prepare):
    assert "dataset.task" not in prepare().stdout


def test_scores_of_another_scale_alone_train_nothing(tmp_path):
    utterance = Utterance("u1", "train", "well", ("well",), {"valence": 2.5})
    corpus = Corpus("X", (utterance,), Frames.join([], 1), ranges={"valence": (1, 5)})
    assert inspect_prepared(corpus, "custom", [], tmp_path) == (["dataset.modalities=[text]"], None)
    told = "nothing to train on: no recipe predicts scores on a scale of their own (valence)"
    assert next_lines(corpus, None, "custom", [], tmp_path) == [told]


def test_left_out_utterances_are_counted_by_reason(prepare):
    result = prepare("b1 s1 broken 1\nb2 s1 broken 1\n")
    assert "left out 2 of 8 utterances\n  known to be broken: 2, such as b1 (train), b2 (train)\n" in result.stderr


def test_a_task_that_is_set_stays(prepare):
    result = prepare("", "--set", "dataset.task=emotion")
    assert "--set dataset.task=emotion" in result.stdout
    assert result.stdout.count("dataset.task") == 1
