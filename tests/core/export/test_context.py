"""A bundle of a model with context: the graph and run.py judge dialogues as PyTorch does."""

import csv
import json

import numpy as np
import pytest
from builders import CPU, open_tiny
from bundle_running import load_script, run_alone
from dialogue_corpora import context_recipe, dialogue_corpus
from export_runs import judge_of, make_trained, run, session_of
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.export import check as bundle_check
from sertool.core.export.check import feeds_of, in_context, make_trial, nothing_earlier
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe

CONTEXT = {"previous": 3, "speakers": True}
KINDS = {
    "mat": {},
    "mnt, two folds": {"architecture": "mnt", "folds": 2},
    "linear, one member": {"architecture": "linear", "members": 1},
    "scores": {"ranges": ((1.0, 5.0), (-1.0, 1.0), (0.0, 10.0)), "folds": 2},
    "without speakers": {"context": {"previous": 2, "speakers": False}},
    "audio alone": {"modalities": ["audio"], "standardize": "corpus"},
}


def made(kind: str):
    return make_trained(**{"context": CONTEXT, **KINDS[kind]})


@pytest.mark.parametrize("kind", KINDS)
def test_dialogues_are_judged_as_in_pytorch(kind):
    trained = made(kind)
    trial, session = make_trial(trained, None), session_of(trained)
    expected = judge_of(trained, trial)(range(len(trial.corpus.utterances)))
    feeds = feeds_of(trained, trial)
    found = bundle_check.onnx_logits(session, in_context(session, feeds, trial.dialogues))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    alone = bundle_check.onnx_logits(session, feeds)
    assert (np.abs(alone - expected).max(1) > 1e-3).mean() > 0.8  # all but the first of a dialogue


def test_a_batch_of_places_of_dialogues_and_padding_changes_nothing():
    trained = made("mat")
    trial, session = make_trial(trained, None), session_of(trained)
    feeds = [own for own in in_context(session, feeds_of(trained, trial), trial.dialogues) if own["mels"].shape[1]][:12]
    alone = bundle_check.onnx_logits(session, feeds)
    batch = {}
    for name, own in feeds[0].items():
        size = 3 + max(given[name].shape[1] if own.ndim > 1 else 0 for given in feeds)
        rows = [given[name] for given in feeds]
        if own.ndim > 1:  # what follows the own place is never looked at
            fill = {"earlier": 7.0, "relations": 1}.get(name, 0)
            pads = [[(0, 0), (0, size - row.shape[1]), *[(0, 0)] * (row.ndim - 2)] for row in rows]
            rows = [np.pad(row, pad, constant_values=fill) for row, pad in zip(rows, pads, strict=True)]
        batch[name] = np.concatenate(rows)
    assert len(set(batch["earlier_count"].tolist())) > 2
    np.testing.assert_allclose(session.run(["logits"], batch)[0], alone, rtol=0, atol=1e-5)


def test_vectors_do_not_depend_on_the_context_and_a_model_without_has_none():
    trained = made("linear, one member")
    trial, session = make_trial(trained, None), session_of(trained)
    feeds = feeds_of(trained, trial)
    given = in_context(session, feeds, trial.dialogues)[3]
    assert given["earlier_count"].tolist() == [3]
    nothing = {**feeds[3], **nothing_earlier(session)}
    assert np.array_equal(*(session.run(["vectors"], own)[0] for own in (given, nothing)))
    plain = session_of(make_trained())
    assert [own.name for own in plain.get_inputs()] == ["tokens", "mels"]
    assert [own.name for own in plain.get_outputs()] == ["logits", "probabilities"]
    assert in_context(plain, feeds, None) is feeds
    assert nothing_earlier(plain) == {}


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A folder with a model with context, a table of dialogues that it has not seen, and the model's bundle."""
    folder = tmp_path_factory.mktemp("talk")
    recipe = context_recipe(2, dataset={"modalities": ["text"]}, training={"learning_rate": 0.05})
    experiment, _ = open_tiny(folder / "data", recipe, dialogue_corpus())
    for _ in train_recipe(
        plan_training(experiment, folder / "ckpt" / recipe.name, range(1, 3), None, CPU), folder / "data", CPU
    ):
        pass
    random, words = np.random.default_rng(4), sorted(experiment_words(experiment))
    with (folder / "talk.csv").open("w") as table:
        table.write("id,text,dialogue,order,speaker\n")
        for number in range(24):
            text = " ".join(random.choice(words, int(random.integers(1, 5))))
            table.write(f"u{number},{text},d{number % 3},{number},{('ann', 'bob', '')[int(random.integers(3))]}\n")
    done = run(folder, "--out", str(folder / "b"), "--int8", "--force")
    assert done.exit_code == 0, done.output
    return folder


def experiment_words(experiment) -> set[str]:
    return {word for own in experiment.corpus.utterances for word in own.words}


def test_run_py_judges_turn_by_turn_what_predict_judges_in_a_table(talk):
    places = ["--name", "tiny", "--data", str(talk / "data"), "--output", str(talk / "ckpt")]
    given = ["--table", str(talk / "talk.csv"), "--json", str(talk / "p.json")]
    done = CliRunner().invoke(app, ["predict", *places, *given])
    assert done.exit_code == 0, done.output
    expected = {own["id"]: own["probabilities"] for own in json.loads((talk / "p.json").read_text())["predictions"]}
    script = load_script(talk / "b")
    session, conversations, differ = script["open_session"](), {}, 0
    with (talk / "talk.csv").open() as table:
        for row in csv.DictReader(table):
            own = conversations.setdefault(row["dialogue"], script["Conversation"](session))
            found = own.add(text=row["text"], speaker=row["speaker"] or None)["probabilities"]
            assert found == pytest.approx(expected[row["id"]], abs=1e-4)
            differ += found != pytest.approx(script["answer"](session, text=row["text"])["probabilities"], abs=1e-3)
    assert len(expected) == 24
    assert differ > 12  # alone it is judged in another way


def test_a_turn_that_cannot_be_judged_is_not_kept(talk):
    script = load_script(talk / "b")
    conversation = script["Conversation"](script["open_session"]())
    conversation.add(text="word1", speaker="ann")
    with pytest.raises(ValueError, match="contains no words"):
        conversation.add(text="...", speaker="bob")
    assert [speaker for _, speaker in conversation.turns] == ["ann"]
    for _ in range(4):
        conversation.add(text="word2")
    assert len(conversation.turns) == 2  # as many as the model sees


def test_run_py_alone_and_the_card_of_a_model_with_context(talk):
    done = run_alone(talk / "b", "--text", "word1 word2", "--model", "model.int8.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    card = (talk / "b" / "README.md").read_text()
    assert "| context | 2 earlier utterances of the dialogue and their speakers |" in card
    assert "`Conversation`" in card
    assert json.loads((talk / "b" / "settings.json").read_text())["context"] == {"previous": 2, "speakers": True}
