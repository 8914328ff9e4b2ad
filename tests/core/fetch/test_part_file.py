"""The part file: what an interrupted download left is used as far as it can be trusted."""

import json
import multiprocessing
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bad_server import Act
from downloads import CONTENT, OTHER, digest, fetch
from hypothesis import given
from hypothesis import strategies as st
from other_processes import QUICK, hold

from sertool.core.errors import DataError, SertoolError
from sertool.core.fetch import http_client, part_file
from sertool.core.fetch.part_file import Known, PartFile, address_id


def test_it_goes_on_in_another_process(server, target):
    server.script = [Act(cut=200_000)]
    with pytest.raises(DataError):
        fetch(server, target, policy=replace(QUICK, tries=1))
    notes = []
    got = fetch(server, target, progress=lambda step: notes.append(step.note))
    assert got.sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=200000-"]
    assert "resumed at 200.0 kB" in notes


def stop_at_the_rename(server, target, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(part_file.artifacts, "write_json", lambda path, content: path.write_text(json.dumps(content)))
        with pytest.raises(KeyboardInterrupt):
            fetch(server, target)


def test_stopped_after_the_last_byte_nothing_is_asked_for_again(server, target, monkeypatch):
    stop_at_the_rename(server, target, monkeypatch)
    assert not target.exists()
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert len(server.log) == 1


def test_after_another_boot_only_what_was_flushed_counts(server, target, monkeypatch):
    monkeypatch.setattr(part_file, "FLUSH_EVERY", 100_000)
    stop_at_the_rename(server, target, monkeypatch)
    state = target.with_name(".file.zip.part.json")
    told = json.loads(state.read_text())
    told["flushed"] = 120_000
    state.write_text(json.dumps(told))
    part = target.with_name(".file.zip.part")
    # What a power cut leaves: the right length, and holes where nothing had been written yet.
    part.write_bytes(CONTENT[:120_000] + bytes(len(CONTENT) - 120_000))
    boot = target.with_name("boot")
    boot.write_text("another")
    monkeypatch.setattr(part_file, "_BOOT_ID", boot)
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=120000-"]


def test_the_state_never_vouches_for_more_than_was_flushed(server, target, monkeypatch):
    monkeypatch.setattr(part_file, "FLUSH_EVERY", 50_000)
    monkeypatch.setattr(http_client, "CHUNK", 10_000)
    flushed, written = [], []
    sync, write = part_file._data_sync, os.write

    def synced(file):
        flushed.append(os.fstat(file).st_size)
        sync(file)

    def state(path, content):
        written.append(content["flushed"])
        assert content["flushed"] <= max(flushed, default=0)
        path.write_text(json.dumps(content))

    monkeypatch.setattr(part_file, "_data_sync", synced)
    monkeypatch.setattr(part_file.artifacts, "write_json", state)
    server.script = [Act(cut=120_000)]
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert len(written) >= 4
    assert written == sorted(written)
    assert write is os.write


def test_without_a_boot_id_only_what_was_flushed_counts(server, target, monkeypatch, tmp_path):
    monkeypatch.setattr(part_file, "_BOOT_ID", tmp_path / "none")
    stop_at_the_rename(server, target, monkeypatch)
    state = target.with_name(".file.zip.part.json")
    told = json.loads(state.read_text())
    state.write_text(json.dumps({**told, "flushed": 5000}))
    assert PartFile(target).length == 5000
    assert told["boot"] is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2),
)


@given(
    st.one_of(
        st.binary(max_size=40),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("address", "validator", "total", "flushed", "boot"), JUNK)
        ).map(lambda state: json.dumps(state).encode()),
    )
)
def test_a_damaged_state_file_is_a_new_start_or_a_sound_one(content):
    with TemporaryDirectory() as folder:
        target = Path(folder, "file.zip")
        part = PartFile(target)
        part.path.write_bytes(b"1234567")
        part.state.write_bytes(content)
        part = PartFile(target)
        assert 0 <= part.length <= 7
        assert part.known is not None or part.length == 0
        part.close()


def test_two_processes_fetch_it_once(server, target):
    server.pace = (20_000, 0.02)
    processes = multiprocessing.get_context("spawn")
    results = processes.Queue()
    both = [processes.Process(target=hold, args=(server.url(), target, results), daemon=True) for _ in range(2)]
    for process in both:
        process.start()
    got = sorted(results.get(timeout=30) for _ in both)
    for process in both:
        process.join()
    assert got == ["", server.url()]
    assert len(server.log) == 1
    assert target.read_bytes() == CONTENT


def test_another_process_is_waited_for_only_a_while(server, target):
    server.pace = (5_000, 0.01)
    first = threading.Thread(target=fetch, args=(server, target))
    first.start()
    while not server.log:
        time.sleep(0.01)
    notes = []
    with pytest.raises(SertoolError) as caught:
        fetch(server, target, progress=lambda step: notes.append(step.note))
    assert str(caught.value) == f"{target}: is being fetched by another process"
    assert caught.value.hint == "wait for it, then run the same command again"
    assert notes == ["another process is fetching it, waiting"]
    server.pace = None
    first.join()
    assert target.read_bytes() == CONTENT


def test_a_part_file_without_its_state_is_not_trusted(server, target):
    target.parent.mkdir()
    target.with_name(".file.zip.part").write_bytes(OTHER)
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None]


def test_a_part_longer_than_the_file_starts_again(server, target):
    target.parent.mkdir()
    part = PartFile(target)
    part.begin(Known(address_id(server.url()), server.tags()["ETag"], None), 0)
    part.append(CONTENT + CONTENT)
    part.close()
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == ["bytes=600008-", None]
