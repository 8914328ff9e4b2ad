"""Read the reference's checkpoints ``best<accuracy>_<seed>.pkl`` without running them; keep safetensors copies.

Each is ``torch.save`` of ``{"state_dict", "optimizer", "args"}`` with the loss module inside ``args``, in torch's
zip format or, for the released ones, in the older stream of pickles (torch 1.2). The copy in sertool's own format
is read in place of the pickle, which may then be deleted::

    best72.5_1234.pkl
    sertool/best72.5_1234.safetensors   weights by the reference's names
    sertool/best72.5_1234.json          settings, class weights, and the file it was made from; written last
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.files.torch_files import read_torch_file
from sertool.core.files.typed_json import Content, Count, Plain, read_typed
from sertool.core.files.unpickler import shown

FORMAT = "sertool-reference-checkpoint/1"
CONVERTED = "sertool"
_NAME = re.compile(r"best(\d+(?:\.\d*)?(?:e-?\d+)?)_(\d+)\.pkl")
_MOST_CLASSES = 1000  # the reference has at most 7
_PLAIN = (str, int, float, bool, type(None))


class SourceContent(Content):
    """The pickle that a copy was made from."""

    name: str
    bytes: Count
    mtime_ns: Annotated[int, Field(ge=-(2**63), lt=2**63)]


class CopyContent(Content):
    """Content of the note of a copy."""

    format: Literal["sertool-reference-checkpoint/1"]
    source: SourceContent
    settings: dict[str, Plain]
    class_weights: Annotated[list[float], Field(max_length=_MOST_CLASSES)] | None


@dataclass(frozen=True)
class ReferenceCheckpoint:
    """Trained model of the reference.

    Attributes:
        path: path of the pickle, which may have been deleted after its conversion.
        validation_accuracy: fraction, from the file's name.
        seed: seed, from the file's name.
        state_dict: float32 tensors on the CPU, by the reference's names.
        settings: plain values among its arguments (``hidden_size``, ``model``, ``dataset``, ...).
        class_weights: class weights of the loss; None if it has none.
    """

    path: Path
    validation_accuracy: float
    seed: int
    state_dict: Mapping[str, torch.Tensor]
    settings: Mapping[str, Any]
    class_weights: tuple[float, ...] | None


def name_parts(path: Path) -> tuple[float, int]:
    """Parse a checkpoint's file name into validation accuracy (a fraction) and seed.

    Raises:
        DataError: the name has another form.
    """
    found = _NAME.fullmatch(path.name)
    if not found or float(found[1]) > 100:
        raise DataError(f"{path}: expected a name like best72.5_1234.pkl (accuracy from 0 to 100, seed)")
    return float(found[1]) / 100, int(found[2])


def read_reference_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a pickled checkpoint, in either of torch's formats.

    Raises:
        DataError: the file is missing, truncated, names what is not allowed, or is not such a checkpoint.
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
        floats = isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
        if not isinstance(name, str) or not floats:
            raise DataError(f"{path}: its state_dict's {name!r:.80} is not a tensor of floating-point numbers")
    # Many names for the same numbers would each get a copy below, and fill the memory.
    if sum(tensor.numel() for tensor in table.values()) > path.stat().st_size:
        raise DataError(f"{path}: its weights have more numbers than the file has bytes")
    weights = {}
    for name, tensor in table.items():
        # Copied, because a tensor may be a small view of a large storage.
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
                raise DataError(f"{path}: its loss weights have the shape {tuple(weight.shape)}, expected one a class")
            return tuple(weight.double().tolist())
    return None


def is_reference_folder(folder: Path) -> bool:
    """Check whether a folder holds checkpoints of the reference, as pickles or converted."""
    return folder.is_dir() and (any(folder.glob("best*.pkl")) or any(_copies(folder)))


def list_checkpoints(folder: Path) -> list[Path]:
    """List a folder's checkpoints by their pickles' paths, highest validation accuracy first, ties by seed.

    A pickle that was converted and then deleted is listed too.

    Raises:
        DataError: a name lacks accuracy and seed.
    """
    found = {*folder.glob("best*.pkl"), *(folder / f"{note.stem}.pkl" for note in _copies(folder))}
    return sorted(found, key=lambda path: (-name_parts(path)[0], name_parts(path)[1]))


def read_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a checkpoint from its copy in sertool's format if there is one, else from the pickle.

    Args:
        path: path of the pickle, which need not exist if there is a copy.

    Raises:
        DataError: the checkpoint cannot be read.
    """
    content = _current_note(path)
    return read_reference_checkpoint(path) if content is None else _read_copy(path, content)


def convert_checkpoints(folder: Path, progress: Callable[[int, int], None] | None = None) -> list[ReferenceCheckpoint]:
    """Read every pickle of a folder once and write its copy, unless it has one.

    Args:
        folder: folder of the ``best*.pkl``.
        progress: called with the number of checkpoints done and the total.

    Returns:
        All checkpoints of the folder without their weights, in the order of :func:`list_checkpoints`.

    Raises:
        DataError: a pickle cannot be read; nothing in it was run.
        SertoolError: a copy cannot be written.
    """
    converted = []
    paths = list_checkpoints(folder)
    for number, path in enumerate(paths, start=1):
        checkpoint = read_checkpoint(path)
        if _current_note(path) is None:
            _write_copy(checkpoint)
        # Without weights, so that only one of a folder's checkpoints is in memory at a time.
        converted.append(replace(checkpoint, state_dict={}))
        if progress is not None:
            progress(number, len(paths))
    return converted


def _copies(folder: Path) -> Iterator[Path]:
    return (folder / CONVERTED).glob("best*.json")


def _note(path: Path) -> Path:
    return path.parent / CONVERTED / f"{path.stem}.json"


def _identity(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"name": path.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _current_note(path: Path) -> CopyContent | None:
    """Read the note of a checkpoint's copy; None if there is none, or if the pickle has changed since."""
    if not _note(path).is_file():
        return None
    content = read_typed(_note(path), CopyContent)
    # A changed pickle is another checkpoint; a deleted one leaves its copy valid.
    return content if not path.is_file() or content.source.model_dump() == _identity(path) else None


def _write_copy(checkpoint: ReferenceCheckpoint) -> None:
    note = _note(checkpoint.path)
    note.unlink(missing_ok=True)  # first, so that a killed conversion leaves no note for half a copy
    weights = {name: tensor.numpy() for name, tensor in checkpoint.state_dict.items()}
    artifacts.write_arrays(note.with_suffix(".safetensors"), weights)
    content = {
        "format": FORMAT,
        "source": _identity(checkpoint.path),
        "settings": dict(checkpoint.settings),
        "class_weights": checkpoint.class_weights,
    }
    try:
        artifacts.write_json(note, content)
    except ValueError as error:  # NaN, or a lone half of a surrogate pair
        raise DataError(f"{checkpoint.path}: its settings cannot be written as JSON ({error})") from error


def _read_copy(path: Path, content: CopyContent) -> ReferenceCheckpoint:
    accuracy, seed = name_parts(path)
    arrays, _ = artifacts.read_arrays(_note(path).with_suffix(".safetensors"))
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise DataError(f"{_note(path).with_suffix('.safetensors')}: its weights {name} are not finite float32")
    class_weights = None if content.class_weights is None else tuple(content.class_weights)
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return ReferenceCheckpoint(path, accuracy, seed, state, content.settings, class_weights)
