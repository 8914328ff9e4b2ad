"""A file of another kind in the place of a pickle, an array or an archive is named as what it is."""

import bz2
import gzip
import json
import lzma
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.errors import DataError
from sertool.core.files.archives import unpack
from sertool.core.files.artifacts import read_arrays
from sertool.core.files.pickles import load_array, load_pickle
from sertool.core.files.signatures import STARTS, foreign_kind
from sertool.core.files.torch_files import read_torch_file

CONTENT = {"u1": np.ones((2, 80), np.float32)}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
FOREIGN = {
    "a Git-LFS pointer": POINTER,
    "a git-annex pointer": b"/annex/objects/SHA256E-s12--0.p\n",
    "a web page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
    "packed with gzip": gzip.compress(pickle.dumps(CONTENT)),
    "packed with bzip2": bz2.compress(pickle.dumps(CONTENT)),
    "packed with xz": lzma.compress(pickle.dumps(CONTENT)),
    "a zip archive": b"PK\x03\x04",
    "JSON": json.dumps({"u1": [1, 2]}, indent=1).encode(),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (load_pickle, "a pickle"),
        (read_arrays, "a safetensors file"),
        (load_array, "a .npy file"),
        (read_torch_file, "a pickle"),
    ],
)
def test_it_is_named(kind, read, expected, tmp_path):
    path = tmp_path / "x.p"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(DataError) as caught:
        read(path)
    if kind != "a zip archive" or read is not read_torch_file:  # that one is torch's own format
        assert str(caught.value) == f"{path}: is {kind}, expected {expected}"


def test_the_next_step_is_given(tmp_path):
    path = tmp_path / "x.p"
    path.write_bytes(POINTER)
    with pytest.raises(DataError) as caught:
        load_pickle(path)
    assert caught.value.hint == "`git lfs pull` in its repository fetches the file itself"


def test_an_archive_of_another_kind(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(POINTER)
    with pytest.raises(DataError, match=r"is a Git-LFS pointer, expected a zip or a tar\.gz"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"[]", "JSON"),
        (b' [\n  {"id": 1}', "JSON"),
        (b"{}", "JSON"),
        (b"\xef\xbb\xbf[1, 2]", "JSON"),
        (b"<?xml version='1.0'?>", "a web page"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"{\0\0\0\0\0\0\0{", None),  # a safetensors file with a header of 123 bytes
        (b"[section]\n", None),
        (b"", None),
    ],
)
def test_kinds(start, kind):
    assert (foreign_kind(start) or (None,))[0] == kind


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(value=plain, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_a_pickle_is_never_taken_for_something_else(value, protocol):
    assert foreign_kind(pickle.dumps(value, protocol)[:STARTS]) is None


def test_a_zip_of_torch_is_read_as_such(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.p", "w") as packed:
        packed.writestr("a", "b")
    with pytest.raises(DataError, match=r"expected the records of a checkpoint|not a checkpoint that torch wrote"):
        read_torch_file(tmp_path / "x.p")
