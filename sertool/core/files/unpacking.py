"""The files of one archive as they come out: which names are taken, and how much may come."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sertool.core.errors import DataError
from sertool.core.files.artifacts import write_error

_FREE = 64 << 20  # below this much output nobody is hurt, whatever the ratio
_LONGEST, _LONGEST_PART = 1024, 255  # bytes of a name; what file systems take, with room for the folder


@dataclass(frozen=True)
class Limits:
    """How much one archive may hold; far above any corpus or model, far below what fills a disk unnoticed.

    Attributes:
        members: files and folders; the largest corpus here, MOSEI, has 23,000 utterances.
        total: bytes that come out; the largest archive here has 3 GB.
        ratio: bytes that come out for each byte of the archive, once 64 MiB are out. Audio and numbers reach 4,
            texts 20, deflate itself 1,032.
    """

    members: int = 200_000
    total: int = 64 << 30
    ratio: float = 200.0

    def bytes_of(self, archive: Path) -> int:
        """Bytes that may come out of this archive."""
        return int(min(self.total, max(_FREE, self.ratio * archive.stat().st_size)))


LIMITS = Limits()


class Writer:
    """The files of one archive as they come out.

    Args:
        archive: for messages.
        folder: where they go.
        limits: how much may come out.
        progress: told after each block.
    """

    def __init__(
        self,
        archive: Path,
        folder: Path,
        limits: Limits,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        self.archive, self.folder, self.limits, self.progress = archive, folder, limits, progress
        self.most = limits.bytes_of(archive)
        self.total: int | None = None
        self.names: list[str] = []
        self._done = self._made = 0
        # What there is, by names without upper case: a table for a folder, None for a file.
        self._places: dict[str, Any] = {}

    def refuse(self, name: str, why: str) -> DataError:
        """The message for a member that no archive of data has."""
        return DataError(f"{self.archive}: its member {shown(name)} {why}; nothing of the archive is used")

    def check_size(self, size: int) -> None:
        """Refuse an archive from which so many bytes come out."""
        if size > self.most:
            raise DataError(
                f"{self.archive}: unpacks to more than {self.most:,} bytes, too much for an archive of "
                f"{self.archive.stat().st_size:,}"
            )

    def add(self, name: str, kind: str, content: Iterator[bytes]) -> None:
        """Write one member, or make its folder."""
        if kind not in ("a file", "a folder"):
            raise self.refuse(name, f"is {kind}, expected files and folders only")
        parts = self._parts(name)
        if not parts and kind == "a file":
            raise self.refuse(name, "has no name")
        if not parts or parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._"):
            return
        self._claim(name, parts, kind)
        path = self.folder.joinpath(*parts)
        with _write_errors(path):
            (path if kind == "a folder" else path.parent).mkdir(parents=True, exist_ok=True)
            file = path.open("xb") if kind == "a file" else None
        if file:
            with file:
                self._copy(content, file, path)
            self.names.append("/".join(parts))

    def _parts(self, name: str) -> list[str]:
        """The parts of a name that stays below the folder on every system."""
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
        """Take a place that no other member has, also where upper and lower case are the same."""
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
        self._made += 1
        if self._made > self.limits.members:
            raise DataError(f"{self.archive}: holds more than {self.limits.members:,} files and folders")

    def _copy(self, content: Iterator[bytes], file: IO[bytes], path: Path) -> None:
        for block in content:
            self._done += len(block)
            self.check_size(self._done)
            with _write_errors(path):
                file.write(block)
            if self.progress:
                self.progress(self._done, self.total)
        with _write_errors(path):
            file.flush()


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def shown(name: str) -> str:
    """A name as a message shows it: on one line, not endless."""
    return f"{name!r:.120}"
