"""Stored predictions: what is written comes back; what is damaged, or of another version, is one message."""

import dataclasses
import json

import numpy as np
import pytest
from builders import CPU, tiny_recipe, write_tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.inference.evaluate import evaluate
from sertool.core.inference.probe import probe
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.prediction_files import read_probes, read_set, set_path, stored_sets, write_set
from sertool.core.runs.train import train_recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Make a run with stored predictions and probes."""
    here = tmp_path_factory.mktemp("store")
    recipe = tiny_recipe(training={"runs": 2, "max_epochs": 2})
    experiment = open_experiment(recipe, write_tiny(here / "data"))
    list(train_recipe(plan_training(experiment, here / "ckpt/tiny", [1, 2], None, CPU), here / "data", CPU))
    ensemble = open_ensemble("tiny", here / "ckpt", here / "data")
    evaluation = evaluate(ensemble, ["test"], 2, CPU, "a test", probed=True)
    return here / "ckpt/tiny", evaluation


def test_everything_is_there(run):
    folder, evaluation = run
    assert stored_sets(folder) == ["test", "valid"]  # validation was judged for the temperature
    stored, result = read_set(folder, "test"), evaluation.results[0]
    for field in dataclasses.fields(result):
        ours, theirs = getattr(stored.predictions, field.name), getattr(result, field.name)
        np.testing.assert_array_equal(ours, theirs) if isinstance(theirs, np.ndarray) else None
        assert isinstance(theirs, np.ndarray) or ours == theirs
    origin = stored.origin
    assert (origin.run, origin.dataset, origin.task, origin.rule) == ("tiny", "TINY", "emotion", "name")
    assert (origin.protocol, origin.selected_on_test, origin.folds) == ("honest", False, 1)
    assert origin.counts == {"train": 24, "valid": 12, "test": 12}
    assert sum(origin.train_classes) == 24
    assert origin.trained == [24]
    assert origin.doctor is not None
    assert {"time", "device", "precision", "sertool", "torch"} <= set(origin.made)
    assert {one.speaker for one in stored.spoken} == {"s2", "s5"}
    assert [one.words > 0 for one in stored.spoken] == [bool(one.text) for one in stored.spoken]


def test_a_set_of_one_corpus_is_stored_as_by_earlier_versions(run, tmp_path):
    folder, _ = run

    def columns(where):
        return json.loads(artifacts.read_arrays(set_path(where, "test"))[0]["facts"].tobytes())["spoken"]

    assert "corpus" not in columns(folder)
    stored = read_set(folder, "test")
    joined = [dataclasses.replace(one, corpus=name) for one, name in zip(stored.spoken, "AB" * 6, strict=True)]
    write_set(tmp_path, dataclasses.replace(stored, spoken=tuple(joined)))
    assert columns(tmp_path)["corpus"] == list("AB" * 6)
    assert list(read_set(tmp_path, "test").spoken) == joined


def test_probes_are_those_of_the_predictions(run):
    folder, evaluation = run
    probes = read_probes(folder, evaluation.results[0])
    assert list(probes) == sorted(["text masked", "audio masked", "text shuffled", "audio shuffled"])
    made = probe(open_ensemble("tiny", folder.parent, folder.parents[1] / "data"), "test", CPU)
    for name, logits in probes.items():
        np.testing.assert_array_equal(logits, made[name])
    valid = read_set(folder, "valid").predictions
    assert read_probes(folder, valid) == {}
    other = dataclasses.replace(evaluation.results[0], ids=evaluation.results[0].ids[::-1])
    with pytest.raises(DataError, match="they belong to other predictions") as caught:
        read_probes(folder, other)
    assert caught.value.hint == (
        f"recreate them: sertool ensemble --name tiny --split test --probe --output {folder.parent}"
    )


def damaged(folder, tmp_path, change):
    arrays, _ = artifacts.read_arrays(set_path(folder, "test"))
    facts = json.loads(arrays["facts"].tobytes())
    change(arrays, facts)
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    artifacts.write_arrays(set_path(tmp_path / "tiny", "test"), arrays)
    with pytest.raises(DataError) as caught:
        read_set(tmp_path / "tiny", "test")
    assert caught.value.hint == f"recreate it: sertool ensemble --name tiny --output {tmp_path}"
    return str(caught.value).partition("test.safetensors: ")[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a, f: f.update(format="sertool-predictions/0"),
            'format: expected sertool-predictions/1 (got "sertool-predictions/0")',
        ),
        (lambda a, f: f.pop("ids"), "ids: is missing"),
        (lambda a, f: f.update(set="valid"), "damaged (ValueError: it holds the set 'valid')"),
        (lambda a, f: f["ids"].__setitem__(3, 1), 'ids[3]: expected text; quote it: "1" (got 1)'),
        (
            lambda a, f: f["ids"].__setitem__(0, f["ids"][1]),
            "damaged (ValueError: no utterances, or one of them occurs twice)",
        ),
        (
            lambda a, f: a.update(logits=a["logits"][:, :-1].copy()),
            "damaged (ValueError: logits are float32 (2, 11, 3))",
        ),
        (
            lambda a, f: a.update(logits=a["logits"].astype(np.float64)),
            "damaged (ValueError: logits are float64 (2, 12, 3))",
        ),
        (lambda a, f: a.update(targets=a["targets"] + 5), "damaged (ValueError: targets do not fit)"),
        (lambda a, f: a.update(scores=np.zeros(3)), "damaged (ValueError: scores do not fit)"),
        (
            lambda a, f: f["spoken"]["speaker"].pop(),
            "damaged (ValueError: a column has another length than the list of utterances)",
        ),
        (
            lambda a, f: f["spoken"]["words"].__setitem__(3, "one"),
            'spoken.words[3]: expected a whole number (got "one")',
        ),
        (
            lambda a, f: f["spoken"]["words"].__setitem__(3, 10**400),
            f"spoken.words[3]: must be at most 9007199254740992 (got 1{'0' * 58}…)",
        ),
        (
            lambda a, f: f["origin"].update(rule="guess"),
            "origin.rule: expected index, index-from-one, sign, sign-without-zero, seven, present, name, scores, votes "
            'or any (got "guess")',
        ),
        (
            lambda a, f: f["origin"]["counts"].update(test="many"),
            'origin.counts.test: expected a whole number (got "many")',
        ),
        (
            lambda a, f: f["origin"].update(doctor=[["a", 2]]),
            'origin.doctor[0][1]: expected text; quote it: "2" (got 2)',
        ),
    ],
)
def test_damage_is_one_message(run, tmp_path, change, message):
    assert damaged(run[0], tmp_path, change) == message


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"test\.safetensors"):
        read_set(tmp_path, "test")
    assert stored_sets(tmp_path) == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_damage_is_a_message_or_nothing(run, tmp_path_factory, data):
    content = bytearray(set_path(run[0], "test").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damage") / "tiny"
    artifacts.write_bytes(set_path(folder, "test"), bytes(content))
    try:
        stored = read_set(folder, "test")
    except DataError:
        return
    write_set(folder, stored)
    assert read_set(folder, "test").predictions.ids == stored.predictions.ids
