"""A process of its own in which FFmpeg decodes the recordings that libsndfile cannot read.

:mod:`~sertool.core.features.media` starts it and says by a socket what to decode. FFmpeg is large, and its input comes
from strangers: here a file that exhausts the memory, never ends or crashes a decoder costs one recording. The process
gets the file as an open descriptor and the name of its format. It opens nothing else, so that a playlist or an address
inside a file leads nowhere.

The file imports nothing of sertool, so that it runs by its path alone.
"""

import contextlib
import itertools
import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

OPEN, READ = b"o", b"r"  # requests
HEADER, BLOCK, END, REFUSED = b"h", b"b", b"e", b"x"  # replies
REQUEST = struct.Struct("<c16sqq")  # kind; for OPEN format and number of the stream, for READ first and last sample
REPLY = struct.Struct("<cI")  # kind, and bytes that follow
FRAME = struct.Struct("<8sIQ")  # of a BLOCK: sample format, channels, and place of its first sample
MEMORY = 1 << 30  # bytes of address space; the process has some 130 MB when it begins
PROCESSOR = 900  # seconds of processor time for a recording; four hours of AAC take about one minute
# Decoders of sound alone: to find out what a stream of pictures holds, FFmpeg would decode some of it.
_CODECS = (
    "aac,aac_latm,ac3,alac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,eac3,flac,mp1,mp1float,mp2,mp2float,mp3,"
    "mp3float,opus,libopus,speex,vorbis,wmav1,wmav2,wmapro,wmavoice,wmalossless,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,"
    "adpcm_yamaha,g722,g723_1,g726,g729,gsm,gsm_ms,nellymoser,qcelp,qdm2,cook,evrc,pcm_alaw,pcm_mulaw,pcm_bluray,"
    "pcm_dvd,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be"
)
_OPTIONS = {"codec_whitelist": _CODECS, "protocol_whitelist": "none", "max_streams": "100"}
_INDEXED = ("mov", "matroska")  # formats in which a place is found without reading all that is before it
_MEASURED = ("matroska", "asf", "avi", "flv")  # formats that state about how long they are
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000)
_FAR = 10.0  # seconds; a nearer place is reached by decoding
_BEFORE = 1.0  # seconds that are decoded before a place, so that the decoder is exact there


class RefusedError(Exception):
    """The recording cannot be decoded; the message is the reason."""


class Media:
    """A recording that FFmpeg has opened.

    Args:
        file: the recording.
        form: FFmpeg's name of its format.
        number: number of the stream of sound, from 1; 0 takes the first.
    """

    def __init__(self, file: BinaryIO, form: str, number: int) -> None:
        self._file, self._form = file, form
        self._number = max(number, 1) - 1
        self._container = self._open()
        first = next(self._frames(), None)
        if first is None:
            raise RefusedError(self._why_nothing())
        self.rate: int = first.sample_rate
        self._begins: int | None = first.pts

    @property
    def stated(self) -> float | None:
        """Seconds that the file states exactly; None where it states none, or only about."""
        stream = self._stream
        # A file in fragments states the length of the first one.
        if self._form != "mov" or not stream.frames or not stream.duration:
            return None
        return float(stream.duration * stream.time_base)

    @property
    def origin(self) -> int:
        """Return the sampling rate before the recording was encoded.

        Opus decodes to 48 kHz whatever it was given. Its header states the rate of the input (RFC 7845, section 5.1),
        and above half of that a decoder adds noise that was never recorded; libsndfile decodes Ogg files to that rate.
        """
        context = self._stream.codec_context
        head = bytes(context.extradata or b"") if context.name in ("opus", "libopus") else b""
        stated = int.from_bytes(head[12:16], "little") if head.startswith(b"OpusHead") else 0
        return stated if stated in _OPUS_RATES else self.rate

    @property
    def expected(self) -> float | None:
        """Return the seconds that the file states, which may be off by a few frames; None where it does not say."""
        stream, container = self._stream, self._container
        if self.stated is not None or self._form not in _MEASURED:
            return self.stated
        if stream.duration:
            return float(stream.duration * stream.time_base)
        alone = len(container.streams) == 1  # the length of a film is that of its longest stream
        return container.duration / 1e6 if alone and container.duration else None

    def blocks(self, first: int, last: int) -> Iterator[tuple[int, Any, int]]:
        """Yield the frames that hold the samples from ``first`` up to ``last``.

        With each come its place in the file and the number of its samples that are part of the recording.
        """
        rate = self.rate
        place, frames = self._begin(first)
        stated = None if self.stated is None else round(self.stated * rate)
        frame = next(frames, None)
        while frame is not None and place < last:
            if frame.sample_rate != rate:
                raise RefusedError(f"its sampling rate changes from {rate} to {frame.sample_rate} Hz")
            following = next(frames, None)
            count = frame.samples
            if following is None and stated is not None and place < stated:
                count = min(count, stated - place)  # the last frame is filled up with what was not recorded
            if place + count > first:
                yield place, frame, count
            place += frame.samples
            frame = following

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self._file.close()

    def _open(self) -> Any:
        import av

        self._file.seek(0)
        self.good = self.bad = 0
        try:
            container = av.open(
                self._file, format=self._form, container_options=_OPTIONS, metadata_errors="replace", io_open=_refuse
            )
        except (av.FFmpegError, ValueError) as error:
            raise RefusedError("damaged or cut short") from error
        streams = container.streams.audio
        if not streams:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
            raise RefusedError(f"it holds no sound; its streams: {kinds}")
        if self._number >= len(streams):
            raise RefusedError(f"it has {len(streams)} streams of sound, and stream {self._number + 1} is asked for")
        self._stream = streams[self._number]
        if self._stream.codec_context is None:
            raise RefusedError("the codec of its sound is unknown")
        self._stream.codec_context.thread_count = 1
        for stream in container.streams:
            if stream is not self._stream and hasattr(stream, "discard"):
                stream.discard = type(stream.discard).all  # pictures are not even read
        return container

    def _begin(self, first: int) -> tuple[int, Iterator[Any]]:
        """Return the frames from a place at or before ``first`` on, and that place."""
        import av

        self._container.close()
        self._container = self._open()
        stream, rate = self._stream, self.rate
        begin = self._begins
        if self._form in _INDEXED and first > _FAR * rate and begin is not None:
            at = begin + round((first / rate - _BEFORE) / stream.time_base)
            with contextlib.suppress(av.FFmpegError):
                self._container.seek(at, stream=stream)
                frames = self._frames()
                found = next(frames, None)
                if found is not None and found.pts is not None:
                    place = round((found.pts - begin) * stream.time_base * rate)
                    if 0 <= place <= first:
                        return place, itertools.chain((found,), frames)
            self._container.close()
            self._container = self._open()
        return 0, self._frames()

    def _frames(self) -> Iterator[Any]:
        """Yield the frames that can be decoded, and count the packets."""
        import av

        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    self.bad += 1
                    continue
                self.good += 1
                yield from (frame for frame in frames if frame.samples)
        except av.FFmpegError:  # the end of a file that was cut short
            self.bad += 1

    def _why_nothing(self) -> str:
        if self.bad:
            return f"nothing of its sound ({self._stream.codec_context.name}) can be decoded: damaged or encrypted"
        return "it contains no samples"


def serve(handle: int) -> None:
    """Answer requests from a socket until it is closed."""
    with socket.socket(fileno=handle) as link:
        media: Media | None = None
        while True:
            data, handles, _, _ = socket.recv_fds(link, REQUEST.size, 1)
            if not data:
                return
            kind, form, one, other = REQUEST.unpack(data)
            _allow_processor()
            try:
                if kind == OPEN:
                    if media is not None:
                        media.close()
                    file = os.fdopen(handles[0], "rb")
                    media = Media(file, form.rstrip(b"\0").decode(), one)
                    _send_header(link, media)
                elif media is not None:
                    _send_blocks(link, media, one, other)
            except RefusedError as error:
                _send(link, REFUSED, str(error).encode())
            except Exception as error:  # of PyAV on a file that nobody foresaw; MemoryError among them
                _send(link, REFUSED, f"{type(error).__name__}: {error}".encode())


def _send_header(link: socket.socket, media: Media) -> None:
    facts = {"rate": media.rate, "origin": media.origin, "expected": media.expected}
    _send(link, HEADER, json.dumps(facts).encode())


def _send_blocks(link: socket.socket, media: Media, first: int, last: int) -> None:
    for place, frame, count in media.blocks(first, last):
        channels, form = frame.layout.nb_channels, frame.format
        planes = channels if form.is_planar else 1
        size = count * form.bytes * (channels // planes)  # a plane is longer than its samples
        head = FRAME.pack(form.name.encode(), channels, place)
        _send(link, BLOCK, head, *(memoryview(plane)[:size] for plane in frame.planes[:planes]))
    _send(link, END, json.dumps({"good": media.good, "bad": media.bad}).encode())


def _send(link: socket.socket, kind: bytes, *parts: Any) -> None:
    content = b"".join(parts)
    link.sendall(REPLY.pack(kind, len(content)) + content)


def _allow_processor() -> None:
    """Allow some seconds of processor time from now on; the system ends the process after them."""
    import resource

    now = int(time.process_time())
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (now + PROCESSOR, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit_memory() -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):  # a system without such a limit, or with a lower one
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:
    raise RefusedError("it asks for another file")


if __name__ == "__main__":
    sys.path.append(sys.argv[2])  # where PyAV is
    import av

    av.logging.set_level(None)
    _limit_memory()
    serve(int(sys.argv[1]))
