"""Archives unpack to the files they hold, below the folder, or are refused as a whole by one message."""

import errno
import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError, SertoolError
from sertool.core.files import archives
from sertool.core.files.archives import Limits, kind_of, unpack, unpacked_size
from sertool.core.files.tar_stream import TarStream

FILES = {
    "MELD/train_mels.p": b"\x80\x04" + bytes(range(256)) * 50,
    "MELD/empty.p": b"",
    "read me.txt": b"hi\n",
}
DAMAGED = "is damaged or truncated"


def zip_of(members, *, method=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of ``(name or ZipInfo, content)`` pairs or a dict of them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as packed:
        for name, content in dict(members).items() if isinstance(members, dict) else members:
            packed.writestr(name, content)
    return stream.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, **attributes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for key, value in attributes.items():
        setattr(member, key, value)
    return member


def tar_of(members, *, form=tarfile.PAX_FORMAT) -> bytes:
    """A tar.gz of ``(name or TarInfo, content)`` pairs or a dict of them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=form, compresslevel=1) as packed:
        for name, content in dict(members).items() if isinstance(members, dict) else members:
            member = info(name) if isinstance(name, str) else name
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def raw_tar(name: bytes, *, kind: bytes = b"0", size: bytes = b"00000000000", content: bytes = b"") -> bytes:
    """One member with its header's fields as given, and a right checksum."""
    header = (
        name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size.ljust(12, b"\0") + b"0" * 11 + b"\0"
    )
    rest = kind + bytes(100) + b"ustar\x0000" + bytes(247)
    total = sum(header) + 8 * 32 + sum(rest)
    return header + b"%06o\0 " % total + rest + content + bytes(-len(content) % 512)


def take(content: bytes, folder: Path, **options):
    """Unpack, with the whole of what was there compared before and after but for the target."""
    archive, target = folder / "x.archive", folder / "target"
    archive.write_bytes(content)
    target.mkdir(exist_ok=True)
    before = {path for path in folder.rglob("*") if target not in path.parents}
    try:
        return unpack(archive, target, **options)
    finally:
        assert {path for path in folder.rglob("*") if target not in path.parents} == before


def refusal(content: bytes, folder: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        take(content, folder, **options)
    return str(caught.value).removeprefix(f"{folder / 'x.archive'}: ")


def written(folder: Path) -> dict[str, bytes]:
    target = folder / "target"
    return {
        path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_files_come_out_as_they_went_in(make, tmp_path):
    told = []
    names = take(make(FILES), tmp_path, progress=lambda *numbers: told.append(numbers))
    assert names == tuple(FILES)
    assert written(tmp_path) == FILES
    size = sum(map(len, FILES.values()))
    total = size if make is zip_of else None
    assert told == [(size - 3, total), (size, total)]
    assert unpacked_size(tmp_path / "x.archive") == total
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "target/MELD").iterdir())


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"\x1f\x8b\x08", "tar.gz"),
        (b"<!DOCTYPE html>", "html"),
        (b"\xef\xbb\xbf\n  <HTML lang=de>", "html"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "html"),
        (b"", "empty"),
        (b"P", "other"),
        (b"less <html>", "other"),
    ],
)
def test_a_file_is_known_by_its_first_bytes(start, kind, tmp_path):
    path = tmp_path / "data.zip"
    path.write_bytes(start)
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>Quota exceeded", "is a web page"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "is a 7z archive"),
        (b"Rar!\x1a\x07\x00", "is a RAR archive"),
        (b"BZh91AY", "is packed with bzip2"),
        (b"\xfd7zXZ\0", "is packed with xz"),
        (b"\x80\x04N.", "is of an unknown format"),
        (gzip.compress(b"x" * 2000, mtime=0), "is packed with gzip but holds no tar"),
        (gzip.compress(b"short", mtime=0), "is packed with gzip but holds no tar"),
        (gzip.compress(b"", mtime=0), "is packed with gzip but holds no tar"),
        (b"#!/bin/sh\n" + zip_of(FILES), "is of an unknown format"),
    ],
)
def test_other_formats_are_named(content, message, tmp_path):
    assert refusal(content, tmp_path) == f"{message}, expected a zip or a tar.gz"
    if "gzip" not in message:
        with pytest.raises(DataError, match=r"expected a zip or a tar\.gz$"):
            unpacked_size(tmp_path / "x.archive")


def test_a_missing_archive(tmp_path):
    for call in (kind_of, unpacked_size, lambda path: unpack(path, tmp_path)):
        with pytest.raises(DataError, match=r"no\.zip: no such file$"):
            call(tmp_path / "no.zip")


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
        assert refusal(bytes(content), tmp_path).startswith(
            f"{DAMAGED} ('utf-8' codec can't decode byte 0xff"
        )


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
    assert message == (
        f"its member 'a/x' is {named}, expected files and folders only; nothing of the archive is used"
    )


def test_sparse_files_refuse_a_tar(tmp_path):
    for member in (info("x", pax_headers={"GNU.sparse.major": "1"}), info("x", tarfile.GNUTYPE_SPARSE)):
        assert "is a sparse file" in refusal(tar_of([(member, b"1\n0\n")]), tmp_path)


@pytest.mark.parametrize(("mode", "named"), [(0o120777, "a symbolic link"), (0o010644, "a device or a pipe")])
def test_what_is_no_plain_file_refuses_a_zip(mode, named, tmp_path):
    member = zipfile.ZipInfo("link")
    member.external_attr = mode << 16
    assert refusal(zip_of([(member, b"/etc/passwd")]), tmp_path).startswith(f"its member 'link' is {named}, ")


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_folders_and_what_macos_adds(make, tmp_path):
    folders = (
        [("a/", b""), ("a/b/", b""), ("a/", b"")]
        if make is zip_of
        else [(info("a", tarfile.DIRTYPE), b"")] * 2
    )
    litter = {"__MACOSX/a/._x": b"1", "a/.DS_Store": b"2", "a/._x": b"3"}
    with pytest.warns(UserWarning, match="Duplicate name") if make is zip_of else nullcontext():
        content = make([*folders, *litter.items(), ("./a/x", b"4")])
    assert take(content, tmp_path) == ("a/x",)
    assert written(tmp_path) == {"a/x": b"4"}
    assert not (tmp_path / "target/__MACOSX").exists()


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_permissions_are_not_taken_over(make, tmp_path):
    if make is zip_of:
        member = zipfile.ZipInfo("x")
        member.external_attr = 0o104777 << 16
    else:
        member = info("x", mode=0o6777)
    take(make([(member, b"1")]), tmp_path)
    assert (tmp_path / "target/x").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_limits(make, tmp_path):
    many = make({f"{number}": b"" for number in range(11)})
    assert "holds" in refusal(many, tmp_path, limits=Limits(members=10))
    content = make({"zeros": bytes(70 << 20)})
    size = f"{len(content):,}"
    assert refusal(content, tmp_path) == (
        f"unpacks to more than {64 << 20:,} bytes, too much for an archive of {size}"
    )
    assert "unpacks to more than 1,000 bytes" in refusal(make(FILES), tmp_path, limits=Limits(total=1000))
    (tmp_path / "target/zeros").unlink(missing_ok=True)
    assert take(content, tmp_path, limits=Limits(ratio=2000)) == ("zeros",)


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_folders_that_names_need_count_as_members(make, tmp_path):
    deep = make({f"{number}/a/b/c/d": b"" for number in range(4)})
    assert refusal(deep, tmp_path, limits=Limits(members=15)) == "holds more than 15 files and folders"


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_an_archive_of_folders_only(make, tmp_path):
    content = zip_of({"a/": b""}) if make is zip_of else tar_of([(info("a", tarfile.DIRTYPE), b"")])
    assert refusal(content, tmp_path) == "holds no files"


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_every_truncation_is_one_message(make, tmp_path):
    content = make(FILES)
    for length in range(4, len(content), 3):
        (tmp_path / "x.archive").write_bytes(content[:length])
        target = tmp_path / str(length)
        target.mkdir()
        with pytest.raises(DataError) as caught:
            unpack(tmp_path / "x.archive", target)
        assert str(caught.value).startswith(f"{tmp_path / 'x.archive'}: {DAMAGED}")
        assert caught.value.hint == "fetch it again (fetch-data --force does)"


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_flipped_byte_never_gives_other_content(make, tmp_path):
    content = make(FILES)
    seen = set()
    for place in range(0, len(content), 2):
        broken = bytearray(content)
        broken[place] ^= 0x55
        (tmp_path / "x.archive").write_bytes(broken)
        target = tmp_path / str(place)
        target.mkdir()
        try:
            names = unpack(tmp_path / "x.archive", target)
        except DataError as error:
            seen.add(str(error).partition(": ")[0])
        else:  # only what is not taken over was hit: a date, a permission, the name itself of a zip
            assert sorted((target / name).read_bytes() for name in names) == sorted(FILES.values())
            seen.add("read")
    assert seen == {str(tmp_path / "x.archive"), "read"}


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
    """One entry's comment swallows the next entry: Python would read one member and be content."""
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


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_headers_of_gigabytes_are_not_read(kind, tmp_path):
    plain = raw_tar(b"first", size=b"%011o" % 3, content=b"abc") + raw_tar(
        b"x", kind=kind, size=b"77777777777"
    )
    content = gzip.compress(plain + bytes(3 << 20), mtime=0)
    tracemalloc.start()
    message = refusal(content, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message == f"{DAMAGED} (an extended header of {8**11 - 1:,} bytes)"
    assert peak < 4 << 20


def test_a_chain_of_long_names_is_no_recursion(tmp_path):
    chain = raw_tar(b"x", kind=b"L", size=b"%011o" % 4, content=b"abc\0") * 5000
    content = gzip.compress(chain + raw_tar(b"y", size=b"%011o" % 1, content=b"1") + bytes(1024))
    assert take(content, tmp_path) == ("abc",)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (raw_tar(b"x", size=b"\x80" + b"\xff" * 11), DAMAGED),
        (raw_tar(b"x", size=b"\xff" * 12), f"{DAMAGED} (a negative size)"),
        (raw_tar(b"x", size=b"-0000000001"), f"{DAMAGED} (a number that is not octal)"),
        (
            raw_tar(b"x", kind=b"x", size=b"%011o" % 8, content=b"9999 a=b"),
            f"{DAMAGED} (an extended header whose",
        ),
        (
            raw_tar(b"x", kind=b"x", size=b"%011o" % 8, content=b"-1 a=b\nc"),
            f"{DAMAGED} (an extended header whose",
        ),
        (
            raw_tar(b"x", kind=b"x", size=b"%011o" % 8, content=b"0 a=b\ncd"),
            f"{DAMAGED} (an extended header whose",
        ),
        (raw_tar(b"x", kind=b"x", size=b"%011o" % 9, content=b"abcdefghi"), DAMAGED),
        (raw_tar(b"x", kind=b"x", size=b"%011o" % 11, content=b"11 size=-5\n") + raw_tar(b"y"), DAMAGED),
        (raw_tar(b"x") + b"\1" * 512, f"{DAMAGED} (a header has a wrong checksum)"),
    ],
)
def test_damaged_headers_of_a_tar(plain, message, tmp_path):
    assert refusal(gzip.compress(plain, mtime=0), tmp_path).startswith(message)


def test_a_full_disk_is_one_message(tmp_path, monkeypatch):
    opened = Path.open

    def full(self, mode):
        if mode == "xb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(self, mode)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SertoolError) as caught:
        take(zip_of(FILES), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'target/MELD/train_mels.p'}: no space left on the disk")


@pytest.mark.parametrize("make", ["zip", "tar"])
def test_memory_stays_small(make, tmp_path):
    """300 MB of zeros and of noise pass through; a process of its own, because a peak cannot be reset."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from sertool.core.files.archives import Limits, unpack\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]), limits=Limits(ratio=2000))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    content = {"zeros": bytes(200 << 20), "noise": os.urandom(1 << 20) * 20}
    archive, target = tmp_path / "x.archive", tmp_path / "target"
    archive.write_bytes(zip_of(content) if make == "zip" else tar_of(content))
    target.mkdir()
    command = [sys.executable, "-c", script, str(archive), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kilobytes


names = st.lists(st.sampled_from(["a", "bc", "d e", "é", "x" * 90]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(names, st.binary(max_size=1500), min_size=1, max_size=5),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_a_tar_is_read_as_tarfile_reads_it(files, form, tmp_path_factory):
    content = gzip.decompress(tar_of(files, form=form))
    stream = TarStream(io.BytesIO(content).read)
    read = [(member.name, member.kind, b"".join(stream.content())) for member in stream.members()]
    assert read == [(name, "a file", value) for name, value in files.items()]
    stream = TarStream(io.BytesIO(content).read)  # what is not read is skipped
    assert [member.name for member in stream.members()] == list(files)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000), st.data())
def test_any_bytes_behind_a_header_end_in_a_message(content, data):
    whole = (
        raw_tar(b"x", kind=data.draw(st.sampled_from([b"0", b"x", b"L"])), size=b"%011o" % len(content))
        + content
    )
    try:
        for member in TarStream(io.BytesIO(whole).read).members():
            assert member.size == len(content)
    except (ValueError, EOFError):
        pass


def test_the_package_reads_no_archive_in_another_way():
    """Python's own ``extractall`` and ``tarfile`` are not used."""
    for path in Path(archives.__file__).parent.rglob("*.py"):
        source = path.read_text()
        assert "extractall" not in source
        assert "import tarfile" not in source
