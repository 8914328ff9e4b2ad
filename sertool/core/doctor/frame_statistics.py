"""Extremes and a hash of each utterance's audio, from one pass over all frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Frames
from sertool.core.corpora.fingerprints import hash_each
from sertool.core.features.frontend import FrameMaker

_BLOCK = 1 << 14  # frames read together: they stay in the processor's cache


@dataclass(frozen=True)
class AudioFacts:
    """Facts about the audio of N utterances.

    Attributes:
        lengths: (N,) number of frames.
        low, high: (N,) smallest and largest value; 0 without frames, NaN where a value is NaN.
        clipped: (N,) share of the values that are exactly the frontend's largest.
        silent: (N,) True where there are frames, but no value further from zero than the frontend's silence, or where
            the recording is known to hold no sound.
        hashes: hash of each utterance's frames; empty without sound, which could not tell recordings apart.
    """

    lengths: NDArray[np.int64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    clipped: NDArray[np.float64]
    silent: NDArray[np.bool_]
    hashes: tuple[bytes, ...]


def audio_facts(frames: Frames, maker: FrameMaker, soundless: NDArray[np.bool_]) -> AudioFacts:
    """Read all frames once: 100 million values take about half a second, and little memory.

    Args:
        frames: frames of N utterances.
        maker: frontend that made them.
        soundless: (N,) True where the recording is known to hold no sound, which an encoder's frames do not show.
    """
    lengths = np.diff(frames.offsets)
    low, high = np.zeros((2, len(frames)), np.float32)
    ceilings = np.zeros(len(frames), np.int64)
    filled = np.flatnonzero(lengths) if frames.width else np.zeros(0, np.int64)
    if filled.size:
        # reduceat() takes each utterance's frames up to the next start; utterances without frames would break that.
        starts = frames.offsets[filled]
        rows_low, rows_high, rows_ceilings = _rows(frames.flat, maker.bounds[1])
        low[filled] = np.minimum.reduceat(rows_low, starts)
        high[filled] = np.maximum.reduceat(rows_high, starts)
        ceilings[filled] = np.add.reduceat(rows_ceilings, starts)
    silent = (lengths > 0) & (soundless | (np.maximum(-low, high) <= maker.silence))
    clipped = ceilings / np.maximum(lengths * frames.width, 1)
    return AudioFacts(lengths, low, high, clipped, silent, hash_each(frames, ~silent))


def _rows(
    flat: NDArray[np.floating], ceiling: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return the smallest value, the largest value and the number of values at the ceiling of each frame."""
    low, high = np.empty((2, len(flat)), np.float32)
    ceilings = np.empty(len(flat), np.int64)
    with np.errstate(invalid="ignore"):  # NaN stays NaN; the reader has reported it
        for start in range(0, len(flat), _BLOCK):
            part = slice(start, start + _BLOCK)
            block = flat[part]
            low[part], high[part] = block.min(axis=1), block.max(axis=1)
            ceilings[part] = (block == ceiling).sum(axis=1)
    return low, high, ceilings
