"""Context on the command line: a corpus whose label is told by the utterance before, from table to conversation."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from commands_run import refusal, run
from dialogue_corpora import planted_dialogues

import sertool

RECIPE = """
name: talk
about: a test's
dataset: {reader: corpus, path: TALK, modalities: [text], max_text_length: 2}
model: {architecture: mat, hidden_size: 16, ffn_size: 16, num_heads: 2, num_layers: 1, embedding_size: 8,
  dropout_residual: 0.0, dropout_output: 0.0}
context: {previous: 2, speakers: true}
training: {runs: 2, batch_size: 24, max_epochs: 12, learning_rate: 0.01, schedule: onecycle, optimizer: adamw,
  patience: null}
"""


def sertool_says(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A model with context, its twin without, and the table they come from."""
    folder = tmp_path_factory.mktemp("talk")
    table = planted_dialogues(folder)
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]
    sertool_says("prepare", str(table), "--out", str(folder / "data/TALK"))
    (folder / "talk.yaml").write_text(RECIPE)
    sertool_says("train", "--recipe", str(folder / "talk.yaml"), *places)
    sertool_says("train", "--recipe", str(folder / "talk.yaml"), "--name", "alone", "--set", "context=null", *places)
    for name in ("talk", "alone"):
        arguments = [
            "ensemble",
            "--name",
            name,
            "--split",
            "valid,test",
            "--probe",
            "--json",
            str(folder / f"{name}.json"),
        ]
        sertool_says(*arguments, *places)
    return folder


@pytest.fixture
def here(talk, tmp_path, monkeypatch):
    for name in ("ckpt", "data"):
        shutil.copytree(talk / name, tmp_path / name)
    shutil.copy(talk / "talk.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_context_tells_what_the_utterance_alone_does_not(talk):
    figures = {name: json.loads((talk / f"{name}.json").read_text()) for name in ("talk", "alone")}
    accuracy = {name: own["sets"]["test"]["accuracy"] for name, own in figures.items()}
    assert accuracy["talk"] > 0.95
    assert accuracy["alone"] < 0.6


def test_predict_judges_a_table_as_ensemble_judges_the_corpus_and_a_conversation_turn_by_turn(here):
    sertool_says("ensemble", "--name", "talk", "--split", "test", "--csv", "stored.csv")
    rows = [row for row in rows_of("talk.csv") if row["split"] == "test"]
    mixed = sorted(rows, key=lambda row: (int(row["order"]) % 3, row["id"]))  # dialogues lie apart
    with Path("new.csv").open("w") as file:
        writer = csv.DictWriter(file, ["id", "text", "dialogue", "order", "speaker"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(mixed)
    sertool_says("predict", "--name", "talk", "--table", "new.csv", "--json", "out.json", "--csv", "out.csv")
    told = {own["id"]: own for own in json.loads(Path("out.json").read_text())["predictions"]}
    assert list(told) == [row["id"] for row in mixed], "in the order of the table"
    stored = {row["utterance"]: row for row in rows_of("stored.csv")}
    classes = json.loads(Path("out.json").read_text())["classes"]
    for name, own in told.items():
        logits = [float(stored[name][f"logit_{one}"]) for one in classes]
        assert own["logits"] == pytest.approx(logits, rel=1e-3, abs=1e-4)
    model = sertool.load("talk")
    for dialogue in sorted({row["dialogue"] for row in rows})[:3]:
        conversation = model.conversation()
        for row in sorted((row for row in rows if row["dialogue"] == dialogue), key=lambda row: int(row["order"])):
            said = conversation.add(text=row["text"], speaker=row["speaker"])
            assert said.logits == pytest.approx(told[row["id"]]["logits"], rel=1e-3, abs=1e-4)
        assert conversation.turns == 8


def test_a_long_job_never_divides_a_dialogue(here, monkeypatch):
    from sertool.core.inference import predictor, shards

    sertool_says("predict", "--name", "talk", "--table", "talk.csv", "--csv", "whole.csv")
    for module in (predictor, shards):
        monkeypatch.setattr(module, "SHARD", 11)
    sertool_says("predict", "--name", "talk", "--table", "talk.csv", "--csv", "shards.csv")
    whole, parts = (rows_of(name) for name in ("whole.csv", "shards.csv"))
    assert [own["id"] for own in whole] == [own["id"] for own in parts]
    for one, other in zip(whole, parts, strict=True):
        assert float(one["probability"]) == pytest.approx(float(other["probability"]), abs=1e-4)


def test_a_thousand_turns_a_single_one_and_new_speakers(here):
    lines = ["id,text,dialogue,order,speaker", "lone,word1,other,7,carl"]
    lines += [f"u{n},word{n % 3},long,{3 * n - 50},s{n % 9}" for n in range(1000)]
    Path("long.csv").write_text("\n".join(lines) + "\n")
    sertool_says("predict", "--name", "talk", "--table", "long.csv", "--json", "out.json")
    told = json.loads(Path("out.json").read_text())["predictions"]
    assert len(told) == 1001
    model, names = sertool.load("talk"), [0, 500, 999]
    conversation = model.conversation()
    for n in range(1000):
        if n in names or n + 1 in names or n + 2 in names:
            said = conversation.add(text=f"word{n % 3}", speaker=f"s{n % 9}")
            if n in names:
                assert said.logits == pytest.approx(told[n + 1]["logits"], rel=1e-3, abs=1e-4)


def test_what_conversations_refuse(here):
    with pytest.raises(sertool.UsageError, match="alone: was trained without context"):
        sertool.load("alone").conversation()
    conversation = sertool.load("talk").conversation()
    first = conversation.add(text="word1", speaker="ann")
    for wrong in ({"text": "   "}, {"text": ["word1"]}, {"text": 3}, {}):
        with pytest.raises(sertool.SertoolError):
            conversation.add(**wrong)
    assert conversation.turns == 1
    assert conversation.add(text="word1", speaker="ann").logits != first.logits


def test_dialogues_that_are_divided_between_sets_are_refused(here):
    table = Path("talk.csv").read_text().replace("d0u3,word", "d0u3,word", 1)
    lines = table.splitlines()
    lines[4] = lines[4].replace(",train,", ",test,")
    Path("divided.csv").write_text("\n".join(lines) + "\n")
    sertool_says("prepare", "divided.csv", "--out", "data/DIVIDED")
    said = refusal(
        "train", "--recipe", "ckpt/talk/recipe.yaml", "--set", "dataset.path=DIVIDED", "--name", "no", code=1
    )
    assert "context: 1 dialogue is divided between sets (d0)" in said
    assert "splits.group=dialogue" in said
    folds = ["splits.scheme=folds", "splits.group=dialogue", "splits.folds=3", "training.max_epochs=1"]
    sertool_says(
        *(
            "train",
            "--recipe",
            "ckpt/talk/recipe.yaml",
            "--set",
            "dataset.path=DIVIDED",
            "--name",
            "folds",
            "--runs",
            "1",
        ),
        *(part for key in folds for part in ("--set", key)),
    )
    sertool_says("ensemble", "--name", "folds", "--split", "test")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("context.previous=0", "context.previous"),
        ("context.previous=65", "context.previous"),
        ("context=3", "context"),
        ("context.speaker=true", "speakers"),
    ],
)
def test_settings_that_make_no_sense_are_refused(here, value, words):
    assert words in refusal("train", "--recipe", "ckpt/talk/recipe.yaml", "--name", "no", "--set", value, code=2)


def test_probes_show_what_the_context_is_worth(talk):
    probes = json.loads((talk / "talk.json").read_text())["sets"]["test"]["probes"]
    assert [own["name"] for own in probes] == ["text masked", "text shuffled", "context masked", "context shuffled"]


def test_a_training_starts_from_a_twin_without_context_and_the_reverse(here):
    one = ("--runs", "1", "--set", "training.max_epochs=1")
    sertool_says("train", "--recipe", "ckpt/talk/recipe.yaml", "--name", "from", "--from", "alone", *one)
    sertool_says("train", "--recipe", "ckpt/alone/recipe.yaml", "--name", "back", "--from", "talk", *one)


def test_another_context_is_another_run(here):
    changed = ("--set", "context.previous=3", "--name", "talk", "--runs", "3")
    assert "context.previous 2 -> 3" in refusal("train", "--recipe", "ckpt/talk/recipe.yaml", *changed, code=2)
    none = ("--set", "context=null", "--name", "talk", "--runs", "3")
    said = refusal("train", "--recipe", "ckpt/talk/recipe.yaml", *none, code=2)
    assert "context 2 earlier utterances and their speakers -> none" in said


@pytest.mark.slow
def test_bench_measures_a_recipe_with_context(here):
    arguments = ["--members", "2", "--rounds", "1", "--seconds", "0.1"]
    assert "without the recipe's context" in sertool_says("bench", "--recipe", "ckpt/talk/recipe.yaml", *arguments)
