"""Graphs of pretrained encoders, run as a bundle runs them, give the frames of training."""

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_encoders import SPEECH, TEXT, save_speech_encoder, save_text_encoder

from sertool.core.errors import SertoolError
from sertool.core.features.frontend import open_frontend, open_text_frontend

pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

from sertool.core.export.encoder_graphs import speech_graph, speech_settings, text_graph, text_settings
from sertool.core.export.speech_encoder import SpeechEncoder
from sertool.core.export.text_encoder import TextEncoder
from sertool.core.export.traced import trace

RATE = 16_000
QUICK = ("whisper", "bert")  # the others take the tracer up to ten seconds each


def session_of(model) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def kinds(names: tuple[str, ...]) -> list:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("kind", kinds(SPEECH))
def test_a_speech_encoder_gives_its_frames_at_any_length(tmp_path, kind):
    model = str(save_speech_encoder(kind, tmp_path / kind))
    waves = [0.1 * torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in (1, 399, 16_001, 95 * RATE)]
    made = None
    for own in ({"layer": [0, -1, 1], "pool": 3}, {"layer": [0, -1, 1], "pool": "mean+std"}):
        maker = open_frontend({"name": "encoder", "model": model, **own})
        made = made or session_of(speech_graph(maker))
        encoder = SpeechEncoder(made, speech_settings(maker, tmp_path, 10**6), tmp_path)
        for wave in waves:
            (expected,) = maker.frames([wave])
            found = encoder.frames(wave.numpy())
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)
    assert encoder.frames(np.zeros(0, np.float32)).shape == (0, maker.width)


@pytest.mark.slow
def test_whisper_may_be_given_thirty_seconds_and_states_that_no_frame_needs_are_not_computed(tmp_path):
    model = str(save_speech_encoder("whisper", tmp_path / "whisper"))
    maker = open_frontend({"name": "encoder", "model": model, "padding": "full", "pool": 5})
    session, runs = session_of(speech_graph(maker)), []

    class Counting:
        get_inputs = session.get_inputs

        def run(self, *given):
            runs.append(given)
            return session.run(*given)

    encoder = SpeechEncoder(Counting(), speech_settings(maker, tmp_path, 8), tmp_path)
    for seconds in (2, 65):
        wave = 0.1 * torch.randn(seconds * RATE)
        np.testing.assert_allclose(encoder.frames(wave.numpy()), maker.frames([wave])[0][:8].numpy(), rtol=0, atol=1e-4)
    assert len(runs) == 2


TEXTS = ("I am happy today!", "ЖЩ привет мир", "the train never " * 30, "a", "今日は happy", "", "   ")


@pytest.mark.parametrize("kind", kinds(TEXT))
def test_a_text_encoder_gives_its_frames_at_any_length(tmp_path, kind):
    model = str(save_text_encoder(kind, tmp_path / kind))
    made = None
    for own in ({"pool": "words"}, {"pool": "tokens"}, {"pool": "mean", "prefix": "query: "}):
        maker = open_text_frontend({"name": "text-encoder", "model": model, "layer": [0, -1, 1], **own})
        made = made or session_of(text_graph(maker))
        encoder = TextEncoder(made, text_settings(maker, tmp_path), tmp_path)
        for text, expected in zip(TEXTS, maker.frames(TEXTS), strict=True):
            np.testing.assert_allclose(encoder.frames(text), expected.numpy(), rtol=0, atol=1e-4)
        assert [encoder.unknown(text) for text in TEXTS] == maker.unknown(TEXTS)


@pytest.mark.slow
def test_a_graph_tells_nothing_of_this_machine(tmp_path):
    maker = open_text_frontend({"name": "text-encoder", "model": str(save_text_encoder("bert", tmp_path / "bert"))})
    first, second = (text_graph(maker).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert str(tmp_path).encode() not in first
    assert b".py" not in first


def test_an_encoder_that_cannot_be_traced_is_told():
    class Branching(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return given if bool(given.sum() > 0) else -given

    with pytest.raises(SertoolError, match="PyTorch's exporter cannot trace the encoder that takes samples"):
        trace(Branching(), torch.randn(1, 9), "samples")
