"""`sertool ensemble`: what is shown, in percent; with --probe the sentence for a model that uses one modality only."""

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import make_corpus, tiny_recipe, write_tiny
from commands_run import run as run_command
from commands_run import tiny
from typer.testing import CliRunner

from sertool.cli import app
from sertool.commands.demo import show as show_demo
from sertool.commands.train import show_summary
from sertool.core.corpora.corpus import Frames
from sertool.core.recipe.load import resolved

SIZES = {"train": 90, "valid": 60, "test": 60}
TRAINING = {"runs": 1, "max_epochs": 12, "learning_rate": 0.02}


def one_sided(modality):
    """A corpus whose labels stand in one modality alone."""
    corpus = make_corpus(SIZES, speakers=18)
    random = np.random.default_rng(1)
    labels = [utterance.labels["emotion"] for utterance in corpus.utterances]
    told = [(f"says{label}", f"says{label}") for label in labels]
    words = told if modality == "text" else [("well", "then")] * len(labels)
    utterances = [
        replace(utterance, words=own, text=" ".join(own))
        for utterance, own in zip(corpus.utterances, words, strict=True)
    ]
    means = [("angry", "happy", "sad").index(label) * 2.0 if modality == "audio" else 0.0 for label in labels]
    frames = [random.normal(mean, 0.3, (6, 5)).astype(np.float32) for mean in means]
    return replace(corpus, utterances=tuple(utterances), audio=Frames.join(frames, 5))


@pytest.mark.parametrize(
    ("modality", "sentence"),
    [
        (
            "text",
            "it uses the text and ignores the audio: with the audio of other utterances the accuracy stays at ",
        ),
        (
            "audio",
            "it uses the audio and ignores the text: with the text of other utterances the accuracy stays at ",
        ),
    ],
)
def test_a_model_of_one_modality_is_told(tmp_path, modality, sentence):
    write_tiny(tmp_path / "data", one_sided(modality))
    (tmp_path / "r.yaml").write_text(resolved(tiny_recipe(training=TRAINING)))
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    run = CliRunner()
    done = run.invoke(app, ["train", "--recipe", str(tmp_path / "r.yaml"), "--name", "one", *places])
    assert done.exit_code == 0, done.output
    json_file = tmp_path / "r.json"
    options = ["--sets", "test", "--probe", "--json", str(json_file)]
    done = run.invoke(app, ["ensemble", "--name", "one", *options, *places])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    first = lines.index("reading or listening?  accuracy  falls by  95 % interval")
    assert [line[:14].strip() for line in lines[first + 1 : first + 6]] == [
        "as it is",
        "text masked",
        "text shuffled",
        "audio masked",
        "audio shuffled",
    ]
    assert lines[first + 6].startswith(sentence)
    whole, *probed = [line[14:].split() for line in lines[first + 1 : first + 6]]
    assert [len(whole), *map(len, probed)] == [1, 5, 5, 5, 5]
    for accuracy, drop, low, _, high in probed:
        assert float(accuracy) + float(drop) == pytest.approx(float(whole[0]), abs=0.02)
        assert float(low) - 0.1 <= float(drop) <= float(high) + 0.1
    own = json.loads(json_file.read_text())["sets"]["test"]
    assert own["use"]["sentence"] == lines[first + 6]
    assert sorted((own["use"]["text"], own["use"]["audio"])) == ["ignored", "used"]
    # Word by word as in the report.
    made = run.invoke(app, ["report", "--name", "one", "--json", str(json_file), *places])
    assert made.exit_code == 0, made.output
    assert json.loads(json_file.read_text())["runs"][0]["sets"]["test"]["use"] == own["use"]
    without = run.invoke(app, ["ensemble", "--name", "one", "--sets", "test", *places])
    assert "listen" not in without.output


def test_few_speakers_are_shown_one_by_one_and_a_corpus_without_words_has_no_verdict(here):
    corpus = make_corpus()
    silent = tuple(replace(one, words=(), text="") for one in corpus.utterances)
    write_tiny(here / "data", replace(corpus, utterances=silent))
    (here / "tiny.yaml").write_text(resolved(tiny_recipe(training={"runs": 1, "max_epochs": 1})))
    assert run_command("train", "--recipe", "tiny.yaml").exit_code == 0
    done = run_command("ensemble", "--name", "tiny", "--probe", "--json", "r.json")
    assert done.exit_code == 0, done.output
    own = json.loads((here / "r.json").read_text())["sets"]["test"]
    lines = done.stdout.splitlines()
    first = lines.index("speaker  utterances  accuracy    UAR")
    for line, row in zip(lines[first + 1 :], own["by_cluster"], strict=False):
        figures = 100 * row["accuracy"], 100 * row["uar"]
        assert line.split() == [row["name"], "6", *(f"{one:.2f}" for one in figures)]
    assert lines[first + 3] == own["unit_note"]
    assert own["unit_note"].startswith("2 test speakers: too few for an interval (5 are needed); ")
    assert own["use"] is None
    assert [row["name"] for row in own["probes"]] == ["audio masked", "audio shuffled"]
    assert "--probe: no verdict on test: one modality only" in done.stderr
    assert "whether it uses" not in done.stdout


def test_figures_are_percent_on_the_terminal_and_fractions_in_json(here):
    tiny(here)
    assert run_command("train", "--recipe", "tiny.yaml", "--runs", "3").exit_code == 0
    done = run_command("ensemble", "--name", "tiny", "--index", "2", "--json", "r.json")
    assert done.exit_code == 0, done.output
    own = json.loads((here / "r.json").read_text())["sets"]["test"]
    lines = done.stdout.splitlines()
    first = lines.index("member  accuracy")
    assert lines[first + 1 : first + 4] == [
        f"{one['checkpoint']:<6}  {100 * one['accuracy']:8.2f}" for one in own["members"]
    ]
    assert lines[first + 5 : first + 10] == [
        "averaged  accuracy",
        f"       1  {100 * own['ensemble'][0]['accuracy']:8.2f}",
        f"       2  {100 * own['ensemble'][1]['accuracy']:8.2f}  <- report",
        f"       3  {100 * own['ensemble'][2]['accuracy']:8.2f}",
        "",
    ]
    assert lines[first + 10] == (
        "classification report of 2 members, as scikit-learn prints it: fractions, not percent"
    )
    assert (
        f"2 members: accuracy {100 * own['ensemble'][1]['accuracy']:.2f} · UAR {100 * own['uar']:.2f} · "
        f"weighted F1 {100 * own['f1_weighted']:.2f}"
    ) in lines
    assert lines[-3] == "stored: 2 members, chosen by the user"
    assert lines[-2].startswith("calibration: uncalibrated, 2 validation speakers: too few ")
    assert lines[-1] == "next: sertool report --name tiny"


def test_the_demos_table_and_the_end_of_a_training_are_percent():
    row = {"row": "text alone", "uar": 0.70312, "accuracy": 0.7, "utterances": 192, "voices": 4}
    voices = [{"name": name, "uar": uar} for name, uar in (("june", 0.62), ("kurt", 1.0), ("lena", 0.5), ("milo", 0.7))]
    assert show_demo([{**row, "by_cluster": voices}]) == [
        "demo · test · 192 utterances of 4 unseen voices (synthetic speech)",
        "              UAR  accuracy   june    kurt   lena   milo",
        "text alone  70.31     70.00  62.00  100.00  50.00  70.00",
        "june, kurt, lena, milo: UAR of each voice. 4 test voices: too few for an interval (5 are needed)",
    ]
    summary = {
        "name": "x",
        "select": "uar",
        "kind": "single",
        "mean": 0.75,
        "speakers_note": "",
        "selected_on_test": True,
    }
    assert show_summary({**summary, "members": [{"score": 0.7}, {"score": 0.8}]}) == [
        "x · 2 members · valid UAR 75.00 (sd 7.07), best 80.00",
        "selected on test",
    ]
    assert show_summary({**summary, "members": [{"score": 0.75}]})[0] == ("x · 1 member · valid UAR 75.00, best 75.00")
