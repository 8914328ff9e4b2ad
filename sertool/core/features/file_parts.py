"""Parts of a recording, each of which libsndfile reads as a file of its own."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO


@dataclass(frozen=True)
class Part:
    """Bytes that libsndfile reads as one file.

    Attributes:
        first, last: bytes of the recording, ``last`` exclusive.
        prefix: bytes that come before them.
        patches: bytes that replace those of the recording, by their place in it.
    """

    first: int
    last: int
    prefix: bytes = b""
    patches: Mapping[int, bytes] = field(default_factory=dict)

    def shifted(self, by: int) -> "Part":
        """Return the same part of a file that begins some bytes earlier."""
        patches = {place + by: patch for place, patch in self.patches.items()}
        return replace(self, first=self.first + by, last=self.last + by, patches=patches)


@dataclass(frozen=True)
class Container:
    """A recording that libsndfile would not read whole, or whose header states another length than it has.

    Attributes:
        parts: streams to be read one after the other.
        share: length that the header states, as a share of the true one; None if it states none or the right one, and
            where files were joined.
        samples: the same as a number of samples, where only decoding shows whether it is right.
        remark: another fault of the file, as a message for the user; empty if there is none.
    """

    parts: tuple[Part, ...]
    share: float | None = None
    samples: int | None = None
    remark: str = ""


WHOLE = Container(())  # of a file that is as its header says


class Window(io.RawIOBase):
    """Present a :class:`Part` of an open file to soundfile as a file of its own."""

    def __init__(self, file: BinaryIO, part: Part) -> None:
        super().__init__()
        self._file, self._part, self._place = file, part, 0
        self._size = len(part.prefix) + part.last - part.first

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; returns it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes; all that are left where it is negative."""
        left = max(0, self._size - self._place)
        size = left if size < 0 else min(size, left)
        prefix = self._part.prefix
        data = prefix[self._place : self._place + size]
        begin = self._part.first + max(0, self._place - len(prefix))
        if len(data) < size:
            self._file.seek(begin)
            rest = bytearray(self._file.read(size - len(data)))
            for place, patch in self._part.patches.items():
                for offset, byte in enumerate(patch, start=place - begin):
                    if 0 <= offset < len(rest):
                        rest[offset] = byte
            data += bytes(rest)
        self._place += len(data)
        return data

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Read into a buffer; returns the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
