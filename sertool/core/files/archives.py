"""Unpack archives from outside (zip and tar.gz) into an empty folder: plain files and folders only.

An archive may name files anywhere, hold links and devices, and unpack to a thousand times its size. So every
name is checked before its file is made, and bytes are counted while they are written rather than taken from a
header. The first violation ends the unpacking: an archive is used as a whole or refused as a whole.
"""

import errno
import gzip
import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sertool.core.errors import DataError, SertoolError
from sertool.core.files.artifacts import read_error
from sertool.core.files.regular import open_regular, open_unbuffered
from sertool.core.files.signatures import STARTS, foreign_kind, is_web_page
from sertool.core.files.tar_stream import NotATarError, TarStream
from sertool.core.files.unpacking import LIMITS, Limits, Writer, shown

__all__ = ["Kind", "Limits", "blocks", "kind_of", "open_zip", "unpack", "unpacked_size"]

Kind = Literal["zip", "tar.gz", "html", "empty", "other"]

_BLOCK = 1 << 20  # bytes held in memory at a time
_END = 22  # bytes of a zip's end record, without the comment (APPNOTE 4.3.16)
_ENTRY = 100  # bytes allowed per entry of a zip's directory: 46 fixed ones (APPNOTE 4.3.12) and its name
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def kind_of(path: Path) -> Kind:
    """Tell a file's kind by its first bytes; "tar.gz" is anything packed with gzip, "html" any web page.

    Raises:
        DataError: the file is missing or unreadable.
    """
    start = _start(path)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if start.startswith(b"\x1f\x8b"):
        return "tar.gz"
    return "empty" if not start else "html" if is_web_page(start) else "other"


def _start(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(STARTS)
    except OSError as error:
        raise read_error(path, error) from error


def unpacked_size(archive: Path) -> int | None:
    """Return the unpacked size in bytes that a zip declares; None for a tar.gz, which declares none.

    Raises:
        DataError: the file is neither, or its directory cannot be read.
    """
    if _known(archive) == "tar.gz":
        return None
    with open_zip(archive) as packed:
        return _declared(packed)


def unpack(
    archive: Path,
    folder: Path,
    *,
    limits: Limits = LIMITS,
    progress: Callable[[int, int | None], None] | None = None,
) -> tuple[str, ...]:
    """Unpack a zip or a tar.gz.

    Nothing is written outside ``folder``. Permissions, owners and times are not kept, and the entries that macOS
    adds (``__MACOSX/``, ``.DS_Store``, ``._*``) are skipped. After an error ``folder`` holds a part of the archive.

    Args:
        archive: the zip or tar.gz.
        folder: an empty folder that nobody else uses.
        limits: limits on members and bytes.
        progress: called with the bytes written so far and the total (None: unknown).

    Returns:
        The files written, relative to ``folder``, with ``/`` between their parts, in the archive's order.

    Raises:
        DataError: the file is no such archive, damaged or beyond the limits, or a member is not a plain file or folder
            below ``folder``.
        SertoolError: a file cannot be written, or the disk is full.
    """
    kind = _known(archive)
    writer = Writer(archive, folder, limits, progress)
    if kind == "zip":
        with open_zip(archive, limits) as packed:
            _unpack_zip(packed, writer)
    else:
        with _read_errors(archive), gzip.open(archive) as stream:
            _unpack_tar(stream, writer)
    if not writer.names:
        raise DataError(f"{archive}: holds no files")
    return tuple(writer.names)


def _known(archive: Path) -> Literal["zip", "tar.gz"]:
    """Return the format if it is one of the two, else refuse the file by what it is."""
    kind = kind_of(archive)
    if kind == "zip" or kind == "tar.gz":
        return kind
    found = foreign_kind(_start(archive))
    named = "empty" if kind == "empty" else found[0] if found else "of an unknown format"
    raise DataError(f"{archive}: is {named}, expected a zip or a tar.gz")


@contextmanager
def open_zip(archive: Path, limits: Limits = LIMITS) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose directory was checked: few enough members, each with its own bytes in the file.

    Raises:
        DataError: the zip is damaged, beyond the limits, encrypted, or packed in an unusual way; also if a member
            that is read inside the ``with`` turns out to be damaged.
    """
    with (
        _read_errors(archive),
        _Directory(archive, limits.members * _ENTRY) as file,
        # Archives made on macOS have UTF-8 names without the flag that says so; most others are ASCII.
        zipfile.ZipFile(file, metadata_encoding="utf-8") as packed,
    ):
        # Python reads the directory and does not compare it with the count in the end record: bytes 10 and 11, which
        # hold the count modulo 65,536 or, in a zip64, 65,535.
        file.seek(-_END - len(packed.comment), io.SEEK_END)
        end = file.read(_END)
        count, said = len(packed.infolist()), int.from_bytes(end[10:12], "little")
        if not end.startswith(b"PK\5\6") or said not in (count % 2**16, min(count, 2**16 - 1)):
            raise zipfile.BadZipFile("its directory does not hold as many members as it says")
        _check_directory(archive, packed, limits)
        yield packed


class _Directory(io.BufferedReader):
    """File that refuses any single read larger than a zip's directory may be: zipfile reads it in one piece."""

    def __init__(self, path: Path, largest: int) -> None:
        super().__init__(open_unbuffered(path))
        self._path, self._largest = path, max(largest, _BLOCK)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._largest:
            raise DataError(f"{self._path}: its directory has {size:,} bytes, at most {self._largest:,} are read")
        return super().read(size)


def _check_directory(archive: Path, packed: zipfile.ZipFile, limits: Limits) -> None:
    members = packed.infolist()
    if len(members) > limits.members:
        raise DataError(f"{archive}: holds {len(members):,} members, at most {limits.members:,} are unpacked")
    for member in members:
        if member.flag_bits & 0x1:
            raise DataError(f"{archive}: is encrypted, expected an archive that opens without a password")
        if member.compress_type not in _METHODS:
            raise DataError(
                f"{archive}: its member {shown(member.orig_filename)} is packed by method "
                f"{member.compress_type}, expected 8 (deflate) or 0 (stored)",
                hint="unpack it with another program and pack it again as a zip or a tar.gz",
            )
    # Members of a sound zip follow each other from the first byte on. Otherwise the directory belongs to an archive
    # inside a damaged one, or many entries share the same bytes, which is how zip bombs are made.
    end = 0
    for member in sorted(members, key=lambda item: item.header_offset):
        if member.header_offset < end or (end == 0 and member.header_offset):
            raise zipfile.BadZipFile("its members overlap or do not begin at its start")
        end = member.header_offset + 30 + len(member.orig_filename) + member.compress_size
    if end > packed.start_dir:
        raise zipfile.BadZipFile("its members overlap its directory")


@contextmanager
def _read_errors(archive: Path) -> Iterator[None]:
    """Turn every error that reading an archive can raise into one message."""
    try:
        yield
    except SertoolError:
        raise
    except NotATarError as error:
        raise DataError(f"{archive}: is packed with gzip but holds no tar, expected a zip or a tar.gz") from error
    except Exception as error:
        # EINVAL is a seek to a negative place, from a damaged directory; BadGzipFile is an OSError without a number.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise read_error(archive, error) from error
        said = "" if isinstance(error, EOFError) or not str(error) else f" ({error!s:.120})"
        raise DataError(
            f"{archive}: is damaged or truncated{said}", hint="fetch it again (fetch-data --force does)"
        ) from error


def _declared(packed: zipfile.ZipFile) -> int:
    return sum(member.file_size for member in packed.infolist())


def _unpack_zip(packed: zipfile.ZipFile, writer: Writer) -> None:
    writer.total = _declared(packed)
    writer.check_size(writer.total)
    for member in packed.infolist():
        # The upper 16 bits hold Unix's mode, 0 if another system made the zip.
        name, mode = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
        if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            writer.add(name, "a symbolic link" if mode == stat.S_IFLNK else "a device or a pipe", iter(()))
        elif name.endswith("/"):
            writer.add(name, "a folder", iter(()))
        else:
            writer.add(name, "a file", blocks(packed, member))


def blocks(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's content, at most 1 MiB at a time.

    Raises:
        zipfile.BadZipFile: the content contradicts the directory; :func:`open_zip` turns this into a message.
    """
    left = member.file_size
    with packed.open(member) as file:
        while block := file.read(_BLOCK):
            left -= len(block)
            yield block
    if left:
        raise zipfile.BadZipFile(f"{shown(member.orig_filename)} has another size than the directory says")


def _unpack_tar(stream: gzip.GzipFile, writer: Writer) -> None:
    def read(size: int) -> bytes:
        content = stream.read(size)
        # Headers, padding and skipped members count too: they take time, though no space.
        writer.check_size(stream.tell())
        return content

    tar = TarStream(read)
    for member in tar.members():
        writer.add(member.name, member.kind, tar.content())
    while read(_BLOCK):  # to the end, where gzip's checksum is compared
        pass
