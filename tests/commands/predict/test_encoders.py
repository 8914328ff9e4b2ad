"""``sertool predict`` with models on frames of pretrained encoders, and on audio standardised by speaker."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from tones import HOLDOUT, RATE, RECIPE, places, predict, refusal, run, tone, written

import sertool
from sertool.core.features.encoders.speech import SpeechFrames
from sertool.core.inference import passages, shards

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def encoded(trained, tmp_path_factory):
    """A model on frames of tiny encoders of speech and text, which lie beside it; audio is standardised by speaker."""
    from tiny_encoders import save_speech_encoder, save_text_encoder

    folder = tmp_path_factory.mktemp("encoded")
    encoders = {"frontend": save_speech_encoder("wav2vec2", folder / "speech")}
    encoders["text_frontend"] = save_text_encoder("bert", folder / "text")
    content = yaml.safe_load(RECIPE % ("", HOLDOUT)) | {key: {"model": str(own)} for key, own in encoders.items()}
    content["dataset"] |= {"standardize": "speaker", "max_audio_length": 30}
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    table = trained / "tones.csv"
    done = run("prepare", str(table), "--out", str(folder / "data/TONES"), "--recipe", str(recipe))
    assert done.exit_code == 0, done.output
    for words in (["train", "--recipe", str(recipe)], ["ensemble", "--split", "test", "--csv", str(folder / "e.csv")]):
        done = run(*words, "--name", "tones", *places(folder))
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def here(encoded, trained, tmp_path, monkeypatch):
    """A working folder with the model, and the table of the recordings that it was trained and tested on."""
    (tmp_path / "ckpt").symlink_to(encoded / "ckpt")
    for path in trained.glob("*.wav"):
        (tmp_path / path.name).symlink_to(path)
    shutil.copy(trained / "tones.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def logits_of(predictions) -> np.ndarray:
    return np.array([own["logits"] for own in predictions])


def test_predictions_are_those_of_the_evaluation(here, encoded):
    """The frames, their rounding and the statistics of the speakers are those of the corpus."""
    found = {own["id"]: own for own in written("--table", "tones.csv")}
    with (encoded / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        own = found[row["utterance"].rpartition("/")[2]]
        evaluated = [float(row["logit_high"]), float(row["logit_low"])]
        assert own["logits"] == pytest.approx(evaluated, abs=1e-4)
        assert own["modalities"] == ["text", "audio"]
        assert own["speaker"] is not None


def test_clips_are_encoded_together_and_alone_alike(here, monkeypatch):
    together = written("--table", "tones.csv")
    monkeypatch.setattr(passages, "TOGETHER", 1)
    assert logits_of(written("--table", "tones.csv")) == pytest.approx(logits_of(together), abs=1e-4)


def test_shards_have_the_speakers_of_the_whole_job(here, monkeypatch):
    whole = written("--table", "tones.csv")
    monkeypatch.setattr(shards, "SHARD", 8)
    monkeypatch.setattr("sertool.core.inference.predictor.SHARD", 8)
    said = predict("--table", "tones.csv", "--csv", "p.csv", "--json", "q.json").stderr
    assert "statistics of the speakers first: 30 recordings are read twice" in said
    divided = json.loads(Path("q.json").read_text())["predictions"]
    assert logits_of(divided) == pytest.approx(logits_of(whole), abs=1e-4)


def test_without_speakers_the_training_stands_in_and_a_note_says_so(here):
    said = predict("00.wav", "01.wav", "--json", "p.json").stderr
    assert "note: all 2: standardised by the recordings of the training, since fewer than two of the speaker" in said
    opened = sertool.load("tones", output="ckpt")
    alone = opened.predict(["00.wav", "01.wav"])
    assert [own.speaker for own in alone] == [None, None]
    same = opened.predict(["00.wav", "01.wav"], speaker="anna")
    assert [own.speaker for own in same] == ["anna", "anna"]
    assert [own.speaker for own in opened.predict(["00.wav", "01.wav"], speaker=["anna", None])] == [None, None]
    assert not np.allclose(alone[0].logits, same[0].logits, atol=1e-4)


def test_speakers_of_a_wrong_kind_are_refused(here):
    opened = sertool.load("tones", output="ckpt")
    for speaker, words in (
        (3, "speaker\\[0\\]: a value of type int"),
        (["a"], "speaker: expected a name, or a list of 2"),
    ):
        with pytest.raises(sertool.UsageError, match=words):
            opened.predict(["00.wav", "01.wav"], speaker=speaker)


def test_windows_of_a_long_recording_are_encoded_in_parts(here, monkeypatch):
    """The windows of one recording count as one, so its speaker stays unknown."""
    soundfile.write(
        "long.wav", np.concatenate([tone(1.0, high=number % 2 == 0, seed=number) for number in range(9)]), RATE
    )
    sizes = []
    frames = SpeechFrames.frames
    monkeypatch.setattr(
        SpeechFrames, "frames", lambda self, waves, most: sizes.append(len(waves)) or frames(self, waves, most)
    )
    monkeypatch.setattr("sertool.core.inference.frontends.SECONDS", 2.5)
    Path("t.csv").write_text("audio,speaker\nlong.wav,anna\n")
    found = written("--table", "t.csv", "--window", "1")
    assert [own["start"] for own in found] == list(range(9))
    assert {own["speaker"] for own in found} == {None}
    assert sizes == [2, 2, 2, 2, 1]


def test_a_text_of_unknown_tokens_is_no_guess(here):
    assert predict("--text", "кто там").stdout.splitlines()[-1].startswith("unsure: no known word and no audio")
    (own,) = written("--text", "today the train is sad")
    assert (own["label"] in ("high", "low"), own["cut"], own["unknown_words"]) == (True, ["text"], [])
    assert "only the first 4 words of the text are used" in predict("--text", "today the train is sad").stderr


def test_silence_is_told_though_frames_do_not_show_it(here):
    soundfile.write("still.wav", np.zeros(RATE), RATE)
    assert "warning: still.wav: it contains no sound" in predict("still.wav").stderr


@pytest.mark.parametrize("kind", ["speech", "text"])
def test_other_weights_are_refused_before_anything_is_read(here, encoded, kind):
    path = encoded / kind / "config.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | {"layer_norm_eps": 1e-3}))
    try:
        said = refusal("00.wav")
    finally:
        path.write_text(kept)
    assert f"tones: was trained on frames of {encoded / kind} with weights " in said
    assert "train again with frames of this one" in said
