"""A recipe's label map: the classes that are trained, what falls out, and what a run keeps of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import CPU, make_corpus, tiny_recipe, write_tiny

from sertool.core.corpora.label_maps import MapNote
from sertool.core.doctor.inspect import inspect
from sertool.core.errors import UsageError
from sertool.core.files.artifacts import read_json
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.inference.evaluate import evaluate
from sertool.core.recipe.load import resolved
from sertool.core.reports.run import report_run
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.prediction_files import read_set
from sertool.core.runs.train import Note, train_recipe


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "data")


def counted(label: str) -> int:
    return sum(one.labels["emotion"] == label for one in make_corpus().utterances)


def own_map(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


def test_the_classes_of_the_map_are_trained_and_others_fall_out(data, tmp_path):
    path = own_map(tmp_path, "classes: {low: [sad], high: [Angry]}\ndrop: [happy]")
    experiment = open_experiment(tiny_recipe(dataset={"map": path}), data)
    plain = open_experiment(tiny_recipe(), data)
    assert experiment.task.classes == ("low", "high")
    left = [row for fold in plain.folds for row in fold.sets["train"] if plain.targets[row] != 1]
    assert sorted(experiment.folds[0].sets["train"]) == sorted(left)
    assert [experiment.targets[row] for row in left] == [{0: 1, 2: 0}[plain.targets[row]] for row in left]
    assert experiment.map_note is not None
    assert dict(experiment.map_note.fell_out) == {"happy": counted("happy")}
    # The labels of test stay sealed.
    assert all(experiment.targets[row] is None for row in experiment.tested)


def test_a_run_says_and_keeps_what_fell_out(data, tmp_path):
    recipe = tiny_recipe(dataset={"map": "polarity"}, training={"runs": 1, "max_epochs": 1})
    plan = plan_training(open_experiment(recipe, data), tmp_path / "ckpt" / "run", [0], None, CPU)
    notes = [event.text for event in train_recipe(plan, data, CPU) if isinstance(event, Note)]
    assert "label map polarity: 2 classes: positive, negative" in notes
    assert read_json(tmp_path / "ckpt" / "run" / "corpus.json")["map"]["classes"] == ["positive", "negative"]
    evaluate(open_ensemble("run", tmp_path / "ckpt", data), ["test"], None, CPU)
    stored = read_set(tmp_path / "ckpt" / "run", "test").origin
    assert stored.map is not None
    assert MapNote.from_json(stored.map) == plan.experiment.map_note
    shown = report_run(tmp_path / "ckpt" / "run", data).report.provenance
    assert shown["label map"] == "polarity: 2 classes: positive, negative"


def test_recipes_without_a_map_keep_their_bytes():
    assert "map" not in resolved(tiny_recipe())
    assert "map: four" in resolved(tiny_recipe(dataset={"map": "four"}))


def test_the_doctor_looks_at_the_mapped_classes(data):
    found = inspect(tiny_recipe(dataset={"map": "polarity"}), data / "TINY", data_dir=data)
    assert "negative" in str(found.to_json())


def test_a_map_that_does_not_fit_is_refused(data):
    with pytest.raises(UsageError, match="map: only with target: classes"):
        tiny_recipe(dataset={"map": "four", "target": "scores"})
    with pytest.raises(UsageError, match="there is no such map or file, did you mean 'four'"):
        open_experiment(tiny_recipe(dataset={"map": "foru"}), data)
    corpus = make_corpus()
    other = tuple(replace(one, labels={"emotion": "bored"}) for one in corpus.utterances)
    write_tiny(data, replace(corpus, utterances=other, classes={"emotion": ("bored", "calm")}))
    with pytest.raises(UsageError, match="TINY's emotion have none"):
        open_experiment(tiny_recipe(dataset={"map": "four"}), data)
