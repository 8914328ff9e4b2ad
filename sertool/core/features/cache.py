"""Frames of recordings, kept on disk: one file per recording, or one per list of recordings.

:class:`FeatureCache` finds frames by what the recording holds and not by its name: its key is a hash of the file's
content, the segment, and the frontend's settings and version, so nothing in it is ever out of date. :class:`ShardCache`
is for a driver that does not read recordings itself: in the place of the content, its key holds path, size and time of
change of every recording.

An entry appears whole or not at all, and a damaged one counts as absent. Any number of processes may share a folder.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, SertoolError
from sertool.core.features import frontend as frontends
from sertool.core.features.audio import READER_VERSION, Segment, is_odd
from sertool.core.features.frontend import Extract, FrameMaker, TextFrameMaker, is_on_cuda
from sertool.core.features.sound_fingerprint import NO_CODES, Codes
from sertool.core.files import artifacts
from sertool.core.files.regular import check_regular, open_regular

_ENTRIES = ("??/*.safetensors", "??/.*.safetensors.*.part")  # the second: what a killed process left behind


@dataclass(frozen=True)
class FeatureCache:
    """A folder with the frames of single recordings; it grows until :meth:`clear` empties it.

    Attributes:
        folder: made when the first entry is written.
    """

    folder: Path

    def extract_frames(self, segment: Segment, maker: FrameMaker) -> Extract:
        """Return what :func:`~sertool.core.features.frontend.extract_frames` gives, computed once.

        Raises:
            DataError: the recording cannot be used; the message names it.
            SertoolError: the folder cannot be written.
        """
        slot = self.slot(segment, maker)
        found = slot.read()
        if found is None:
            found = frontends.extract_frames(segment, maker)
            slot.write(found)
        return found

    def slot(self, segment: Segment, maker: FrameMaker) -> "Slot":
        """Return the place for the frames of a segment of its recording as it is now.

        Raises:
            DataError: the recording cannot be read.
        """
        state = _file_state(segment.path)
        return Slot(segment.path, state, self._entry(_content_hash(segment.path, *state), segment, maker))

    def clear(self) -> int:
        """Remove all entries and nothing else; return the number of entries removed."""
        entries, parts = (list(self.folder.glob(pattern)) for pattern in _ENTRIES)
        for path in (*entries, *parts):
            path.unlink(missing_ok=True)
        return len(entries)

    def _entry(self, content: str, segment: Segment, maker: FrameMaker) -> Path:
        key = {
            "content": content,
            "start": float(segment.start or 0),  # None and 0 mean the same, and so have the same key
            "end": None if segment.end is None else float(segment.end),
            **_chosen(segment),
        }
        if is_odd(segment.path):  # frames of all others are those of the first version
            key["reader"] = READER_VERSION
        name = _key(key, maker)
        return self.folder / name[:2] / f"{name}.safetensors"  # 256 folders, since large ones are slow


@dataclass(frozen=True)
class Slot:
    """The place of one recording's frames in a :class:`FeatureCache`.

    Attributes:
        path: the recording.
        state: its size and time of change when its content was hashed.
        entry: file of its frames.
    """

    path: Path
    state: tuple[int, int]
    entry: Path

    def read(self) -> Extract | None:
        """Return the frames; None if they are missing or damaged."""
        return _read(self.entry)

    def write(self, found: Extract) -> None:
        """Store the frames, unless the recording has changed: they may be those of its new content.

        Raises:
            SertoolError: the folder cannot be written.
        """
        if _file_state(self.path) == self.state:
            _write(self.entry, found)


@dataclass(frozen=True)
class ShardCache:
    """A folder with the frames of lists of recordings.

    Attributes:
        folder: made when the first entry is written.
    """

    folder: Path

    def entry(self, segments: Sequence[Segment], maker: FrameMaker) -> Path:
        """Return the file for the frames of segments whose recordings are as they are now."""
        recordings = [
            [str(one.path.absolute()), *_state(one.path), one.start, one.end, *_chosen(one).items()] for one in segments
        ]
        return self.folder / f"{_key({'recordings': recordings, 'reader': READER_VERSION}, maker)}.safetensors"


def text_entry(folder: Path, texts: Sequence[str], maker: TextFrameMaker) -> Path:
    """Return the file for the frames of texts, for :func:`read_entry` and :func:`write_entry`."""
    return folder / f"{_key({'texts': list(texts)}, maker)}.safetensors"


def read_entry(entry: Path) -> list[Extract | str] | None:
    """Read an entry of a :class:`ShardCache`.

    Returns:
        For each segment its frames, or the reason why there are none; None if the entry is missing or damaged.
    """
    try:
        arrays, facts = artifacts.read_arrays(entry)
        if facts["check"] != _check_list(arrays, facts["reasons"], facts.get("remarks", "")):
            return None
        reasons = json.loads(facts["reasons"])
        remarks = json.loads(facts["remarks"]) if "remarks" in facts else [""] * len(reasons)
        frames, seconds = np.split(arrays["frames"], arrays["ends"][:-1]), arrays["seconds"]
        silent = arrays.get("silent", np.zeros(len(reasons), np.bool_))
        codes: list[Codes | None] = [None] * len(reasons)  # entries of earlier versions have none
        if "codes" in arrays:
            codes = list(np.split(arrays["codes"], arrays["code_ends"][:-1]))
        return [
            Extract(own, float(length), str(remark), bool(mark), sound) if reason is None else str(reason)
            for own, length, reason, remark, mark, sound in zip(
                frames, seconds, reasons, remarks, silent, codes, strict=True
            )
        ]
    except (DataError, KeyError, TypeError, ValueError, IndexError):  # damaged: computed and written anew
        return None


def write_entry(entry: Path, found: Sequence[Extract | str]) -> None:
    """Write an entry of a :class:`ShardCache`; :func:`read_entry` gives it back.

    Raises:
        SertoolError: the folder cannot be written.
    """
    decoded = [one if isinstance(one, Extract) else None for one in found]
    width = next((one.frames.shape[1] for one in decoded if one is not None), 0)
    kind = next((one.frames.dtype for one in decoded if one is not None), np.float32)
    none = np.zeros((0, width), kind)  # stands for a recording that gave a reason instead
    frames = [none if one is None else one.frames for one in decoded]
    arrays = {
        "frames": np.concatenate(frames),
        "ends": np.cumsum([len(own) for own in frames]),
        "seconds": np.array([0.0 if one is None else one.seconds for one in decoded]),
    }
    silent = np.array([one is not None and one.silent for one in decoded])
    if silent.any():
        arrays["silent"] = silent
    if any(one is not None and one.codes is not None for one in decoded):
        codes = [NO_CODES if one is None or one.codes is None else one.codes for one in decoded]
        arrays |= {"codes": np.concatenate(codes), "code_ends": np.cumsum([len(own) for own in codes])}
    reasons = json.dumps([one if isinstance(one, str) else None for one in found])
    remarks = ["" if one is None else one.remark for one in decoded]
    told = {"remarks": json.dumps(remarks)} if any(remarks) else {}
    check = _check_list(arrays, reasons, told.get("remarks", ""))
    artifacts.write_arrays(entry, arrays, {"reasons": reasons, **told, "check": check})


def _chosen(segment: Segment) -> dict[str, int]:
    """Return the channel and the stream that are asked for; without them a key is as it was before there were any."""
    given = {"channel": segment.channel, "stream": segment.stream}
    return {name: number for name, number in given.items() if number is not None}


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change, zeros if unknown; the content stays the same as long as they do."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _file_state(path: Path) -> tuple[int, int]:
    try:
        status = check_regular(path)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    return status.st_size, status.st_mtime_ns


# Segments of one long recording ask for the same file again and again.
@lru_cache(maxsize=4096)
def _content_hash(path: Path, size: int, changed: int) -> str:
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    except OSError as error:
        raise artifacts.read_error(path, error) from error


def _key(inputs: dict[str, Any], maker: FrameMaker | TextFrameMaker) -> str:
    """Name the entry of recordings or texts: another setting or another way to compute frames gives another name."""
    key = {**inputs, "frontend": dict(maker.note), "algorithm": maker.version}
    if is_on_cuda(maker):
        key["precision"] = "bf16"
    return _hash(json.dumps(key, sort_keys=True).encode())


def _hash(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _check(frames: NDArray[np.floating], seconds: str, remarks: str, codes: Codes | None) -> str:
    sound = [] if codes is None else [codes.tobytes()]
    return _hash(f"{frames.dtype} {frames.shape} {seconds} {remarks}".encode(), frames.tobytes(), *sound)


def _check_list(arrays: Mapping[str, NDArray[Any]], reasons: str, remarks: str) -> str:
    parts = [reasons.encode() + remarks.encode()]
    for name in sorted(arrays):
        parts += f"{name} {arrays[name].dtype} {arrays[name].shape}".encode(), arrays[name].tobytes()
    return _hash(*parts)


def _read(entry: Path) -> Extract | None:
    try:
        arrays, facts = artifacts.read_arrays(entry)
        frames, seconds, remark = arrays["frames"], facts["seconds"], facts.get("remark", "")
        silent, codes = facts.get("silent", ""), arrays.get("codes")
        if facts["check"] != _check(frames, seconds, remark + silent, codes):
            return None
        return Extract(frames, float(seconds), remark, bool(silent), codes)  # repr and float give back every bit
    except (DataError, KeyError, TypeError, AttributeError):
        return None


def _write(entry: Path, found: Extract) -> None:
    seconds = repr(found.seconds)
    silent = "silent" if found.silent else ""
    told = {"remark": found.remark, "silent": silent}
    facts = {
        "seconds": seconds,
        **{key: value for key, value in told.items() if value},
        "check": _check(found.frames, seconds, found.remark + silent, found.codes),
    }
    sound = {} if found.codes is None else {"codes": found.codes}
    try:
        artifacts.write_arrays(entry, {"frames": found.frames, **sound}, facts)
    except SertoolError as error:
        # Another process cleared the folder in between, unfinished files included; it wants no entry there.
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
