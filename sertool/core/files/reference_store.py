"""The reference's checkpoints in sertool's own format, in a folder ``sertool`` beside them.

A converted checkpoint is read in place of its pickle, which may then be deleted::

    best72.5_1234.pkl
    sertool/best72.5_1234.safetensors   weights by the reference's names
    sertool/best72.5_1234.json          settings, class weights, and which file it was made from; written last
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.files.reference_checkpoints import (
    ReferenceCheckpoint,
    name_parts,
    read_reference_checkpoint,
)

FORMAT = "sertool-reference-checkpoint/1"
CONVERTED = "sertool"


def is_reference_folder(folder: Path) -> bool:
    """Whether a folder holds checkpoints of the reference, as pickles or converted."""
    return folder.is_dir() and (any(folder.glob("best*.pkl")) or any(_copies(folder)))


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder by their pickles' names, highest validation accuracy first, equal ones by seed.

    A pickle that was converted and deleted is listed all the same.

    Raises:
        DataError: one of them has a name without accuracy and seed.
    """
    found = {*folder.glob("best*.pkl"), *(folder / f"{note.stem}.pkl" for note in _copies(folder))}
    return sorted(found, key=lambda path: (-name_parts(path)[0], name_parts(path)[1]))


def read_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a checkpoint from its copy in sertool's format where there is one, else from the pickle.

    Args:
        path: of the pickle, which need not be there where there is a copy.

    Raises:
        DataError: it cannot be read.
    """
    note = _note(path)
    if not note.is_file():
        return read_reference_checkpoint(path)
    content = artifacts.read_json(note)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{note}: not a checkpoint of format {FORMAT}")
    # A pickle that has changed since is another checkpoint.
    if path.is_file() and content.get("source") != _identity(path):
        return read_reference_checkpoint(path)
    return _read_copy(path, note, content)


def convert_checkpoints(
    folder: Path, progress: Callable[[int, int], None] | None = None
) -> list[ReferenceCheckpoint]:
    """Read every pickle of a folder once and write its copy; those that have one are passed over.

    Args:
        folder: holds the ``best*.pkl``.
        progress: called with how many are done and how many there are.

    Returns:
        All checkpoints of the folder without their weights, in the order of :func:`list_checkpoints`.

    Raises:
        DataError: a pickle cannot be read; nothing of it was run.
        SertoolError: a copy cannot be written.
    """
    converted = []
    paths = list_checkpoints(folder)
    for number, path in enumerate(paths, start=1):
        checkpoint = read_checkpoint(path)
        if not _is_current(path):
            _write_copy(checkpoint)
        # Of a folder with ten of them only one is ever in memory.
        converted.append(_without_weights(checkpoint))
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


def _is_current(path: Path) -> bool:
    note = _note(path)
    if not note.is_file():
        return False
    return not path.is_file() or artifacts.read_json(note).get("source") == _identity(path)


def _write_copy(checkpoint: ReferenceCheckpoint) -> None:
    note = _note(checkpoint.path)
    note.unlink(missing_ok=True)
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
    except ValueError as error:  # NaN, or half a character
        raise DataError(f"{checkpoint.path}: its settings cannot be written as JSON ({error})") from error


def _without_weights(checkpoint: ReferenceCheckpoint) -> ReferenceCheckpoint:
    return ReferenceCheckpoint(
        checkpoint.path,
        checkpoint.validation_accuracy,
        checkpoint.seed,
        {},
        checkpoint.settings,
        checkpoint.class_weights,
    )


def _read_copy(path: Path, note: Path, content: dict[str, Any]) -> ReferenceCheckpoint:
    accuracy, seed = name_parts(path)
    arrays, _ = artifacts.read_arrays(note.with_suffix(".safetensors"))
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise DataError(f"{note.with_suffix('.safetensors')}: its weights {name} are no finite float32")
    settings, weights = content.get("settings"), content.get("class_weights")
    if not isinstance(settings, dict) or not isinstance(weights, list | None):
        raise DataError(f"{note}: damaged (settings or class_weights are missing)")
    try:
        class_weights = None if weights is None else tuple(float(weight) for weight in weights)
    except (TypeError, ValueError) as error:
        raise DataError(f"{note}: damaged (class_weights: {error})") from error
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return ReferenceCheckpoint(path, accuracy, seed, state, settings, class_weights)
