"""Name a file of a foreign kind by its first bytes: what often stands in the place of the file that was meant."""

import re
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.files.regular import open_regular

STARTS = 512  # bytes to read for :func:`foreign_kind`
_HTML = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|!--|\?xml|html|head|body|script)", re.IGNORECASE)
_JSON = re.compile(rb'(\xef\xbb\xbf)?\s*(\{\s*("|\}|$)|\[\s*(["\[{\]\d-]|true|false|null|$))')
_UNPACK = "unpack it first"
_CONVERT = "convert it, for example with ffmpeg"
_EXPORT = "save it as CSV UTF-8 in the program that wrote it"
# Place and bytes of the signature, name, and next step.
_SIGNATURES: tuple[tuple[int, bytes, str, str | None], ...] = (
    (0, b"version https://git-lfs", "a Git-LFS pointer", "`git lfs pull` in its repository fetches the file itself"),
    (0, b"/annex/objects/", "a git-annex pointer", "`git annex get` in its repository fetches the file itself"),
    (0, b"\x1f\x8b\x08", "packed with gzip", _UNPACK),
    (0, b"BZh", "packed with bzip2", _UNPACK),
    (0, b"\xfd7zXZ", "packed with xz", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstandard", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"PK\x05\x06", "a zip archive without files", None),
    (0, b"\x93NUMPY", "an array in numpy's own format (.npy)", None),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", None),
    (0, b"%PDF", "a PDF", None),
    (0, b"{\\rtf", "an RTF document", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel workbook", _EXPORT),
    (0, b"PAR1", "a Parquet file", _EXPORT),
    (0, b"SQLite format 3", "an SQLite database", _EXPORT),
    (4, b"ftyp", "MP4 or M4A", _CONVERT),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM", _CONVERT),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media", _CONVERT),
    (0, b"#!AMR", "AMR", _CONVERT),
    (0, b"FLV\x01", "Flash video", _CONVERT),
    (8, b"AVI LIST", "AVI", _CONVERT),
    (0, b"\0\0\1\xba", "MPEG video", _CONVERT),
    (0, b"\xff\xf1", "AAC", _CONVERT),
    (0, b"\xff\xf9", "AAC", _CONVERT),
)


def is_web_page(start: bytes) -> bool:
    """Check whether a file that begins so is HTML or XML."""
    return _HTML.match(start) is not None


def foreign_kind(start: bytes) -> tuple[str, str | None] | None:
    """Name the kind of a file that is no pickle, no safetensors file, no table and no recording that can be read.

    Args:
        start: first ``STARTS`` bytes of the file, or all of a shorter one.

    Returns:
        The kind, such as ``packed with gzip``, and a next step to try, if any; None for an unknown start.
    """
    for place, signature, kind, hint in _SIGNATURES:
        if start.startswith(signature, place):
            return kind, hint
    if is_web_page(start):
        return "a web page", "a server answered with a page in its place: download it again"
    return ("JSON", None) if _JSON.match(start) else None


def refuse_foreign(path: Path, start: bytes, expected: str) -> None:
    """Refuse a file whose first bytes are those of a foreign kind.

    Raises:
        DataError: the file is of such a kind; the message names it.
    """
    if found := foreign_kind(start):
        raise DataError(f"{path}: is {found[0]}, expected {expected}", hint=found[1])


def refuse_foreign_file(path: Path, expected: str) -> None:
    """Read the first bytes of a file and refuse it as :func:`refuse_foreign` does.

    Raises:
        DataError, OSError: the file is of a foreign kind, is no regular file, or cannot be read.
    """
    with open_regular(path) as file:
        refuse_foreign(path, file.read(STARTS), expected)
