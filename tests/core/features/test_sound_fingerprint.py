"""The fingerprint of a recording's sound: copies share it, and other recordings do not."""

import io

import numpy as np
import pytest
import soundfile
import soxr
import torch
from spoken import RATE, sentence

from sertool.core.features.sound_fingerprint import HOP, WINDOW, fingerprint


def codes_of(samples, rate=RATE):
    return fingerprint(torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)), rate)


def wrong(a, b, *, shifts=(0,)):
    """The share of differing bits of codes that are not silence, at the best of some shifts of ``a``."""
    shares = []
    for shift in shifts:
        length = min(len(a) - shift, len(b))
        one, other = a[shift : shift + length], b[:length]
        both = (one != 0) & (other != 0)
        shares.append(np.bitwise_count(one ^ other)[both].mean() / 32)
    return min(shares)


def as_mp3(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="MP3")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def test_codes_count_the_sound_in_steps_of_25_ms():
    codes = codes_of(sentence(0))
    assert codes.dtype == np.uint32
    assert abs(len(codes) - (len(sentence(0)) / RATE - WINDOW) / HOP) <= 2
    assert np.mean(codes != 0) > 0.8


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_another_sampling_rate_changes_hardly_a_bit(rate):
    assert wrong(codes_of(sentence(0)), codes_of(soxr.resample(sentence(0), RATE, rate), rate)) < 0.02


@pytest.mark.parametrize(
    "change",
    [as_mp3, lambda x: np.round(x * 0.05 * 32767) / 32768, lambda x: np.clip(x / np.abs(x).max() * 1.5, -1, 1)],
    ids=["mp3", "quiet", "clipped"],
)
def test_codec_and_level_change_few_bits(change):
    assert wrong(codes_of(sentence(0)), codes_of(change(sentence(0)))) < 0.06


@pytest.mark.parametrize("start", [0.4, 0.4125, 0.43])
def test_a_trimmed_recording_has_the_codes_of_its_part(start):
    codes = codes_of(sentence(0)[round(start * RATE) :])
    assert wrong(codes_of(sentence(0)), codes, shifts=range(14, 20)) < 0.13


def test_other_sentences_differ_in_almost_half_of_the_bits():
    for other in range(1, 6):
        assert wrong(codes_of(sentence(0)), codes_of(sentence(other)), shifts=range(20)) > 0.35


def test_a_long_recording_is_computed_in_parts_without_a_seam():
    long = np.tile(sentence(0), 12)
    assert len(codes_of(long)) > 600  # more than one part
    first = codes_of(long[: 8 * RATE])
    assert np.array_equal(codes_of(long)[: len(first) - 1], first[:-1])


@pytest.mark.parametrize("seconds", [1 / RATE, 0.1, 0.3])
def test_a_short_recording_has_no_codes(seconds):
    assert len(codes_of(np.ones(max(1, round(seconds * RATE))))) == 0


def test_silence_has_codes_of_zero_and_a_low_rate_none():
    assert not codes_of(np.zeros(RATE)).any()
    assert not codes_of(np.full(RATE, 1e-8)).any()
    assert len(codes_of(np.ones(9000), 3000)) == 0
