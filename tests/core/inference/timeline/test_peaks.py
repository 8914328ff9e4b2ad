"""Waveforms of pages: the peaks of each stretch, however the samples come, in bounded memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.inference.timeline import peaks
from sertool.core.inference.timeline.peaks import waveform


def sound(seed: int, length: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)


@given(st.integers(0, 3000), st.lists(st.integers(0, 3000), max_size=6))
def test_the_division_into_blocks_changes_nothing(length, cuts):
    samples = sound(length, length)
    whole, parts = waveform([samples]), waveform(np.split(samples, sorted(min(cut, length) for cut in cuts)))
    np.testing.assert_array_equal(whole.peaks, parts.peaks)
    assert whole.seconds == parts.seconds == length / peaks.SAMPLE_RATE
    assert len(whole.peaks) == -(-length // peaks.BUCKET)


def test_peaks_are_the_lowest_and_highest_samples_and_the_loudest_is_full_scale():
    samples = np.zeros(1000, np.float32)
    samples[[10, 20, 450, 999]] = [0.25, -0.125, 0.0625, -0.05]
    found = waveform([samples])
    assert found.rate == 20
    np.testing.assert_array_equal(found.peaks, [[-64, 127], [0, 32], [-25, 0]])
    assert not waveform([np.zeros(900, np.float32)]).peaks.any()


@pytest.mark.parametrize("length", [9 * 400, 20 * 400 + 7, 33 * 400 - 1, 100 * 400])
def test_a_long_recording_has_fewer_peaks_a_second(monkeypatch, length):
    monkeypatch.setattr(peaks, "MOST", 8)
    samples = sound(1, length)
    found = waveform(np.array_split(samples, 5))
    size = round(peaks.SAMPLE_RATE / found.rate)
    assert size > peaks.BUCKET
    assert len(found.peaks) <= 9
    groups = [samples[at : at + size] for at in range(0, length, size)]
    wanted = np.array([[group.min(), group.max()] for group in groups])
    np.testing.assert_allclose(found.peaks, 127 * wanted / np.abs(samples).max(), atol=0.51)
