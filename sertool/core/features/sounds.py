"""A recording that is open for reading, whatever decodes it: blocks of the samples of one channel or of their mean."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError

if TYPE_CHECKING:
    from soundfile import SoundFile

UNKNOWN_LENGTH = 1 << 40  # samples; libsndfile reports more if the header leaves the length out
_BLOCK = 1 << 15  # values; a header may promise any length, so memory is allocated block by block
_STDERR = threading.Lock()


class Sound(Protocol):
    """A recording that is open for reading.

    Attributes:
        rate: sampling rate in Hz.
        origin: sampling rate in Hz before it was encoded, which some codecs raise.
        known: samples by the header; at least :data:`UNKNOWN_LENGTH` if it does not say.
    """

    rate: int
    origin: int
    known: int

    def blocks(self, first: int, last: int) -> Iterator[NDArray[np.float32]]:
        """Yield samples ``first`` up to ``last`` (exclusive) or to the end, full scale at 1."""


class SoundFileSound:
    """A recording that libsndfile reads.

    Args:
        file: the open recording.
        path: its name for messages.
        channel: channel that is read, from 1; None is the mean of all.
        noisy: its decoder writes to stderr, which is discarded while a block is read.

    Raises:
        DataError: the recording has no such channel.
    """

    def __init__(self, file: "SoundFile", path: Path, channel: int | None = None, noisy: bool = False) -> None:
        check_channel(path, channel, file.channels)
        self.rate = self.origin = int(file.samplerate)
        self.known = int(file.frames)
        self._file, self._channel, self._seekable, self._moved = file, channel, file.seekable, False
        self._noisy = noisy

    def blocks(self, first: int, last: int) -> Iterator[NDArray[np.float32]]:
        """Yield samples ``first`` up to ``last`` (exclusive) or to the end, full scale at 1."""
        file = self._file
        if first or self._moved:
            file.seekable = self._seekable
            with quiet(self._noisy):
                file.seek(first)
        self._moved = True
        # soundfile seeks after each read to keep its position: slow for FLAC, refused by endless streams.
        file.seekable = lambda: False
        # 16-bit integers are read as such, because libsndfile is several times slower at converting them.
        dtype, full_scale = (np.int16, 1 << 15) if file.subtype == "PCM_16" else (np.float32, 1)
        buffer = np.empty((max(1, _BLOCK // file.channels), file.channels), dtype)
        while first < last:
            with quiet(self._noisy):
                block = file.read(out=buffer[: last - first])
            if len(block) == 0:
                return
            first += len(block)
            yield one_channel(block, self._channel, full_scale)


class MissingChannelError(DataError):
    """A recording has fewer channels than is asked for.

    Attributes:
        there: number of channels that it has.
    """

    def __init__(self, path: Path, channel: int, there: int) -> None:
        has = "one channel" if there == 1 else f"{there} channels"
        super().__init__(f"{path}: has {has}, and channel {channel} is asked for")
        self.there = there


def check_channel(path: Path, channel: int | None, there: int) -> None:
    """Refuse a channel that a recording does not have.

    Raises:
        MissingChannelError: there are fewer channels.
    """
    if channel is not None and channel > there:
        raise MissingChannelError(path, channel, there)


def one_channel(
    block: NDArray[np.int16] | NDArray[np.float32], channel: int | None, full_scale: float
) -> NDArray[np.float32]:
    """Return a channel of a block (N, channels), or the mean of all; full scale becomes 1."""
    with np.errstate(all="ignore"):  # the caller refuses NaN and infinite values
        if channel is not None:
            return block[:, channel - 1].astype(np.float32) / np.float32(full_scale)
        mean = block[:, 0].astype(np.float32)
        for other in range(1, block.shape[1]):
            mean += block[:, other]
        mean /= full_scale * block.shape[1]
    return mean


@contextmanager
def opened_sound(file: Any, path: Path, channel: int | None, noisy: bool) -> Iterator[SoundFileSound]:
    """Open a recording with libsndfile.

    Args:
        file: file object, or descriptor of an open file, which stays open.
        path: its name for messages.
        channel: channel that is read, from 1; None is the mean of all.
        noisy: its decoder writes to stderr, see :func:`is_noisy`.

    Raises:
        DataError: the recording has no such channel.
        soundfile.SoundFileError: it cannot be read.
    """
    import soundfile

    with quiet(noisy):
        opened = soundfile.SoundFile(file, closefd=False)
    try:
        yield SoundFileSound(opened, path, channel, noisy)
    finally:
        with quiet(noisy):
            opened.close()


def is_noisy(head: bytes) -> bool:
    """Check for a recording whose decoder writes to stderr: an MP3, by its first bytes.

    libmpg123 writes a line there about every oddity, bypassing Python, and libsndfile cannot switch that off.
    """
    return head.startswith(b"ID3") or (head[0] == 0xFF and head[1:2] >= b"\xe0")


@contextmanager
def quiet(noisy: bool = True) -> Iterator[None]:
    """Discard what the process writes to stderr.

    It is held for short calls only: the process has one stderr, and the messages of others would be lost.

    Args:
        noisy: False changes nothing.
    """
    if not noisy:
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
