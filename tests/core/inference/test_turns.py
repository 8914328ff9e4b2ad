"""Places of utterances in their dialogues, as predictions are stored with them."""

import json
from dataclasses import replace

import numpy as np
from builders import CPU, make_corpus, tiny_recipe, write_tiny
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.corpora.corpus import Utterance
from sertool.core.files import artifacts
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.inference.evaluate import evaluate
from sertool.core.inference.turns import UNKNOWN, Turn, turns_of
from sertool.core.reports.build import build_report
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.prediction_files import read_set, set_path
from sertool.core.runs.train import train_recipe


def said(dialogue=None, speaker=None, order=None):
    return Utterance("u", "test", "", (), {}, speaker, dialogue=dialogue, order=order)


def test_positions_are_counted_and_speakers_compared():
    spoken = [
        said("a", "ann", 9),
        said("b", "ann", 1),
        said("a", "bob", 2),
        said("a", "ann", 11),
        said(None, "ann"),
        said("a", None, 12),
    ]
    assert turns_of(spoken) == [
        Turn(2, "another"), Turn(1, None), Turn(1, None), Turn(3, "same"), UNKNOWN, Turn(4, None),
    ]  # fmt: skip


def test_positions_given_twice_are_no_positions():
    assert turns_of([said("a", "ann", 1), said("a", "ann", 1), said("b", "ann", 1)]) == [UNKNOWN] * 3


@given(st.lists(st.sampled_from(["a", "b", None])))
def test_each_dialogue_has_its_positions_once(names):
    turns = turns_of([said(name) for name in names])
    for name in {"a", "b"} & set(names):
        own = [turn.number for turn, dialogue in zip(turns, names, strict=True) if dialogue == name]
        assert own == list(range(1, len(own) + 1))
    assert all(turn == UNKNOWN for turn, name in zip(turns, names, strict=True) if name is None)


def test_stored_predictions_hold_them_and_do_without(tmp_path):
    corpus = make_corpus({"train": 24, "valid": 24, "test": 60})
    utterances = [replace(one, dialogue=f"{one.split}{row // 6}") for row, one in enumerate(corpus.utterances)]
    recipe = tiny_recipe(training={"runs": 1, "max_epochs": 1})
    experiment = open_experiment(recipe, write_tiny(tmp_path / "data", replace(corpus, utterances=tuple(utterances))))
    list(train_recipe(plan_training(experiment, tmp_path / "ckpt/tiny", [1], None, CPU), tmp_path / "data", CPU))
    evaluate(open_ensemble("tiny", tmp_path / "ckpt", tmp_path / "data"), ["test"], None, CPU)
    stored = read_set(tmp_path / "ckpt/tiny", "test")
    assert [one.turn for one in stored.spoken] == [*range(1, 7)] * 10
    assert {one.follows for one in stored.spoken} == {None, "another"}
    (run,) = build_report(["tiny"], tmp_path / "ckpt", tmp_path / "data").runs
    assert {"turn", "speaker before"} < {row.kind for row in run.sets["test"].slices}
    # As an earlier version stored them.
    path = set_path(tmp_path / "ckpt/tiny", "test")
    arrays, _ = artifacts.read_arrays(path)
    facts = json.loads(arrays["facts"].tobytes())
    del facts["spoken"]["turn"], facts["spoken"]["follows"]
    artifacts.write_arrays(path, {**arrays, "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)})
    assert [one.turn for one in read_set(tmp_path / "ckpt/tiny", "test").spoken] == [None] * 60
    (run,) = build_report(["tiny"], tmp_path / "ckpt", tmp_path / "data").runs
    assert not {"turn", "speaker before", "change"} & {row.kind for row in run.sets["test"].slices}
