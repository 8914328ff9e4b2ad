"""The sealed test split: who can see its labels, and what is written down of those who do."""

import json

import numpy as np
import pytest
from builders import CPU, make_corpus, open_tiny, tiny_recipe, write_tiny
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.seal import COUNTS, DECISIONS
from sertool.core.errors import SertoolError
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.recipe.load import resolved
from sertool.core.runs.experiment import corpus_note, open_experiment
from sertool.core.runs.folder import append_log, log_reads

FAST = {"runs": 2, "max_epochs": 2}


def reads(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["by"], line["use"], line["purpose"], line["utterances"]) for line in lines if "read" in line]


def train(tmp_path, recipe):
    write_tiny(tmp_path / "data")
    (tmp_path / "r.yaml").write_text(resolved(recipe))
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    done = CliRunner().invoke(app, ["train", "--recipe", str(tmp_path / "r.yaml"), "--name", "tiny", *places])
    assert done.exit_code == 0, done.output
    return places


def test_an_experiment_shows_no_test_label(tmp_path):
    experiment, tables = open_tiny(tmp_path, tiny_recipe())
    test = experiment.folds[0].sets["test"]
    assert len(test) == 12
    assert {experiment.targets[row] for row in test} == {None}
    assert not any(experiment.corpus.utterances[row].labels for row in test)
    assert set(tables.targets[list(test)].tolist()) == {-1}
    others = [row for name in ("train", "valid") for row in experiment.folds[0].sets[name]]
    assert None not in {experiment.targets[row] for row in others}
    assert not experiment.seal.reads


def test_breaking_the_seal_is_an_entry(tmp_path):
    experiment, _ = open_tiny(tmp_path, tiny_recipe())
    opened = experiment.unsealed("somebody", "was curious", DECISIONS)
    corpus = make_corpus()
    assert [u.labels for u in opened.corpus.utterances] == [u.labels for u in corpus.utterances]
    assert None not in opened.targets
    assert [(one["by"], one["purpose"], one["utterances"]) for one in experiment.seal.reads] == [
        ("somebody", "was curious", 12)
    ]
    log_reads(tmp_path / "run", experiment.seal)
    log_reads(tmp_path / "run", experiment.seal)
    assert reads(tmp_path / "run") == [("somebody", "decisions", "was curious", 12)]


def test_the_seal_changes_no_hash_and_labels_do(tmp_path):
    recipe = tiny_recipe()
    sealed, _ = open_tiny(tmp_path, recipe)
    assert corpus_note(sealed)["hash"] == corpus_note(sealed.unsealed("a", "b", COUNTS))["hash"]
    other = make_corpus(seed=0)
    changed = next(u for u in other.utterances if u.split == "test")
    changed.labels["emotion"] = "sad" if changed.labels["emotion"] != "sad" else "happy"
    write_tiny(tmp_path / "other", other)
    assert corpus_note(open_experiment(recipe, tmp_path / "other"))["hash"] != corpus_note(sealed)["hash"]


def test_in_cross_validation_every_label_trains_somebody(tmp_path):
    folded = tiny_recipe(splits={"scheme": "folds", "group": "speaker", "folds": 3})
    experiment, _ = open_tiny(tmp_path, folded)
    assert not experiment.seal.labels
    assert len(experiment.tested) == 48


def test_training_and_judging_leave_their_entries(tmp_path):
    places = train(tmp_path, tiny_recipe(training=FAST))
    counted = ("sertool train", "class counts", "the doctor counted the classes of every split", 12)
    assert reads(tmp_path / "ckpt/tiny") == [counted]
    for sets in ("valid", "test", "valid,test"):
        done = CliRunner().invoke(app, ["ensemble", "--name", "tiny", "--sets", sets, *places])
        assert done.exit_code == 0, done.output
    judged = ("sertool ensemble", "decisions", "judged 2 members", 12)
    assert reads(tmp_path / "ckpt/tiny") == [counted, judged, judged]


def test_selection_on_test_is_an_entry(tmp_path):
    recipe = tiny_recipe(protocol="paper", splits={"valid": "test", "test": "test"}, training=FAST)
    train(tmp_path, recipe)
    assert reads(tmp_path / "ckpt/tiny")[-1] == ("sertool train", "decisions", "selected the best epoch on them", 12)


def test_members_do_not_depend_on_test_labels(tmp_path):
    """Check the seal by its effect: other test labels give the same weights."""
    recipe = tiny_recipe(training=FAST)
    weights = []
    for place, swapped in (("a", False), ("b", True)):
        corpus = make_corpus()
        if swapped:
            for utterance in corpus.utterances:
                if utterance.split == "test":
                    utterance.labels["emotion"] = "sad"
        write_tiny(tmp_path / place / "data", corpus)
        (tmp_path / "r.yaml").write_text(resolved(recipe))
        done = CliRunner().invoke(
            app,
            [
                "train",
                "--recipe",
                str(tmp_path / "r.yaml"),
                "--name",
                "tiny",
                "--data",
                str(tmp_path / place / "data"),
                "--output",
                str(tmp_path / place / "ckpt"),
            ],
        )
        assert done.exit_code == 0, done.output
        weights.append((tmp_path / place / "ckpt/tiny/run-1/model.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_judging_where_nothing_can_be_written_still_judges(tmp_path, monkeypatch):
    train(tmp_path, tiny_recipe(training=FAST))
    ensemble = open_ensemble("tiny", tmp_path / "ckpt", tmp_path / "data")

    def refuse(folder, entries):
        raise SertoolError("read-only")

    monkeypatch.setattr("sertool.core.runs.folder.append_log", refuse)
    (result,) = predict_sets(ensemble, ["test"], CPU)
    assert result.targets is not None
    assert np.isfinite(result.logits).all()


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SertoolError, match="cannot be written"):
        append_log(tmp_path / "file" / "run", [{}])
