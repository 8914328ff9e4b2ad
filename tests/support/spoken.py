"""Recordings of the packaged synthetic speech, with pauses of known length between the sentences."""

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

import sertool

RATE = 16_000  # Hz
CLIPS = Path(sertool.__file__).parent / "core/corpora/demo/clips"


@cache
def sentence(number: int) -> np.ndarray:
    """One of the demo's recordings without the ends 35 dB below its loudest 10 ms; (samples,) float32 at RATE."""
    path = sorted(CLIPS.glob("*.flac"))[number]
    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, RATE, "HQ")
    frame = RATE // 100
    power = np.mean(samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-3.5)
    return samples[loud[0] * frame : (loud[-1] + 1) * frame]


@cache
def joined(sentences: tuple[int, ...], pause: float, noise: float = 1e-3) -> tuple[np.ndarray, list[float]]:
    """Sentences with a pause (seconds) before, between and behind them, and noise: the samples, and their starts."""
    silence = np.zeros(round(pause * RATE), np.float32)
    parts, starts = [silence], []
    for number in sentences:
        starts.append(sum(map(len, parts)) / RATE)
        parts += [sentence(number), silence]
    samples = np.concatenate(parts)
    noisy = samples + np.random.default_rng(0).normal(0, noise, len(samples))
    return noisy.astype(np.float32), starts
