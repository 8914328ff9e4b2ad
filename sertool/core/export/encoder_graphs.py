"""Pretrained encoders as ONNX graphs, and the settings by which a bundle runs them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from sertool.core.export.traced import trace
from sertool.core.features.encoders.convolutional import ConvolutionalEncoder
from sertool.core.features.encoders.engine import CONTEXT_SECONDS, PIECE_SECONDS
from sertool.core.features.encoders.speech import SpeechFrames
from sertool.core.features.encoders.text import TextFrames
from sertool.core.features.encoders.text_model import TextModel
from sertool.core.features.encoders.whisper import CONTEXT, MELS_PER_STATE, CTranslate2Whisper, TransformersWhisper
from sertool.core.files import artifacts

SPEECH, TEXT = "encoder.onnx", "text_encoder.onnx"
FILTERS, TOKENIZER = "mel_filters.npy", "tokenizer.json"
SPEECH_CODE, TEXT_CODE = ("speech_encoder.py", "pieces.py"), ("text_encoder.py", "pieces.py", "text_pooling.py")


class _Samples(nn.Module):
    """The states of an encoder on raw samples, for one recording."""

    def __init__(self, engine: ConvolutionalEncoder) -> None:
        super().__init__()
        self.convolutions, self.model = engine.first, engine.model  # whose parameters become the graph's
        self.hidden = engine.hidden

    def forward(self, given: Tensor) -> Tensor:
        return self.hidden(self.convolutions(given))


class _Mels(nn.Module):
    """The states of Whisper's encoder, for one recording."""

    def __init__(self, engine: TransformersWhisper) -> None:
        super().__init__()
        self.model = engine.model
        self.hidden = engine.hidden

    def forward(self, given: Tensor) -> Tensor:
        return self.hidden(given)


class _Tokens(nn.Module):
    """The states of a text encoder, for one text."""

    def __init__(self, engine: TextModel) -> None:
        super().__init__()
        self.model = engine.model
        self.hidden = engine.hidden

    def forward(self, given: Tensor) -> Tensor:
        return self.hidden(given, torch.ones_like(given))


def speech_graph(maker: SpeechFrames) -> onnx.ModelProto:
    """Trace a speech encoder: ``samples`` (1, N) or ``mels`` (1, bands, 2 T) become ``states`` (1, T, layers, D)."""
    engine = _engine_of(maker)
    if isinstance(engine, TransformersWhisper):
        return trace(_Mels(engine), torch.randn(1, engine.extractor.feature_size, 100), "mels")
    return trace(_Samples(engine), torch.randn(1, engine.window + 49 * engine.stride), "samples")


def speech_settings(maker: SpeechFrames, folder: Path, most: int) -> dict[str, Any]:
    """Return what ``speech_encoder.py`` needs to know, and write the mel filters of Whisper's feature extractor.

    Args:
        maker: the frontend.
        folder: folder of the bundle.
        most: number of frames that the model reads.
    """
    engine, rate = _engine_of(maker), maker.sample_rate
    common = {
        "file": SPEECH,
        "sample_rate": rate,
        "width": maker.width,
        "pool": maker.settings.pool,
        "max_frames": most,
    }
    if isinstance(engine, ConvolutionalEncoder):
        return {
            **common,
            "normalise": bool(engine.extractor.do_normalize),
            "window": engine.window,
            "stride": engine.stride,
            "piece": PIECE_SECONDS * rate // engine.stride,
            "context": CONTEXT_SECONDS * rate // engine.stride,
            "least": 1,
            "mels": None,
        }
    np.save(folder / FILTERS, np.asarray(engine.extractor.mel_filters, np.float64))
    return {
        **common,
        "window": MELS_PER_STATE,
        "stride": MELS_PER_STATE,
        "piece": engine.longest,
        "context": CONTEXT,
        "least": engine.longest if maker.settings.padding == "full" else 1,
        "mels": {
            "filters": FILTERS,
            "fft_size": engine.extractor.n_fft,
            "hop_length": engine.extractor.hop_length,
        },
    }


def text_graph(maker: TextFrames) -> onnx.ModelProto:
    """Trace a text encoder: ``tokens`` (1, T) become ``states`` (1, T, layers * D)."""
    engine = maker.model
    some = torch.arange(min(engine.longest or 12, 12))[None]
    return trace(_Tokens(engine), some, "tokens")


def text_settings(maker: TextFrames, folder: Path) -> dict[str, Any]:
    """Return what ``text_encoder.py`` needs to know, and write the tokenizer."""
    tokenizer = maker.tokenizer.own
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    artifacts.write_text(folder / TOKENIZER, backend.to_str(pretty=False))
    return {
        "file": TEXT,
        "tokenizer": TOKENIZER,
        "width": maker.width,
        "pool": maker.settings.pool,
        "prefix": maker.settings.prefix,
        "longest": maker.model.longest,
        "unknown": tokenizer.unk_token_id,
    }


def _engine_of(maker: SpeechFrames) -> ConvolutionalEncoder | TransformersWhisper:
    """Return the loaded model as torch modules."""
    engine = maker.engine
    if isinstance(engine, CTranslate2Whisper):  # which has no graph, but its weights do
        return TransformersWhisper(engine.files, None, "cpu", engine.padding)
    assert isinstance(engine, ConvolutionalEncoder | TransformersWhisper)  # there are no others
    return engine
