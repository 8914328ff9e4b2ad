"""Extraction by an encoder: in order, in batches of bounded size, resumed with the same bytes, refusals in place."""

import itertools
import threading
import time

import numpy as np
import pytest
import soundfile
import torch
from fake_encoders import RATE, WIDTH, FakeSpeech, FakeText

from sertool.core.compute.local import LocalLauncher
from sertool.core.errors import DataError, SertoolError
from sertool.core.features import encode
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.cache import FeatureCache, ShardCache
from sertool.core.features.encode import encoded, encoded_texts, stored
from sertool.core.features.extract import extracts, extracts_by
from sertool.core.features.frontend import Extract


@pytest.fixture
def segments(tmp_path):
    """Twenty recordings of different lengths; number 7 is silent, number 3 no recording."""
    random = np.random.default_rng(0)
    found = []
    for number in range(20):
        path = tmp_path / f"{number}.wav"
        samples = random.normal(0, 0.1, int(random.integers(800, 8000))) * (number != 7)
        soundfile.write(path, samples, RATE)
        found.append(Segment(path))
    found[3].path.write_text("no recording")
    return found


def frames_of(results):
    return [one.frames if isinstance(one, Extract) else one for one in results]


def assert_equal(found, expected):
    for one, other in zip(frames_of(found), frames_of(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_frames_come_in_order_in_batches_sorted_by_length(segments, monkeypatch):
    monkeypatch.setattr(encode, "WINDOW", 8)
    monkeypatch.setattr(encode, "_CPU", encode._Batches(3, 1e9))
    maker = FakeSpeech()
    found = list(extracts(segments, maker, workers=2))
    # In each window two of three and a rest, in any order, since threads compute them side by side.
    assert sorted(len(batch) for batch in maker.batches) == [1, 1, 2, 3, 3, 3, 3, 3]
    assert all(batch == sorted(batch) for batch in maker.batches)
    assert "3.wav: not readable as audio" in found[3]
    assert [place for place, one in enumerate(found) if isinstance(one, Extract) and one.silent] == [7]
    for place in (0, 7, 19):
        samples = read_audio(segments[place], RATE)
        assert (found[place].frames.dtype, found[place].seconds) == (np.float16, len(samples) / RATE)
        np.testing.assert_allclose(found[place].frames, FakeSpeech().frames([samples])[0], atol=0.01)
    assert_equal(encoded(segments, FakeSpeech(), threads=1), found)


@pytest.mark.parametrize("cores", [1, 3])
def test_cores_compute_batches_side_by_side_and_get_their_threads_back(segments, monkeypatch, cores):
    monkeypatch.setattr(encode, "_CPU", encode._Batches(2, 1e9))
    monkeypatch.setattr(encode.torch, "get_num_threads", lambda: cores)
    given, names = [], set()
    monkeypatch.setattr(encode.torch, "set_num_threads", given.append)
    maker = FakeSpeech()
    make = maker.frames

    def frames(waveforms):
        names.add(threading.current_thread().name)
        time.sleep(0.01)
        return make(waveforms)

    maker.frames = frames
    assert_equal(encoded(segments, maker), encoded(segments, FakeSpeech()))
    assert given[:2] == [1, cores]
    assert len(names) == cores + 1  # the first batch, which loads the model, is computed here


def test_a_batch_is_bounded_by_seconds_too(segments, monkeypatch):
    monkeypatch.setattr(encode, "_CPU", encode._Batches(100, 2.0))
    maker = FakeSpeech()
    list(encoded(segments, maker))
    assert all(len(batch) * max(batch) <= 2 * RATE or len(batch) == 1 for batch in maker.batches)


def test_a_window_is_bounded_by_its_sound(segments, monkeypatch):
    monkeypatch.setattr(encode, "WINDOW_SECONDS", 0.001)
    maker = FakeSpeech()
    list(encoded(segments, maker))
    assert {len(batch) for batch in maker.batches} == {1}


def test_decoding_stays_a_few_recordings_ahead(segments, monkeypatch):
    decoded = itertools.count()
    read = encode.read_recording
    monkeypatch.setattr(encode, "read_recording", lambda *a: (next(decoded), read(*a))[1])
    monkeypatch.setattr(encode, "WINDOW", 1)
    monkeypatch.setattr(encode, "AHEAD_BYTES", 1)
    results = encoded(segments, FakeSpeech())
    next(results)
    results.close()
    assert next(decoded) <= 2


def test_a_call_that_was_killed_goes_on_and_gives_the_same_bytes(segments, tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_CPU", encode._Batches(4, 1e9))
    whole = list(encoded(segments, FakeSpeech()))
    cache, maker = FeatureCache(tmp_path / "cache"), FakeSpeech()
    make = maker.frames
    maker.frames = lambda waveforms: (
        make(waveforms) if len(maker.batches) < 2 else (_ for _ in ()).throw(KeyError("died"))
    )
    with pytest.raises(KeyError, match="died"):
        list(encoded(segments, maker, cache))
    # One entry of a finished batch is lost, and the batch is computed again as it was.
    next(iter((tmp_path / "cache").glob("*/*"))).unlink()
    again = FakeSpeech()
    assert_equal(encoded(segments, again, cache), whole)
    assert len(again.batches) == 4
    third = FakeSpeech()
    found = list(encoded(segments, third, cache))
    assert_equal(found, whole)
    assert third.batches == []
    assert found[7].silent


def test_another_layer_and_other_weights_have_entries_of_their_own(segments, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    list(encoded(segments[:2], FakeSpeech(), cache))
    for other in (FakeSpeech({"name": "encoder", "model": "fake", "layer": 1}), FakeSpeech(version="cd")):
        list(encoded(segments[:2], other, cache))
        assert len(other.batches) == 2


def test_values_beyond_float16_stay_float32_and_nan_is_refused(segments):
    big = next(encoded(segments[:1], FakeSpeech(scale=1e6)))
    assert big.frames.dtype == np.float32
    assert np.isfinite(big.frames).all()
    bad = next(encoded(segments[:1], FakeSpeech(scale=np.nan)))
    assert bad == f"{segments[0].path}: the encoder gives NaN or infinite values"
    assert stored(np.ones((2, 3), np.float32)).dtype == np.float16


def test_too_little_memory_is_one_message(segments):
    maker = FakeSpeech()

    def fail(waveforms):
        raise torch.OutOfMemoryError

    maker.frames = fail
    with pytest.raises(SertoolError, match=r"recordings of up to 0\.\d s do not fit into the memory of the device"):
        list(encoded(segments, maker))


def test_a_launcher_gives_the_same_frames(segments, tmp_path):
    cache = ShardCache(tmp_path / "cache")
    local = list(encoded(segments, FakeSpeech()))
    for maker in (FakeSpeech(), FakeSpeech()):  # the second finds all in the cache
        found = list(extracts_by(LocalLauncher(), segments, maker, cache))
        assert_equal(found, local)
        assert [one.silent for one in found if isinstance(one, Extract)].count(True) == 1
        assert found[0].frames.dtype == np.float16
    assert maker.batches == []


def test_frames_of_a_card_have_entries_of_their_own(segments, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    list(encoded(segments[:1], FakeSpeech(), cache))
    card = FakeSpeech(device="cuda")
    list(encoded(segments[:1], card, cache))
    assert len(card.batches) == 1


def test_texts_are_computed_once_each_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "TEXTS", 2)
    texts, done = ["good day", "no", "good day", "", "yes we can"], []
    maker = FakeText()
    found = encoded_texts(texts, maker, tmp_path / "c", lambda *counts: done.append(counts))
    assert [frames.shape for frames in found] == [(2, 4), (1, 4), (2, 4), (0, 4), (3, 4)]
    assert maker.batches == [["", "no"], ["good day", "yes we can"]]
    assert done == [(2, 4), (4, 4)]
    again = FakeText()
    for one, other in zip(encoded_texts(texts, again, tmp_path / "c"), found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.batches == []


def test_a_text_that_gives_nan_is_named():
    maker = FakeText()
    maker.frames = lambda texts: [torch.full((1, 4), np.nan) for _ in texts]
    with pytest.raises(DataError, match="NaN or infinite values for 'one'"):
        encoded_texts(["one"], maker)


def test_the_width_is_that_of_the_frames(segments):
    assert next(encoded(segments[:1], FakeSpeech())).frames.shape[1] == WIDTH
