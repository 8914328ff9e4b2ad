"""Single weights of a transformers model, read from its safetensors files."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sertool.core.errors import DataError
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.files.artifacts import reading

if TYPE_CHECKING:
    from torch import Tensor


def weight_names(files: ModelFiles) -> set[str]:
    """Return the names of all weights.

    Raises:
        DataError: a file is no safetensors file.
    """
    return {name for _, names in _contents(files) for name in names}


def read_weights(files: ModelFiles, wanted: set[str]) -> "dict[str, Tensor]":
    """Read some of the weights as float32.

    Raises:
        DataError: a file is damaged.
    """
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for path, names in _contents(files):
        if there := wanted & names:
            with reading(path, partial(_damaged, path)), safe_open(path, framework="pt") as opened:
                found |= {name: opened.get_tensor(name).float() for name in there}
    return found


def _contents(files: ModelFiles) -> Iterator[tuple[Path, set[str]]]:
    from safetensors import safe_open

    for path in sorted({*files.folder.glob("model.safetensors"), *files.folder.glob("model-*.safetensors")}):
        with reading(path, partial(_damaged, path)), safe_open(path, framework="pt") as opened:
            names = set(opened.keys())
        yield path, names


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable safetensors file ({error!s:.120})")
