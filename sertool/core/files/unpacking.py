"""Limits and checks while an archive is written out: which names are accepted, and how many bytes."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sertool.core.errors import DataError
from sertool.core.files.artifacts import writing

_FREE = 64 << 20  # bytes; so little output harms nobody, whatever the ratio
# Bytes of a name and of one of its parts: Linux takes 4,096 and 255, macOS 1,024 and 255.
_LONGEST, _LONGEST_PART = 1024, 255


@dataclass(frozen=True)
class Limits:
    """Limits on one archive: far above any corpus or model, far below what fills a disk unnoticed.

    Attributes:
        members: files and folders; the largest published set, MOSEI, has 23,000 utterances.
        total: unpacked bytes; the largest published archive has 3 GB.
        ratio: unpacked bytes per byte of the archive, checked once 64 MiB are out. Audio and numbers reach 4,
            texts 20; deflate cannot exceed 1,032.
    """

    members: int = 200_000
    total: int = 64 << 30
    ratio: float = 200.0

    def bytes_of(self, archive: Path) -> int:
        """Return how many bytes may be unpacked from this archive."""
        return int(min(self.total, max(_FREE, self.ratio * archive.stat().st_size)))


LIMITS = Limits()


class Writer:
    """Writer of one archive's files; it refuses the archive at the first member that is not plain and new.

    Args:
        archive: path of the archive, for messages and its size.
        folder: empty folder to write into.
        limits: limits on members and bytes.
        progress: called after each block with the bytes written and the total (None: unknown).
    """

    def __init__(
        self, archive: Path, folder: Path, limits: Limits, progress: Callable[[int, int | None], None] | None
    ) -> None:
        self.archive, self.folder, self.limits, self.progress = archive, folder, limits, progress
        self.most = limits.bytes_of(archive)
        self.total: int | None = None
        self.names: list[str] = []
        self._done = self._made = 0
        # Members so far as a tree of case-folded names: a table for a folder, None for a file.
        self._places: dict[str, Any] = {}

    def refuse(self, name: str, why: str) -> DataError:
        """Make the message for a member that no archive of data has."""
        return DataError(f"{self.archive}: its member {shown(name)} {why}; nothing of the archive is used")

    def check_size(self, size: int) -> None:
        """Refuse the archive if so many unpacked bytes exceed its limit."""
        if size > self.most:
            raise DataError(
                f"{self.archive}: unpacks to more than {self.most:,} bytes, too much for an archive of "
                f"{self.archive.stat().st_size:,}"
            )

    def add(self, name: str, kind: str, content: Iterator[bytes]) -> None:
        """Write one file, or make one folder."""
        if kind not in ("a file", "a folder"):
            raise self.refuse(name, f"is {kind}, expected files and folders only")
        parts = self._parts(name)
        if not parts and kind == "a file":
            raise self.refuse(name, "has no name")
        if not parts or parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._"):
            return
        self._claim(name, parts, kind)
        path = self.folder.joinpath(*parts)
        with writing(path):
            (path if kind == "a folder" else path.parent).mkdir(parents=True, exist_ok=True)
            file = path.open("xb") if kind == "a file" else None  # "x": never follow or replace what is there
        if file:
            with file:
                self._copy(content, file, path)
            self.names.append("/".join(parts))

    def _parts(self, name: str) -> list[str]:
        """Split a name into its parts, and refuse it unless it stays below the folder on every system."""
        # Windows' absolute names too, so that an archive is safe or refused wherever it is unpacked.
        if re.match(r"[/\\]|[A-Za-z]:", name):
            raise self.refuse(name, "has an absolute name")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self.refuse(name, "leads out of the folder")
        if "\\" in name or any(unicodedata.category(character) == "Cc" for character in name):
            raise self.refuse(name, "has a backslash or control characters in its name")
        try:
            sizes = [len(part.encode()) for part in parts]
        except UnicodeEncodeError as error:
            raise self.refuse(name, "has a name that is not UTF-8") from error
        if max(sizes, default=0) > _LONGEST_PART or sum(sizes) + len(sizes) > _LONGEST:
            raise self.refuse(name, "has too long a name")
        return parts

    def _claim(self, name: str, parts: list[str], kind: str) -> None:
        """Reserve a member's place; names that differ only in case would be one file on macOS and Windows."""
        place, own = self._places, unicodedata.normalize("NFC", "/".join(parts)).casefold().split("/")
        for key in own if kind == "a folder" else own[:-1]:
            if key not in place:
                self._count()
            below = place.setdefault(key, {})
            if below is None:
                raise self.refuse(name, "has the name of a file where it needs a folder")
            place = below
        if kind == "a file":
            if own[-1] in place:
                raise self.refuse(name, "comes twice (upper and lower case count as the same)")
            self._count()
            place[own[-1]] = None

    def _count(self) -> None:
        # Folders that a name implies count as well: one name of 1,024 bytes can make 500 of them.
        self._made += 1
        if self._made > self.limits.members:
            raise DataError(f"{self.archive}: holds more than {self.limits.members:,} files and folders")

    def _copy(self, content: Iterator[bytes], file: IO[bytes], path: Path) -> None:
        for block in content:
            self._done += len(block)
            self.check_size(self._done)
            with writing(path):
                file.write(block)
            if self.progress:
                self.progress(self._done, self.total)
        with writing(path):
            file.flush()


def shown(name: str) -> str:
    """Return a name as messages show it: quoted, on one line, at most 120 characters."""
    return f"{name!r:.120}"
