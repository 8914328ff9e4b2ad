"""Waveforms in memory: their shape, their numbers and their sampling rate are judged here and nowhere else.

A file says how its numbers are scaled, an array does not. What is accepted:

=====================  =========================================================================================
floats                 full scale 1; recordings may exceed it by up to 12 dB
8 and 16-bit integers  full scale of their type; unsigned ones of 8 bits are centred on 128, as in WAV files
32-bit integers        full scale 2^31 if the largest value is above 2^23 or all values are multiples of 2^16
                       full scale 2^15, with a warning, if all values fit into 16 bits
64-bit integers        as 32-bit integers; other values than these have no full scale, so a warning names it
whole floats above 1   as 64-bit integers
=====================  =========================================================================================

Everything else is refused: 24-bit samples in 32-bit integers, for example, cannot be told from a quiet recording.
"""

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import LONGEST, SHORTEST

if TYPE_CHECKING:
    from torch import Tensor

RATES = (100, 1_000_000)  # Hz
MOST_CHANNELS = 64  # large microphone arrays; a table of more columns is no recording
HIGHEST = 4.0  # of floats that are not whole; decoded and mixed recordings exceed full scale by a few dB
_SHAPES = "expected (samples,) or (samples, channels) of floats or integers"


def read_waveform(audio: Any, rate: Any, sample_rate: int) -> "Tensor":
    """Convert a waveform in memory to what :func:`~sertool.core.features.audio.read_audio` reads from a file.

    Args:
        audio: array or tensor (samples,), (samples, channels) or (channels, samples): the shorter axis is the channels.
        rate: sampling rate in Hz, a whole number of any type.
        sample_rate: sampling rate of the result in Hz.

    Returns:
        (samples,) float32, full scale at 1, the mean of the channels; ceil(n * sample_rate / rate) samples of n.

    Raises:
        DataError: the waveform has another shape or type, or a full scale that cannot be recognised; it is empty, too
            short, too long or not finite.
        UsageError: the rate is not a whole number of Hz from 100 to 1,000,000.
    """
    import torch

    hertz = check_rate(rate)
    mono = _mono(as_array(audio), hertz)
    # As in read_audio: ceil(n * sample_rate / rate) samples, while soxr may give one fewer or more.
    if hertz != sample_rate:
        import soxr  # here, because predicting texts needs none

        length = -(-len(mono) * sample_rate // hertz)
        mono = np.append(soxr.resample(mono, hertz, sample_rate, quality="HQ"), np.float32(0))[:length]
    return torch.from_numpy(np.ascontiguousarray(mono, np.float32))


def check_rate(rate: Any) -> int:
    """Return a sampling rate as an int: 16000, 16000.0, ``np.int64(16000)``, or a 0-dimensional array.

    Raises:
        UsageError: it is not a whole number of Hz from 100 to 1,000,000.
    """
    number = as_number(rate)
    if not (RATES[0] <= number <= RATES[1] and number.is_integer()):
        given = f"a value of type {type(rate).__name__}" if math.isnan(number) else f"{number:g} Hz"
        raise UsageError(f"sample_rate: {given}, expected a whole number of Hz from {RATES[0]} to {RATES[1]:,}")
    return int(number)


def as_number(value: Any) -> float:
    """Convert a number of any library to a float: NaN if it is none, infinity if it is too large for a float."""
    # float() would also read "16000", True and arrays of one number.
    if isinstance(value, str | bytes | bytearray | bool) or getattr(value, "ndim", 0) != 0:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return math.nan


def as_array(audio: Any) -> NDArray[Any]:
    """Convert an array of any library, or a tensor on any device, to a NumPy array of the same numbers.

    Raises:
        DataError: it is no array, or one with masked values.
    """
    import torch

    if isinstance(audio, torch.Tensor):
        audio = audio.detach()
        # NumPy has no bfloat16 and no floats of 8 bits.
        if audio.is_floating_point() and audio.dtype not in (torch.float16, torch.float32, torch.float64):
            audio = audio.float()
    try:
        array = np.asarray(audio.cpu() if isinstance(audio, torch.Tensor) else audio)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"audio: a {type(audio).__name__} that is no array of numbers, {_SHAPES}") from error
    if np.ma.is_masked(audio):
        raise DataError("audio: an array with masked values, expected a value for every sample")
    return array


def _mono(samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
    """Return the mean of the channels (samples,) with a full scale of 1."""
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = (
            samples.T
        )  # channels first, as in torchaudio and librosa; no recording has fewer samples than channels
    if samples.ndim not in (1, 2) or samples[:1].size > MOST_CHANNELS or not (kind in "fi" or (kind, size) == ("u", 1)):
        shape = f"an array of shape {samples.shape} and kind {samples.dtype!s:.60}"
        raise DataError(f"audio: {shape} at {rate} Hz, {_SHAPES}")
    if samples.size == 0:
        raise DataError("audio: contains no samples")
    if not SHORTEST * rate <= len(samples) <= LONGEST * rate:
        raise DataError(f"audio: lasts {len(samples) / rate:g} s, expected {SHORTEST:g} s to {LONGEST / 3600:g} hours")
    low, high = samples.min(), samples.max()
    if not (np.isfinite(low) and np.isfinite(high)):  # minimum and maximum are NaN if any sample is
        raise DataError("audio: holds NaN or infinite samples")
    centre, scale = (128, 128.0) if kind == "u" else (0, _full_scale(samples, max(-float(low), float(high))))
    floats = (samples.astype(np.float32) - np.float32(centre)) / np.float32(scale)
    mono: NDArray[np.float32] = floats.reshape(len(samples), -1).mean(axis=1)
    return mono


def _full_scale(samples: NDArray[Any], peak: float) -> float:
    """Return the value of full scale, from the type of the samples and their largest absolute value.

    Raises:
        DataError: the samples fit no full scale, or more than one.
    """
    kind, bits = samples.dtype.kind, 8 * samples.dtype.itemsize
    if kind == "i" and bits <= 16:
        return float(2 ** (bits - 1))
    unknown = DataError(
        f"audio: {samples.dtype} samples up to {peak:,.7g}, whose full scale is not known",
        hint="pass floats with a full scale of 1: divide by 2**15, 2**23 or 2**31, whichever full scale they have",
    )
    if kind == "f" and (peak <= 1 or (samples != np.rint(samples)).any()):
        if peak > HIGHEST:
            raise unknown
        return 1.0
    if peak <= 1 << 15:
        scale = 1 << 15
    elif peak <= 1 << 31 and (peak > 1 << 23 or not (samples % (1 << 16)).any()):
        scale = 1 << 31
    else:
        raise unknown
    if (kind, bits, scale) != ("i", 32, 1 << 31):
        words = f"{samples.dtype} samples are read as integers of {16 if scale == 1 << 15 else 32} bits"
        warnings.warn(f"audio: {words}; pass floats with a full scale of 1 to avoid doubt", stacklevel=2)
    return float(scale)
