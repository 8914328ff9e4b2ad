"""``sertool predict --model``: a first answer by a ready model."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from builders import spoken
from commands_run import refusal, run
from tiny_ready import EMOTIONS, save_dimensional, save_speech_classifier, save_text_classifier

from sertool.core.features.audio import Segment, read_audio

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_speech_classifier("wav2vec2", folder / "speech")
    (folder / "speech/README.md").write_text("---\nlicense: mit\nbase_model: superb/hubert-base-superb-er\n---\n")
    save_text_classifier("bert", folder / "text", problem_type="multi_label_classification")
    save_dimensional(folder / "dimensional")
    return folder


def predicted(*arguments):
    result = run("predict", *map(str, arguments), "--device", "cpu", "--json", "out.json")
    assert result.exit_code == 0, result.output
    return result, json.loads(Path("out.json").read_text())


def test_a_recording_gets_the_probabilities_of_the_pipeline_and_the_licence(here, models):
    from transformers import pipeline

    heard = spoken(Path("heard.wav"), 1.0, 8000)
    result, found = predicted("--model", models / "speech", heard)
    [own] = found["predictions"]
    ask = pipeline("audio-classification", model=str(models / "speech"), device="cpu")
    expected = {one["label"]: one["score"] for one in ask(read_audio(Segment(heard), 16_000).numpy(), top_k=None)}
    assert own["probabilities"] == pytest.approx(expected, abs=1e-4)
    assert own["label"] == max(expected, key=expected.get)
    assert not own["calibrated"]
    assert (found["licence"], found["trained_on"]) == ("mit", ["IEMOCAP"])  # by the model that it was made from
    assert "licence of the model: mit" in result.output
    assert "trained on: IEMOCAP (as https://huggingface.co/superb/hubert-base-superb-er states)" in result.output
    assert "uncalibrated" in result.stdout


def test_many_recordings_windows_and_tables(here, models):
    for number in range(3):
        spoken(Path(f"calls/{number}.wav"), 0.4 + number, 16_000)
    result, found = predicted("--model", models / "speech", "calls", "--csv", "out.csv", "--jsonl", "out.jsonl")
    assert "3 predictions" in result.stdout
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == [f"calls/{number}.wav" for number in range(3)]
    assert [one["id"] for one in map(json.loads, Path("out.jsonl").read_text().splitlines())] == [
        one["id"] for one in found["predictions"]
    ]
    _, found = predicted("--model", models / "speech", "calls/2.wav", "--window", "1")
    assert [(one["start"], one["end"]) for one in found["predictions"]] == [(0, 1), (1, 2), (2, pytest.approx(2.4))]
    Path("bad.wav").write_text("no sound")
    message = refusal("predict", "--model", str(models / "speech"), "calls/0.wav", "bad.wav", "--device", "cpu", code=1)
    assert "bad.wav" in message
    _, found = predicted("--model", models / "speech", "calls/0.wav", "bad.wav", "--skip-bad")
    assert [one["id"] for one in found["left_out"]] == ["bad.wav"]


def test_classes_of_a_map_join_those_of_the_model(here, models):
    Path("map.yaml").write_text("classes: {good: [happy], bad: [angry, sad]}\n")
    heard = spoken(Path("heard.wav"), 1.0, 16_000)
    _, plain = predicted("--model", models / "speech", heard)
    _, found = predicted("--model", models / "speech", heard, "--map", "map.yaml")
    own = plain["predictions"][0]["probabilities"]
    known = own["happy"] + own["angry"] + own["sad"]
    expected = {"good": own["happy"] / known, "bad": (own["angry"] + own["sad"]) / known}
    assert found["predictions"][0]["probabilities"] == pytest.approx(expected, abs=1e-4)


def test_texts_and_scores(here, models):
    _, found = predicted("--model", models / "text", "--text", "what a happy day")
    assert found["kind"] == "multi"
    [own] = found["predictions"]
    assert set(own["probabilities"]) == set(EMOTIONS)
    assert own["labels"] == [name for name in EMOTIONS if own["probabilities"][name] > 0.5]
    heard = spoken(Path("heard.wav"), 1.0, 16_000)
    _, found = predicted("--model", models / "dimensional", heard)
    assert found["ranges"] == {name: [0, 1] for name in ("arousal", "dominance", "valence")}
    assert all(0 <= value <= 1 for value in found["predictions"][0]["scores"].values())


def test_a_silent_recording_is_no_guess(here, models):
    import soundfile

    soundfile.write("silent.wav", np.zeros(16_000), 16_000)
    result, found = predicted("--model", models / "speech", "silent.wav")
    assert found["predictions"][0]["uninformed"]
    assert "unsure: no sound" in result.stdout


def test_options_that_do_not_fit_are_one_message(here, models):
    model = str(models / "speech")
    assert "expected --name NAME" in refusal("predict", "x.wav", code=2)
    assert "give one of them" in refusal("predict", "--name", "mine", "--model", model, "x.wav", code=2)
    assert "--members: is of a trained run" in refusal("predict", "--model", model, "x.wav", "--members", "2", code=2)
    assert "--segment: is of a trained run" in refusal("predict", "--model", model, "x.wav", "--segment", code=2)
    assert "--map: is of a ready model" in refusal("predict", "--name", "mine", "x.wav", "--map", "four", code=2)
    assert "has no audio" in refusal("predict", "--model", model, "--text", "words", code=1)
    text = str(models / "text")
    spoken(Path("heard.wav"), 0.5)
    assert "uses text alone" in refusal("predict", "--model", text, "heard.wav", "--window", "1", code=2)
    assert "predicts scores" in refusal(
        "predict", "--model", str(models / "dimensional"), "heard.wav", "--map", "four", code=2
    )
