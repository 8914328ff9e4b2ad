"""Archives that are fine, and the formats, limits and failures that both kinds share."""

import errno
import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from archive_making import DAMAGED, info, refusal, take, tar_of, written, zip_of
from peak_memory import PEAK

from sertool.core.errors import DataError, SertoolError
from sertool.core.files import archives
from sertool.core.files.archives import Limits, kind_of, unpack, unpacked_size

FILES = {
    "MELD/train_mels.p": b"\x80\x04" + bytes(range(256)) * 50,
    "MELD/empty.p": b"",
    "read me.txt": b"hi\n",
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
def test_folders_and_what_macos_adds(make, tmp_path):
    folders = [("a/", b""), ("a/b/", b""), ("a/", b"")] if make is zip_of else [(info("a", tarfile.DIRTYPE), b"")] * 2
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
    assert refusal(content, tmp_path) == (f"unpacks to more than {64 << 20:,} bytes, too much for an archive of {size}")
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
    script = PEAK + (
        "import sys\n"
        "from sertool.core.files.archives import Limits, unpack\n"
        "before = peak()\n"
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]), limits=Limits(ratio=2000))\n"
        "print(peak() - before)\n"
    )
    content = {"zeros": bytes(200 << 20), "noise": os.urandom(1 << 20) * 20}
    archive, target = tmp_path / "x.archive", tmp_path / "target"
    archive.write_bytes(zip_of(content) if make == "zip" else tar_of(content))
    target.mkdir()
    command = [sys.executable, "-c", script, str(archive), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kilobytes


def test_the_package_reads_no_archive_in_another_way():
    """Python's own ``extractall`` and ``tarfile`` are not used."""
    for path in Path(archives.__file__).parent.rglob("*.py"):
        source = path.read_text()
        assert "extractall" not in source
        assert "import tarfile" not in source
