"""Fingerprint of a recording's sound, which copies of it share whatever their sampling rate, codec, level and length.

It follows J. Haitsma, T. Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002. Every 25 ms, a code of 32
bits says how the energies E of 33 neighbouring bands, 300 to 2000 Hz in equal steps of log frequency, change within
50 ms::

    bit b of code t = E[t + 2, b] - E[t + 2, b + 1] > E[t, b] - E[t, b + 1]

Windows of 256 ms are so long that single harmonics of a voice are told apart: two takes of a sentence by one speaker
differ in almost half of the bits, at every offset, while a copy as MP3 differs in a few of them. A code of 0 stands for
silence, and is compared with nothing. An hour takes 576 kB.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1  # raised when the same recording gives other codes; codes of two versions are not compared
HOP, WINDOW = 0.025, 0.256  # seconds
BANDS, LOWEST, HIGHEST = 33, 300.0, 2000.0  # Hz; telephones and codecs of any bit rate keep them
STEP = 2  # hops between the two moments that a code compares
QUIET_DB = 45.0  # frames that much below the loudest one are silence: rounding to 16 bits decides about their bits
_FLOOR = 1e-12  # mean square of a sample below which everything is silence: -120 dB
_RATE = 5000  # Hz; samples are reduced to the lowest rate above it
_BLOCK, _TAPS = 32, 4  # kept samples at a time, and kept samples to each side that the filter spans
_ROWS = 512  # windows at a time, so that memory does not grow with the length

Codes = NDArray[np.uint32]
NO_CODES: Codes = np.zeros(0, np.uint32)


class _Tables(NamedTuple):
    """Tables for a sampling rate.

    Attributes:
        factor: samples of the recording for each that is kept.
        rate: sampling rate of the kept ones in Hz.
        reducing: (40 * factor, 32) filters, each of which makes a kept sample of the 40 * factor around it.
        window: (samples,) Hann's window.
        size: samples of the Fourier transform.
        first, last: its bins that the bands need, exclusive.
        bands: (last - first, 33) share of each bin in each band.
    """

    factor: int
    rate: float
    reducing: "Tensor"
    window: "Tensor"
    size: int
    first: int
    last: int
    bands: "Tensor"


def fingerprint(samples: "Tensor", sample_rate: int) -> Codes:
    """Compute the codes of a recording.

    Args:
        samples: (N,) float32 at any level, at least one sample.
        sample_rate: sampling rate in Hz. Below 4 kHz there is too little of the sound, and so no codes.

    Returns:
        (T,) uint32, a code for each 25 ms from the beginning to 306 ms before the end; 0 where there is silence. A
        shorter recording has none.
    """
    import torch

    if sample_rate < 2 * HIGHEST:
        return NO_CODES
    tables = _tables(sample_rate)
    if tables.factor > 1:
        samples = _reduced(samples, tables)
    length = len(tables.window)
    count = int((len(samples) - length) / (HOP * tables.rate)) + 1 if len(samples) >= length else 0
    if count <= STEP:
        return NO_CODES
    # Starts are rounded one by one: codes of two sampling rates do not drift apart.
    starts = (torch.arange(count, dtype=torch.float64) * (HOP * tables.rate)).round().long()
    starts.clamp_(max=len(samples) - length)
    windows = samples.unfold(0, length, 1)
    energies = torch.cat(
        [_energies(windows.index_select(0, part), tables) for part in torch.split(starts, _ROWS)]
    ).numpy()
    return _codes(energies, length)


def _reduced(samples: "Tensor", tables: _Tables) -> "Tensor":
    """Return every ``factor``-th sample of a low-pass filtered recording."""
    from torch.nn import functional as F

    each = _BLOCK * tables.factor
    length, tail = len(samples), tables.reducing.shape[0] - each
    padded = F.pad(samples, (tail // 2, tail + each - length % each))
    # As one product of matrices, which is several times faster than a convolution of one channel.
    return (padded.unfold(0, each + tail, each) @ tables.reducing).flatten()[: -(-length // tables.factor)]


def _energies(windows: "Tensor", tables: _Tables) -> "Tensor":
    """Compute the energies (T, 33) of the bands of windows (T, samples), which may be changed."""
    import torch

    spectrum = torch.fft.rfft(windows.mul_(tables.window), n=tables.size)[:, tables.first : tables.last]
    energies: Tensor = (spectrum.real.square() + spectrum.imag.square()) @ tables.bands
    return energies


def _codes(energies: NDArray[np.float32], length: int) -> Codes:
    """Turn energies (T, 33) of windows of ``length`` samples into codes (T - 2,)."""
    differences = energies[:, :-1] - energies[:, 1:]
    bits = differences[STEP:] > differences[:-STEP]
    codes: Codes = np.packbits(bits, axis=1).view(">u4")[:, 0].astype(np.uint32)
    levels = energies.sum(axis=1)
    # By Parseval's theorem, an energy is the mean square times the sum of the squared window, 3/8 of its length, times
    # half the size of the transform; a factor of two does not matter here.
    floor = max(float(levels.max()) * 10 ** (-QUIET_DB / 10), _FLOOR * length * length / 8)
    codes[np.minimum(levels[STEP:], levels[:-STEP]) <= floor] = 0
    return codes


@lru_cache(maxsize=16)
def _tables(sample_rate: int) -> _Tables:
    import torch

    factor = max(1, sample_rate // _RATE)
    rate = sample_rate / factor
    window = torch.hann_window(round(WINDOW * rate), periodic=False)
    size = _quick_size(len(window))
    spacing = rate / size  # Hz from bin to bin
    edges = np.geomspace(LOWEST, HIGHEST, BANDS + 1)
    first, last = int(edges[0] / spacing - 0.5), int(edges[-1] / spacing + 0.5) + 2
    middles = np.arange(first, last)[:, None] * spacing
    # A bin reaches half a bin to both sides; the shares make bands the same at every sampling rate.
    low, high = np.maximum(middles - spacing / 2, edges[:-1]), np.minimum(middles + spacing / 2, edges[1:])
    shares = np.clip(high - low, 0, None) / spacing
    bands = torch.from_numpy(shares.astype(np.float32))
    return _Tables(factor, rate, _reducing(factor), window, size, first, last, bands)


def _reducing(factor: int) -> "Tensor":
    """Return low-pass filters (40 * factor, 32), windowed sincs, each shifted by ``factor`` against the one before."""
    import torch

    taps = np.arange(-_TAPS * factor, _TAPS * factor)
    response = np.sinc(taps / factor * 0.9) * np.hamming(len(taps) + 1)[:-1]
    filters = np.zeros(((_BLOCK + 2 * _TAPS) * factor, _BLOCK), np.float32)
    for place in range(_BLOCK):
        filters[place * factor : place * factor + len(taps), place] = response / response.sum()
    return torch.from_numpy(filters)


def _quick_size(samples: int) -> int:
    """Return the next multiple of 32 without prime factors above 5, of which a Fourier transform is fastest."""
    size = -(-samples // 32) * 32
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 32
