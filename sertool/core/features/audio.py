"""Recordings as samples: any common format, rate and number of channels, in blocks, and what is refused.

A file is known by its content, whatever its name ends in. What comes out is what ``librosa.load`` gives: the
mean of the channels, resampled by soxr at its quality "HQ".
"""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.files import artifacts

if TYPE_CHECKING:
    from soundfile import SoundFile
    from torch import Tensor

SHORTEST = 0.01  # seconds; not one period of a low voice
LONGEST = 4 * 3600  # seconds; a small file can hold years of silence, and memory cannot
END_TOLERANCE = 0.1  # seconds; tables round the end of a segment
_RATES = (100, 1_000_000)  # Hz
_LOUDEST = 1e9  # of a full scale of 1; integers stored as floats reach 2^31 and are no recording anyone made
_BLOCK = 1 << 15  # values; a header may promise any length, so files are read in blocks
_PIECE = 8192  # samples resampled at a time; with more, soxr's buffers grow anew and it is a third slower
_UNKNOWN_LENGTH = 1 << 62  # libsndfile's count for a stream whose header leaves the length out is above
_FORMATS = "readable are WAV, FLAC, Ogg (Vorbis, Opus), MP3 and AIFF; convert others, for example with ffmpeg"
_STDERR = threading.Lock()
# Containers that people have and libsndfile does not read: where the mark stands, the mark, the name.
_FOREIGN = (
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75", "Windows Media"),
    (0, b"#!AMR", "AMR"),
    (0, b"FLV", "Flash video"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"<", "HTML or XML"),
)


@dataclass(frozen=True)
class Segment:
    """A recording, or a part of one.

    Attributes:
        path: the file.
        start: seconds into the file; None is its beginning.
        end: seconds into the file; None is its end.
    """

    path: Path
    start: float | None = None
    end: float | None = None


def read_audio(segment: Segment, sample_rate: int) -> "Tensor":
    """Read a recording, or a segment of it, as one channel at a given sampling rate.

    Decoding begins at the segment where the format can seek; memory holds the result and one small block.

    Args:
        segment: of a file in any format libsndfile knows by content (WAV, FLAC, Ogg, MP3, AIFF, ...).
        sample_rate: Hz; another rate in the file is resampled.

    Returns:
        (samples,) float32, the mean of the channels, full scale at 1; ceil(n * sample_rate / rate) samples of n.

    Raises:
        DataError: the file is missing, not audio, damaged, empty, holds NaN or infinite samples, does not reach
            the segment, or lasts less than 10 ms or more than 4 hours.
    """
    # Imported here: training on feature files needs no soundfile, and reports that name a Segment need no torch.
    import soundfile
    import torch

    path = segment.path
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        with path.open("rb", buffering=0) as opened:
            head = opened.read(16)
            opened.seek(0)
            if not head:
                raise DataError(f"{path}: is empty, not one byte long", hint=_FORMATS)
            # By descriptor, because soundfile and libsndfile take a name's ending for a format.
            with _quiet(head), soundfile.SoundFile(opened.fileno(), closefd=False) as file:
                samples = _read(file, segment, sample_rate)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    except (soundfile.SoundFileError, ValueError) as error:
        raise DataError(f"{path}: not readable as audio ({_reason(error, head)})", hint=_FORMATS) from error
    return torch.from_numpy(samples)


def _read(file: "SoundFile", segment: Segment, sample_rate: int) -> NDArray[np.float32]:
    """The samples of a segment at a sampling rate."""
    import soxr

    path, rate = segment.path, int(file.samplerate)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"{path}: a sampling rate of {rate} Hz, expected {_RATES[0]} to {_RATES[1]:,} Hz")
    first, last = _bounds(segment, int(file.frames), rate)
    resampler = None if rate == sample_rate else soxr.ResampleStream(rate, sample_rate, 1, quality="HQ")
    pieces: list[NDArray[np.float32]] = []
    read = 0
    for block in _blocks(file, first, last):
        if not -_LOUDEST < block.min() <= block.max() < _LOUDEST:  # false for NaN, too
            at = (first + read + int(np.argmin(np.abs(block) < _LOUDEST))) / rate
            raise DataError(f"{path}: holds NaN or infinite samples, the first at {at:.3f} s")
        read += len(block)
        if read > LONGEST * rate:
            raise _too_long(path)
        if resampler is None:
            pieces.append(block)
        else:
            pieces += (
                resampler.resample_chunk(block[at : at + _PIECE]) for at in range(0, len(block), _PIECE)
            )
    if read < last - first and last < _UNKNOWN_LENGTH:
        raise DataError(
            f"{path}: truncated, ends after {(first + read) / rate:g} s of {file.frames / rate:g} s"
        )
    if read == 0:
        raise DataError(f"{path}: holds no samples")
    if read < SHORTEST * rate:
        raise DataError(f"{path}: lasts {1e3 * read / rate:.3g} ms, expected at least {1e3 * SHORTEST:g} ms")
    if resampler is not None:
        # As librosa does: soxr rounds the length down where it must be rounded, one zero makes it up.
        pieces += (resampler.resample_chunk(np.zeros(0, np.float32), last=True), np.zeros(1, np.float32))
    return np.concatenate(pieces)[: math.ceil(read * sample_rate / rate)]


def _blocks(file: "SoundFile", first: int, last: int) -> Iterator[NDArray[np.float32]]:
    """The mean of the channels from sample ``first`` to before ``last``, as far as there is one."""
    if first:
        file.seek(first)
    # soundfile seeks after each read to keep its place: FLAC decodes anew, endless streams refuse.
    file.seekable = lambda: False
    # As integers, because libsndfile takes several times as long to make floats of them.
    dtype, full_scale = (np.int16, 1 << 15) if file.subtype == "PCM_16" else (np.float32, 1)
    buffer = np.empty((max(1, _BLOCK // file.channels), file.channels), dtype)
    while first < last:
        block = file.read(out=buffer[: last - first])
        if len(block) == 0:
            return
        first += len(block)
        mean = block[:, 0].astype(np.float32)
        with np.errstate(all="ignore"):  # values that are no samples are the caller's to refuse
            for channel in range(1, file.channels):
                mean += block[:, channel]
            mean /= full_scale * file.channels
        yield mean


def _bounds(segment: Segment, known: int, rate: int) -> tuple[int, int]:
    """First sample, and the one after the last, of a segment given in seconds."""
    path, begins, ends = segment.path, segment.start or 0.0, segment.end
    if ends is None:
        ends = known / rate
    if not 0 <= begins < math.inf or not (begins < ends < math.inf or segment.end is None):
        raise DataError(f"{path}: a segment from {begins:g} s to {ends:g} s is none")
    if known and (begins * rate >= known or ends > known / rate + END_TOLERANCE):
        what = "start" if begins * rate >= known else "end"
        at = begins if what == "start" else ends
        raise DataError(f"{path}: is {known / rate:g} s long, the segment's {what} at {at:g} s lies beyond")
    first, last = round(begins * rate), min(round(ends * rate), known)
    if last < _UNKNOWN_LENGTH and last - first > LONGEST * rate:
        raise _too_long(path)
    return first, last


def _too_long(path: Path) -> DataError:
    return DataError(
        f"{path}: lasts more than {LONGEST // 3600} hours, which are not read at once",
        hint="give it in segments: columns start and end, in seconds",
    )


@contextmanager
def _quiet(head: bytes) -> Iterator[None]:
    """Send the process's stderr nowhere while an MP3 is read.

    libmpg123 writes about every oddity there, past Python, and libsndfile has no switch for it.
    """
    if not (head.startswith(b"ID3") or (head[0] == 0xFF and head[1:2] >= b"\xe0")):
        yield
        return
    # One at a time, or a thread would take another's silence for the real stderr and leave it there.
    with _STDERR, Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _reason(error: Exception, head: bytes) -> str:
    """What the content looks like, or the library's own words without the path."""
    for place, mark, name in _FOREIGN:
        if head[place:].startswith(mark):
            return f"looks like {name}"
    words = str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")
    return words or "damaged or cut short"
