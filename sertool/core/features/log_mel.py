"""Log-mel frames, the first frontend: trimming, pre-emphasis, spectrum, mel bands, decibels, frame reduction.

The defaults of :class:`~sertool.core.recipe.schema.Frontend` give the frames that the published systems were trained
on: the settings of Kyubyong Park's dc_tts (``utils.get_spectrograms``), every 16th frame, as an author of the
reference reports (docs/reference.md). The numbers agree with librosa 0.11 (``effects.trim``, ``stft``,
``filters.mel``), the oracle of the tests. From samples x to a frame t with bands b::

    y[n]    = x[n] - preemphasis * x[n - 1]                           pre-emphasis, y[0] = x[0]
    X[t, k] = sum over n of w[n] * y[t * hop + n] * exp(-2 pi i k n / fft_size)      w is Hann's window
    A[t, b] = sum over k of filter[b, k] * |X[t, k]|                  Slaney's mel filters
    L[t, b] = 20 * log10(max(1e-5, A[t, b]))                          decibels
    frame   = clip((L - 20 + 100) / 100, 1e-8, 1)

Only the frames that are kept are computed: with every 16th one, a quarter of the samples is read after trimming.
torch is imported where frames are computed, since doctor and reports ask for a frontend's facts without it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sertool.core.recipe.frontends import Frontend

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TRIM_HOP = 512  # samples; the default of librosa.effects.trim, whatever the sampling rate
AMPLITUDE_FLOOR = 1e-5  # of RMS values and mel magnitudes: -100 dB, because the logarithm of 0 is no number
REFERENCE_DB, RANGE_DB = 20.0, 100.0  # a level of 20 dB becomes 1, one of -80 dB becomes 0
FEATURE_FLOOR = 1e-8  # above 0, so that a frame of silence is not taken for padding, which is zeros
_ROWS = {"cpu": 64, "cuda": 8192}  # windows at a time: they fit a core's cache, or fill a GPU


class LogMel:
    """The log-mel frontend; see :class:`~sertool.core.features.frontend.FrameMaker` for its attributes."""

    name = "log-mel"
    # Raise the version when recordings give other frames for the same settings: caches then start anew.
    version: int | str = 1
    silence = FEATURE_FLOOR
    bounds = (0.0, 1.0)  # 0, because float16 rounds the floor to it

    def __init__(self, settings: Frontend) -> None:
        self.settings = settings
        self.note: Mapping[str, Any] = settings.model_dump()
        self.sample_rate = settings.sample_rate
        self.width = settings.mel_bands
        self.seconds_per_frame = settings.hop_length * settings.frame_step / settings.sample_rate

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "LogMel":
        """Open the frontend with these settings; raise ValueError where they are none of a log-mel frontend."""
        return cls(Frontend.model_validate(dict(note)))

    def frames(self, waveforms: "Sequence[Tensor]") -> "list[Tensor]":
        """Return (T, mel_bands) float32 for each waveform; see :func:`log_mels_batch`."""
        return log_mels_batch(waveforms, self.settings)

    def described(self) -> Mapping[str, Any]:
        """Return the note, which says everything about log-mels."""
        return self.note

    def warnings(self) -> list[str]:
        """Report mel bands that are always empty."""
        filters = mel_filters(self.sample_rate, self.settings.fft_size, self.width)
        # Narrow bands at low frequencies may lie between two bins of the spectrum.
        if empty := int((filters.amax(dim=1) == 0).sum()):
            return [
                f"{empty} of {self.width} mel bands are always empty: "
                "set fewer frontend.mel_bands or a larger frontend.fft_size"
            ]
        return []


def trim(waveform: "Tensor", top_db: float) -> "Tensor":
    """Cut the quiet beginning and end of a recording.

    The level is the RMS of the 2048 samples around each 512th one. The recording is kept from the first to the
    last place whose level is less than ``top_db`` below the highest. An RMS below 1e-5 counts as 1e-5, so a
    recording that is quiet throughout, or all zeros, stays as it is.

    Args:
        waveform: (samples,).
        top_db: decibels, positive.

    Returns:
        (kept samples,), a view.

    Source: ``librosa.effects.trim`` with its defaults.
    """
    import torch
    from torch.nn import functional as F

    whole = len(waveform) // TRIM_HOP * TRIM_HOP
    hops, rest = waveform[:whole].view(-1, TRIM_HOP), waveform[whole:]
    energies = torch.cat([torch.linalg.vecdot(hops, hops), rest.dot(rest)[None]]).double()
    # A window of 2048 samples is four hops; zeros around the recording count into its mean, as in librosa.
    energies = F.pad(energies, (2, 1)).unfold(0, 4, 1).sum(1).clamp_min(4 * TRIM_HOP * AMPLITUDE_FLOOR**2)
    # Energies instead of levels: top_db below the highest level is a factor of 10^(-top_db / 10).
    loud = torch.nonzero(energies > energies.max() * 10 ** (-top_db / 10))[:, 0]
    return waveform[int(loud[0]) * TRIM_HOP : (int(loud[-1]) + 1) * TRIM_HOP]


@lru_cache(maxsize=16)
def mel_filters(sample_rate: int, fft_size: int, mel_bands: int) -> "Tensor":
    """Return Slaney's mel filter bank: triangles of equal area, evenly spaced in mel up to the Nyquist rate.

    His scale is linear up to 1000 Hz and logarithmic above::

        mel = 3 f / 200                                  f < 1000 Hz
        mel = 15 + 27 * ln(f / 1000) / ln(6.4)           f >= 1000 Hz

    Returns:
        (mel_bands, fft_size // 2 + 1) float64. Cached: do not change it in place.

    Source: M. Slaney, "Auditory Toolbox", technical report 1998-010, Interval Research Corporation, 1998.
    """
    import torch

    top = sample_rate / 2
    top_mel = top * 3 / 200 if top < 1000 else 15 + 27 * math.log(top / 1000) / math.log(6.4)
    mels = torch.linspace(0, top_mel, mel_bands + 2, dtype=torch.float64)
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * torch.exp((mels - 15) * math.log(6.4) / 27))
    # Band b rises from edge b to edge b + 1 and falls to edge b + 2.
    bins = torch.linspace(0, top, fft_size // 2 + 1, dtype=torch.float64)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    # The factor makes the area under each triangle 1, so that wide bands are not louder than narrow ones.
    return torch.minimum(rising, falling).clamp_min(0) * 2 / (high - low)


def log_mels(waveform: "Tensor", frontend: Frontend) -> "Tensor":
    """Compute the log-mel frames of one recording.

    Args:
        waveform: (samples,) float32 at ``frontend.sample_rate``, at least one sample.
        frontend: the settings.

    Returns:
        (T, mel_bands) float32 in [1e-8, 1], T = 1 + kept samples // (hop_length * frame_step).
    """
    return log_mels_batch([waveform], frontend)[0]


def log_mels_batch(
    waveforms: "Sequence[Tensor]", frontend: Frontend, device: "torch.device | str" = "cpu"
) -> "list[Tensor]":
    """Compute the log-mel frames of many recordings together.

    Args:
        waveforms: each (samples,) float32 on the CPU at ``frontend.sample_rate``, at least one sample.
        frontend: the settings.
        device: device that computes the spectra; only the kept windows are copied there.

    Returns:
        (T, mel_bands) float32 on the CPU for each, what :func:`log_mels` gives up to rounding.
    """
    import torch

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
    """Frames ``first`` up to ``last``, exclusive, of a recording."""

    recording: int
    first: int
    last: int


def _groups(counts: Sequence[int], rows: int) -> Iterator[list[_Span]]:
    """Divide all frames, in order, into groups of ``rows``; a recording may be divided, too."""
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


def _windows(signal: "Tensor", span: _Span, frontend: Frontend) -> "Tensor":
    """Return the pre-emphasised samples (frames, window_length) under the windows of some frames, a view."""
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
def _tables(frontend: Frontend, device: "torch.device") -> "tuple[Tensor, Tensor]":
    """Return Hann's window (window_length,) and the mel filters (mel_bands, bins), sparse: a bin has two at most."""
    import torch

    filters = mel_filters(frontend.sample_rate, frontend.fft_size, frontend.mel_bands)
    window = torch.hann_window(frontend.window_length, dtype=torch.float64)
    return window.to(device), filters.to_sparse().coalesce().to(device)


def _features(windows: "Tensor", frontend: Frontend) -> "Tensor":
    """Turn samples (N, window_length) into features (N, mel_bands)."""
    import torch

    window, filters = _tables(frontend, windows.device)
    # Double precision: bands 100 dB below the loudest are features too; float32 leaves noise in them.
    spectrum = torch.fft.rfft(windows * window, n=frontend.fft_size)
    magnitude = (spectrum.real.square() + spectrum.imag.square()).sqrt()
    # A sparse product sums in one order, whatever the number of recordings and threads: same frames, same bytes.
    level = 20 * (filters @ magnitude.T).clamp_min(AMPLITUDE_FLOOR).log10()
    features: Tensor = ((level - REFERENCE_DB + RANGE_DB) / RANGE_DB).clamp(FEATURE_FLOOR, 1)
    return features.T.float().contiguous()
