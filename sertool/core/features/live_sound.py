"""Sound that comes while it is judged: a microphone, or raw samples on standard input.

A thread takes the samples and notes when they came, so that the time from then to a judgement can be told. Where they
come faster than they are judged, a pipe waits; a microphone cannot, and what is lost is counted.
"""

import queue
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from os import read as read_descriptor
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.formatting import first_few, plural

RATE = 16_000  # Hz, of raw samples where the user names no rate
RATES = (8_000, 192_000)  # Hz
BYTES_OF_SAMPLE = 2
_MOST_BYTES = 8192  # of one read, a quarter of a second at 16 kHz
_MOST_BLOCKS = 256  # that wait to be judged, at most a minute at 16 kHz
_TICK = 0.2  # seconds after which a wait looks around
_SILENCE = 5.0  # seconds without samples, after which a microphone counts as gone
# Beginnings of files of sound, whose headers would be heard as noise and whose samples may be packed.
_HEADERS = {b"RIFF": "a WAV file", b"fLaC": "a FLAC file", b"OggS": "an Ogg file", b"FORM": "an AIFF file"}
PIPE = "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | sertool listen --name NAME -"
HINT = "pip install 'sertool[live]'"


@dataclass(frozen=True)
class Block:
    """Samples (N,) float32, full scale 1, and the time at which the last of them came, by ``time.monotonic``."""

    samples: NDArray[np.float32]
    arrived: float


class LiveSound(Protocol):
    """Sound that comes in blocks.

    Attributes:
        name: what it comes from, for people.
        rate: sampling rate in Hz.
        remarks: sentences on what was lost or left out; complete after the last block.
    """

    name: str
    rate: int
    remarks: list[str]

    def blocks(self, stopped: threading.Event) -> Generator[Block]:
        """Yield blocks until the sound ends, or the event is set.

        Raises:
            SertoolError: it broke off; what came before was yielded.
        """


def check_sampling_rate(rate: int) -> int:
    """Return a sampling rate.

    Raises:
        UsageError: it is out of range.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise UsageError(f"--rate {rate}: expected Hz, from {RATES[0]:,} to {RATES[1]:,}")
    return rate


class PipedSound:
    """Raw samples from a pipe or a file: one channel of 16-bit integers, the low byte first.

    Args:
        file: standard input, opened for bytes.
        rate: sampling rate in Hz.

    Raises:
        UsageError: it is a terminal, or the rate is out of range.
    """

    name = "standard input"

    def __init__(self, file: BinaryIO, rate: int = RATE) -> None:
        if file.isatty():
            raise UsageError("listen -: standard input is a terminal, expected raw samples from a program", hint=PIPE)
        self.rate = check_sampling_rate(rate)
        self.remarks: list[str] = []
        self._file = file
        self._queue: queue.Queue[Block | BaseException | None] = queue.Queue(_MOST_BLOCKS)
        self._stopped = threading.Event()
        try:
            self._descriptor: int | None = file.fileno()
        except (OSError, AttributeError):  # a file in memory
            self._descriptor = None

    def blocks(self, stopped: threading.Event) -> Generator[Block]:
        """Yield blocks until standard input ends, or the event is set.

        Raises:
            DataError: it cannot be read, it begins as a file of another format, or it ends before the first sample.
        """
        threading.Thread(target=self._read, daemon=True).start()
        came = False
        try:
            while True:
                if stopped.is_set():
                    self._stopped.set()
                    yield from _waiting(self._queue)
                    return
                try:
                    found = self._queue.get(timeout=_TICK)
                except queue.Empty:
                    continue
                if isinstance(found, BaseException):
                    raise DataError(f"standard input: {found}", hint=PIPE) from found
                if found is None and not came:
                    raise DataError("standard input: ended before any sound came", hint=PIPE)
                if found is None:
                    return
                came = True
                yield found
        finally:
            self._stopped.set()

    def _read(self) -> None:
        """Take all that comes, in a thread of its own."""
        left, begun = b"", False
        try:
            while data := self._some():
                arrived = time.monotonic()
                data = left + data
                if not begun and len(data) >= 4:
                    begun = True
                    _check_start(data)
                whole = len(data) - len(data) % BYTES_OF_SAMPLE
                left = data[whole:]
                if whole:
                    self._put(Block(samples_of(data[:whole]), arrived))
            if left:
                self.remarks.append("standard input ended within a sample: its last byte was left out")
        except (OSError, ValueError, DataError) as error:
            self._put(error)
        self._put(None)

    def _some(self) -> bytes:
        # Not through Python's buffer: a thread that waits within it would hold its lock when the process ends.
        if self._descriptor is not None:
            return read_descriptor(self._descriptor, _MOST_BYTES)
        return self._file.read(_MOST_BYTES)

    def _put(self, found: Block | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(found, timeout=_TICK)
            except queue.Full:
                continue
            return


def _waiting(blocks: "queue.Queue[Any]") -> Iterator[Block]:
    """Yield the blocks that wait now; more may come meanwhile, which are left."""
    for _ in range(blocks.qsize()):
        if isinstance(found := blocks.get(), Block):
            yield found


def samples_of(data: bytes) -> NDArray[np.float32]:
    """Return the samples (N,) float32 of raw 16-bit integers, full scale 1, as a recording is decoded."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)


def _check_start(data: bytes) -> None:
    if kind := _HEADERS.get(data[:4]):
        raise DataError(f"begins as {kind}, expected raw 16-bit samples without a header")


class Microphone:
    """A microphone, by the package sounddevice.

    Args:
        device: number of a device, or a part of its name; None is the system's default.
        rate: sampling rate in Hz; None is the device's own.

    Raises:
        UsageError: sounddevice or PortAudio is not installed, or there is no such device.
        SertoolError: there is no microphone.
    """

    def __init__(self, device: str | None = None, rate: int | None = None) -> None:
        self._sounds = _sounddevice()
        self._device: int | str | None = int(device) if device is not None and device.isdecimal() else device
        found = self._query()
        self.name = f"microphone {found['name']}"
        self.rate = check_sampling_rate(rate if rate is not None else round(found["default_samplerate"]))
        self.remarks: list[str] = []
        self._queue: queue.Queue[Block] = queue.Queue(_MOST_BLOCKS)
        self._lost = 0

    def blocks(self, stopped: threading.Event) -> Generator[Block]:
        """Yield blocks for as long as the microphone is there, or until the event is set.

        Raises:
            SertoolError: it cannot be opened, or gives no samples any more.
        """
        try:
            stream = self._sounds.InputStream(
                samplerate=self.rate, device=self._device, channels=1, dtype="float32", callback=self._take
            )
            with stream:
                yield from self._taken(stream, stopped)
        except self._sounds.PortAudioError as error:
            raise SertoolError(
                f"{self.name}: cannot be used ({_words(error)})",
                hint="another program may hold it; --microphone names another one, --rate another sampling rate",
            ) from error
        finally:
            if self._lost:
                self.remarks.append(f"sound came faster than this machine takes it: {plural(self._lost, 'gap')}")

    def _taken(self, stream: Any, stopped: threading.Event) -> Iterator[Block]:
        """Yield blocks; after the event those that had come."""
        last = time.monotonic()
        while not stopped.is_set():
            try:
                block = self._queue.get(timeout=_TICK)
            except queue.Empty:
                if not stream.active or time.monotonic() - last > _SILENCE:
                    raise SertoolError(
                        f"{self.name}: gives no sound any more", hint="it may be unplugged; what was judged is kept"
                    ) from None
                continue
            last = block.arrived
            yield block
        yield from _waiting(self._queue)

    def _take(self, samples: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        """Take samples (N, 1) from PortAudio's thread, which must not wait."""
        if status.input_overflow:
            self._lost += 1
        try:
            self._queue.put_nowait(Block(samples[:, 0].copy(), time.monotonic()))
        except queue.Full:
            self._lost += 1

    def _query(self) -> dict[str, Any]:
        """Return what is known of the device."""
        sounds = self._sounds
        try:
            found = sounds.query_devices(self._device, "input")
        except (ValueError, sounds.PortAudioError) as error:
            names = [own["name"] for own in sounds.query_devices() if own["max_input_channels"] > 0]
            if not names:
                raise SertoolError(
                    "there is no microphone, as far as PortAudio can tell", hint=f"plug one in, or pipe sound: {PIPE}"
                ) from error
            wanted = "no default microphone" if self._device is None else f"no one microphone {str(self._device)!r}"
            raise UsageError(
                f"--microphone: there is {wanted} ({_words(error)})", hint=f"one of {first_few(names)}"
            ) from error
        return dict(found)


def _words(error: Exception) -> str:
    """Return the first line of an error of PortAudio."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _sounddevice() -> Any:
    """Import sounddevice, which looks for PortAudio.

    Raises:
        UsageError: one of both is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise UsageError("a microphone needs sounddevice", hint=f"{HINT}; or pipe sound: {PIPE}") from error
    except OSError as error:
        raise UsageError(
            "a microphone needs PortAudio, which was not found",
            hint=f"apt install libportaudio2 (Debian, Ubuntu), dnf install portaudio (Fedora); or pipe sound: {PIPE}",
        ) from error
    return sounddevice
