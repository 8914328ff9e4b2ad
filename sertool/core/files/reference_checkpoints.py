"""The reference's checkpoints, ``best<accuracy>_<seed>.pkl``, read without running anything in them.

Each is ``torch.save`` of ``{"state_dict", "optimizer", "args"}`` with the loss module inside ``args``, in torch's
zip format or, the released ones, in the older stream of pickles (torch 1.2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sertool.core.errors import DataError
from sertool.core.files.torch_files import read_torch_file
from sertool.core.files.unpickler import shown

_NAME = re.compile(r"best(\d+(?:\.\d*)?(?:e-?\d+)?)_(\d+)\.pkl")
_MOST_CLASSES = 1000
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class ReferenceCheckpoint:
    """One trained model of the reference.

    Attributes:
        path: its file.
        validation_accuracy: from the file's name, as a fraction.
        seed: from the file's name.
        state_dict: float32 tensors on the CPU, by the reference's names.
        settings: the plain values among its arguments (``hidden_size``, ``model``, ``dataset``, ...).
        class_weights: of the loss; None where it has none.
    """

    path: Path
    validation_accuracy: float
    seed: int
    state_dict: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    class_weights: tuple[float, ...] | None


def name_parts(path: Path) -> tuple[float, int]:
    """Validation accuracy (a fraction) and seed, from a checkpoint's file name.

    Raises:
        DataError: it has another form.
    """
    found = _NAME.fullmatch(path.name)
    if not found or float(found[1]) > 100:
        raise DataError(f"{path}: expected a name like best72.5_1234.pkl (accuracy from 0 to 100, seed)")
    return float(found[1]) / 100, int(found[2])


def read_reference_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a checkpoint of either format.

    Raises:
        DataError: the file is missing, truncated, names what is not allowed, or is no such checkpoint.
    """
    accuracy, seed = name_parts(path)
    content = read_torch_file(path)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise DataError(f"{path}: holds no state_dict, expected a checkpoint as the reference saves it")
    arguments = getattr(content.get("args"), "state", None)
    if not isinstance(arguments, dict):
        raise DataError(f"{path}: holds no args, expected a checkpoint as the reference saves it")
    return ReferenceCheckpoint(
        path=path,
        validation_accuracy=accuracy,
        seed=seed,
        state_dict=_weights(path, content["state_dict"]),
        settings={key: value for key, value in arguments.items() if isinstance(value, _PLAIN)},
        class_weights=_class_weights(path, arguments.get("loss_fn")),
    )


def _weights(path: Path, table: dict[Any, Any]) -> dict[str, torch.Tensor]:
    if not table:
        raise DataError(f"{path}: its state_dict is empty")
    for name, tensor in table.items():
        if (
            not isinstance(name, str)
            or not isinstance(tensor, torch.Tensor)
            or not tensor.is_floating_point()
        ):
            raise DataError(f"{path}: its state_dict's {name!r:.80} is no tensor of floating-point numbers")
    # Many names for the same numbers would each get a copy below.
    if sum(tensor.numel() for tensor in table.values()) > path.stat().st_size:
        raise DataError(f"{path}: its weights have more numbers than the file has bytes")
    weights = {}
    for name, tensor in table.items():
        # A copy of its own: a tensor may be a small view of a large storage.
        copy = tensor.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
        if not torch.isfinite(copy).all():
            raise DataError(f"{path}: its weights {shown(name)} hold NaN or infinite values")
        weights[name] = copy
    return weights


def _class_weights(path: Path, loss: Any) -> tuple[float, ...] | None:
    state = getattr(loss, "state", None)
    tables = [state, state.get("_buffers"), state.get("_parameters")] if isinstance(state, dict) else []
    for table in tables:
        weight = table.get("weight") if isinstance(table, dict) else None
        if isinstance(weight, torch.Tensor):
            if weight.ndim != 1 or not weight.is_floating_point() or len(weight) > _MOST_CLASSES:
                raise DataError(
                    f"{path}: its loss weights have the shape {tuple(weight.shape)}, expected one a class"
                )
            return tuple(weight.double().tolist())
    return None
