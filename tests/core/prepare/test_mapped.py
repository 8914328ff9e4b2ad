"""``prepare --map``: labels under the classes of a map, and what falls out."""

import json
from pathlib import Path

import pytest
from recorded_tables import run, write

from sertool.core.corpora.corpus_files import read_corpus

TEXTS = """id,text,speaker,split,label,arousal,valence
u1,one,ann,train,exc,5,4
u2,two,ann,train,ang,5,1
u3,three,bob,train,fru,1,2
u4,four,bob,test,Happy,4,5
u5,five,cid,valid,anger,4,2
u6,six,cid,valid,,3,2
"""


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write(tmp_path, TEXTS)


def prepared(*options):
    done = run("table.csv", "--out", "out", "--range", "1:5", *options)
    assert done.exit_code == 0, done.output
    return done, read_corpus(Path("out"))


def test_the_corpus_has_the_classes_of_the_map(table):
    done, corpus = prepared("--map", "four")
    assert corpus.classes == {"emotion": ("angry", "happy")}
    found = {one.id: one.labels.get("emotion") for one in corpus.utterances}
    assert found == {"u1": "happy", "u2": "angry", "u3": None, "u4": "happy", "u5": "angry", "u6": None}
    assert corpus.choices["map"]["fell_out"] == {"fru": 1}
    assert "label map four: 2 classes: angry, happy\n  fell out: 1 of 5 utterances: 1 fru" in done.stderr
    assert corpus.utterances[0].labels["valence"] == 4


def test_quadrants_become_a_task_beside_the_others(table):
    done, corpus = prepared("--map", "quadrants", "--set", "dataset.task=quadrant")
    assert corpus.classes["quadrant"] == (
        "aroused positive",
        "aroused negative",
        "calm negative",
        "calm positive",
    )
    assert corpus.classes["emotion"] == ("Happy", "ang", "anger", "exc", "fru")
    found = {one.id: one.labels.get("quadrant") for one in corpus.utterances}
    assert found["u3"] == "calm negative"
    assert found["u6"] is None
    assert "1 in the middle of a score" in done.stderr


def test_a_dry_run_shows_mapped_labels_and_writes_nothing(table, tmp_path):
    done = run("table.csv", "--range", "1:5", "--map", "four", "--dry-run", "--json", "dry.json")
    assert done.exit_code == 0, done.output
    rows = {row["id"]: row["labels"].get("emotion") for row in json.loads((tmp_path / "dry.json").read_text())["rows"]}
    assert rows == {"u1": "happy", "u2": "angry", "u3": None, "u4": "happy", "u5": "angry", "u6": None}
    assert "fell out: 1 of 5 utterances: 1 fru" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "foru"], "did you mean 'four'"),
        (["--map", "four", "--set", "dataset.task=emotional"], "the table has no classes of 'emotional', did you mean"),
        (["--map", "own.yaml"], "'x' stands for two classes"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_before_anything_is_written(table, tmp_path, options, message):
    write(tmp_path, "classes: {a: [x], b: [x]}", "own.yaml")
    done = run("table.csv", "--out", "out", "--range", "1:5", *options)
    assert message in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_the_map_is_not_overwritten_by_the_result(table, tmp_path):
    write(tmp_path, "classes: {upset: [ang, anger, fru], glad: [exc, Happy]}", "own.yaml")
    done = run("table.csv", "--range", "1:5", "--map", "own.yaml", "--dry-run", "--json", "own.yaml")
    assert "own.yaml" in str(done.exception)
    assert (tmp_path / "own.yaml").read_text().startswith("classes")


def test_several_classes_at_once_cannot_be_mapped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "id,text,label\nu1,one,happy|sad\nu2,two,angry\n")
    done = run("table.csv", "--out", "out", "--map", "four")
    assert "no name of one class for each utterance" in str(done.exception)
