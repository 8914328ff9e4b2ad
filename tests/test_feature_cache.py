"""Frames are found again by content, settings and segment; nothing damaged or half-written is ever given out."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError, SertoolError
from sertool.core.features import cache as feature_cache
from sertool.core.features import log_mel as acoustics
from sertool.core.features.cache import FeatureCache
from sertool.core.features.log_mel import extract_frames
from sertool.core.recipe.load import Frontend

FRONTEND = Frontend(frame_step=4)


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "a.wav", seed=0)


@pytest.fixture
def computed(monkeypatch):
    """The paths whose frames were computed, and not found."""
    paths = []

    def spy(path, start, end, frontend):
        paths.append(path)
        return extract_frames(path, start, end, frontend)

    monkeypatch.setattr(acoustics, "extract_frames", spy)
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
    first = cache.extract_frames(recording, None, None, FRONTEND)
    again = FeatureCache(tmp_path / "cache").extract_frames(recording, None, None, FRONTEND)
    assert computed == [recording]
    assert same(first, extract_frames(recording, None, None, FRONTEND))
    assert same(first, again)
    assert again.frames.dtype == np.float32


def test_the_content_counts_and_not_the_name(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(recording, None, None, FRONTEND)
    copy = tmp_path / "renamed.wav"
    copy.write_bytes(recording.read_bytes())
    cache.extract_frames(copy, None, None, FRONTEND)
    assert computed == [recording]
    changed = recording.stat().st_mtime_ns
    write(recording, seed=1)  # of the same size
    os.utime(recording, ns=(changed, changed + 1))
    fresh = cache.extract_frames(recording, None, None, FRONTEND)
    assert computed == [recording, recording]
    assert same(fresh, extract_frames(recording, None, None, FRONTEND))


@pytest.mark.parametrize(
    ("start", "end", "frontend"),
    [
        (0.1, None, FRONTEND),
        (None, 0.9, FRONTEND),
        (None, None, Frontend(frame_step=8)),
        (None, None, Frontend(frame_step=4, trim_db=None)),
    ],
)
def test_another_segment_or_setting_is_another_entry(recording, tmp_path, start, end, frontend):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(recording, None, None, FRONTEND)
    other = cache.extract_frames(recording, start, end, frontend)
    assert same(other, extract_frames(recording, start, end, frontend))
    assert len(entries(cache)) == 2


def test_another_version_of_the_algorithm_is_another_entry(recording, tmp_path, computed, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(recording, None, None, FRONTEND)
    monkeypatch.setattr(acoustics, "ALGORITHM", acoustics.ALGORITHM + 1)
    cache.extract_frames(recording, None, None, FRONTEND)
    assert len(computed) == 2


def test_the_beginning_is_zero_seconds(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(recording, None, 0.5, FRONTEND)
    cache.extract_frames(recording, 0, 0.5, FRONTEND)
    assert len(computed) == 1


def test_a_file_is_hashed_once_for_all_its_segments(recording, tmp_path, monkeypatch):
    hashed = []
    real = feature_cache.hashlib.file_digest
    monkeypatch.setattr(
        feature_cache.hashlib, "file_digest", lambda *given: hashed.append(given) or real(*given)
    )
    cache = FeatureCache(tmp_path / "cache")
    for start in (0.0, 0.1, 0.2):
        cache.extract_frames(recording, start, start + 0.3, FRONTEND)
    assert len(hashed) == 1


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_entry_counts_as_absent(tmp_path_factory, place, flip, cut):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    recording = write(folder / "a.wav", seed=0)
    cache = FeatureCache(folder / "cache")
    expected = cache.extract_frames(recording, None, None, FRONTEND)
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    content = bytearray(whole)
    at = int(place * len(content))
    content[at] ^= flip
    entry.write_bytes(content[:at] if cut else content)
    assert same(cache.extract_frames(recording, None, None, FRONTEND), expected)
    assert entry.read_bytes() in (whole, bytes(content))  # written anew, unless nothing that counts changed


def test_a_recording_that_changes_meanwhile_is_not_kept(recording, tmp_path, monkeypatch):
    def slow(path, start, end, frontend):
        found = extract_frames(path, start, end, frontend)
        os.utime(path, ns=(1, 1))
        return found

    monkeypatch.setattr(acoustics, "extract_frames", slow)
    cache = FeatureCache(tmp_path / "cache")
    cache.extract_frames(recording, None, None, FRONTEND)
    assert entries(cache) == []


def test_refusals_are_those_of_the_reader_and_are_not_kept(tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    bad = tmp_path / "bad.wav"
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            cache.extract_frames(bad, None, None, FRONTEND)
        assert str(caught.value) == f"{bad}: no such file"
    bad.write_bytes(b"no audio")
    with pytest.raises(DataError) as caught:
        cache.extract_frames(bad, None, None, FRONTEND)
    assert str(caught.value) == f"{bad}: not readable as audio (Format not recognised)"
    assert entries(cache) == []


def test_a_folder_that_cannot_be_is_told(recording, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SertoolError, match="cannot be written"):
        FeatureCache(tmp_path / "file" / "cache").extract_frames(recording, None, None, FRONTEND)


def test_clearing_removes_entries_and_nothing_else(recording, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache")
    assert cache.clear() == 0
    cache.extract_frames(recording, None, None, FRONTEND)
    (entry,) = entries(cache)
    left = entry.with_name(f".{entry.name}.abc.part")
    left.touch()
    kept = cache.folder / "notes.txt"
    kept.touch()
    assert cache.clear() == 1
    assert entries(cache) == [kept]
    cache.extract_frames(recording, None, None, FRONTEND)
    assert len(computed) == 2


def test_clearing_while_another_process_writes_costs_it_nothing_but_the_entry(
    recording, tmp_path, monkeypatch
):
    cache, write_bytes = FeatureCache(tmp_path / "cache"), Path.write_bytes

    def write_and_lose(path, content):
        written = write_bytes(path, content)
        cache.clear()
        assert not path.exists()
        return written

    monkeypatch.setattr(Path, "write_bytes", write_and_lose)
    found = cache.extract_frames(recording, None, None, FRONTEND)
    assert same(found, extract_frames(recording, None, None, FRONTEND))
    assert entries(cache) == []


def fill(folder: Path, recordings: list[Path], rounds: int) -> None:
    cache = FeatureCache(folder)
    for _ in range(rounds):
        for path in recordings:
            cache.extract_frames(path, None, None, FRONTEND)
        cache.clear()


@pytest.mark.slow
def test_processes_that_share_a_folder_and_are_killed_leave_only_whole_entries(tmp_path):
    recordings = [write(tmp_path / f"{seed}.wav", seed) for seed in range(3)]
    cache = FeatureCache(tmp_path / "cache")
    context = multiprocessing.get_context("spawn")
    # Daemons end with this process; it would wait for ever for others where an assertion fails.
    workers = [
        context.Process(target=fill, args=(cache.folder, recordings, 10**6), daemon=True) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    while not cache.folder.exists():
        assert any(worker.is_alive() for worker in workers)
        time.sleep(0.05)
    for _ in range(5):
        for path in recordings:
            found = cache.extract_frames(path, None, None, FRONTEND)
            assert same(found, extract_frames(path, None, None, FRONTEND))
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    for path in recordings:
        found = cache.extract_frames(path, None, None, FRONTEND)
        assert same(found, extract_frames(path, None, None, FRONTEND))
    cache.clear()
    assert entries(cache) == []
