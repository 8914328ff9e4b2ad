"""Recordings that libsndfile cannot read: those of phones, browsers and video files, decoded by FFmpeg.

FFmpeg comes with PyAV, the extra ``media``. It works in a process of its own, see
:mod:`~sertool.core.features.media_child`, which starts with the first such recording of a thread and ends with it.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, UsageError
from sertool.core.features import media_child
from sertool.core.features.media_child import BLOCK, END, FRAME, HEADER, OPEN, READ, REFUSED, REPLY, REQUEST
from sertool.core.features.sounds import UNKNOWN_LENGTH, check_channel, one_channel
from sertool.core.files.signatures import foreign_kind

HINT = "pip install 'sertool[media]'"
PATIENCE = 120.0  # seconds without an answer, after which a recording counts as one that never ends
_TOLERANCE = 0.1  # seconds by which a length in a header may differ from the true one
_LARGEST = 1 << 28  # bytes of an answer
# FFmpeg's name of the format by the kind of a file. No format is among them that names other files.
_FORMATS = {
    "MP4 or M4A": "mov",
    "Matroska or WebM": "matroska",
    "Windows Media": "asf",
    "AMR": "amr",
    "Flash video": "flv",
    "AAC": "aac",
    "AVI": "avi",
    "MPEG video": "mpeg",
}
# Beginnings of formats that libsndfile knows, with codecs that it does not: Ogg with Speex or a video, WAV and CAF of
# all kinds. Behind a tag there may be AAC, as in pieces of streams.
_SHARED = {
    b"OggS": ("Ogg", "ogg"),
    b"caff": ("CAF", "caf"),
    b"RIFF": ("WAV", "wav"),
    b"FORM": ("AIFF", "aiff"),
    b"ID3\3": ("AAC", "aac"),
    b"ID3\4": ("AAC", "aac"),
}
_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")
_STREAM_PACKET = 188  # bytes of a packet of an MPEG transport stream, each of which begins with a G
_TYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "s64": np.int64, "flt": np.float32, "dbl": np.float64}
_OFFSET_OF_U8 = 128


@dataclass(frozen=True)
class MediaKind:
    """Kind of a file: its name for messages, and FFmpeg's name of the format."""

    title: str
    form: str


def media_kind(head: bytes) -> MediaKind | None:
    """Return the kind of a recording that libsndfile never reads, by its first bytes; None for others."""
    if head[:1] == b"G" and head[_STREAM_PACKET : _STREAM_PACKET + 1] == b"G":
        return MediaKind("MPEG transport stream", "mpegts")
    if head[:1] == b"\0" and head[4:8] in _BOXES:  # of old QuickTime files; the first byte is of the box's size
        return MediaKind("QuickTime", "mov")
    title = (foreign_kind(head) or ("",))[0]
    return MediaKind(title, _FORMATS[title]) if title in _FORMATS else None


def shared_kind(head: bytes) -> MediaKind | None:
    """Return the kind of a recording whose format libsndfile knows, but perhaps not its codec."""
    found = _SHARED.get(head[:4])
    return None if found is None else MediaKind(*found)


def is_installed() -> bool:
    """Check for PyAV, without importing it."""
    return find_spec("av") is not None


class MediaSound:
    """A recording that FFmpeg decodes, see :class:`~sertool.core.features.sounds.Sound`.

    Attributes:
        remark: after reading, a fault of the file that did not keep it from being read.
    """

    def __init__(self, decoder: "_Decoder", path: Path, kind: MediaKind, channel: int | None, facts: Any) -> None:
        self.rate, self.origin, self.known = int(facts["rate"]), int(facts["origin"]), UNKNOWN_LENGTH
        self.remark, self._expected = "", facts["expected"]
        self._decoder, self._path, self._kind, self._channel = decoder, path, kind, channel

    def blocks(self, first: int, last: int) -> Iterator[NDArray[np.float32]]:
        """Yield samples ``first`` up to ``last`` (exclusive) or to the end, full scale at 1.

        Raises:
            DataError: the recording cannot be decoded, or has no such channel.
        """
        end = 0
        for kind, content in self._decoder.ask(READ, "", first, last):
            if kind == END:
                self._finish(json.loads(content), end / self.rate, whole=end < last)
                return
            block, place = _block(content)
            check_channel(self._path, self._channel, block.shape[1])
            end = place + len(block)
            yield one_channel(block[max(0, first - place) : last - place], self._channel, 1)

    def _finish(self, facts: Any, seconds: float, *, whole: bool) -> None:
        good, bad = facts["good"], facts["bad"]
        if bad > good:
            reason = f"damaged or encrypted: {bad} of its {good + bad} packets cannot be decoded"
            raise UndecodableError(self._path, self._kind, reason)
        if whole and self._expected is not None and self._expected - seconds > _TOLERANCE:
            self.remark = f"its header states {self._expected:.4g} s, but it holds {seconds:.4g} s"
        elif bad:
            self.remark = f"what is damaged was passed over: {bad} of its {good + bad} packets"


class UndecodableError(DataError):
    """A recording that FFmpeg cannot decode."""

    def __init__(self, path: Path, kind: MediaKind, reason: str) -> None:
        super().__init__(f"{path}: not readable as audio ({kind.title}: {reason})")


@contextmanager
def open_media(
    path: Path, file: BinaryIO, kind: MediaKind, stream: int | None, channel: int | None
) -> Iterator[MediaSound]:
    """Open a recording with FFmpeg.

    Args:
        path: name of the recording for messages.
        file: the recording, open.
        kind: its kind.
        stream: number of the stream of sound, from 1; None takes the first.
        channel: channel that is read, from 1; None is the mean of all.

    Yields:
        A :class:`MediaSound`.

    Raises:
        DataError: the recording cannot be decoded.
        UsageError: PyAV is not installed.
    """
    if not is_installed():
        raise UsageError(f"{path}: is {kind.title}, which needs PyAV", hint=HINT)
    decoder = _own_decoder()
    try:
        _, facts = next(decoder.ask(OPEN, kind.form, stream or 0, 0, file.fileno()))
        yield MediaSound(decoder, path, kind, channel, json.loads(facts))
    except _FailedError as error:
        raise UndecodableError(path, kind, str(error)) from error
    finally:
        if decoder.busy:
            decoder.end()


def _block(content: bytes) -> tuple[NDArray[np.float32], int]:
    """Return the samples (N, channels) of a frame, and its place."""
    name, channels, place = FRAME.unpack_from(content)
    form = name.rstrip(b"\0").decode()
    data = np.frombuffer(content, _TYPES[form.removesuffix("p")], offset=FRAME.size)
    samples = data.reshape(channels, -1).T if form.endswith("p") else data.reshape(-1, channels)
    if data.dtype == np.uint8:
        samples = samples.astype(np.float32) - _OFFSET_OF_U8
    scale = 1.0 if data.dtype.kind == "f" else 2.0 ** (8 * data.itemsize - 1)
    with np.errstate(all="ignore"):  # the caller refuses NaN and infinite values
        return samples.astype(np.float32) / np.float32(scale), place


class _FailedError(Exception):
    """The recording cannot be decoded; the message is the reason."""


class _Decoder:
    """The process that decodes, and the socket to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        place = find_spec("av")
        assert place is not None
        assert place.origin is not None
        command = [sys.executable, "-I", media_child.__file__, str(theirs.fileno()), str(Path(place.origin).parents[1])]
        with theirs:
            # Nothing of FFmpeg's is shown, and a Ctrl-C on the terminal is not meant for this process.
            self.process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(PATIENCE)
        self.owner, self.busy, self._link = os.getpid(), False, ours
        self.end = weakref.finalize(self, _end, self.process, ours, self.owner)

    def ask(
        self, kind: bytes, form: str, one: int, other: int, handle: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Send a request, with an open file if given, and yield the replies: kind and content of each.

        Raises:
            _FailedError: the recording was refused, or the process came to an end over it.
        """
        self.busy = True
        data = REQUEST.pack(kind, form.encode(), one, other)
        try:
            socket.send_fds(self._link, [data], [] if handle is None else [handle])
            while True:
                reply, size = REPLY.unpack(self._receive(REPLY.size))
                content = self._receive(size)
                if reply != BLOCK:
                    self.busy = False
                if reply == REFUSED:
                    raise _FailedError(content.decode(errors="replace"))
                yield reply, content
                if reply in (HEADER, END):
                    return
        except TimeoutError as error:
            raise _FailedError(f"FFmpeg gave no answer for {PATIENCE:g} s") from error
        except OSError as error:
            raise _FailedError("FFmpeg came to an end over it, for lack of memory or by a fault of its own") from error

    def _receive(self, size: int) -> bytes:
        if size > _LARGEST:
            raise OSError
        content = bytearray()
        while len(content) < size:
            piece = self._link.recv(size - len(content))
            if not piece:
                raise ConnectionError
            content += piece
        return bytes(content)


_THREAD = threading.local()


def _own_decoder() -> _Decoder:
    """Return the decoder of this thread."""
    decoder: _Decoder | None = getattr(_THREAD, "decoder", None)
    # A decoder that was inherited by a fork is its parent's, and a busy one belongs to a recording that is read block
    # by block, while another is wanted.
    if decoder is None or decoder.busy or not decoder.end.alive or decoder.owner != os.getpid():
        decoder = _THREAD.decoder = _Decoder()
    return decoder


def _end(process: "subprocess.Popen[bytes]", link: socket.socket, owner: int) -> None:
    link.close()
    if os.getpid() == owner:
        process.kill()
        process.wait()
