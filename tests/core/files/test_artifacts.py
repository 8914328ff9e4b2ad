"""Files appear whole or not at all, and every failure is one message that names the file."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


def test_a_file_and_its_folders_appear(tmp_path):
    path = tmp_path / "a/b/c.txt"
    artifacts.write_text(path, "hé\n")
    assert path.read_bytes() == "hé\n".encode()
    assert leftovers(path.parent) == []


def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    artifacts.write_text(tmp_path / "x", "")
    (tmp_path / "y").touch()
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == stat.S_IMODE((tmp_path / "y").stat().st_mode)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    artifacts.write_text(path, "old")

    def half_written():
        with artifacts.atomic_write(path) as temporary:
            temporary.write_text("half")
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        half_written()
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == []


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "x"
    artifacts.write_text(path, "old")
    with artifacts.atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"


@pytest.mark.parametrize("step", ["write_bytes", "fsync", "mkstemp", "replace"])
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on the disk; nothing was half-written"),
        (errno.EDQUOT, "no space left on the disk; nothing was half-written"),
        (errno.EROFS, "cannot be written (Read-only file system)"),
    ],
)
def test_a_full_disk_at_any_step_leaves_the_old_file(step, number, message, tmp_path, monkeypatch):
    path = tmp_path / "x"
    artifacts.write_text(path, "old")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    owner = {"write_bytes": Path, "fsync": os, "mkstemp": artifacts.tempfile, "replace": Path}[step]
    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(SertoolError) as caught:
        artifacts.write_text(path, "new")
    monkeypatch.undo()
    assert str(caught.value) == f"{path}: {message}"
    assert caught.value.exit_code == 1
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_disk_that_is_really_full(tmp_path):
    path = tmp_path / "x"

    def write():
        with artifacts.atomic_write(path), Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    with pytest.raises(SertoolError, match=r"x: no space left on the disk") as caught:
        write()
    assert caught.value.hint == "free some space and run the same command again"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SertoolError, match=r"file/x: cannot be written \((Not a directory|File exists)\)"):
        artifacts.write_text(tmp_path / "file/x", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SertoolError, match=r"folder: cannot be written \(Is a directory\)"):
        artifacts.write_text(tmp_path / "folder", "")
    assert leftovers(tmp_path) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values)
def test_json_comes_back(value, tmp_path):
    artifacts.write_json(tmp_path / "x.json", value)
    assert artifacts.read_json(tmp_path / "x.json") == value


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=4))
def test_json_lines_come_back(rows, tmp_path):
    artifacts.write_json_lines(tmp_path / "x.jsonl", rows)
    assert artifacts.read_json_lines(tmp_path / "x.jsonl") == rows


def test_nan_is_not_written_as_json(tmp_path):
    for write, value in [
        (artifacts.write_json, {"a": float("nan")}),
        (artifacts.write_json_lines, [{"a": float("inf")}]),
    ]:
        with pytest.raises(ValueError, match="Out of range float"):
            write(tmp_path / "x", value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": ', "line 2 is not valid JSON (Expecting value: line 1 column 7 (char 6))"),
        (b'{"a": 1}\n\n[1]\n', "line 3 is list, expected an object"),
        (b"3\n", "line 1 is int, expected an object"),
        (b'{"a": 1} {}\n', "line 1 is not valid JSON (Extra data: line 1 column 10 (char 9))"),
        (b'{"a": "\xff"}\n', "not UTF-8 text (byte 7)"),
        (b"[" * 100_000, "line 1 is not valid JSON ("),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 1 is not valid JSON ("),
    ],
)
def test_damaged_json_lines_are_told_with_their_number(content, message, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        artifacts.read_json_lines(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"9" * 5000, b"\xff"])
def test_damaged_json_is_one_message(content, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json: not (valid JSON|UTF-8 text) \("):
        artifacts.read_json(path)


@pytest.mark.parametrize(
    "read", [artifacts.read_text, artifacts.read_json, artifacts.read_json_lines, artifacts.read_arrays]
)
def test_missing_files_and_folders(read, tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path / "x")
    assert str(caught.value) == f"{tmp_path / 'x'}: no such file"
    with pytest.raises(DataError, match="is a folder, expected a file"):
        read(tmp_path)


def test_arrays_come_back_and_the_same_content_gives_the_same_bytes(tmp_path):
    arrays = {
        "b": np.arange(6.0).reshape(2, 3).T,
        "a": np.array([1, 2], np.int64),
        "e": np.zeros((0, 3), np.float16),
    }
    artifacts.write_arrays(tmp_path / "x", arrays, {"z": "1", "y": "é"})
    artifacts.write_arrays(tmp_path / "y", dict(reversed(arrays.items())), {"y": "é", "z": "1"})
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    read, metadata = artifacts.read_arrays(tmp_path / "x")
    assert metadata == {"z": "1", "y": "é"}
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_truncated_arrays_are_one_message(tmp_path):
    path = tmp_path / "x"
    artifacts.write_arrays(path, {"a": np.arange(4)})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="x: not a readable safetensors file"):
            artifacts.read_arrays(path)


def test_sha256(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)
    assert artifacts.sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()
