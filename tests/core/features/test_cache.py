"""Frames are found again by content, settings and segment, singly or as lists; nothing damaged is ever given out."""

import hashlib
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from other_processes import fill

from sertool.core.errors import DataError, SertoolError
from sertool.core.features import cache as feature_cache
from sertool.core.features import frontend as frontends
from sertool.core.features.audio import Segment
from sertool.core.features.cache import FeatureCache, ShardCache, read_entry, write_entry
from sertool.core.features.frontend import Extract, extract_frames
from sertool.core.features.log_mel import LogMel
from sertool.core.recipe.frontends import Frontend

FRONTEND = LogMel(Frontend(frame_step=4))


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "a.wav", seed=0)


@pytest.fixture
def computed(monkeypatch):
    """The paths whose frames were computed, and not found."""
    paths = []

    def spy(segment, frontend):
        paths.append(segment.path)
        return extract_frames(segment, frontend)

    monkeypatch.setattr(frontends, "extract_frames", spy)
    return paths


def write(path, seed):
    samples = np.random.default_rng(seed).normal(0, 0.1, 22050)
    soundfile.write(path, samples, 22050)
    return path


def same(one, other):
    return one.seconds == other.seconds and np.array_equal(one.frames, other.frames)


def entries(cache):
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def test_what_was_computed_is_found_again(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    first = cache.extract_frames(Segment(recording), FRONTEND)
    again = FeatureCache(tmp_path / "cache").extract_frames(Segment(recording), FRONTEND)
    assert computed == [recording]
    assert same(first, extract_frames(Segment(recording), FRONTEND))
    assert same(first, again)
    assert again.frames.dtype == np.float32


def test_the_content_counts_and_not_the_name(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(Segment(recording), FRONTEND)
    copy = tmp_path / "renamed.wav"
    copy.write_bytes(recording.read_bytes())
    cache.extract_frames(Segment(copy), FRONTEND)
    assert computed == [recording]
    changed = recording.stat().st_mtime_ns
    write(recording, seed=1)  # of the same size
    os.utime(recording, ns=(changed, changed + 1))
    fresh = cache.extract_frames(Segment(recording), FRONTEND)
    assert computed == [recording, recording]
    assert same(fresh, extract_frames(Segment(recording), FRONTEND))


@pytest.mark.parametrize(
    ("start", "end", "frontend"),
    [
        (0.1, None, FRONTEND),
        (None, 0.9, FRONTEND),
        (None, None, LogMel(Frontend(frame_step=8))),
        (None, None, LogMel(Frontend(frame_step=4, trim_db=None))),
    ],
)
def test_another_segment_or_setting_is_another_entry(recording, tmp_path, start, end, frontend):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(Segment(recording), FRONTEND)
    other = cache.extract_frames(Segment(recording, start, end), frontend)
    assert same(other, extract_frames(Segment(recording, start, end), frontend))
    assert len(entries(cache)) == 2


def test_another_version_of_the_algorithm_is_another_entry(recording, tmp_path, computed, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(Segment(recording), FRONTEND)
    monkeypatch.setattr(LogMel, "version", LogMel.version + 1)
    cache.extract_frames(Segment(recording), FRONTEND)
    assert len(computed) == 2


def test_the_beginning_is_zero_seconds(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(Segment(recording, None, 0.5), FRONTEND)
    cache.extract_frames(Segment(recording, 0, 0.5), FRONTEND)
    assert len(computed) == 1


def test_a_file_is_hashed_once_for_all_its_segments(recording, tmp_path, monkeypatch):
    hashed = []
    real = feature_cache.hashlib.file_digest
    monkeypatch.setattr(feature_cache.hashlib, "file_digest", lambda *given: hashed.append(given) or real(*given))
    cache = FeatureCache(tmp_path / "cache")
    for start in (0.0, 0.1, 0.2):
        cache.extract_frames(Segment(recording, start, start + 0.3), FRONTEND)
    assert len(hashed) == 1


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_entry_counts_as_absent(tmp_path_factory, place, flip, cut):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    recording = write(folder / "a.wav", seed=0)
    cache = FeatureCache(folder / "cache")
    expected = cache.extract_frames(Segment(recording), FRONTEND)
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    content = bytearray(whole)
    at = int(place * len(content))
    content[at] ^= flip
    entry.write_bytes(content[:at] if cut else content)
    assert same(cache.extract_frames(Segment(recording), FRONTEND), expected)
    assert entry.read_bytes() in (whole, bytes(content))  # written anew, unless nothing that counts changed


def test_a_recording_that_changes_meanwhile_is_not_kept(recording, tmp_path, monkeypatch):
    def slow(segment, frontend):
        found = extract_frames(segment, frontend)
        os.utime(segment.path, ns=(1, 1))
        return found

    monkeypatch.setattr(frontends, "extract_frames", slow)
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(Segment(recording), FRONTEND)
    assert entries(cache) == []


def test_refusals_are_those_of_the_reader_and_are_not_kept(tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    bad = tmp_path / "bad.wav"
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            cache.extract_frames(Segment(bad), FRONTEND)
        assert str(caught.value) == f"{bad}: no such file"
    bad.write_bytes(b"no audio")
    with pytest.raises(DataError) as caught:
        cache.extract_frames(Segment(bad), FRONTEND)
    assert str(caught.value) == f"{bad}: not readable as audio (Format not recognised)"
    assert entries(cache) == []


def test_a_folder_that_cannot_be_is_told(recording, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SertoolError, match="cannot be written"):
        FeatureCache(tmp_path / "file" / "cache").extract_frames(Segment(recording), FRONTEND)


def test_clearing_removes_entries_and_nothing_else(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    assert cache.clear() == 0
    cache.extract_frames(Segment(recording), FRONTEND)
    (entry,) = entries(cache)
    left = entry.with_name(f".{entry.name}.abc.part")
    left.touch()
    kept = cache.folder / "notes.txt"
    kept.touch()
    assert cache.clear() == 1
    assert entries(cache) == [kept]
    cache.extract_frames(Segment(recording), FRONTEND)
    assert len(computed) == 2


def test_clearing_while_another_process_writes_costs_it_nothing_but_the_entry(recording, tmp_path, monkeypatch):
    cache, write_bytes = FeatureCache(tmp_path / "cache"), Path.write_bytes

    def write_and_lose(path, content):
        written = write_bytes(path, content)
        cache.clear()
        assert not path.exists()
        return written

    monkeypatch.setattr(Path, "write_bytes", write_and_lose)
    found = cache.extract_frames(Segment(recording), FRONTEND)
    assert same(found, extract_frames(Segment(recording), FRONTEND))
    assert entries(cache) == []


@st.composite
def results(draw):
    """Frames of one width, and reasons, in any order."""
    width, random = draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 99)))
    lengths = draw(st.lists(st.one_of(st.integers(0, 6), st.text(max_size=20)), min_size=1, max_size=9))
    return [
        one if isinstance(one, str) else Extract(random.random((one, width), np.float32), float(random.random() * 9))
        for one in lengths
    ]


@given(results())
@settings(max_examples=60)
def test_a_list_comes_back_as_it_was_kept(tmp_path_factory, found):
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
def test_a_damaged_list_counts_as_absent(tmp_path_factory, data):
    entry = tmp_path_factory.mktemp("cache") / "entry.safetensors"
    frames = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    write_entry(entry, [Extract(frames, 1.5), "no sound"])
    content = bytearray(entry.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    entry.write_bytes(content if data.draw(st.booleans()) else content[:place])
    assert read_entry(entry) is None


def test_another_recording_segment_or_frontend_is_another_list(tmp_path):
    cache, frontend, path = ShardCache(tmp_path / "cache"), LogMel(Frontend()), tmp_path / "a.wav"
    path.write_bytes(b"1234")
    whole = Segment(path)
    entry = cache.entry([whole], frontend)
    assert entry == cache.entry([Segment(path, None, None)], LogMel(Frontend()))
    others = [
        cache.entry([whole, whole], frontend),
        cache.entry([replace(whole, start=0.5)], frontend),
        cache.entry([replace(whole, path=Path("b.wav"))], frontend),
        cache.entry([whole], LogMel(Frontend(mel_bands=40))),
    ]
    path.write_bytes(b"12345")
    others.append(cache.entry([whole], frontend))
    assert len({entry, *others}) == 6
    assert read_entry(entry) is None


def test_entries_of_earlier_versions_are_found_again(tmp_path):
    """Names and bytes as of November 2026: any other one would lose every cache on disk."""
    cache, gone, plain = FeatureCache(tmp_path), Path("/gone.wav"), tmp_path / "plain.wav"
    soundfile.write(plain, np.zeros(10), 8000)
    segments = (Segment(plain), Segment(plain, 1, 2.5))
    assert [cache._entry("0" * 40, segment, LogMel(Frontend())).stem for segment in segments] == [
        "1f28a15855e5d1aa178f652dbd88acdfbf88412b",
        "e07e3abbf8867b707a5cbb8b50ec7b15104bd4f4",
    ]
    entry = ShardCache(tmp_path).entry([Segment(gone, None, 2.5)], LogMel(Frontend()))
    assert entry == tmp_path / "7d71db8494ed637eb18cc6630803689b02c50e6b.safetensors"
    write_entry(entry, [Extract(np.arange(12, dtype=np.float32).reshape(4, 3), 1.5), "no sound"])
    digest = hashlib.sha256(entry.read_bytes()).hexdigest()
    assert digest == "7b6f779d7f7323fd5faad861eb1dd65fe96920934bb68b9f21eed55c71993a34"


@pytest.mark.slow
def test_processes_that_share_a_folder_and_are_killed_leave_only_whole_entries(tmp_path):
    recordings = [write(tmp_path / f"{seed}.wav", seed) for seed in range(3)]
    cache = FeatureCache(tmp_path / "cache")
    context = multiprocessing.get_context("spawn")
    # Daemons end with this process; it would wait for ever for others where an assertion fails.
    workers = [context.Process(target=fill, args=(cache.folder, recordings, 10**6), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    while not cache.folder.exists():
        assert any(worker.is_alive() for worker in workers)
        time.sleep(0.05)
    for _ in range(5):
        for path in recordings:
            found = cache.extract_frames(Segment(path), FRONTEND)
            assert same(found, extract_frames(Segment(path), FRONTEND))
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    for path in recordings:
        found = cache.extract_frames(Segment(path), FRONTEND)
        assert same(found, extract_frames(Segment(path), FRONTEND))
    cache.clear()
    assert entries(cache) == []
