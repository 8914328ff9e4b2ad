"""Turn recordings and texts into a model's frames, by the graphs of pretrained encoders.

A bundle holds a copy of this file, with the one function that it imports of the package; it needs numpy, and for texts
tokenizers. The frames are those of :mod:`sertool.core.features.encoders`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.features.encoders.pieces import spans

Array = NDArray[np.float32]

BLOCK = 12_000  # log-mel frames computed at a time, two minutes


class SpeechEncoder:
    """The encoder of recordings.

    Args:
        session: an onnxruntime session of ``encoder.onnx``.
        settings: entry ``encoders.audio`` of ``settings.json``.
        folder: folder of the bundle.
    """

    def __init__(self, session: Any, settings: Mapping[str, Any], folder: Path) -> None:
        self.session, self.settings = session, settings
        self.sample_rate: int = settings["sample_rate"]
        self.mels = settings["mels"] and np.load(folder / settings["mels"]["filters"], allow_pickle=False)

    def frames(self, wave: Array) -> Array:
        """Return the frames (T, D) of a recording (samples,); there are none without samples."""
        settings = self.settings
        if not wave.size:
            return np.zeros((0, settings["width"]), np.float32)
        inputs, count = self._mels(wave) if settings["mels"] else self._samples(wave)
        return pooled(self._states(inputs, count), settings["pool"], settings["max_frames"])

    def _samples(self, wave: Array) -> tuple[Array, int]:
        """Return the samples as the encoder takes them, and the number of its states."""
        wave = np.pad(wave, (0, max(0, self.settings["window"] - len(wave))))
        if self.settings["normalise"]:
            wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
        return wave, 1 + (len(wave) - self.settings["window"]) // self.settings["stride"]

    def _mels(self, wave: Array) -> tuple[Array, int]:
        """Return Whisper's log-mel frames (bands, frames) of a recording, and the number of states."""
        settings = self.settings["mels"]
        size, hop, per_state = settings["fft_size"], settings["hop_length"], self.settings["stride"]
        count = max(1, len(wave) // (per_state * hop))
        least = self.settings["least"] * per_state * hop
        wave = np.pad(wave, (0, max(0, least - len(wave))))
        around = np.pad(wave, size // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(around, size)[::hop][: len(wave) // hop]
        shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        blocks = []
        for first in range(0, len(windows), BLOCK):
            power = np.abs(np.fft.rfft(windows[first : first + BLOCK] * shape)) ** 2
            blocks.append(np.log10(np.maximum(power @ self.mels, 1e-10)))
        level = np.concatenate(blocks).T
        return ((np.maximum(level, level.max() - 8) + 4) / 4).astype(np.float32), count

    def _states(self, inputs: Array, count: int) -> Iterator[Array]:
        """Yield the states (T, D) of a recording, piece by piece."""
        settings, size = self.settings, self.settings["piece"]
        stride, window = settings["stride"], settings["window"]
        name = self.session.get_inputs()[0].name
        for begin, first, last in spans(count, size, settings["context"]):
            end = (begin + max(settings["least"], min(count, size)) - 1) * stride + window
            if count <= size and not settings["mels"]:
                end = len(inputs)  # samples behind the last state count where the encoder normalises over time
            piece = inputs[None, ..., begin * stride : end]
            yield self.session.run(None, {name: piece})[0][0, first - begin : last - begin]


def pooled(parts: Iterator[Array], pool: int | str, most: int) -> Array:
    """Make frames of states.

    Args:
        parts: states (T, L, D) of L layers, piece by piece.
        pool: number of states that are averaged into a frame; or ``mean`` or ``mean+std``, for one frame.
        most: number of frames that the model reads; later states are not computed.

    Returns:
        (T, L * D) frames, layer after layer.
    """
    if isinstance(pool, str):
        return np.concatenate(_moments(parts)[: 1 if pool == "mean" else 2], axis=1).reshape(1, -1)
    kept: list[Array] = []
    for part in parts:
        kept.append(part)
        if sum(map(len, kept)) >= most * pool:
            break
    states = np.concatenate(kept)[: most * pool]
    groups = [states[start : start + pool].mean(0) for start in range(0, len(states), pool)]
    return np.stack(groups).reshape(len(groups), -1)


def _moments(parts: Iterator[Array]) -> tuple[Array, Array]:
    """Return the mean and the standard deviation (L, D) of states, summed in double precision."""
    count, total, squares = 0, np.float64(0), np.float64(0)
    for part in parts:
        count += len(part)
        total = total + part.sum(0, dtype=np.float64)
        squares = squares + np.square(part, dtype=np.float64).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return np.asarray(mean, np.float32), np.asarray(deviation, np.float32)
