"""Samples to log-mel frames: trimming, pre-emphasis, mel bands, frame reduction, for one recording or many.

The defaults of :class:`~sertool.core.recipe.load.Frontend` give the frames that the published systems were trained
on (the settings of Kyubyong Park's dc_tts, every 16th frame; told by an author, see docs/reference.md). The
numbers agree with librosa 0.11 (``effects.trim``, ``stft``, ``filters.mel``), the oracle of the tests.

Only what is kept is computed: with every 16th frame, a quarter of the samples is looked at after trimming.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sertool.core.features.audio import Segment, read_audio
from sertool.core.recipe.schema import Frontend

ALGORITHM = 1  # raised when the frames of a recording change for the same settings
TRIM_HOP = 512  # samples; librosa.effects.trim's own, whatever the sampling rate
AMPLITUDE_FLOOR = 1e-5  # of RMS values and mel magnitudes before the logarithm
REFERENCE_DB, RANGE_DB = 20.0, 100.0  # a level of 20 dB becomes 1, one of -80 dB becomes 0
FEATURE_FLOOR = 1e-8  # above 0, so that a frame of silence is not taken for padding
_ROWS = {"cpu": 64, "cuda": 8192}  # windows at a time: they stay in a core's cache, or fill a GPU


@dataclass(frozen=True)
class Extract:
    """What one recording gives: ``frames`` (T, mel_bands) float32 and its length before trimming."""

    frames: NDArray[np.float32]
    seconds: float


def extract_frames(segment: Segment, frontend: Frontend) -> Extract:
    """The frames of a recording, or of a segment of it.

    Args:
        segment: see :func:`~sertool.core.features.audio.read_audio`.
        frontend: the settings.

    Raises:
        DataError: the recording cannot be used; the message names it.
    """
    waveform = read_audio(segment, frontend.sample_rate)
    return Extract(log_mels(waveform, frontend).numpy(), len(waveform) / frontend.sample_rate)


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
    whole = len(waveform) // TRIM_HOP * TRIM_HOP
    hops, rest = waveform[:whole].view(-1, TRIM_HOP), waveform[whole:]
    energies = torch.cat([torch.linalg.vecdot(hops, hops), rest.dot(rest)[None]]).double()
    energies = F.pad(energies, (2, 1)).unfold(0, 4, 1).sum(1).clamp_min(4 * TRIM_HOP * AMPLITUDE_FLOOR**2)
    loud = torch.nonzero(energies > energies.max() * 10 ** (-top_db / 10))[:, 0]
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
        waveform: (samples,) float32 at ``frontend.sample_rate``, at least one sample.
        frontend: the settings.

    Returns:
        (T, mel_bands) float32 in [1e-8, 1], T = 1 + kept samples // (hop_length * frame_step).
    """
    return log_mels_batch([waveform], frontend)[0]


def log_mels_batch(
    waveforms: Sequence[Tensor], frontend: Frontend, device: torch.device | str = "cpu"
) -> list[Tensor]:
    """The log-mel frames of many recordings, computed together.

    Args:
        waveforms: each (samples,) float32 on the CPU at ``frontend.sample_rate``, at least one sample.
        frontend: the settings.
        device: where the spectra are computed; only the kept windows travel there.

    Returns:
        (T, mel_bands) float32 on the CPU for each, what :func:`log_mels` gives up to rounding.
    """
    device = torch.device(device)
    if frontend.trim_db is not None:
        waveforms = [trim(waveform, frontend.trim_db) for waveform in waveforms]
    counts = [_frame_count(len(waveform), frontend) for waveform in waveforms]
    frames = []
    for group in _groups(counts, _ROWS[device.type]):
        windows = [_windows(waveforms[span.recording], span, frontend) for span in group]
        frames.append(_features(torch.cat(windows).to(device), frontend).cpu())
    return list(torch.split(torch.cat(frames), counts)) if frames else []


def _frame_count(samples: int, frontend: Frontend) -> int:
    # Frames 0, step, 2 * step, ... are the frames of a hop that is step times as long.
    return 1 + (samples - frontend.fft_size % 2) // (frontend.hop_length * frontend.frame_step)


class _Span(NamedTuple):
    """Frames ``first`` to before ``last`` of a recording."""

    recording: int
    first: int
    last: int


def _groups(counts: Sequence[int], rows: int) -> Iterator[list[_Span]]:
    """All frames in order, in groups of ``rows``."""
    group: list[_Span] = []
    free = rows
    for recording, count in enumerate(counts):
        first = 0
        while first < count:
            last = min(count, first + free)
            group.append(_Span(recording, first, last))
            free -= last - first
            first = last
            if not free:
                yield group
                group, free = [], rows
    if group:
        yield group


def _windows(signal: Tensor, span: _Span, frontend: Frontend) -> Tensor:
    """The pre-emphasised samples (frames, window_length) under the windows of some frames, a view."""
    step = frontend.hop_length * frontend.frame_step
    # A window stands in the middle of its FFT, which is centred on the frame; there are zeros around the signal.
    lead = frontend.fft_size // 2 - (frontend.fft_size - frontend.window_length) // 2
    begin, end = span.first * step - lead, (span.last - 1) * step - lead + frontend.window_length
    low, high = max(begin, 0), min(end, len(signal))
    piece = signal.new_zeros(end - begin)
    piece[low - begin : high - begin] = signal[low:high]
    second = max(low, 1)  # the first sample of a recording is kept as it is
    if high > second:
        piece[second - begin : high - begin].sub_(signal[second - 1 : high - 1], alpha=frontend.preemphasis)
    return piece.unfold(0, frontend.window_length, step)


@lru_cache(maxsize=16)
def _tables(frontend: Frontend, device: torch.device) -> tuple[Tensor, Tensor]:
    """Hann's window (window_length,) and the mel filters (mel_bands, bins), sparse: a bin has two at most."""
    filters = mel_filters(frontend.sample_rate, frontend.fft_size, frontend.mel_bands)
    window = torch.hann_window(frontend.window_length, dtype=torch.float64)
    return window.to(device), filters.to_sparse().coalesce().to(device)


def _features(windows: Tensor, frontend: Frontend) -> Tensor:
    """(N, window_length) samples to (N, mel_bands) features."""
    window, filters = _tables(frontend, windows.device)
    # Double precision: bands 100 dB below the loudest are features too; float32 leaves noise in them.
    spectrum = torch.fft.rfft(windows * window, n=frontend.fft_size)
    magnitude = (spectrum.real.square() + spectrum.imag.square()).sqrt()
    # A sparse product sums in one order, whatever the number of recordings and threads: same frames, same bytes.
    level = 20 * (filters @ magnitude.T).clamp_min(AMPLITUDE_FLOOR).log10()
    features: Tensor = ((level - REFERENCE_DB + RANGE_DB) / RANGE_DB).clamp(FEATURE_FLOOR, 1)
    return features.T.float().contiguous()
