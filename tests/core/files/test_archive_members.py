"""Members that refuse an archive: names that lead outside or come twice, links, devices."""

import gzip
import struct
import tarfile
import zipfile

import pytest
from archive_making import DAMAGED, info, raw_tar, refusal, take, tar_of, written, zip_of


@pytest.mark.parametrize("make", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/etc/cron.d/x", "has an absolute name"),
        ("C:/x", "has an absolute name"),
        ("c:x", "has an absolute name"),
        ("\\\\server\\x", "has an absolute name"),
        ("../x", "leads out of the folder"),
        ("a/../../x", "leads out of the folder"),
        ("a/..", "leads out of the folder"),
        ("__MACOSX/../../x", "leads out of the folder"),
        ("a\\..\\x", "has a backslash or control characters in its name"),
        ("a\nb", "has a backslash or control characters in its name"),
        ("a\x1b[2Jb", "has a backslash or control characters in its name"),
        ("x" * 256, "has too long a name"),
        ("/".join(["abcdefg"] * 130), "has too long a name"),
    ],
)
def test_names_that_do_not_stay_in_the_folder_refuse_the_archive(make, name, why, tmp_path):
    message = refusal(make([("fine", b"1"), (name, b"2")]), tmp_path)
    assert message == f"its member {repr(name)[:120]} {why}; nothing of the archive is used"


def test_a_nul_in_a_name(tmp_path):
    content = zip_of({"a!b": b"1"}).replace(b"a!b", b"a\0b")
    assert refusal(content, tmp_path).startswith("its member 'a\\x00b' has a backslash or control characters")


def test_names_that_are_no_utf_8(tmp_path):
    assert "its member '\\udcff' has a name that is not UTF-8" in refusal(
        gzip.compress(raw_tar(b"\xff"), mtime=0), tmp_path
    )
    for flag in (0, 0x800):
        content = bytearray(zip_of({"ab": b"1"}).replace(b"ab", b"a\xff"))
        content[6:8] = content[content.index(b"PK\1\2") + 8 :][:2] = struct.pack("<H", flag)
        assert refusal(bytes(content), tmp_path).startswith(f"{DAMAGED} ('utf-8' codec can't decode byte 0xff")


def test_utf_8_names_of_zips_that_do_not_say_so(tmp_path):
    name = "Äußerung é.wav"
    stand_in = "x" * len(name.encode())
    take(zip_of({stand_in: b"1"}).replace(stand_in.encode(), name.encode()), tmp_path)
    assert list(written(tmp_path)) == [name]


@pytest.mark.parametrize("make", [zip_of, tar_of])
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a/x", b"1"), ("a/x", b"2")], "its member 'a/x' comes twice"),
        ([("a/x", b"1"), ("./a//x", b"2")], "its member './a//x' comes twice"),
        ([("straße", b"1"), ("STRASSE", b"2")], "its member 'STRASSE' comes twice"),
        ([("A/x", b"1"), ("a/X", b"2")], "its member 'a/X' comes twice"),
        ([("e\u0301", b"1"), ("\u00e9", b"2")], "its member 'é' comes twice"),
        ([("a/x", b"1"), ("a", b"2")], "its member 'a' comes twice"),
        ([("a", b"1"), ("a/x", b"2")], "its member 'a/x' has the name of a file where it needs a folder"),
        ([(".", b"1")], "its member '.' has no name"),
    ],
)
def test_two_members_in_one_place_refuse_the_archive(make, members, message, tmp_path):
    assert refusal(make(members), tmp_path).startswith(message)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (b"V", "of the unknown type 'V'"),
    ],
)
def test_what_is_no_plain_file_refuses_a_tar(kind, named, form, tmp_path):
    member = info("a/x", kind, linkname="../../etc/passwd")
    message = refusal(tar_of([("fine", b"1"), (member, b"")], form=form), tmp_path)
    assert message == (f"its member 'a/x' is {named}, expected files and folders only; nothing of the archive is used")


def test_sparse_files_refuse_a_tar(tmp_path):
    for member in (info("x", pax_headers={"GNU.sparse.major": "1"}), info("x", tarfile.GNUTYPE_SPARSE)):
        assert "is a sparse file" in refusal(tar_of([(member, b"1\n0\n")]), tmp_path)


@pytest.mark.parametrize(("mode", "named"), [(0o120777, "a symbolic link"), (0o010644, "a device or a pipe")])
def test_what_is_no_plain_file_refuses_a_zip(mode, named, tmp_path):
    member = zipfile.ZipInfo("link")
    member.external_attr = mode << 16
    assert refusal(zip_of([(member, b"/etc/passwd")]), tmp_path).startswith(f"its member 'link' is {named}, ")
