"""Computational sequences: those of the SDK are read, and files that are none, or mean harm, are refused."""

import re
import signal

import pytest

pytest.importorskip("h5py")
import h5py
import numpy as np
from made_csd import words, write_csd

from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.layouts import csd
from sertool.core.prepare.layouts.csd import read_csd

NUMBERS = ([[0.5, 1.5], [2, 3]], [[1.0, 0], [-0.25, 2]])


@pytest.fixture
def path(tmp_path):
    return write_csd(tmp_path / "a.csd", "All Labels", {"v1": NUMBERS, "v2": ([[0, 1]], [[3, 4]])})


def opened(path, change):
    """Change the first video of a file that is open for writing."""
    with h5py.File(path, "a") as file:
        change(file["All Labels/data/v1"])


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_csd(path)
    return str(caught.value)


def test_numbers_and_words_are_read(path, tmp_path):
    read = read_csd(path)
    assert list(read) == ["v1", "v2"]
    assert read["v1"].numbers.tolist() == NUMBERS[1]
    assert read["v1"].intervals.tolist() == NUMBERS[0]
    spoken = write_csd(tmp_path / "w.csd", "words", {"v1": words((0, 0.4, "sp"), (0.4, 1, "né"))}, compression="gzip")
    assert read_csd(spoken)["v1"].texts == ("sp", "né")
    texts = np.array([["a"], ["b"]], dtype=h5py.string_dtype())
    assert read_csd(write_csd(spoken, "words", {"v1": (NUMBERS[0], texts)}))["v1"].texts == ("a", "b")


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "a.csd"
    path.write_bytes(b"<!DOCTYPE html><html>404</html>")
    assert "is a web page, expected a computational sequence" in refusal(path)
    path.write_bytes(b"\x80\x04K\x01." * 9)
    assert "is no HDF5 file" in refusal(path)
    path.write_bytes(b"")
    assert "is no HDF5 file" in refusal(path)


def test_a_file_that_is_cut_short_or_damaged_is_refused(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "ends too early" in refusal(path)
    path.write_bytes(content[:600] + bytes(len(content) - 600))
    assert re.search("not readable as HDF5|no computational sequence", refusal(path))


def test_what_points_to_other_places_is_not_followed(path, tmp_path):
    other = write_csd(tmp_path / "b.csd", "All Labels", {"v1": NUMBERS})

    def replace(link):
        def change(entry):
            del entry["features"]
            entry["features"] = link

        return change

    opened(path, replace(h5py.ExternalLink(other.name, "/All Labels/data/v1/features")))
    assert "features is a link to another place" in refusal(path)
    opened(path, replace(h5py.SoftLink("/All Labels/data/v2/features")))
    assert "features is a link to another place" in refusal(path)

    def external(entry):
        del entry["features"]
        entry.create_dataset("features", (2, 2), "f8", external=[(str(other), 0, 32)])

    opened(path, external)
    assert "features of v1 lies in another file" in refusal(path)

    def virtual(entry):
        del entry["features"]
        layout = h5py.VirtualLayout((2, 2), "f8")
        layout[:] = h5py.VirtualSource(str(other), "All Labels/data/v1/features", (2, 2))
        entry.create_virtual_dataset("features", layout)

    opened(path, virtual)
    assert "features of v1 lies in another file" in refusal(path)


@pytest.mark.parametrize(
    ("values", "settings", "said"),
    [
        (np.array([[(1, 2)]], "i4,i4"), {}, "holds .*, expected numbers or texts"),
        (np.array([1.0, 2]), {}, "has 1 dimensions, expected 2"),
        (np.zeros((1, 2)), {}, "do not belong together"),
        (np.zeros((2, 0)), {}, "do not belong together"),
        (None, {"shape": (2, 10**9), "dtype": "f8", "chunks": (1, 8)}, "is larger than any transcript"),
        (None, {"shape": (2, 2), "maxshape": (None, None), "dtype": "f8", "chunks": (1, 10**8)}, "is larger than any"),
    ],
)
def test_values_that_no_transcript_has_are_refused(path, values, settings, said):
    def change(entry):
        del entry["features"]
        entry.create_dataset("features", data=values, **settings)

    opened(path, change)
    assert re.search(f"v1.*{said}|{said}", refusal(path))


def test_references_and_other_forms_are_refused(path, tmp_path):
    def change(entry):
        reference = entry["intervals"].ref
        del entry["features"]
        entry.create_dataset("features", (2, 1), h5py.ref_dtype)[:] = reference

    opened(path, change)
    assert "features of v1 holds references, expected numbers or texts" in refusal(path)
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = 1, 2
    assert "2 entries at its top, expected 1" in refusal(path)
    with h5py.File(path, "w") as file:
        file["a"] = 1
    assert "a is no group" in refusal(path)
    with h5py.File(path, "w") as file:
        file.create_group("a")
    assert "it lacks 'data'" in refusal(path)


def test_a_process_that_dies_or_takes_too_long_is_reported(path, monkeypatch):
    monkeypatch.setattr(csd, "_CALL", "import os; os.abort()")
    assert f"was ended by {signal.SIGABRT.name}" in refusal(path)
    monkeypatch.setattr(csd, "_CALL", "import time; time.sleep(60)")
    monkeypatch.setattr(csd, "SECONDS", 0.2)
    assert "takes more than 0.2 seconds" in refusal(path)


def test_memory_is_limited(path, monkeypatch):
    limited = "from sertool.core.prepare.layouts import csd_child as c; c.MEMORY = 1 << 20; c.LARGEST = 1 << 40; "
    monkeypatch.setattr(csd, "_CALL", limited + csd._CALL)

    def change(entry):
        del entry["features"]
        entry.create_dataset("features", (2, 10**8), "f8", chunks=(1, 10**4))

    opened(path, change)
    assert re.search("MiB of memory|not readable as HDF5", refusal(path))


def test_without_h5py_the_extra_is_named(path, monkeypatch):
    monkeypatch.setattr(csd, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package h5py") as caught:
        read_csd(path)
    assert "sertool[csd]" in caught.value.hint
