"""Recordings to log-mel frames: reading, trimming, pre-emphasis, mel bands, frame reduction.

The defaults of :class:`~sertool.core.recipe.Frontend` give the frames that the published systems were trained
on (the settings of Kyubyong Park's dc_tts, every 16th frame; told by an author, see docs/reference.md). The
numbers agree with librosa 0.11 (``effects.trim``, ``stft``, ``filters.mel``), the oracle of the tests.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sertool.core import artifacts
from sertool.core.errors import DataError
from sertool.core.recipe import Frontend

if TYPE_CHECKING:
    from soundfile import SoundFile

TRIM_FRAME, TRIM_HOP = 2048, 512  # samples; librosa.effects.trim's own, whatever the sampling rate
AMPLITUDE_FLOOR = 1e-5  # of RMS values and mel magnitudes before the logarithm
REFERENCE_DB, RANGE_DB = 20.0, 100.0  # a level of 20 dB becomes 1, one of -80 dB becomes 0
FEATURE_FLOOR = 1e-8  # above 0, so that a frame of silence is not taken for padding
END_TOLERANCE = 0.1  # seconds; tables round the end of a segment
_BLOCK = 1 << 22  # samples a channel; a header may promise any length, so files are read in blocks
_UNKNOWN_LENGTH = 1 << 62  # libsndfile's count for a stream whose header leaves the length out is above


def read_audio(path: Path, sample_rate: int, start: float | None = None, end: float | None = None) -> Tensor:
    """Read a recording, or a segment of it, as one channel at a given sampling rate.

    Args:
        path: any format libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, ...).
        sample_rate: Hz; another rate in the file is resampled by soxr at its quality "HQ".
        start: seconds into the file; None is its beginning.
        end: seconds into the file; None is its end.

    Returns:
        (samples,) float32, the mean of the channels, full scale at 1.

    Raises:
        DataError: the file is missing, not audio, damaged, empty, holds NaN or infinite samples, or does not
            reach the segment.
    """
    # Imported here: recordings are not needed to train on feature files.
    import soundfile
    import soxr

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with soundfile.SoundFile(path) as file:
            rate = int(file.samplerate)
            samples = _decode(file, path, start, end)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    # TypeError: headerless formats (.raw) ask for a sampling rate.
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not readable as audio ({_reason(error)})") from error
    if len(samples) == 0:
        raise DataError(f"{path}: holds no samples")
    if rate != sample_rate and np.isfinite(samples).all():
        # As librosa does: soxr rounds the length down where it must be rounded, one zero makes it up.
        length = math.ceil(len(samples) * sample_rate / rate)
        samples = soxr.resample(samples, rate, sample_rate, quality="HQ")[:length]
        samples = np.pad(samples, (0, length - len(samples)))
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: holds NaN or infinite samples")
    return torch.from_numpy(np.ascontiguousarray(samples, np.float32))


def _decode(file: "SoundFile", path: Path, start: float | None, end: float | None) -> NDArray[np.float32]:
    """The samples (n,) of a segment, channels averaged, at the file's own rate."""
    rate, known = int(file.samplerate), int(file.frames)
    first, last = _segment(path, known, rate, start, end)
    if first:
        file.seek(first)
    if known >= _UNKNOWN_LENGTH:
        # soundfile seeks after each read to keep its place, which libsndfile refuses in such a stream.
        file.seekable = lambda: False
    blocks: list[NDArray[np.float32]] = []
    read = 0
    while read < last - first:
        block = file.read(min(_BLOCK, last - first - read), dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        blocks.append(block.mean(axis=1, dtype=np.float32))
        read += len(block)
    if read < last - first and known < _UNKNOWN_LENGTH:
        raise DataError(f"{path}: truncated, ends after {(first + read) / rate:g} s of {known / rate:g} s")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _segment(path: Path, known: int, rate: int, start: float | None, end: float | None) -> tuple[int, int]:
    """First sample, and the one after the last, of a segment given in seconds."""
    begins, ends = start or 0.0, known / rate if end is None else end
    if not 0 <= begins < math.inf or not (begins < ends < math.inf or end is None):
        raise DataError(f"{path}: a segment from {begins:g} s to {ends:g} s is none")
    if known and (begins * rate >= known or ends > known / rate + END_TOLERANCE):
        what = "start" if begins * rate >= known else "end"
        at = begins if what == "start" else ends
        raise DataError(f"{path}: is {known / rate:g} s long, the segment's {what} at {at:g} s lies beyond")
    return round(begins * rate), min(round(ends * rate), known)


def _reason(error: Exception) -> str:
    """The library's own words without the path, which the message names already."""
    words = str(getattr(error, "error_string", error)).removeprefix("Error : ").strip().rstrip(".")
    return words or "damaged or cut short"


def trim(waveform: Tensor, top_db: float) -> Tensor:
    """Cut the quiet beginning and end of a recording.

    The level is the RMS of 2048 samples around each 512th one. The recording is kept from the first to the
    last place whose level is less than ``top_db`` below the highest. An RMS below 1e-5 counts as 1e-5, so a
    recording that is quiet throughout, or all zeros, stays as it is.

    Args:
        waveform: (samples,).
        top_db: decibels, positive.

    Returns:
        (kept samples,), a view.

    Source: ``librosa.effects.trim`` with its defaults.
    """
    # Zeros around the recording count into the mean, as in librosa.
    power = F.avg_pool1d(waveform.double().square()[None, None], TRIM_FRAME, TRIM_HOP, TRIM_FRAME // 2)[0, 0]
    level = 10 * power.clamp_min(AMPLITUDE_FLOOR**2).log10()
    loud = torch.nonzero(level > level.max() - top_db)[:, 0]
    return waveform[int(loud[0]) * TRIM_HOP : (int(loud[-1]) + 1) * TRIM_HOP]


@lru_cache(maxsize=16)
def mel_filters(sample_rate: int, fft_size: int, mel_bands: int) -> Tensor:
    """Slaney's mel filter bank: triangles of equal area, evenly spaced on his scale up to the Nyquist rate.

    His scale is linear (3 mel in 200 Hz) up to 1000 Hz and logarithmic (27 mel in a factor of 6.4) above.

    Returns:
        (mel_bands, fft_size // 2 + 1) float64. Cached: do not change it in place.

    Source: M. Slaney, "Auditory Toolbox", technical report 1998-010, Interval Research Corporation, 1998.
    """
    top = sample_rate / 2
    top_mel = top * 3 / 200 if top < 1000 else 15 + 27 * math.log(top / 1000) / math.log(6.4)
    mels = torch.linspace(0, top_mel, mel_bands + 2, dtype=torch.float64)
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * torch.exp((mels - 15) * math.log(6.4) / 27))
    bins = torch.linspace(0, top, fft_size // 2 + 1, dtype=torch.float64)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    return torch.minimum(rising, falling).clamp_min(0) * 2 / (high - low)


def log_mels(waveform: Tensor, frontend: Frontend) -> Tensor:
    """The log-mel frames of one recording.

    Args:
        waveform: (samples,) at ``frontend.sample_rate``, at least one sample.
        frontend: the settings.

    Returns:
        (T, mel_bands) float32 in [1e-8, 1], T = 1 + kept samples // (hop_length * frame_step).
    """
    if frontend.trim_db is not None:
        waveform = trim(waveform, frontend.trim_db)
    # Double precision: bands 100 dB below the loudest are features too; float32 leaves noise in them.
    signal = waveform.double()
    signal = torch.cat([signal[:1], signal[1:] - frontend.preemphasis * signal[:-1]])
    magnitude = torch.stft(
        signal,
        n_fft=frontend.fft_size,
        # Frames 0, step, 2 * step, ... are the frames of a hop that is step times as long.
        hop_length=frontend.hop_length * frontend.frame_step,
        win_length=frontend.window_length,
        window=torch.hann_window(frontend.window_length, dtype=signal.dtype, device=signal.device),
        center=True,
        pad_mode="constant",
        return_complex=True,
    ).abs()
    filters = mel_filters(frontend.sample_rate, frontend.fft_size, frontend.mel_bands).to(signal.device)
    level = 20 * (filters @ magnitude).clamp_min(AMPLITUDE_FLOOR).log10()
    return ((level - REFERENCE_DB + RANGE_DB) / RANGE_DB).clamp(FEATURE_FLOOR, 1).T.float().contiguous()
