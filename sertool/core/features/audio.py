"""Recordings are read as samples, from any common format, sampling rate and number of channels, block by block.

The content of a file decides about its format, not its name. The samples are those of ``librosa.load``: the mean of the
channels, resampled by soxr at quality "HQ".
"""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.features.containers import examine
from sertool.core.features.file_parts import WHOLE, Container, Window
from sertool.core.features.media import UndecodableError, is_installed, media_kind, open_media, shared_kind
from sertool.core.features.resampling import Resampler
from sertool.core.features.sounds import UNKNOWN_LENGTH, Sound, SoundFileSound, quiet
from sertool.core.files import artifacts
from sertool.core.files.regular import open_unbuffered
from sertool.core.files.signatures import STARTS, foreign_kind

if TYPE_CHECKING:
    from torch import Tensor

READER_VERSION = 2  # raised when the same file gives other samples; part of the keys of caches
SHORTEST = 0.01  # seconds; a period of a low voice, so anything shorter holds no speech
LONGEST = 4 * 3600  # seconds; a small file can decode to years of silence, which memory cannot hold
END_TOLERANCE = 0.1  # seconds; tables often round the end of a segment up
_RATES = (100, 1_000_000)  # Hz
_LOUDEST = 1e9  # full scale is 1; 16-bit integers stored as floats pass, 32-bit ones and damaged files do not
_FORMATS = (
    "supported are WAV, FLAC, Ogg (Vorbis, Opus), MP3 and AIFF, and after pip install 'sertool[media]' also M4A, MP4, "
    "WebM, AMR and others"
)
# libsndfile's codes for a format that it does not know, and a codec in any, in WAV, and in Ogg.
_UNKNOWN = (1, 4, 64, 161)


@dataclass(frozen=True)
class Segment:
    """A recording, or a part of one.

    Attributes:
        path: the file.
        start: seconds into the file; None is its beginning.
        end: seconds into the file; None is its end.
        channel: number of the channel, from 1; None is the mean of all.
        stream: number of the stream of sound in a file of several, from 1; None is the first.
    """

    path: Path
    start: float | None = None
    end: float | None = None
    channel: int | None = None
    stream: int | None = None


@dataclass(frozen=True)
class Recording:
    """A recording that was read.

    Attributes:
        samples: (N,) float32.
        remark: fault of the file that did not keep it from being read, such as a header that states another length;
            empty if there is none.
    """

    samples: "Tensor"
    remark: str = ""


def is_odd(path: Path) -> bool:
    """Check for a recording that the first version of this reader read otherwise, or not at all.

    That is one whose header does not state its true length, as far as this shows without decoding it, and one of a
    format that FFmpeg decodes.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with open_unbuffered(path) as opened:
            return (
                media_kind(opened.read(STARTS)) is not None
                or examine(opened, os.fstat(opened.fileno()).st_size) is not None
            )
    except OSError as error:
        raise artifacts.read_error(path, error) from error


def read_audio(segment: Segment, sample_rate: int) -> "Tensor":
    """Return the samples of :func:`read_recording`."""
    return read_recording(segment, sample_rate).samples


def read_recording(segment: Segment, sample_rate: int) -> Recording:
    """Read a recording, or a segment of it, as one channel at a given sampling rate.

    It is read to its true end, whatever its header states. Decoding starts at the segment if the format can seek;
    memory holds the result and one small block. Joined files are read one after the other.

    Args:
        segment: file in any format that libsndfile recognises by content (WAV, FLAC, Ogg, MP3, AIFF, ...), or with the
            extra ``media`` FFmpeg (M4A, MP4, WebM, AMR, ...).
        sample_rate: rate of the result in Hz; a file of another rate is resampled.

    Returns:
        The mean of the channels or the one asked for, full scale at 1; ceil(n * sample_rate / rate) samples of n.

    Raises:
        DataError: the file is missing, not audio, damaged, empty, holds NaN or infinite samples, has no such channel
            or stream, does not reach the segment, or lasts less than 10 ms or more than 4 hours.
        UsageError: it needs the extra ``media``, which is not installed.
    """
    # Imported here: training on feature files needs no soundfile, and reports that name a Segment need no torch.
    import soundfile
    import torch

    path = segment.path
    try:
        with open_unbuffered(path) as opened:
            head = opened.read(STARTS)
            if not head:
                raise DataError(f"{path}: the file is empty", hint=_FORMATS)
            samples, remark = _decoded(opened, head, segment, sample_rate)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    except (soundfile.SoundFileError, ValueError) as error:
        raise DataError(f"{path}: not readable as audio ({_reason(error, head)})", hint=_FORMATS) from error
    return Recording(torch.from_numpy(samples), remark)


def _decoded(opened: BinaryIO, head: bytes, segment: Segment, sample_rate: int) -> tuple[NDArray[np.float32], str]:
    """Read the samples (N,) of a segment, and a remark on the file, by libsndfile or else by FFmpeg."""
    import soundfile

    kind, failed = media_kind(head), None
    if kind is None:
        try:
            with quiet(head):
                return _by_libsndfile(opened, segment, sample_rate)
        except soundfile.LibsndfileError as error:
            kind, failed = shared_kind(head), error
            if error.code not in _UNKNOWN or kind is None or not is_installed():
                raise
    try:
        with open_media(segment.path, opened, kind, segment.stream, segment.channel) as sound:
            samples, remark = _read(sound, segment, sample_rate)
            return samples, sound.remark or remark
    except UndecodableError as error:
        raise failed or error from error


def _by_libsndfile(opened: BinaryIO, segment: Segment, sample_rate: int) -> tuple[NDArray[np.float32], str]:
    import soundfile

    path, channel = segment.path, segment.channel
    if segment.stream is not None and segment.stream > 1:
        raise DataError(f"{path}: has one stream, and stream {segment.stream} is asked for")
    container = examine(opened, os.fstat(opened.fileno()).st_size)
    opened.seek(0)
    if container is None:
        # By descriptor, because soundfile and libsndfile guess the format from a name's suffix.
        with soundfile.SoundFile(opened.fileno(), closefd=False) as file:
            return _read(SoundFileSound(file, path, channel), segment, sample_rate)
    if len(container.parts) == 1:
        with soundfile.SoundFile(Window(opened, container.parts[0])) as file:
            return _read(SoundFileSound(file, path, channel), segment, sample_rate, container)
    return _read_joined(opened, container, segment, sample_rate)


def _read_joined(
    opened: BinaryIO, container: Container, segment: Segment, sample_rate: int
) -> tuple[NDArray[np.float32], str]:
    """Read files that were joined to one, whatever the sampling rate of each, and cut out the segment."""
    import soundfile

    whole = Segment(segment.path)
    pieces: list[NDArray[np.float32]] = []
    remarks: list[str] = []
    for number, part in enumerate(container.parts, start=1):
        with soundfile.SoundFile(Window(opened, part)) as file:
            samples, remark = _read(SoundFileSound(file, segment.path, segment.channel), whole, sample_rate)
        pieces.append(samples)
        remarks += [f"of number {number}, {remark}"] * bool(remark)
        if sum(map(len, pieces)) > LONGEST * sample_rate:
            raise _too_long(segment.path)
    samples = np.concatenate(pieces)
    first, last = _bounds(segment, len(samples), sample_rate)
    lengths = f"the first lasts {len(pieces[0]) / sample_rate:.4g} s, all of them {len(samples) / sample_rate:.4g} s"
    remarks = [f"it holds {len(pieces)} recordings, one after the other: {lengths}", *remarks]
    return samples[first:last], "; ".join([*remarks, container.remark] if container.remark else remarks)


def _remark(container: Container, frames: int, rate: int) -> str:
    """Compare the length that a header states with the true one, of ``frames`` at a sampling rate."""
    claimed = container.samples if container.share is None else container.share * frames
    if claimed is None or abs(claimed - frames) < 1:
        return container.remark
    length = f"its header states {claimed / rate:.4g} s, but it holds {frames / rate:.4g} s"
    return f"{container.remark}; {length}" if container.remark else length


def _read(
    sound: Sound, segment: Segment, sample_rate: int, container: Container = WHOLE
) -> tuple[NDArray[np.float32], str]:
    """Read the samples (N,) of a segment at a sampling rate, and a remark where the length in its header is wrong."""
    path, rate = segment.path, sound.rate
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"{path}: a sampling rate of {rate} Hz, expected {_RATES[0]} to {_RATES[1]:,} Hz")
    known = sound.known
    first, last = _bounds(segment, known, rate)
    resampler = Resampler(rate, sound.origin, sample_rate)
    pieces: list[NDArray[np.float32]] = []
    read = 0
    for block in sound.blocks(first, last):
        if not -_LOUDEST < block.min() <= block.max() < _LOUDEST:  # false for NaN, too
            at = (first + read + int(np.argmin(np.abs(block) < _LOUDEST))) / rate
            raise DataError(f"{path}: holds NaN or infinite samples, the first at {at:.3f} s")
        read += len(block)
        if read > LONGEST * rate:
            raise _too_long(path)
        pieces += resampler.add(block)
    if read == 0 and first:  # only decoding everything shows how long it is
        raise _outside(path, sum(map(len, sound.blocks(0, first))) / rate, "start", first / rate)
    ended = read < last - first
    if ended and segment.end is not None and (first + read) / rate < segment.end - END_TOLERANCE:
        raise _outside(path, (first + read) / rate, "end", segment.end)
    if ended and known < UNKNOWN_LENGTH:
        container = replace(container, samples=container.samples or known)
    if read == 0:
        raise DataError(f"{path}: contains no samples")
    if read < SHORTEST * rate:
        raise DataError(f"{path}: lasts {1e3 * read / rate:.3g} ms, expected at least {1e3 * SHORTEST:g} ms")
    # As librosa does: soxr rounds the length down in each of up to two steps, ceil is wanted, so zeros fill up.
    samples = np.concatenate([*pieces, resampler.rest(), np.zeros(2, np.float32)])[
        : math.ceil(read * sample_rate / rate)
    ]
    if ended or segment.end is None:
        return samples, _remark(container, first + read, rate)
    return samples, _remark(container, known, rate) if known < UNKNOWN_LENGTH else container.remark


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
        raise _outside(path, known / rate, what, at)
    first, last = round(min(begins * rate, known)), round(min(ends * rate, known))
    if last < UNKNOWN_LENGTH and last - first > LONGEST * rate:
        raise _too_long(path)
    return first, last


def _outside(path: Path, length: float, what: str, at: float) -> DataError:
    return DataError(f"{path}: is {length:g} s long, but the segment's {what} is at {at:g} s")


def _too_long(path: Path) -> DataError:
    return DataError(
        f"{path}: lasts more than {LONGEST // 3600} hours, more than can be read at once",
        hint="divide it into segments with the columns start and end, in seconds",
    )


def _reason(error: Exception, head: bytes) -> str:
    """Name the format that the content looks like, or repeat the library's message without the path."""
    if found := foreign_kind(head):
        return f"looks like {found[0]}" if found[0][0].isupper() else f"it is {found[0]}"
    words = str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")
    return words or "damaged or cut short"
