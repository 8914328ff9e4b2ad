"""Predictions of a long job kept beside its result while it runs, so that a job that was cut off goes on.

``FILE.progress`` holds a line with the identity of the job, then a line for each shard that is done. A line that was
cut off in the middle is dropped, and its shard is predicted again.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sertool.core.compute.device import Precision
from sertool.core.errors import SertoolError, UsageError
from sertool.core.files.artifacts import writing
from sertool.core.files.locks import locked
from sertool.core.files.regular import open_regular
from sertool.core.inference.clips import Clip
from sertool.core.inference.passages import Listener
from sertool.core.inference.predictor import Predictor
from sertool.core.inference.shards import Journal, PredictedShard
from sertool.core.recipe.load import resolved
from sertool.version import __version__

FORMAT = "sertool-progress/1"
_LINE: TypeAdapter[tuple[int, PredictedShard]] = TypeAdapter(tuple[int, PredictedShard])


class FileJournal(Journal):
    """The shards of a job that are done, kept in a file.

    Args:
        path: the file.
        done: the shards that it holds.
        file: the file, opened to add to it.
    """

    def __init__(self, path: Path, done: dict[int, PredictedShard], file: BinaryIO) -> None:
        super().__init__()
        self.done.update(done)
        self._path, self._file = path, file

    def add(self, first: int, shard: PredictedShard) -> None:
        """Keep a shard, by the number of its first clip; it is on the disk when this returns.

        Raises:
            SertoolError: the disk is full.
        """
        with writing(self._path):
            self._file.write(_LINE.dump_json((first, shard)) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        super().add(first, shard)

    def end(self) -> None:
        """Delete the file: the job is done, and its result complete."""
        with suppress(OSError):
            self._path.unlink()


def journal_path(result: Path) -> Path:
    """Return the path of the journal of a result."""
    return result.with_name(f"{result.name}.progress")


@contextmanager
def open_journal(path: Path, identity: str) -> Iterator[FileJournal]:
    """Open the journal of a job, and read the shards that an earlier process has done.

    Args:
        path: the file; see :func:`journal_path`.
        identity: see :func:`job_identity`.

    Raises:
        UsageError: the file belongs to another job.
        SertoolError: another process works on the job, or the file cannot be written.
    """
    busy = SertoolError(f"{path}: another process works on this job", hint="wait for it, or name another result")
    with locked(path.with_name(f"{path.name}.lock"), busy):
        done, size = _read(path, identity)
        with writing(path):
            file = path.open("ab")
            file.truncate(size)
            if not size:
                file.write(json.dumps({"format": FORMAT, "job": identity}).encode() + b"\n")
                file.flush()
        with file:
            yield FileJournal(path, done, file)


def _read(path: Path, identity: str) -> tuple[dict[int, PredictedShard], int]:
    """Return the shards that are complete, and the number of bytes up to the end of the last one; 0 for a new file."""
    try:
        with open_regular(path) as file:
            lines = file.read().splitlines(keepends=True)
    except FileNotFoundError:
        return {}, 0
    whole = [line for line in lines if line.endswith(b"\n")]
    if not whole:  # the process ended before it wrote who works here
        return {}, 0
    _check(path, whole[0], identity)
    done, size = dict[int, PredictedShard](), len(whole[0])
    for line in whole[1:]:
        try:
            first, shard = _LINE.validate_json(line)
        except ValidationError:
            break  # a power cut left something else: this shard and those after it are predicted again
        done[first] = shard
        size += len(line)
    return done, size


def _check(path: Path, line: bytes, identity: str) -> None:
    """Refuse a file that is no journal, or that of another job."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UsageError(f"{path}: is not the progress of a prediction", hint="name another result")
    if found.get("job") != identity:
        raise UsageError(
            f"{path}: holds predictions that were cut off, of other inputs, another model or other options",
            hint="repeat the command of that time to go on, or delete the file to begin anew",
        )


def job_identity(opened: Predictor, listener: Listener, clips: Sequence[Clip], precision: Precision) -> str:
    """Return a digest of everything that decides the predictions of a job: model, inputs, windows, number format.

    A recording counts by its name, size and time of change.
    """
    trained = opened.trained
    digest = hashlib.sha256()
    temperature = opened.calibration.temperature if opened.calibration else None
    settings = [__version__, resolved(trained.recipe), trained.task.classes, opened.members, temperature]
    settings += [precision.name, str(precision.device), listener.window, listener.hop, trained.word_splitting]
    notes = [note for note in (trained.frontend, trained.text_frontend) if note is not None]  # with hashes of encoders
    fitted = [asdict(opened.intervals)] if opened.intervals is not None else []
    digest.update(json.dumps([*settings, *notes, *fitted], default=str).encode())
    for fold in trained.inputs:
        digest.update(json.dumps(list(fold.vocabulary.index)).encode())
    for member in opened.size.chosen(trained.members):
        for name, weight in sorted(member.weights.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
    for clip in clips:
        chosen = (clip.channel, clip.stream)
        facts = [clip.name, clip.text, clip.start, clip.end, clip.speaker, _file_state(clip.audio)]
        placed = () if clip.dialogue is None else (clip.dialogue, clip.order)
        digest.update(json.dumps([*facts, *(chosen if any(chosen) else ()), *placed]).encode())
    return digest.hexdigest()


def _file_state(path: Path | None) -> tuple[str, int, int] | None:
    """Return name, size and time of change of a recording; sizes of 0 where it cannot be looked at."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), found.st_size, found.st_mtime_ns
