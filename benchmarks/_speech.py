"""Recordings that are something like speech, for measuring where there is no corpus."""

import numpy as np

RATE = 16000  # Hz


def speechlike(seed: int) -> np.ndarray:
    """Make 1.5 to 4 s of a gliding voice that comes and goes, and noise, (samples,) at RATE."""
    random = np.random.default_rng(seed)
    at = np.arange(int(RATE * random.uniform(1.5, 4))) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 0.7 * at)) / RATE
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 40))
    return 0.2 * voice * np.clip(np.sin(8 * at), 0, None) + random.normal(0, 0.002, len(at))
