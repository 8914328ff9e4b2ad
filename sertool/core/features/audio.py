"""Recordings are read as samples, from any common format, sampling rate and number of channels, block by block.

The content of a file decides about its format, not its name. The samples are those of ``librosa.load``: the mean of the
channels, resampled by soxr at quality "HQ".
"""

import math
import os
from collections.abc import Generator, Iterator
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
from sertool.core.features.sounds import UNKNOWN_LENGTH, Sound, is_noisy, opened_sound
from sertool.core.files import artifacts
from sertool.core.files.regular import open_unbuffered
from sertool.core.files.signatures import STARTS, foreign_kind

if TYPE_CHECKING:
    from torch import Tensor

READER_VERSION = 2  # raised when the same file gives other samples; part of the keys of caches
SHORTEST = 0.01  # seconds; a period of a low voice, so anything shorter holds no speech
LONGEST = 4 * 3600  # seconds; a small file can decode to years of silence, which memory cannot hold
LONGEST_IN_BLOCKS = 100 * 3600  # seconds; what is read block by block takes time alone
END_TOLERANCE = 0.1  # seconds; tables often round the end of a segment up
_RATES = (100, 1_000_000)  # Hz
_LOUDEST = 1e9  # full scale is 1; 16-bit integers stored as floats pass, 32-bit ones and damaged files do not
_FORMATS = (
    "supported are WAV, FLAC, Ogg (Vorbis, Opus), MP3 and AIFF, and after pip install 'sertool[media]' also M4A, MP4, "
    "WebM, AMR and others"
)
_LARGE = 1 << 20  # bytes of a recording, from which looking at its header takes longer than reading a segment
_REMEMBERED = 16
_EXAMINED: dict[tuple[int, int, int, int], Container | None] = {}  # by device, file, size and time of change
_Blocks = Generator[NDArray[np.float32], None, str]  # blocks (N,) of samples, and then a remark on the file
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
    import torch  # here, because reports that name a Segment need no torch

    pieces: list[NDArray[np.float32]] = []
    remark = _collect(_blocks(segment, sample_rate, LONGEST), pieces)
    return Recording(torch.from_numpy(np.concatenate(pieces)), remark)


def read_blocks(segment: Segment, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Read a recording as :func:`read_recording` does, block by block, in memory that does not grow with its length.

    Yields:
        Blocks (N,) float32 of any lengths from 0, which make up the samples when joined.

    Raises:
        DataError: as for :func:`read_recording`, when the fault is reached; the greatest length is 100 hours.
        UsageError: it needs the extra ``media``, which is not installed.
    """
    yield from _blocks(segment, sample_rate, LONGEST_IN_BLOCKS)


def _collect(blocks: _Blocks, pieces: list[NDArray[np.float32]]) -> str:
    """Append all blocks to a list, and return the remark that follows them."""
    while True:
        try:
            pieces.append(next(blocks))
        except StopIteration as end:
            return str(end.value)


def _blocks(segment: Segment, sample_rate: int, longest: float) -> _Blocks:
    """Yield the samples of a segment at a sampling rate, and return a remark on the file."""
    import soundfile  # here, because training on feature files needs no soundfile

    path, head = segment.path, b""
    try:
        with open_unbuffered(path) as opened:
            head = opened.read(STARTS)
            if not head:
                raise DataError(f"{path}: the file is empty", hint=_FORMATS)
            return (yield from _decoded(opened, head, segment, _Wanted(sample_rate, longest)))
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    except (soundfile.SoundFileError, ValueError) as error:
        raise DataError(f"{path}: not readable as audio ({_reason(error, head)})", hint=_FORMATS) from error


def _examined(opened: BinaryIO) -> Container | None:
    """Compare a recording with its header; of a large one only once, though a thousand segments of it may be read."""
    found = os.fstat(opened.fileno())
    if found.st_size < _LARGE:
        return examine(opened, found.st_size)
    key = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    try:
        return _EXAMINED[key]
    except KeyError:
        made = examine(opened, found.st_size)
    if len(_EXAMINED) >= _REMEMBERED:
        _EXAMINED.clear()
    _EXAMINED[key] = made
    return made


@dataclass(frozen=True)
class _Wanted:
    """Settings of reading: the sampling rate of the result in Hz, and the most seconds."""

    rate: int
    longest: float


def _decoded(opened: BinaryIO, head: bytes, segment: Segment, wanted: _Wanted) -> _Blocks:
    """Yield the samples of a segment by libsndfile or else by FFmpeg, and return a remark on the file."""
    import soundfile

    kind, failed = media_kind(head), None
    if kind is None:
        try:
            return (yield from _by_libsndfile(opened, head, segment, wanted))
        except soundfile.LibsndfileError as error:
            kind, failed = shared_kind(head), error
            if error.code not in _UNKNOWN or kind is None or not is_installed():
                raise
    try:
        with open_media(segment.path, opened, kind, segment.stream, segment.channel) as sound:
            remark = yield from _read(sound, segment, wanted)
            return sound.remark or remark
    except UndecodableError as error:
        raise failed or error from error


def _by_libsndfile(opened: BinaryIO, head: bytes, segment: Segment, wanted: _Wanted) -> _Blocks:
    path, silent = segment.path, is_noisy(head)
    if segment.stream is not None and segment.stream > 1:
        raise DataError(f"{path}: has one stream, and stream {segment.stream} is asked for")
    container = _examined(opened) if segment.start is not None else examine(opened, os.fstat(opened.fileno()).st_size)
    opened.seek(0)
    if container is None:
        # By descriptor, because soundfile and libsndfile guess the format from a name's suffix.
        with opened_sound(opened.fileno(), path, segment.channel, silent) as sound:
            return (yield from _read(sound, segment, wanted))
    if len(container.parts) == 1:
        with opened_sound(Window(opened, container.parts[0]), path, segment.channel, silent) as sound:
            return (yield from _read(sound, segment, wanted, container))
    return (yield from _joined(opened, container, segment, wanted, silent))


def _joined(opened: BinaryIO, container: Container, segment: Segment, wanted: _Wanted, silent: bool) -> _Blocks:
    """Yield the samples of files that were joined to one, whatever the sampling rate of each.

    Their lengths are known when all are read. So a part of them is cut out of the whole, while the whole is passed on.
    """
    whole = Segment(segment.path)
    part = segment.start is not None or segment.end is not None
    longest = LONGEST if part else wanted.longest
    kept: list[NDArray[np.float32]] = []
    lengths: list[int] = []
    remarks: list[str] = []
    for number, one in enumerate(container.parts, start=1):
        lengths.append(0)
        with opened_sound(Window(opened, one), segment.path, segment.channel, silent) as sound:
            blocks = _read(sound, whole, replace(wanted, longest=longest))
            while True:
                try:
                    block = next(blocks)
                except StopIteration as end:
                    remarks += [f"of number {number}, {end.value}"] * bool(end.value)
                    break
                lengths[-1] += len(block)
                if sum(lengths) > longest * wanted.rate:
                    raise _too_long(segment.path, longest)
                if part:
                    kept.append(block)
                else:
                    yield block
    if part:
        first, last = _bounds(segment, sum(lengths), wanted.rate, longest)
        yield np.concatenate(kept)[first:last]
    seconds = f"the first lasts {lengths[0] / wanted.rate:.4g} s, all of them {sum(lengths) / wanted.rate:.4g} s"
    remarks = [f"it holds {len(lengths)} recordings, one after the other: {seconds}", *remarks]
    return "; ".join([*remarks, container.remark] if container.remark else remarks)


def _remark(container: Container, frames: int, rate: int) -> str:
    """Compare the length that a header states with the true one, of ``frames`` at a sampling rate."""
    claimed = container.samples if container.share is None else container.share * frames
    if claimed is None or abs(claimed - frames) < 1:
        return container.remark
    length = f"its header states {claimed / rate:.4g} s, but it holds {frames / rate:.4g} s"
    return f"{container.remark}; {length}" if container.remark else length


def _read(sound: Sound, segment: Segment, wanted: _Wanted, container: Container = WHOLE) -> _Blocks:
    """Yield the samples of a segment, and return a remark where the length in its header is wrong."""
    path, rate = segment.path, sound.rate
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(f"{path}: a sampling rate of {rate} Hz, expected {_RATES[0]} to {_RATES[1]:,} Hz")
    known = sound.known
    first, last = _bounds(segment, known, rate, wanted.longest)
    resampler = Resampler(rate, sound.origin, wanted.rate)
    read = given = 0
    for block in sound.blocks(first, last):
        if not -_LOUDEST < block.min() <= block.max() < _LOUDEST:  # false for NaN, too
            at = (first + read + int(np.argmin(np.abs(block) < _LOUDEST))) / rate
            raise DataError(f"{path}: holds NaN or infinite samples, the first at {at:.3f} s")
        read += len(block)
        if read > wanted.longest * rate:
            raise _too_long(path, wanted.longest)
        for piece in resampler.add(block):
            given += len(piece)
            yield piece
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
    yield np.concatenate([resampler.rest(), np.zeros(2, np.float32)])[: math.ceil(read * wanted.rate / rate) - given]
    if ended or segment.end is None:
        return _remark(container, first + read, rate)
    return _remark(container, known, rate) if known < UNKNOWN_LENGTH else container.remark


def _bounds(segment: Segment, known: int, rate: int, longest: float) -> tuple[int, int]:
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
    if last < UNKNOWN_LENGTH and last - first > longest * rate:
        raise _too_long(path, longest)
    return first, last


def _outside(path: Path, length: float, what: str, at: float) -> DataError:
    return DataError(f"{path}: is {length:g} s long, but the segment's {what} is at {at:g} s")


def _too_long(path: Path, longest: float) -> DataError:
    return DataError(
        f"{path}: lasts more than {longest / 3600:g} hours, more than can be read at once",
        hint="divide it into segments with the columns start and end, in seconds",
    )


def _reason(error: Exception, head: bytes) -> str:
    """Name the format that the content looks like, or repeat the library's message without the path."""
    if found := foreign_kind(head):
        return f"looks like {found[0]}" if found[0][0].isupper() else f"it is {found[0]}"
    words = str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")
    return words or "damaged or cut short"
