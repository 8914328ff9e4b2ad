"""Zips whose directory is damaged or lies, and packing that is not supported."""

import io
import struct
import zipfile

import pytest
from archive_making import DAMAGED, refusal, take, written, zip_of

from sertool.core.errors import DataError
from sertool.core.files.archives import unpack


def test_an_encrypted_zip(tmp_path):
    content = bytearray(zip_of({"x": b"1"}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    assert refusal(content, tmp_path) == "is encrypted, expected an archive that opens without a password"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_methods_of_packing(method, tmp_path):
    assert refusal(zip_of({"x": b"1"}, method=method), tmp_path) == (
        f"its member 'x' is packed by method {method}, expected 8 (deflate) or 0 (stored)"
    )


def test_overlapping_members_of_a_zip(tmp_path):
    """Two entries of the directory for the same bytes: how a zip of a megabyte comes to hold terabytes."""
    content = zip_of({"a": bytes(1000), "b": bytes(1000)})
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    overlapping = bytearray(content)
    overlapping[second + 42 : second + 46] = bytes(4)
    assert refusal(bytes(overlapping), tmp_path).startswith(f"{DAMAGED} (its members overlap")


def test_a_zip_inside_a_truncated_zip_is_not_taken_for_it(tmp_path):
    inner = zip_of({"inner": b"1"})
    outer = zip_of([("first", b"2"), ("inner.zip", inner)], method=zipfile.ZIP_STORED)
    cut = outer[: outer.index(inner) + len(inner)]
    assert zipfile.is_zipfile(io.BytesIO(cut))
    assert refusal(cut, tmp_path).startswith(f"{DAMAGED} (its members overlap or do not begin at its start)")
    assert take(outer, tmp_path) == ("first", "inner.zip")


def test_sizes_that_a_zip_declares_are_not_trusted(tmp_path):
    content = zip_of({"x": bytes(1000)})
    directory = content.index(b"PK\1\2")
    for claimed, message in [(10, DAMAGED), (2000, DAMAGED), (2**32 - 2, "unpacks to more than")]:
        broken = bytearray(content)
        broken[directory + 24 : directory + 28] = broken[22:26] = struct.pack("<I", claimed)
        assert refusal(bytes(broken), tmp_path).startswith(message)
        (tmp_path / "target/x").unlink(missing_ok=True)


def test_zip64(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed, packed.open("x", "w", force_zip64=True) as file:
        file.write(b"12345")
    content = stream.getvalue()
    assert content[4] == 45  # the version that zip64 needs
    assert take(content, tmp_path) == ("x",)
    assert written(tmp_path) == {"x": b"12345"}


def test_more_members_than_a_zip_can_count(tmp_path):
    many = [(f"__MACOSX/{number}", b"") for number in range(2**16)]
    content = zip_of([*many, ("x", b"1")], method=zipfile.ZIP_STORED)
    assert take(content, tmp_path) == ("x",)


def test_members_that_the_directory_hides_are_missed(tmp_path):
    """The comment of an entry swallows the next entry; Python alone would read one member without an error."""
    content = bytearray(zip_of({"a": b"1", "b": b"2"}))
    first = content.index(b"PK\1\2")
    content[first + 32 : first + 34] = struct.pack("<H", 47)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["a"]
    assert refusal(bytes(content), tmp_path).startswith(f"{DAMAGED} (its directory does not hold as many")


def test_a_directory_of_gigabytes_is_not_read(tmp_path):
    content = zip_of({"x": b"1"})
    end = content.index(b"PK\5\6")
    huge = content[: end + 12] + struct.pack("<I", 40 << 20) + content[end + 16 :]
    path = tmp_path / "x.archive"
    with path.open("wb") as file:  # sparse, so that the directory could be there
        file.write(content[:end])
        file.seek(50 << 20)
        file.write(huge[end:])
    with pytest.raises(DataError) as caught:
        unpack(path, tmp_path)
    assert str(caught.value) == f"{path}: its directory has {40 << 20:,} bytes, at most 20,000,000 are read"
