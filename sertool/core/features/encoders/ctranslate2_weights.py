"""Whisper's encoder in transformers' modules, with the weights of a folder for CTranslate2.

CTranslate2 gives the states of the last layer alone, and those of a middle layer tell emotions better
(docs/encoders.md). Its Python package writes this file (``ctranslate2.specs.model_spec``) and does not read it.
"""

import mmap
import struct
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sertool.core.errors import DataError
from sertool.core.features.encoders.source import ModelFiles

_VERSION = 6  # of the binary format
_TYPES = (torch.float32, torch.int8, torch.int16, torch.int32, torch.float16, torch.bfloat16)  # by their numbers
# Names of weights here and in transformers; those of layers stand behind the layer's own name.
_ENDS = {
    "conv1/": "conv1.",
    "conv2/": "conv2.",
    "layer_norm/": "layer_norm.",
    "position_encodings/encodings": "embed_positions.weight",
}
_LAYER_ENDS = {
    "self_attention/layer_norm/": "self_attn_layer_norm.",
    "self_attention/linear_1/": "self_attn.out_proj.",
    "ffn/layer_norm/": "final_layer_norm.",
    "ffn/linear_0/": "fc1.",
    "ffn/linear_1/": "fc2.",
}
_KINDS = {"gamma": "weight", "beta": "bias"}


def read_encoder(files: ModelFiles, device: str) -> Any:
    """Return transformers' ``WhisperEncoder`` in evaluation mode with the weights of ``model.bin``.

    Args:
        files: a model of the library ctranslate2.
        device: where it computes: float32 on the CPU, bfloat16 on a CUDA device.

    Raises:
        DataError: the file is damaged, its weights are integers, or they are not Whisper's.
    """
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    weights = _read(files)
    try:
        width, bands = weights["conv1/weight"].shape[:2]
        config = WhisperConfig(
            d_model=width,
            num_mel_bins=bands,
            encoder_layers=_depth(weights),
            encoder_attention_heads=int(weights["num_heads"]),
            encoder_ffn_dim=len(weights["layer_0/ffn/linear_0/weight"]),
            max_source_positions=len(weights["position_encodings/encodings"]),
        )
        with torch.device("meta"):
            encoder = WhisperEncoder(config)
        encoder.load_state_dict(_renamed(weights), assign=True)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{files.name}: {_path(files)} does not hold the weights of Whisper ({error!s:.200})"
        ) from error
    dtype = torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32
    return encoder.to(device, dtype).eval().requires_grad_(False)


def depth_of(files: ModelFiles) -> int:
    """Return the number of layers of a Whisper's encoder; the errors are those of :func:`read_encoder`."""
    return _depth(_read(files))


def _depth(weights: dict[str, Tensor]) -> int:
    return len({name.split("/")[0] for name in weights if name.startswith("layer_") and "layer_norm" not in name[:10]})


def _path(files: ModelFiles) -> Path:
    return files.folder / "model.bin"


def _read(files: ModelFiles) -> dict[str, Tensor]:
    """Return the encoder's weights by name, without the prefix ``encoder/``; only what is used leaves the disk."""
    path, found = _path(files), {}
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        (version,) = struct.unpack_from("<I", content)
        if version != _VERSION:
            raise DataError(
                f"{path}: weights in version {version} of CTranslate2's format, expected {_VERSION}",
                hint="set layer: last, or use the same model in transformers' form",
            )
        _, place = _text(content, 4)
        _, number = struct.unpack_from("<II", content, place)  # revision of the model's kind, number of weights
        place += 8
        for _ in range(number):
            name, place = _text(content, place)
            rank = content[place]
            *shape, kind, size = struct.unpack_from(f"<{rank}IBI", content, place + 1)
            place += 4 * rank + 6
            if name.startswith("encoder/"):
                values = torch.frombuffer(content[place : place + size], dtype=_TYPES[kind])
                found[name.removeprefix("encoder/")] = values.view(shape)
            place += size
    except (OSError, ValueError, IndexError, RuntimeError, struct.error) as error:
        raise DataError(f"{path}: damaged weights ({error!s:.200})") from error
    if any(name.endswith("_scale") for name in found):
        raise DataError(
            f"{path}: stores its weights as integers, which only CTranslate2 can use",
            hint="set layer: last, or use a folder with float16 or float32 weights",
        )
    return found


def _text(content: memoryview, place: int) -> tuple[str, int]:
    """Return a text that ends with a zero byte, and the place behind it."""
    (length,) = struct.unpack_from("<H", content, place)
    return bytes(content[place + 2 : place + 1 + length]).decode(), place + 2 + length


def _renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights transformers' names; query, key and value lie in one matrix here."""
    renamed = {}
    for name, values in weights.items():
        head, _, kind = name.rpartition("/")
        layer, _, rest = name.partition("/")
        number = layer.removeprefix("layer_")
        if number.isdecimal():
            prefix = f"layers.{number}."
            if rest.startswith("self_attention/linear_0/"):
                for part, own in zip("qkv", values.chunk(3), strict=True):
                    if (part, kind) != ("k", "bias"):  # Whisper's keys have no bias
                        renamed[f"{prefix}self_attn.{part}_proj.{kind}"] = own.float()
                continue
            head, table = rest.removesuffix(kind), _LAYER_ENDS
        elif name in _ENDS:
            renamed[_ENDS[name]] = values.float()
            continue
        else:
            prefix, head, table = "", f"{head}/", _ENDS
        if head in table:
            renamed[f"{prefix}{table[head]}{_KINDS.get(kind, kind)}"] = values.float()
    return renamed
