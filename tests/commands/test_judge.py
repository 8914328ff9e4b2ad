"""``sertool judge`` on a small prepared corpus, with tiny ready models."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import spoken
from commands_run import refusal, run
from tiny_ready import save_dimensional, save_speech_classifier, save_text_classifier

from sertool.core.features.audio import Segment, read_audio
from sertool.core.runs.prediction_files import read_set

pytest.importorskip("transformers")

LABELS = ("angry", "happy", "sad")
NAMES = ("ang", "hap", "neu", "sad")  # as the models of SUPERB name them


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus of six speakers with recordings, texts and scores, and ready models."""
    folder = tmp_path_factory.mktemp("judge")
    rows = ["audio,text,emotion,valence,speaker"]
    for number in range(18):
        label, speaker = LABELS[number % 3], number % 6
        path = spoken(folder / f"voices/s{speaker}_{number}.wav", 0.2 + number / 50, 16_000 if number % 2 else 8000)
        rows.append(
            f"{path},what a {'happy' if number % 2 else 'sad'} day {number},{label},{1 + number % 5},s{speaker}"
        )
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    ranges = ("--range", "1:5", "--workers", "1")
    result = run("prepare", str(folder / "table.csv"), "--out", str(folder / "corpus"), *ranges)
    assert result.exit_code == 0, result.output
    save_speech_classifier("hubert", folder / "hubert", NAMES)
    (folder / "hubert/README.md").write_text(
        "---\nlicense: apache-2.0\ndatasets:\n- iemocap\nbase_model: facebook/hubert-base-ls960\n---\n# Model\n"
    )
    save_text_classifier("bert", folder / "bert", LABELS)
    save_dimensional(folder / "dimensional")
    return folder


@pytest.fixture
def there(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return made


def judged(*arguments):
    result = run("judge", *map(str, arguments), "--device", "cpu", "--json", "judged.json")
    assert result.exit_code == 0, result.output
    return result, json.loads(Path("judged.json").read_text())


def test_a_speech_model_is_judged_as_transformers_answers(there):
    from transformers import pipeline

    result, found = judged(there / "hubert", "--corpus", there / "corpus", "--map", "four", "--name", "theirs")
    assert "licence of the model: apache-2.0" in result.output
    assert "trained on: IEMOCAP (as its card states)" in result.output
    assert found["classes"] == list(LABELS)
    assert found["map"]["left_out"] == ["neu"]
    assert found["trained_on"] == ["IEMOCAP"]
    stored = read_set(Path("ckpt/theirs"), "test")
    own = stored.predictions
    assert stored.origin.imported.licence == "apache-2.0"
    ask = pipeline("audio-classification", model=str(there / "hubert"), device="cpu")
    table = dict(zip(own.ids, own.logits[0], strict=True))
    places = {Path(place).stem: place for place in map(str, (there / "voices").glob("*.wav"))}
    checked = 0
    for name, logits in table.items():
        path = places.get(Path(name).stem)
        assert path is not None, (name, list(places)[:3])
        answers = {
            one["label"]: one["score"] for one in ask(read_audio(Segment(Path(path)), 16_000).numpy(), top_k=None)
        }
        shares = np.array([answers["ang"], answers["hap"], answers["sad"]])
        probabilities = torch.from_numpy(logits).softmax(-1).numpy()
        np.testing.assert_allclose(probabilities, shares / shares.sum(), atol=1e-4)
        checked += 1
    assert checked == found["utterances"] == len(own.ids)
    right = (own.decisions(1) == own.targets).mean()
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(right)
    report = run("report", "--name", "theirs")
    assert report.exit_code == 0, report.output
    # The same command replaces its own run, and reads the labels once more.
    again, _ = judged(there / "hubert", "--corpus", there / "corpus", "--map", "four", "--name", "theirs")
    assert again.exit_code == 0


def test_a_text_model_whose_classes_are_those_of_the_corpus_needs_no_map(there):
    _, found = judged(there / "bert", "--corpus", there / "corpus", "--split", "all")
    assert found["name"] == "bert-on-corpus"
    assert (found["modality"], found["map"], found["utterances"]) == ("text", None, 18)
    assert found["licence"] is None


def test_a_corpus_among_the_training_data_is_a_warning(there):
    shutil.copytree(there / "corpus", "IEMOCAP-four")
    result, found = judged(there / "hubert", "--corpus", "IEMOCAP-four", "--map", "four")
    assert found["seen"] == ["IEMOCAP"]
    assert "among the data that the model was trained on (IEMOCAP)" in result.output
    report = run("report", "--name", "hubert-on-IEMOCAP-four", "--json", "report.json")
    assert report.exit_code == 0, report.output
    kinds = [one["kind"] for one in json.loads(Path("report.json").read_text())["runs"][0]["findings"]]
    assert "trained-on-corpus" in kinds


def test_recordings_elsewhere_are_named(there):
    shutil.copytree(there / "corpus", "moved")
    places = json.loads(Path("moved/recordings.json").read_text())
    places["recordings"] = [[f"/nowhere/{Path(path).name}", *rest] for path, *rest in places["recordings"]]
    Path("moved/recordings.json").write_text(json.dumps(places))
    command = ["judge", str(there / "hubert"), "--corpus", "moved", "--map", "four", "--device", "cpu"]
    assert "not found" in refusal(*command, code=1)
    _, found = judged(there / "hubert", "--corpus", "moved", "--map", "four", "--recordings", there / "voices")
    assert found["utterances"] > 0
    Path("moved/recordings.json").unlink()
    message = refusal(*command, code=1)
    assert "does not say where its recordings lie" in message
    assert "--recordings" in message


def test_what_does_not_fit_is_one_message(there):
    corpus = ["--corpus", str(there / "corpus"), "--device", "cpu"]
    message = refusal("judge", str(there / "hubert"), *corpus, code=2)
    assert "has no class angry, happy of" in message
    assert "--map four" in message
    assert "there is no such map" in refusal("judge", str(there / "hubert"), *corpus, "--map", "fourth", code=2)
    unnamed = save_speech_classifier("hubert", Path("unnamed"), ("LABEL_0", "LABEL_1"))
    message = refusal("judge", str(unnamed), *corpus, code=1)
    assert "its classes have no names (LABEL_0" in message
    assert "`model: {LABEL_0: sad}`" in message
    assert "its classes have no names (LABEL_0" in refusal("judge", str(unnamed), *corpus, "--map", "four", code=1)
    Path("map.txt").write_text("classes: {}")
    assert "map.txt: is a file of another kind" in refusal("judge", "map.txt", *corpus, code=1)
    for name in ("a/b", "..", ""):
        assert f"--name {name}: expected the name of a folder" in refusal(
            "judge", str(there / "hubert"), *corpus, "--map", "four", "--name", name, code=2
        )
    Path("map.yaml").write_text("classes: {sad: [], angry: []}\nmodel: {LABEL_0: sad, LABEL_1: angry}\n")
    _, found = judged(unnamed, "--corpus", there / "corpus", "--map", "map.yaml", "--name", "named")
    assert sorted(found["classes"]) == ["angry", "sad"]
    message = refusal("judge", str(there / "dimensional"), *corpus, "--map", "four", code=2)
    assert "predicts scores (arousal, dominance, valence)" in message
    Path("ckpt/taken").mkdir(parents=True)
    Path("ckpt/taken/notes.txt").write_text("mine")
    message = refusal("judge", str(there / "hubert"), *corpus, "--map", "four", "--name", "taken", code=2)
    assert "holds other files" in message


def test_a_dimensional_model_is_judged_in_the_ranges_of_the_corpus(there):
    from sertool.core.inference.ready.opening import open_ready

    result, found = judged(there / "dimensional", "--corpus", there / "corpus", "--name", "dimensions")
    assert (found["task"], found["kind"], found["classes"]) == ("valence", "scores", ["valence"])
    assert "valence from 0 - 1 to 1 - 5" in result.output
    own = read_set(Path("ckpt/dimensions"), "test").predictions
    assert own.ranges == ((1, 5),)
    model, path = open_ready(str(there / "dimensional")), there / "voices" / f"{Path(own.ids[0]).stem}.wav"
    [[_, _, valence]] = model.outputs([read_audio(Segment(path), 16_000)])
    assert own.logits[0, 0, 0] == pytest.approx(1 + 4 * valence, abs=1e-4)
    assert run("report", "--name", "dimensions").exit_code == 0
    message = refusal("judge", str(there / "bert"), "--corpus", str(there / "corpus"), "--task", "valence", code=2)
    assert "has scores for valence" in message


def test_several_labels_at_a_time_become_one_decision(there):
    several = save_text_classifier("bert", Path("several"), LABELS, problem_type="multi_label_classification")
    _, found = judged(several, "--corpus", there / "corpus", "--name", "several")
    assert found["kind"] == "single"
    own = read_set(Path("ckpt/several"), "test").predictions
    shares = np.exp(own.logits[0]).sum(1)  # sigmoids of the model, which need not add up to 1
    assert (np.exp(own.logits[0]) < 1).all()
    assert np.ptp(shares) > 1e-4
