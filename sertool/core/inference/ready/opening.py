"""Open a ready model by its name on the Hugging Face hub, its folder or its file; runs no code that came with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sertool.core.errors import DataError
from sertool.core.features.encoders.libraries import check_installed
from sertool.core.features.encoders.source import Kind, find_model, locate, read_settings
from sertool.core.inference.ready.facts import ReadyModel

HINT = "expected an audio-classification or text-classification model of transformers, or an ONNX file"


def open_ready(name: str, revision: str | None = None, device: str = "cpu", batch: int | None = None) -> ReadyModel:
    """Open a ready model.

    Args:
        name: folder, ONNX file, or name on the hub, whose client downloads it if need be.
        revision: branch, tag or commit of a model on the hub; None for its main branch.
        device: where it computes, in float32.
        batch: most inputs that are computed at a time. Default: as many as fill the device.

    Raises:
        UsageError: the libraries are not installed, or the name stands for nothing.
        DataError: the model cannot be used; the message says why.
        SertoolError: the hub cannot be reached, or the disk is full.
    """
    if name.lower().endswith(".onnx"):
        from sertool.core.inference.ready.onnx_model import OnnxModel

        return OnnxModel(Path(name).expanduser(), name, device, batch)
    if Path(name).expanduser().is_file():
        raise DataError(f"{name}: is a file of another kind", hint=HINT)
    check_installed(name, "transformers", "huggingface_hub")
    folder, _ = locate(name, revision)
    kind = _kind(name, read_settings(name, folder))
    files = find_model(name, revision, kind)
    if files.library != "transformers":
        raise DataError(f"{name}: CTranslate2 weights, which hold an encoder and no classes", hint=HINT)
    if kind == "speech":
        from sertool.core.inference.ready.speech import open_speech_model

        return open_speech_model(files, device, batch)
    from sertool.core.inference.ready.text import TextModel

    return TextModel(files, device, batch)


def _kind(name: str, settings: Mapping[str, Any]) -> Kind:
    """Return what a model takes, by its architecture."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES,
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )

    architecture = settings.get("model_type")
    if architecture in MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES:
        return "speech"
    if architecture in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        return "text"
    if "auto_map" in settings:
        raise DataError(
            f"{name}: brings code of its own, which sertool does not run",
            hint="choose a model whose architecture transformers has itself, or export it to ONNX",
        )
    stated = "model_type is missing" if architecture is None else f"model_type {architecture!r}"
    raise DataError(f"{name}: transformers has no classifier of this architecture ({stated} in config.json)", hint=HINT)
