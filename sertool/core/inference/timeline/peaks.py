"""The waveform of a recording for a page: the lowest and the highest sample of each short stretch of time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000  # Hz, at which a recording is read for its waveform
BUCKET = 400  # samples, a twentieth of a second, which is finer than a page shows of a minute
MOST = 1 << 17  # pairs of a waveform, nearly two hours; those of a longer recording are merged two by two


@dataclass(frozen=True)
class Waveform:
    """Peaks of a recording.

    Attributes:
        seconds: length of the recording.
        rate: pairs of peaks a second.
        peaks: (N, 2) int8, the lowest and the highest sample of each stretch; the loudest of all is 127.
    """

    seconds: float
    rate: float
    peaks: NDArray[np.int8]


def waveform(blocks: Iterable[NDArray[np.float32]]) -> Waveform:
    """Compute the peaks of a recording, in memory that does not grow with its length.

    Args:
        blocks: the samples at ``SAMPLE_RATE``, in blocks (N,) of any length.
    """
    bucket, samples, count = BUCKET, 0, 0
    found: list[NDArray[np.float32]] = []  # joined when there are too many, not at every block
    rest = np.zeros(0, np.float32)
    for block in blocks:
        samples += len(block)
        rest = np.concatenate([rest, block])
        whole = len(rest) // bucket * bucket
        found.append(_peaks(rest[:whole].reshape(-1, bucket)))
        rest, count = rest[whole:], count + len(found[-1])
        while count > MOST:
            pairs = np.concatenate(found)
            # Of an odd number the last one goes back to the samples, so that it begins a stretch of the new length.
            even = len(pairs) // 2 * 2
            rest = np.concatenate([np.repeat(pairs[even:].ravel(), bucket // 2), rest])
            found, bucket, count = [_peaks(pairs[:even].reshape(-1, 4))], 2 * bucket, even // 2
    pairs = np.concatenate([*found, _peaks(rest[None] if len(rest) else np.zeros((0, 1), np.float32))])
    loudest = float(np.abs(pairs).max()) if len(pairs) else 0.0
    scaled = np.rint(pairs * (127 / loudest if loudest > 0 else 0.0)).astype(np.int8)
    return Waveform(samples / SAMPLE_RATE, SAMPLE_RATE / bucket, scaled)


def _peaks(groups: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lowest and highest value (N, 2) of each group (N, size)."""
    return np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1) if len(groups) else np.zeros((0, 2), np.float32)
