"""Only regular files are opened; anything else is named and refused without waiting for it."""

import os
import socket
import stat
from pathlib import Path

import numpy as np
import pytest

from sertool.core.errors import DataError, SertoolError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts, regular
from sertool.core.files.archives import kind_of
from sertool.core.files.pickles import load_array, load_pickle
from sertool.core.files.regular import check_regular, open_regular, open_regular_text, read_regular
from sertool.core.files.torch_files import read_torch_file
from sertool.core.files.yaml_file import read_yaml
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.records import read_records

READERS = {
    "bytes": read_regular,
    "text": artifacts.read_text,
    "JSON": artifacts.read_json,
    "JSON Lines": artifacts.read_json_lines,
    "arrays": artifacts.read_arrays,
    "hash": artifacts.sha256,
    "pickle": load_pickle,
    "array": load_array,
    "archive": kind_of,
    "checkpoint": read_torch_file,
    "YAML": read_yaml,
    "recording": lambda path: read_audio(Segment(path), 16000),
    "table": lambda path: read_records(path.with_name("t.csv"), Findings()),
}


def place(kind, path):
    """Put something that is not a regular file at a path."""
    if kind == "a folder":
        path.mkdir()
    elif kind == "a FIFO (a pipe with a name)":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(path.parent)  # a socket's whole path has at most 107 bytes
            server.bind(path.name)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to("/proc/self/stat")


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "kind",
    ["a folder", "a FIFO (a pipe with a name)", "a socket", "a device", "a file of the system's kernel"],
)
def test_it_is_named_and_refused_at_once(kind, reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "t.csv"
    place(kind, path)
    with pytest.raises(SertoolError) as caught:
        reader(path)
    assert str(caught.value) == f"{path}: is {kind}, expected a file"


def test_a_regular_file_is_read_also_through_a_link(tmp_path):
    path, link = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one\r\ntwo\xff")
    link.symlink_to(path)
    assert read_regular(link) == b"one\r\ntwo\xff"
    assert check_regular(link).st_size == 9
    with open_regular_text(link, errors="replace", newline="\n") as file:
        assert file.read() == "one\r\ntwo�"


def test_a_missing_file_and_a_forbidden_one_are_errors_of_the_system(tmp_path):
    for name in ("none", "a\0b", "\ud800"):  # the last two are names that no file can have
        with pytest.raises(FileNotFoundError):
            open_regular(tmp_path / name)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "loop")


def test_a_file_that_a_fifo_replaces_after_the_check_is_refused_too(tmp_path, monkeypatch):
    path = tmp_path / "a"
    os.mkfifo(path)
    monkeypatch.setattr(regular, "check_regular", lambda path: None)
    with pytest.raises(DataError, match="is a FIFO"):
        open_regular(path)


def test_the_kernels_files_are_known_by_their_file_system():
    devices = regular._kernel_devices()
    assert Path("/proc/self/stat").stat().st_dev in devices
    assert Path(__file__).stat().st_dev not in devices


def test_a_machine_without_proc_has_no_such_devices(tmp_path, monkeypatch):
    regular._kernel_devices.cache_clear()
    try:
        for content in (None, "22 27 0:21", "a b c - proc proc rw"):
            path = tmp_path / "mountinfo"
            if content is not None:
                path.write_text(content)
            monkeypatch.setattr(regular, "_MOUNTS", path)
            assert regular._kernel_devices.__wrapped__() == frozenset()
    finally:
        regular._kernel_devices.cache_clear()


def test_reading_does_not_change_what_is_read(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3)}
    artifacts.write_arrays(tmp_path / "x", arrays)
    assert stat.S_ISREG(check_regular(tmp_path / "x").st_mode)
    assert np.array_equal(artifacts.read_arrays(tmp_path / "x")[0]["a"], arrays["a"])
