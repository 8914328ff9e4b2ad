"""Frames of lists of recordings kept on the disk, a file a list, for a driver that does not read recordings itself.

The key holds the path, size and time of change of every recording, its segment, the frontend's settings and
:data:`~sertool.core.features.log_mel.ALGORITHM`. An entry appears whole or not at all; a damaged one counts as absent.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.features import log_mel as acoustics
from sertool.core.features.log_mel import Extract
from sertool.core.files import artifacts
from sertool.core.prepare.rows import Row
from sertool.core.recipe.load import Frontend


@dataclass(frozen=True)
class ShardCache:
    """A folder of frames.

    Attributes:
        folder: made when the first entry is written.
    """

    folder: Path

    def entry(self, rows: Sequence[Row], frontend: Frontend) -> Path:
        """Where the frames of rows belong, as their recordings are now."""
        key = {
            "recordings": [
                [str(row.audio.absolute()), *_state(row.audio), row.start, row.end] for row in rows
            ],
            "frontend": frontend.model_dump(),
            "algorithm": acoustics.ALGORITHM,
        }
        name = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=20).hexdigest()
        return self.folder / f"{name}.safetensors"


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change: while they stay, so does the content."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def read_entry(entry: Path) -> list[Extract | str] | None:
    """The frames of each row, or why there are none; None where the entry is missing or damaged."""
    try:
        arrays, facts = artifacts.read_arrays(entry)
        if facts["check"] != _check(arrays, facts["reasons"]):
            return None
        reasons = json.loads(facts["reasons"])
        frames, seconds = np.split(arrays["frames"], arrays["ends"][:-1]), arrays["seconds"]
        return [
            Extract(own, float(length)) if reason is None else str(reason)
            for own, length, reason in zip(frames, seconds, reasons, strict=True)
        ]
    except (DataError, KeyError, TypeError, ValueError, IndexError):
        return None


def write_entry(entry: Path, found: Sequence[Extract | str]) -> None:
    """Keep what :func:`read_entry` gives.

    Raises:
        SertoolError: the folder cannot be written.
    """
    decoded = [one if isinstance(one, Extract) else None for one in found]
    width = next((one.frames.shape[1] for one in decoded if one is not None), 0)
    none = np.zeros((0, width), np.float32)
    frames = [none if one is None else one.frames for one in decoded]
    arrays = {
        "frames": np.concatenate(frames),
        "ends": np.cumsum([len(own) for own in frames]),
        "seconds": np.array([0.0 if one is None else one.seconds for one in decoded]),
    }
    reasons = json.dumps([one if isinstance(one, str) else None for one in found])
    artifacts.write_arrays(entry, arrays, {"reasons": reasons, "check": _check(arrays, reasons)})


def _check(arrays: Mapping[str, NDArray[Any]], reasons: str) -> str:
    digest = hashlib.blake2b(reasons.encode(), digest_size=20)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
