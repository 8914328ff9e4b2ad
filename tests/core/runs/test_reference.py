"""The nine cases of the reference: logits, accuracies, reports, training losses (tests/reference/README.md)."""

import csv
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import CPU, REFERENCE, copy_case

from sertool.core.files.reference_checkpoints import read_reference_checkpoint
from sertool.core.inference.ensemble import Predictions, open_ensemble, predict_sets
from sertool.core.models.build import DataSizes, build, load_members
from sertool.core.recipe.load import load
from sertool.core.runs.experiment import class_weights_of, fit_inputs, open_experiment, tables_of
from sertool.core.runs.reference import from_reference, recipe_of, reference_key
from sertool.core.training.logits import logits_of
from sertool.core.training.optimizer import StackedAdam
from sertool.core.training.steps import losses

CASES = sorted(path.parent.name for path in REFERENCE.glob("*/expected.json"))
OVERRIDES = ["model.dropout_residual=0.0", "model.dropout_output=0.0"]


@cache
def expected(case: str) -> dict:
    return json.loads((REFERENCE / case / "expected.json").read_text())


@pytest.fixture(params=CASES, scope="module")
def evaluated(request, tmp_path_factory):
    """Evaluate a copy of a case; returns its name and our predictions by set."""
    folder = copy_case(request.param, tmp_path_factory.mktemp(request.param))
    ensemble = open_ensemble("ref", folder / "ckpt", folder / "data")
    results = predict_sets(ensemble, list(expected(request.param)["sets"]), CPU)
    return request.param, {result.set: result for result in results}


def member_of(result: Predictions, checkpoint: str) -> int:
    """Ours are ordered by accuracy as a number, the reference's by name as text."""
    return [member.name for member in result.members].index(checkpoint)


def test_there_are_nine_cases_with_three_kinds_of_sets():
    assert len(CASES) == 9
    assert {name for case in CASES for name in expected(case)["sets"]} == {"valid", "test", "private"}


def test_logits_are_the_references(evaluated):
    case, results = evaluated
    for name, numbers in expected(case)["sets"].items():
        assert list(results[name].ids) == numbers["keys"]
        for checkpoint, logits in zip(expected(case)["checkpoints"], numbers["logits"], strict=True):
            ours = results[name].logits[member_of(results[name], checkpoint)]
            np.testing.assert_allclose(ours, np.array(logits), rtol=0, atol=1e-5)
        both = results[name].ensemble_logits(2)
        np.testing.assert_allclose(both, np.array(numbers["ensemble_logits"]), rtol=0, atol=1e-5)


def test_accuracies_and_reports_are_the_references(evaluated):
    case, results = evaluated
    labelled = {name: numbers for name, numbers in expected(case)["sets"].items() if "labels" in numbers}
    assert set(expected(case)["sets"]) - set(labelled) <= {"private"}
    for name, numbers in labelled.items():
        result = results[name]
        np.testing.assert_array_equal(result.targets, numbers["labels"])
        for checkpoint, percent in zip(expected(case)["checkpoints"], numbers["accuracy"], strict=True):
            assert 100 * result.members[member_of(result, checkpoint)].accuracy == pytest.approx(percent, abs=1e-9)
        best = expected(case)["checkpoints"].index(result.members[0].name)
        assert 100 * result.metric("accuracy", 1) == pytest.approx(numbers["accuracy"][best], abs=1e-9)
        assert 100 * result.metric("accuracy", 2) == pytest.approx(numbers["ensemble_accuracy"][1], abs=1e-9)
        assert result.report(2, numbered=True) == numbers["report"]


def test_private_sets_are_only_predicted(evaluated):
    _, results = evaluated
    for result in results.values():
        assert (result.targets is None) == (result.set == "private")
        assert all((member.accuracy is None) == (result.set == "private") for member in result.members)


@pytest.mark.parametrize("case", CASES)
def test_six_steps_of_adam_give_the_references_losses(case, tmp_path):
    folder = copy_case(case, tmp_path)
    numbers = expected(case)["training"]
    start = read_reference_checkpoint(folder / "ckpt/ref" / numbers["start"])
    named = recipe_of(start)
    recipe = load(named.name, [*OVERRIDES, *(f"model.{key}={value}" for key, value in sizes(named).items())])
    experiment = open_experiment(recipe, folder / "data")
    inputs = fit_inputs(experiment)
    tables = tables_of(experiment, inputs, CPU.device)
    model = build(
        recipe.model,
        DataSizes(inputs[0].vocabulary.rows, recipe.model.embedding_size, 80, len(experiment.task.classes)),
        members=1,
    )
    names = [name for name, _ in model.named_parameters()]
    load_members(model, [from_reference(start.state_dict, names, recipe.model.architecture)])
    train = experiment.folds[0].sets["train"]
    assert [experiment.corpus.utterances[row].id for row in train] == numbers["training_keys"]

    adam, found, size = StackedAdam(list(model.parameters()), recipe.training), [], numbers["batch_size"]
    for step in range(6):
        index = torch.tensor([[train[(size * step + place) % len(train)] for place in range(size)]])
        logits = model(tables.gather(index, [0]))
        weights = class_weights_of(experiment)
        loss = losses(logits, tables.targets[index], torch.tensor([0]), recipe.training, weights).sum()
        found.append(loss.item())
        model.zero_grad()
        loss.backward()
        adam.update([start.settings["lr_base"]], [size])
    np.testing.assert_allclose(found, numbers["loss"], rtol=1e-4)

    test = torch.tensor(experiment.folds[0].sets["test"])
    after = logits_of(model, tables, [test], [0], CPU)[0].numpy()
    wanted = np.array(numbers["test_logits_after"])
    assert np.abs(after - wanted).max() <= 1e-4 * np.abs(wanted).max()


def sizes(recipe) -> dict:
    """Return the keys of ``model`` that a checkpoint decides."""
    keys = ("architecture", "hidden_size", "ffn_size", "num_heads", "num_layers", "embedding_size")
    return {key: getattr(recipe.model, key) for key in keys}


@pytest.mark.parametrize("case", CASES)
def test_names_of_weights_go_both_ways(case):
    """Weights of a checkpoint and of our model correspond one to one."""
    path = sorted((REFERENCE / case / "ckpt/ref").glob("best*.pkl"))[0]
    checkpoint = read_reference_checkpoint(path)
    recipe = recipe_of(checkpoint)
    model = build(recipe.model, DataSizes(2, 300, 80, checkpoint.settings["ans_size"]), 1)
    names = [name for name, _ in model.named_parameters()]
    architecture = recipe.model.architecture
    assert {reference_key(name, architecture) for name in names} == set(checkpoint.state_dict)
    assert len({reference_key(name, architecture) for name in names}) == len(names)


@pytest.mark.parametrize("case", ["iemocap-mat", "mosei2-mat"])
def test_without_the_caches_the_training_sentences_give_the_same_numbering(case, tmp_path):
    """The reference also numbers the words of training utterances that are left out."""
    folder = copy_case(case, tmp_path)
    data = folder / "data" / expected(case)["dataset"]
    (data / "token_to_ix.pkl").unlink()
    (data / "train_glove.npy").unlink()
    ensemble = open_ensemble("ref", folder / "ckpt", folder / "data")
    assert ensemble.trained.inputs[0].vocabulary.rows == expected(case)["vocabulary_size"]
    (result,) = predict_sets(ensemble, ["test"], CPU)
    wanted = np.array(expected(case)["sets"]["test"]["ensemble_logits"])
    np.testing.assert_allclose(result.ensemble_logits(2), wanted, rtol=0, atol=1e-5)


def test_the_command_prints_and_writes_the_references_result(tmp_path):
    folder, numbers = copy_case("mosei6-mat", tmp_path), expected("mosei6-mat")
    arguments = ["--name", "ref", "--output", "ckpt", "--data", "data", "--sets", "valid,test,private"]
    files = ["--json", "out/result.json", "--predictions", "out/result.csv", "--index", "2"]  # as the case was made
    done = subprocess.run(
        [sys.executable, "-m", "sertool", "ensemble", *arguments, *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("valid", "test"):
        assert numbers["sets"][name]["report"] in done.stdout
    assert (
        "this set has no labels, so there is nothing to evaluate; --csv FILE saves the predictions of 2 members\n"
    ) in done.stdout
    result = json.loads((folder / "out/result.json").read_text())
    assert {key: result[key] for key in ("name", "dataset", "task", "protocol", "classes")} == {
        "name": "ref",
        "dataset": "MOSEI",
        "task": "emotion",
        "protocol": "paper",
        "classes": ["happy", "sad", "angry", "fear", "disgust", "surprise"],
    }
    assert set(result["sets"]["private"]) == {"utterances", "members"}
    for name in ("valid", "test"):
        own, theirs = result["sets"][name], numbers["sets"][name]
        assert own["utterances"] == theirs["n"]
        assert [member["checkpoint"] for member in own["members"]] == numbers["checkpoints"]
        assert [100 * member["accuracy"] for member in own["members"]] == pytest.approx(theirs["accuracy"])
        assert [size["members"] for size in own["ensemble"]] == [1, 2]
        assert [100 * size["accuracy"] for size in own["ensemble"]] == pytest.approx(theirs["ensemble_accuracy"])
        assert own["report"]["happy"]["support"] == sum(label[0] for label in theirs["labels"])
    check_predictions(folder / "out/result.csv", numbers, result["classes"])


def check_predictions(path: Path, numbers: dict, classes: list[str]) -> None:
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert list(rows[0]) == ["set", "utterance", "label", "predicted", *(f"logit_{name}" for name in classes)]
    for name in ("valid", "test", "private"):
        own, theirs = [row for row in rows if row["set"] == name], numbers["sets"][name]
        assert [row["utterance"] for row in own] == theirs["keys"]
        logits = np.array([[float(row[f"logit_{label}"]) for label in classes] for row in own])
        np.testing.assert_allclose(logits, theirs["ensemble_logits"], rtol=0, atol=1e-5)
        decided = ["|".join(str(int(value > 0)) for value in row) for row in logits]
        assert [row["predicted"] for row in own] == decided
        labels = ["|".join(str(int(value)) for value in label) for label in theirs.get("labels", [])] or [""] * theirs[
            "n"
        ]
        assert [row["label"] for row in own] == labels


def test_predictions_of_single_label_tasks_are_class_names(tmp_path):
    folder, numbers = copy_case("vgaf-mat", tmp_path), expected("vgaf-mat")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sertool",
            "ensemble",
            "--name",
            "ref",
            "--index",
            "1",
            "--predictions",
            "p.csv",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "selected on test: members and their order were chosen on these utterances" in done.stdout
    rows = list(csv.DictReader((folder / "p.csv").read_text().splitlines()))
    names = [column.removeprefix("logit_") for column in list(rows[0])[4:]]
    best = np.array(numbers["sets"]["test"]["logits"][numbers["checkpoints"].index("best100.0_8753316.pkl")])
    assert [row["predicted"] for row in rows] == [names[number] for number in best.argmax(1)]
    assert [row["label"] for row in rows] == [names[number] for number in numbers["sets"]["test"]["labels"]]
