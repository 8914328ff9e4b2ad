"""Frames of recordings kept on the disk, found again by what the recording holds and not by its name.

The key is a hash of the file's content, the segment, the frontend's settings and
:data:`~sertool.core.features.log_mel.ALGORITHM`, so nothing in a cache is ever out of date. An entry appears whole or
not at all; one that is damaged counts as absent. Any number of processes may share a folder.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, SertoolError
from sertool.core.features import log_mel as acoustics
from sertool.core.features.log_mel import Extract
from sertool.core.files import artifacts
from sertool.core.recipe.load import Frontend

_ENTRIES = ("??/*.safetensors", "??/.*.safetensors.*.part")  # what a killed process left is the second


@dataclass(frozen=True)
class FeatureCache:
    """A folder of frames; it grows until :meth:`clear` empties it.

    Attributes:
        folder: made when the first entry is written.
    """

    folder: Path

    def extract_frames(
        self, path: Path, start: float | None, end: float | None, frontend: Frontend
    ) -> Extract:
        """The frames of a recording as :func:`~sertool.core.features.log_mel.extract_frames` gives them, computed once.

        Raises:
            DataError: the recording cannot be used; the message names it.
            SertoolError: the folder cannot be written.
        """
        state = _state(path)
        entry = self._entry(_content_hash(path, *state), start, end, frontend)
        found = _read(entry)
        if found is None:
            found = acoustics.extract_frames(path, start, end, frontend)
            if _state(path) == state:  # otherwise these may be the frames of what was written meanwhile
                _write(entry, found)
        return found

    def clear(self) -> int:
        """Remove all entries, and nothing else; returns how many there were."""
        entries, parts = (list(self.folder.glob(pattern)) for pattern in _ENTRIES)
        for path in (*entries, *parts):
            path.unlink(missing_ok=True)
        return len(entries)

    def _entry(self, content: str, start: float | None, end: float | None, frontend: Frontend) -> Path:
        key = {
            "content": content,
            "start": float(start or 0),
            "end": None if end is None else float(end),
            "frontend": frontend.model_dump(),
            "algorithm": acoustics.ALGORITHM,
        }
        name = _hash(json.dumps(key, sort_keys=True).encode())
        return self.folder / name[:2] / f"{name}.safetensors"


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change: while they stay, so does the content."""
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        status = path.stat()
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    return status.st_size, status.st_mtime_ns


# Segments of one long recording ask for the same file again and again.
@lru_cache(maxsize=4096)
def _content_hash(path: Path, size: int, changed: int) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    except OSError as error:
        raise artifacts.read_error(path, error) from error


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=20).hexdigest()


def _check(frames: NDArray[np.float32], seconds: str) -> str:
    return _hash(f"{frames.dtype} {frames.shape} {seconds} ".encode() + frames.tobytes())


def _read(entry: Path) -> Extract | None:
    try:
        arrays, facts = artifacts.read_arrays(entry)
        frames, seconds = arrays["frames"], facts["seconds"]
        if facts["check"] != _check(frames, seconds):
            return None
        return Extract(frames, float(seconds))
    except (DataError, KeyError, TypeError, AttributeError):
        return None


def _write(entry: Path, found: Extract) -> None:
    seconds = repr(found.seconds)
    facts = {"seconds": seconds, "check": _check(found.frames, seconds)}
    try:
        artifacts.write_arrays(entry, {"frames": found.frames}, facts)
    except SertoolError as error:
        # Another process cleared the folder in between, unfinished files included; what it wants is no entry.
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
