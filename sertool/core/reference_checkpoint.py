"""The reference's checkpoints, ``best<accuracy>_<seed>.pkl``, read without running anything in them.

Each is ``torch.save`` of ``{"state_dict", "optimizer", "args"}`` with the loss module inside ``args``. Two
formats exist: torch's zip format, read by torch's weights-only loader, and the older stream of pickles (torch
1.2; the released ones), whose loss module that loader refuses, read here by the restricted unpickler.
"""

import math
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sertool.core.artifacts import read_error
from sertool.core.errors import DataError
from sertool.core.safe_pickle import NUMPY_AND_PLAIN, finished, mapped, pickle_error
from sertool.core.unpickler import Allowed, NameRefused, Refused, RestrictedUnpickler, StandIn

_NAME = re.compile(r"best(\d+(?:\.\d*)?(?:e-?\d+)?)_(\d+)\.pkl")
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LOSSES = ("CrossEntropyLoss", "BCEWithLogitsLoss")
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


def list_reference_checkpoints(folder: Path) -> list[Path]:
    """The files ``best*.pkl`` in a folder, highest validation accuracy first, equal ones by seed.

    Raises:
        DataError: one of them has a name without accuracy and seed.
    """
    return sorted(folder.glob("best*.pkl"), key=lambda path: (-_from_name(path)[0], _from_name(path)[1]))


def _from_name(path: Path) -> tuple[float, int]:
    """Accuracy (a fraction) and seed, from a file's name."""
    found = _NAME.fullmatch(path.name)
    if not found or float(found[1]) > 100:
        raise DataError(f"{path}: expected a name like best72.5_1234.pkl (accuracy from 0 to 100, seed)")
    return float(found[1]) / 100, int(found[2])


def read_reference_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a checkpoint of either format.

    Raises:
        DataError: the file is missing, truncated, names what is not allowed, or is no such checkpoint.
    """
    accuracy, seed = _from_name(path)
    try:
        content = _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path)
    except OSError as error:
        raise read_error(path, error) from error
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
    weights = {}
    for name, tensor in table.items():
        if (
            not isinstance(name, str)
            or not isinstance(tensor, torch.Tensor)
            or not tensor.is_floating_point()
        ):
            raise DataError(f"{path}: its state_dict's {name!r:.80} is no tensor of floating-point numbers")
        if not torch.isfinite(tensor).all():
            raise DataError(f"{path}: its weights {name} hold NaN or infinite values")
        # A copy of its own: a tensor may be a small view of a large storage.
        weights[name] = tensor.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
    return weights


def _class_weights(path: Path, loss: Any) -> tuple[float, ...] | None:
    state = getattr(loss, "state", None)
    tables = [state, state.get("_buffers"), state.get("_parameters")] if isinstance(state, dict) else []
    for table in tables:
        weight = table.get("weight") if isinstance(table, dict) else None
        if isinstance(weight, torch.Tensor):
            if weight.ndim != 1 or not weight.is_floating_point():
                raise DataError(
                    f"{path}: its loss weights have the shape {tuple(weight.shape)}, expected one a class"
                )
            return tuple(weight.double().tolist())
    return None


class _Inert(StandIn):
    """In place of ``argparse.Namespace`` and of the loss modules."""

    def __setstate__(self, state: Any) -> None:
        """What torch's loader calls."""
        self.set_state(state)


def _read_zip(path: Path) -> Any:
    names = ["argparse.Namespace", *(f"torch.nn.modules.loss.{name}" for name in _LOSSES)]
    stand_ins: list[Any] = [(type(name.rpartition(".")[2], (_Inert,), {}), name) for name in names]
    try:
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise pickle_error(path, NameRefused(named[1]) if named else error) from error


def _read_stream(path: Path) -> Any:
    """The older format: five pickles (magic number, version, system, object, storage keys), then the data."""
    with path.open("rb") as file, mapped(file, path) as stream:
        try:
            magic, version, system = (RestrictedUnpickler(stream, {}).load() for _ in range(3))
            if magic != _MAGIC or version != _PROTOCOL or not isinstance(system, dict):
                raise DataError(f"{path}: not a checkpoint that torch wrote")
            if system.get("little_endian") is not True:
                raise DataError(f"{path}: written on a big-endian machine, which is not supported")
            reader = _StreamUnpickler(stream, limit=path.stat().st_size)
            content = finished(reader.load(), (torch.Tensor,))
            keys = RestrictedUnpickler(stream, {}).load()
            if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(reader.storages):
                raise DataError(f"{path}: its list of storages does not fit its tensors")
            for key in keys:
                _fill(reader.storages[key], stream)
            return content
        except DataError:
            raise
        except Exception as error:
            raise pickle_error(path, error) from error


def _fill(storage: torch.Tensor, stream: Any) -> None:
    """Copy a storage's bytes, a count of elements before them, into the memory that its tensors look at."""
    size = storage.numel() * storage.element_size()
    count, content = stream.read(8), stream.read(size)
    if len(count) < 8 or len(content) < size:
        raise EOFError
    if int.from_bytes(count, "little", signed=True) != storage.numel():
        raise ValueError("a storage has another size than its tensors")
    if size:
        storage.copy_(torch.frombuffer(bytearray(content), dtype=storage.dtype))


class _StreamUnpickler(RestrictedUnpickler):
    """Reads the object of the older format.

    Args:
        stream: positioned at the object's pickle.
        limit: bytes that all storages together may claim.
    """

    def __init__(self, stream: Any, limit: int) -> None:
        super().__init__(stream, _TORCH)
        self.storages: dict[str, torch.Tensor] = {}
        self.left = limit

    def persistent_load(self, pid: Any) -> Any:
        """A storage, zeros until its bytes are read; or a module's class, which came with its source text."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module" and isinstance(pid[1], Allowed):
            return pid[1]
        if not isinstance(pid, tuple) or len(pid) != 6 or pid[0] != "storage":
            raise Refused("an unknown persistent id")
        _, kind, key, _, count, view = pid
        dtype = _DTYPES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Allowed) else None
        if dtype is None or view is not None or not isinstance(key, str) or not isinstance(count, int):
            raise Refused("an unusual storage")
        if key not in self.storages:
            size = count * torch.empty((), dtype=dtype).element_size()
            if not 0 <= size <= self.left:
                raise EOFError
            self.left -= size
            self.storages[key] = torch.zeros(count, dtype=dtype)
        if self.storages[key].numel() != count or self.storages[key].dtype != dtype:
            raise Refused("one storage as two kinds")
        return self.storages[key]


class _Table(dict[Any, Any], StandIn):
    """In place of ``collections.OrderedDict``; its attributes (torch's ``_metadata``) are dropped."""

    def __init__(self, items: Any = ()) -> None:
        StandIn.__init__(self)
        for key, value in items:
            if not isinstance(key, str | int):
                raise Refused(f"a key of type {type(key).__name__}")
            self[key] = value

    def set_state(self, state: Any) -> None:
        """Nothing in it is needed."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> torch.Tensor:
    """A view of a storage, which must lie inside it and must not repeat its elements."""
    if (
        not isinstance(storage, torch.Tensor)
        or not isinstance(shape, tuple)
        or not isinstance(strides, tuple)
    ):
        raise Refused("a tensor of an unusual kind")
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(item, int) and 0 <= item < 2**40 for item in numbers):
        raise Refused("a tensor of an unusual shape")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if count > storage.numel() or (count and last >= storage.numel()):
        raise Refused("a tensor that reaches beyond its storage")
    return storage.as_strided(shape, strides, offset) if count else storage.new_zeros(shape)


def _parameter(data: Any, *_: Any) -> torch.Tensor:
    if not isinstance(data, torch.Tensor):
        raise Refused("a parameter that is no tensor")
    return data


def _no_call(*_: Any) -> Any:
    raise Refused("a call of a storage's type")


_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_TORCH: Mapping[str, Callable[..., Any]] = {
    **NUMPY_AND_PLAIN,
    "collections.OrderedDict": _Table,
    "argparse.Namespace": _Inert,
    **{f"torch.nn.modules.loss.{name}": _Inert for name in _LOSSES},
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    **{f"{module}.{name}": _no_call for module in ("torch", "torch.cuda") for name in _DTYPES},
}
