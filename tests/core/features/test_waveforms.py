"""Waveforms in memory: every type holds the same recording, or is refused, or is doubted aloud."""

import warnings
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.errors import DataError, UsageError
from sertool.core.features.waveforms import check_rate, read_waveform

RATE = 8000
WAVE = np.round(12000 * np.sin(np.arange(800) / 5)).astype(np.int16)  # 100 ms
RIGHT = WAVE / np.float32(1 << 15)
SAME = {
    "int16": WAVE,
    "big-endian int16": WAVE.astype(">i2"),
    "int32": WAVE.astype(np.int32) << 16,
    "list": RIGHT.tolist(),
    "float16": RIGHT.astype(np.float16),
    "float64": RIGHT.astype(np.float64),
    "longdouble": RIGHT.astype(np.longdouble),
    "tensor": torch.from_numpy(RIGHT),
    "tensor with a gradient": torch.from_numpy(RIGHT).requires_grad_(),
    "bfloat16": torch.from_numpy(RIGHT).bfloat16(),
    "one channel first": RIGHT[None],
    "one channel last": RIGHT[:, None],
    "channels first": np.stack([RIGHT * 2, RIGHT * 0]),
    "channels last": np.stack([RIGHT * 2, RIGHT * 0], axis=1),
    "channels first, tensor": torch.from_numpy(np.stack([WAVE] * 3)),
}
DOUBTED = {
    "16 bits in int64": WAVE.astype(np.int64),
    "16 bits in int32": WAVE.astype(np.int32),
    "16 bits in float32": WAVE.astype(np.float32),
    "32 bits in int64": WAVE.astype(np.int64) << 16,
    "32 bits in float64": WAVE.astype(np.float64) * 65536,
    "16 bits in a tensor of int64": torch.from_numpy(WAVE).long(),
    "channels of 16 bits in int64": np.stack([WAVE, WAVE]).astype(np.int64),
}
UNKNOWN = "{} samples up to {}, whose full scale is not known"
SHAPE = "an array of shape {} and kind {} at 8000 Hz, expected (samples,) or (samples, channels) of floats or integers"
REFUSED = {
    "24 bits in int32": (WAVE.astype(np.int32) << 8, UNKNOWN.format("int32", "3,072,000")),
    "int64 beyond 32 bits": (WAVE.astype(np.int64) << 32, UNKNOWN.format("int64", "5.153961e+13")),
    "floats beyond full scale": (RIGHT * 20000.3, UNKNOWN.format("float32", "7,324.329")),
    "floats of 1e308": (RIGHT.astype(float) * 1e308, UNKNOWN.format("float64", "3.662109e+307")),
    "bool": (WAVE > 0, SHAPE.format("(800,)", "bool")),
    "complex": (RIGHT.astype(complex), SHAPE.format("(800,)", "complex128")),
    "object": (RIGHT.astype(object), SHAPE.format("(800,)", "object")),
    "texts": (np.array(["a.wav"]), SHAPE.format("(1,)", "<U5")),
    "times": (WAVE.astype("M8[s]"), SHAPE.format("(800,)", "datetime64[s]")),
    "unsigned": (WAVE.astype(np.uint16), SHAPE.format("(800,)", "uint16")),
    "three dimensions": (RIGHT[None, None], SHAPE.format("(1, 1, 800)", "float32")),
    "65 channels": (np.zeros((800, 65)), SHAPE.format("(800, 65)", "float64")),
    "empty": (RIGHT[:0], "contains no samples"),
    "empty channels": (np.zeros((800, 0)), "contains no samples"),
    "empty rows": (np.zeros((0, 2)), "contains no samples"),
    "short": (RIGHT[:79], "lasts 0.009875 s, expected 0.01 s to 4 hours"),
    "long": (np.broadcast_to(np.float32(0), 5 * 3600 * RATE), "lasts 18000 s, expected 0.01 s to 4 hours"),
    "NaN": (np.where(np.arange(800) == 9, np.nan, RIGHT), "holds NaN or infinite samples"),
    "infinite": (np.where(np.arange(800) == 9, -np.inf, RIGHT), "holds NaN or infinite samples"),
    "masked": (np.ma.masked_greater(RIGHT, 0.2), "an array with masked values, expected a value for every sample"),
    "sparse": (
        torch.from_numpy(RIGHT).to_sparse(),
        "a Tensor that is no array of numbers, expected (samples,) or (samples, channels) of floats or integers",
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_every_type_gives_the_same_samples(kind):
    found = read_waveform(SAME[kind], RATE, RATE)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, RIGHT, rtol=0, atol=2e-3 if "float16" in kind else 1e-7)


@pytest.mark.parametrize("kind", DOUBTED)
def test_a_scale_that_is_guessed_is_told(kind):
    with pytest.warns(UserWarning, match=r"samples are read as integers of (16|32) bits; pass floats"):
        found = read_waveform(DOUBTED[kind], RATE, RATE)
    np.testing.assert_allclose(found, RIGHT, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_a_recording_is_refused(kind):
    waveform, text = REFUSED[kind]
    with pytest.raises(DataError) as raised:
        read_waveform(waveform, RATE, RATE)
    assert str(raised.value) == f"audio: {text}"


def test_unsigned_bytes_are_centred_as_in_files():
    waveform = np.full(800, 128, np.uint8)
    waveform[::2] = 192
    assert read_waveform(waveform, RATE, RATE)[:4].tolist() == [0.5, 0, 0.5, 0]


@given(
    peak=st.floats(1e-9, 1e12),
    kind=st.sampled_from(["i1", "i2", "i4", "i8", "u1", "f2", "f4", "f8"]),
    seed=st.integers(0, 99),
)
def test_a_waveform_is_within_full_scale_or_told_or_refused(peak, kind, seed):
    """Samples that are not warned about never come out at another level than their type says."""
    random = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        waveform = (peak * random.uniform(-1, 1, 800)).astype(kind)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = read_waveform(waveform, RATE, RATE).numpy()
        except DataError:
            return
    full = {"i1": 2**7, "i2": 2**15, "i4": 2**31, "u1": 2**7}.get(kind, 1)
    centre = 128 if kind == "u1" else 0
    assert np.abs(found).max() <= 4
    assert told or np.allclose(found, (waveform.astype(float) - centre) / full, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "rate", [16000, 16000.0, np.int64(16000), np.float32(16000), torch.tensor(16000), Decimal(16000)]
)
def test_a_rate_is_a_whole_number_of_any_type(rate):
    assert check_rate(rate) == 16000


@pytest.mark.parametrize(
    ("rate", "given"),
    [
        ("16000", "a value of type str"),
        (None, "a value of type NoneType"),
        (True, "a value of type bool"),
        ([16000], "a value of type list"),
        (np.array([16000]), "a value of type ndarray"),
        (float("nan"), "a value of type float"),
        (44100.5, "44100.5 Hz"),
        (float("inf"), "inf Hz"),
        (10**400, "inf Hz"),
        (-8000, "-8000 Hz"),
        (16, "16 Hz"),
    ],
)
def test_other_rates_are_refused(rate, given):
    with pytest.raises(UsageError) as raised:
        read_waveform(RIGHT, rate, RATE)
    assert str(raised.value) == f"sample_rate: {given}, expected a whole number of Hz from 100 to 1,000,000"
