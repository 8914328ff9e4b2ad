"""Recordings are read as samples, from any common format, sampling rate and number of channels, block by block.

The content of a file decides about its format, not its name. The samples are those of ``librosa.load``: the mean of the
channels, resampled by soxr at quality "HQ".
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
from sertool.core.features.joined import UNKNOWN_LENGTH, JoinedSound, open_whole
from sertool.core.files import artifacts
from sertool.core.files.regular import open_unbuffered

if TYPE_CHECKING:
    from soundfile import SoundFile
    from torch import Tensor

SHORTEST = 0.01  # seconds; a period of a low voice, so anything shorter holds no speech
LONGEST = 4 * 3600  # seconds; a small file can decode to years of silence, which memory cannot hold
END_TOLERANCE = 0.1  # seconds; tables often round the end of a segment up
_RATES = (100, 1_000_000)  # Hz
_LOUDEST = 1e9  # full scale is 1; 16-bit integers stored as floats pass, 32-bit ones and damaged files do not
_BLOCK = 1 << 15  # values; a header may promise any length, so memory is allocated block by block
_PIECE = 8192  # samples resampled at a time; with more, soxr's buffers grow anew and it is a third slower
_FORMATS = "supported are WAV, FLAC, Ogg (Vorbis, Opus), MP3 and AIFF; convert others, for example with ffmpeg"
_STDERR = threading.Lock()
# Common containers that libsndfile cannot read: offset of the magic bytes, the bytes, the name.
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

    Decoding starts at the segment if the format can seek; memory holds the result and one small block.

    Args:
        segment: file in any format that libsndfile recognises by content (WAV, FLAC, Ogg, MP3, AIFF, ...).
        sample_rate: rate of the result in Hz; a file of another rate is resampled.

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
        with open_unbuffered(path) as opened:
            head = opened.read(16)
            opened.seek(0)
            if not head:
                raise DataError(f"{path}: the file is empty", hint=_FORMATS)
            # By descriptor, because soundfile and libsndfile guess the format from a name's suffix.
            with _quiet(head), soundfile.SoundFile(opened.fileno(), closefd=False) as file:
                samples = _read(open_whole(file, opened), segment, sample_rate)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    except (soundfile.SoundFileError, ValueError) as error:
        raise DataError(f"{path}: not readable as audio ({_reason(error, head)})", hint=_FORMATS) from error
    return torch.from_numpy(samples)


def _read(file: "SoundFile | JoinedSound", segment: Segment, sample_rate: int) -> NDArray[np.float32]:
    """Read the samples (N,) of a segment at a sampling rate."""
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
            pieces += (resampler.resample_chunk(block[at : at + _PIECE]) for at in range(0, len(block), _PIECE))
    if read < last - first and file.frames >= UNKNOWN_LENGTH > last:  # only now is the length known
        _bounds(segment, file.tell(), rate)
    elif read < last - first and last < UNKNOWN_LENGTH:
        raise DataError(f"{path}: truncated, ends after {(first + read) / rate:g} s of {file.frames / rate:g} s")
    if read == 0:
        size = path.stat().st_size
        # A recorder that was killed leaves the sizes in the header empty.
        stated = f", as its header says, but the file has {size:,} bytes" if file.frames == 0 and size > 1000 else ""
        raise DataError(f"{path}: contains no samples{stated}")
    if read < SHORTEST * rate:
        raise DataError(f"{path}: lasts {1e3 * read / rate:.3g} ms, expected at least {1e3 * SHORTEST:g} ms")
    if resampler is not None:
        # As librosa does: soxr rounds the length down, ceil is wanted, so one zero fills up.
        pieces += (resampler.resample_chunk(np.zeros(0, np.float32), last=True), np.zeros(1, np.float32))
    return np.concatenate(pieces)[: math.ceil(read * sample_rate / rate)]


def _blocks(file: "SoundFile | JoinedSound", first: int, last: int) -> Iterator[NDArray[np.float32]]:
    """Yield the mean of the channels, samples ``first`` up to ``last`` (exclusive) or to the end of the file."""
    if first:
        file.seek(first)
    # soundfile seeks after each read to keep its position: slow for FLAC, refused by endless streams.
    file.seekable = lambda: False
    # 16-bit integers are read as such, because libsndfile is several times slower at converting them.
    dtype, full_scale = (np.int16, 1 << 15) if file.subtype == "PCM_16" else (np.float32, 1)
    buffer = np.empty((max(1, _BLOCK // file.channels), file.channels), dtype)
    while first < last:
        block = file.read(out=buffer[: last - first])
        if len(block) == 0:
            return
        first += len(block)
        mean = block[:, 0].astype(np.float32)
        with np.errstate(all="ignore"):  # the caller refuses NaN and infinite values
            for channel in range(1, file.channels):
                mean += block[:, channel]
            mean /= full_scale * file.channels
        yield mean


def _bounds(segment: Segment, known: int, rate: int) -> tuple[int, int]:
    """Turn a segment in seconds into its first sample and the one after its last."""
    path, begins, ends = segment.path, segment.start or 0.0, segment.end
    if ends is None:
        ends = known / rate
    if not 0 <= begins < math.inf or not (begins < ends < math.inf or segment.end is None):
        raise DataError(f"{path}: invalid segment from {begins:g} s to {ends:g} s")
    if known and (begins * rate >= known or ends > known / rate + END_TOLERANCE):
        what = "start" if begins * rate >= known else "end"
        at = begins if what == "start" else ends
        raise DataError(f"{path}: is {known / rate:g} s long, but the segment's {what} is at {at:g} s")
    first, last = round(min(begins * rate, known)), round(min(ends * rate, known))
    if last < UNKNOWN_LENGTH and last - first > LONGEST * rate:
        raise _too_long(path)
    return first, last


def _too_long(path: Path) -> DataError:
    return DataError(
        f"{path}: lasts more than {LONGEST // 3600} hours, more than can be read at once",
        hint="divide it into segments with the columns start and end, in seconds",
    )


@contextmanager
def _quiet(head: bytes) -> Iterator[None]:
    """Discard the process's stderr while an MP3 is read.

    libmpg123 writes a line there about every oddity, bypassing Python, and libsndfile cannot switch that off.
    """
    if not (head.startswith(b"ID3") or (head[0] == 0xFF and head[1:2] >= b"\xe0")):
        yield
        return
    # One thread at a time: another would save the null device as the real stderr and restore it at the end.
    with _STDERR, Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _reason(error: Exception, head: bytes) -> str:
    """Name the format that the content looks like, or repeat the library's message without the path."""
    for place, mark, name in _FOREIGN:
        if head[place:].startswith(mark):
            return f"looks like {name}"
    words = str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")
    return words or "damaged or cut short"
