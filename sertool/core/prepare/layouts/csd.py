"""Computational sequences (.csd) of the CMU-MultimodalSDK: HDF5 files, which need the extra ``csd``.

The form is that of the SDK's ``file_ops.py``: the first group of the file holds ``data``, with a group for each video,
and this the datasets ``intervals``, (N, 2) seconds, and ``features``, (N, D) numbers or texts.

HDF5 is a large C library, and a file from a stranger may use any of it. So the file is read in a process of its own,
with little memory and time, and only its plain answer comes back: :mod:`~sertool.core.prepare.layouts.csd_child`.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.compute.child_environment import child_environment
from sertool.core.errors import DataError, UsageError
from sertool.core.files.regular import open_regular
from sertool.core.files.signatures import STARTS, refuse_foreign

SECONDS = 300  # the words of MOSEI's 3,837 videos take 5
_CALL = "import sys; from sertool.core.prepare.layouts.csd_child import answer; answer(sys.argv[1])"
_START = b"\x89HDF\r\n\x1a\n"
_AGAIN = "download it again with the SDK, and compare the size"


@dataclass(frozen=True)
class Track:
    """Content of a computational sequence for a video.

    Attributes:
        intervals: (N, 2) seconds.
        numbers: (N, D) numbers; D is 0 where the values are texts.
        texts: N texts; empty where the values are numbers.
    """

    intervals: NDArray[np.float64]
    numbers: NDArray[np.float64]
    texts: tuple[str, ...]


def read_csd(path: Path) -> dict[str, Track]:
    """Read a computational sequence of numbers or of texts.

    Returns:
        What it says about each video, by the name of the video.

    Raises:
        UsageError: h5py is not installed.
        DataError: the file is no such sequence, is damaged or cut short, points to other files, or takes too much
            memory or time.
        OSError: the file cannot be read.
    """
    with open_regular(path) as file:
        start = file.read(STARTS)
    if not start.startswith(_START):
        refuse_foreign(path, start, "a computational sequence (HDF5)")
        raise DataError(f"{path}: is no HDF5 file, expected a computational sequence", hint=_AGAIN)
    if find_spec("h5py") is None:
        raise UsageError(f"{path}: needs the package h5py", hint="pip install 'sertool[csd]'")
    # No plugin for compression is loaded, and no second thread reserves memory.
    bounds = {"HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as answer:
        try:
            code = subprocess.run(
                [sys.executable, "-P", "-c", _CALL, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=child_environment({**os.environ, **bounds}),
                timeout=SECONDS,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise DataError(f"{path}: reading it takes more than {SECONDS} seconds", hint=_AGAIN) from error
        answer.seek(0)
        if code:
            raise DataError(f"{path}: {_ending(code)}", hint=_AGAIN)
        return _tracks(path, answer)


def _ending(code: int) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"is damaged: the process that read it {how}"


def _tracks(path: Path, answer: IO[bytes]) -> dict[str, Track]:
    """Read the child's answer: a line with an error, or one for each video."""
    tracks = {}
    for line in answer:
        said: Mapping[str, Any] = json.loads(line)
        if "error" in said:
            raise DataError(f"{path}: {said['error']}", hint=said["hint"] or _AGAIN)
        values, is_text = said["values"], said["kind"] == "texts"
        tracks[said["video"]] = Track(
            intervals=np.array(said["intervals"], np.float64).reshape(-1, 2),
            numbers=np.array([[]] * len(values) if is_text else values, np.float64),
            texts=tuple(values) if is_text else (),
        )
    return tracks
