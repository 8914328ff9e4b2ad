"""Frames of speech encoders equal transformers' own hidden states, alone and in any batch."""

import copy
import json
import math
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from peak_memory import PEAK
from tiny_encoders import HIDDEN, LAYERS, SPEECH, save_speech_encoder

from sertool.core.errors import DataError, UsageError
from sertool.core.features.encoders import convolutional, whisper
from sertool.core.features.frontend import open_frontend
from sertool.core.recipe.frontends import SpeechEncoder

transformers = pytest.importorskip("transformers")

RATE = 16000
CONVOLUTIONAL = [kind for kind in SPEECH if kind != "whisper"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: save_speech_encoder(kind, folder / kind) for kind in SPEECH}


def noise(*lengths):
    """Waveforms of different loudness and colour."""
    random = torch.Generator().manual_seed(0)
    return [torch.randn(length, generator=random).cumsum(0).sin() * 0.3 / (1 + i) for i, length in enumerate(lengths)]


def open_maker(folder, **settings):
    return open_frontend(SpeechEncoder(model=str(folder), **settings))


def own_states(folder, waveform):
    """Transformers' own hidden states (layers + 1, T, D) and last hidden state (T, D) of a waveform alone."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = extractor(waveform.numpy(), sampling_rate=RATE, return_tensors="pt")
    if "input_features" in inputs:  # cut to its length, as are the positions
        whole = extractor(waveform.numpy(), sampling_rate=RATE, return_tensors="pt", padding="do_not_pad")
        model = model.get_encoder()
        count = whole.input_features.shape[-1] // 2
        inputs = {"input_features": whole.input_features[..., : 2 * count]}
        model.config.max_source_positions = count
        model.embed_positions = torch.nn.Embedding.from_pretrained(model.embed_positions.weight[:count])
    with torch.no_grad():
        outputs = model(**inputs, output_hidden_states=True)
    return torch.stack(outputs.hidden_states)[:, 0], outputs.last_hidden_state[0]


def close(found, expected):
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", SPEECH)
def test_frames_are_transformers_own_states_in_any_batch(models, kind):
    waveforms = noise(24000, 9000, 24000, 11021, 10000, 480)
    last, both = (open_maker(models[kind], layer=layer) for layer in ("last", [0, -1]))
    in_batch, mixed = last.frames(waveforms), both.frames(waveforms)
    assert (last.layers, both.layers, last.width, both.width) == (1, 2, HIDDEN, 2 * HIDDEN)
    for waveform, batched, layers in zip(waveforms, in_batch, mixed, strict=True):
        states, expected = own_states(models[kind], waveform)
        close(batched, expected)
        close(last.frames([waveform])[0], expected)
        close(layers, torch.cat([states[0], states[LAYERS]], dim=1))
    again = last.frames(waveforms)
    assert all(torch.equal(one, other) for one, other in zip(in_batch, again, strict=True))


def test_whisper_padded_to_30_s_keeps_the_recordings_own_length(models):
    extractor = transformers.AutoFeatureExtractor.from_pretrained(models["whisper"])
    model = transformers.AutoModel.from_pretrained(models["whisper"]).eval().get_encoder()
    waveforms = noise(24000, 9001)
    for waveform, frames in zip(
        waveforms, open_maker(models["whisper"], padding="full").frames(waveforms), strict=True
    ):
        mels = extractor(waveform.numpy(), sampling_rate=RATE, return_tensors="pt").input_features
        with torch.no_grad():
            close(frames, model(mels).last_hidden_state[0, : len(waveform) // 320])


@pytest.mark.parametrize("kind", SPEECH)
def test_a_recording_shorter_than_a_window_is_one_frame(models, kind):
    maker = open_maker(models[kind])
    assert [frames.shape for frames in maker.frames(noise(1, 100))] == [(1, HIDDEN), (1, HIDDEN)]


def test_pools(models):
    folder = models["hubert"]
    (waveform,) = noise(16000)
    states = open_maker(folder, layer=[0, 1]).frames([waveform])[0]
    assert states.shape == (49, 2 * HIDDEN)
    by_four = open_maker(folder, layer=[0, 1], pool=4)
    close(by_four.frames([waveform])[0], torch.stack([part.mean(0) for part in states.split(4)]))
    close(by_four.frames([waveform], most=2)[0], torch.stack([part.mean(0) for part in states.split(4)[:2]]))
    assert by_four.seconds_per_frame == 0.08
    mean, both = (open_maker(folder, layer=[0, 1], pool=pool) for pool in ("mean", "mean+std"))
    close(mean.frames([waveform])[0], states.mean(0, keepdim=True))
    figures = [half for layer in states.chunk(2, 1) for half in (layer.mean(0), layer.std(0, correction=0))]
    close(both.frames([waveform])[0], torch.cat(figures)[None])
    assert (both.width, both.seconds_per_frame) == (4 * HIDDEN, math.inf)


@pytest.mark.parametrize("kind", ["wav2vec2-layer", "data2vec-audio", "whisper"])
def test_a_long_recording_has_no_seam(models, kind, monkeypatch):
    """In short pieces, a state that depends on its neighbourhood alone is that of the whole, wherever it lies."""
    maker = open_maker(models[kind], layer=0)
    if kind == "whisper":  # its positions begin anew in each piece
        maker.engine.model.embed_positions.weight.zero_()
    for length in (2 * RATE, 4 * RATE, 7 * RATE + 123):
        (waveform,) = noise(length)
        (whole,) = maker.frames([waveform])
        with monkeypatch.context() as patched:
            patched.setattr(convolutional, "PIECE_SECONDS", 3)
            patched.setattr(convolutional, "CONTEXT_SECONDS", 1)
            patched.setattr(whisper, "CONTEXT", 50)
            patched.setattr(maker.engine, "longest", 150, raising=False)
            assert (len(maker.engine.pieces(waveform)) > 1) == (length > 3 * RATE)
            close(maker.frames([waveform])[0], whole)
            close(maker.frames([waveform], most=70)[0], whole[:70])


def test_log_mels_in_blocks_are_those_of_the_whole(models, monkeypatch):
    engine = open_maker(models["whisper"]).engine
    quiet, loud = noise(2 * RATE, 2 * RATE + 50)
    waveform = torch.cat([quiet * 1e-4, loud]).numpy()  # so that blocks have floors of their own
    whole = engine.extractor(waveform, padding="do_not_pad", sampling_rate=RATE)["input_features"][0]
    monkeypatch.setattr(whisper, "_BLOCK", 90)
    np.testing.assert_allclose(engine._log_mels(waveform), whole, atol=1e-5)


def test_notes_hold_facts_and_open_without_the_model(models, tmp_path):
    maker = open_maker(models["wavlm"], layer=[1, 2], pool=2)
    note = json.loads(json.dumps(maker.described()))
    assert note == {
        "name": "encoder",
        "model": str(models["wavlm"]),
        "revision": None,
        "layer": [1, 2],
        "pool": 2,
        "padding": "none",
        "weights": maker.weights,
        "width": 2 * HIDDEN,
        "sample_rate": RATE,
        "seconds_per_frame": 0.04,
        "licence": None,
    }
    gone = open_frontend(note | {"model": str(tmp_path / "gone")})
    assert (gone.width, gone.sample_rate, gone.seconds_per_frame) == (maker.width, RATE, 0.04)
    assert gone.described()["weights"] == gone.version == maker.weights
    with pytest.raises(UsageError, match="no such folder"):
        gone.frames(noise(8000))
    other = open_frontend(note | {"weights": "0" * 64})
    with pytest.raises(DataError, match=r"is not the model that is expected here.* expected 000000000000"):
        other.frames(noise(8000))
    with pytest.raises(DataError, match="frontend encoder: 1 validation error"):
        open_frontend(note | {"width": "wide"})


def test_facts_of_a_note_need_no_library(models):
    note = open_maker(models["wavlm"]).described()
    code = (
        "import sys\nfrom sertool.core.features.frontend import open_frontend\n"
        f"assert open_frontend({dict(note)!r}).width == {HIDDEN}\n"
        "loaded = {'torch', 'transformers', 'huggingface_hub', 'tokenizers', 'ctranslate2'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_maker_is_sent_without_its_model(models):
    maker = open_maker(models["hubert"])
    (expected,) = maker.frames(noise(8000))
    sent = pickle.dumps(maker)
    assert len(sent) < 2000
    for other in (pickle.loads(sent), copy.copy(maker)):
        assert torch.equal(other.frames(noise(8000))[0], expected)


def test_layers_that_do_not_exist_are_refused(models):
    for kind in ("hubert", "whisper"):
        for layer in (3, -4, [1, 7]):
            with pytest.raises(UsageError) as caught:
                _ = open_maker(models[kind], layer=layer).width
            wrong = layer[1] if isinstance(layer, list) else layer
            assert f"has no layer {wrong}; expected 0 (before the first layer) to 2, or -1 (the last) to -3" in str(
                caught.value
            )


def test_a_model_of_another_kind_is_refused(tmp_path):
    config = transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    transformers.ViTModel(config).save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(DataError, match="vit is no speech encoder that sertool can run"):
        _ = open_maker(tmp_path).width


def test_a_feature_extractor_that_is_damaged_or_anothers_is_refused(models, tmp_path):
    folder = shutil.copytree(models["hubert"], tmp_path / "model")
    shutil.copy(models["whisper"] / "preprocessor_config.json", folder)
    with pytest.raises(DataError, match="its feature extractor makes input_features, but the model takes input_values"):
        _ = open_maker(folder).width
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": ')
    with pytest.raises(DataError, match="its feature extractor cannot be loaded"):
        _ = open_maker(folder).width


def test_padding_of_a_model_that_has_none_is_reported(models):
    assert open_maker(models["whisper"], padding="full").warnings() == []
    assert open_maker(models["hubert"]).warnings() == []
    assert "no Whisper model" in open_maker(models["hubert"], padding="full").warnings()[0]


def test_silence_is_no_silence_to_an_encoder(models):
    frames = open_maker(models["hubert"]).frames([torch.zeros(8000)])[0]
    assert np.isfinite(frames.numpy()).all()
    assert frames.abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wav2vec2-layer", "whisper"])
def test_an_hour_takes_little_more_memory_than_its_samples(models, kind):
    """The peak of a process: 230 MB of samples, the extractor's copies of them, and pieces of the model's states."""
    code = PEAK + (
        "import sys, torch\n"
        "from sertool.core.features.frontend import open_frontend\n"
        "from sertool.core.recipe.frontends import SpeechEncoder\n"
        "maker = open_frontend(SpeechEncoder(model=sys.argv[1]))\n"
        "maker.frames([torch.rand(160_000)])\n"
        "before = peak()\n"
        "frames = maker.frames([torch.rand(3600 * 16_000)])[0]\n"
        "print(len(frames), (peak() - before) / 1000)"
    )
    done = subprocess.run([sys.executable, "-c", code, models[kind]], capture_output=True, text=True, check=True)
    count, megabytes = done.stdout.split()
    assert int(count) in (179_999, 180_000)
    assert float(megabytes) < 1300
