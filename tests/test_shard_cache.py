"""Frames of a list of recordings come back as they were kept, or not at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.features.log_mel import Extract
from sertool.core.features.shard_cache import ShardCache, read_entry, write_entry
from sertool.core.prepare.rows import Row
from sertool.core.recipe.load import Frontend


@st.composite
def results(draw):
    """Frames of one width, and reasons, in any order."""
    width, random = draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 99)))
    lengths = draw(st.lists(st.one_of(st.integers(0, 6), st.text(max_size=20)), min_size=1, max_size=9))
    return [
        one
        if isinstance(one, str)
        else Extract(random.random((one, width), np.float32), float(random.random() * 9))
        for one in lengths
    ]


@given(results())
@settings(max_examples=60)
def test_what_is_kept_comes_back(tmp_path_factory, found):
    entry = tmp_path_factory.mktemp("cache") / "entry.safetensors"
    write_entry(entry, found)
    again = read_entry(entry)
    assert len(again) == len(found)
    for one, other in zip(found, again, strict=True):
        if isinstance(one, str):
            assert other == one
        else:
            assert other.seconds == one.seconds
            assert np.array_equal(other.frames, one.frames)
            assert other.frames.dtype == np.float32


@given(st.data())
@settings(max_examples=60)
def test_a_damaged_entry_counts_as_absent(tmp_path_factory, data):
    entry = tmp_path_factory.mktemp("cache") / "entry.safetensors"
    frames = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    write_entry(entry, [Extract(frames, 1.5), "no sound"])
    content = bytearray(entry.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    entry.write_bytes(content if data.draw(st.booleans()) else content[:place])
    assert read_entry(entry) is None


@pytest.fixture
def row(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"1234")
    return Row(1, "u1", "train", "", tmp_path / "a.wav", {}, {}, None, None)


def test_another_recording_segment_or_frontend_is_another_entry(tmp_path, row):
    cache, frontend = ShardCache(tmp_path / "cache"), Frontend()
    entry = cache.entry([row], frontend)
    assert entry == cache.entry([replace(row, id="u2", text="other")], frontend)
    others = [
        cache.entry([row, row], frontend),
        cache.entry([replace(row, start=0.5)], frontend),
        cache.entry([replace(row, audio=Path("b.wav"))], frontend),
        cache.entry([row], frontend.model_copy(update={"mel_bands": 40})),
    ]
    row.audio.write_bytes(b"12345")
    others.append(cache.entry([row], frontend))
    assert len({entry, *others}) == 6
    assert read_entry(entry) is None
