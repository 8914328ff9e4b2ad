"""Read the members of a tar, forward only and a block at a time.

Python's own ``tarfile`` trusts the length that a header declares, follows chains of headers by recursion and
seeks backwards. Plain files need none of that. Formats: POSIX.1-2017 ``pax`` (ustar and extended headers), GNU tar.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BLOCK = 512  # bytes of a header, and what every member is padded to
_PIECE = 1 << 20  # bytes of content held in memory at a time
_LONG = 1 << 20  # most bytes of one extended header; real ones have a few hundred
_FILES = (b"0", b"\0", b"7")  # ustar, tars before 1988, and "contiguous" files, which are plain ones
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"S": "a sparse file",
}


class NotATarError(ValueError):
    """The first block is not the header of a tar."""


@dataclass(frozen=True)
class TarMember:
    """Member of a tar.

    Attributes:
        name: unchecked name from the archive; bytes that are not UTF-8 become lone surrogates.
        kind: "a file", "a folder", or another kind in words.
        size: bytes of a file, else 0.
    """

    name: str
    kind: str
    size: int


class TarStream:
    """Reader that passes through a tar once.

    Args:
        read: returns as many bytes as asked for, at most 1 MiB at a time; fewer only at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._left = 0  # bytes of the current member that were not read yet
        self._padding = 0

    def members(self) -> Iterator[TarMember]:
        """Yield the members in order; unread content of a member is skipped.

        Raises:
            NotATarError: the stream does not start with a header.
            ValueError: the tar is damaged.
            EOFError: the tar ends too early.
        """
        header = self._read(_BLOCK)
        if not _is_header(header):
            raise NotATarError
        extended: dict[str, str] = {}  # records of the extended headers before a member
        while header.strip(b"\0"):  # a block of zeros ends the tar
            if not _is_header(header):
                raise ValueError("a header has a wrong checksum")
            kind, size = header[156:157], _number(header[124:136])
            # x, X: records for the next member; g: for all, ignored; L, K: GNU's long name, and target of a link.
            if kind in (b"x", b"X", b"g", b"L", b"K"):
                content = self._extended(size)
                if kind in (b"x", b"X"):
                    extended |= _records(content)
                elif kind == b"L":
                    extended["path"] = _text(content)
            else:
                yield self._member(header, kind, extended.get("size", size), extended)
                extended = {}
                for _ in self.content():
                    pass
            header = self._read(_BLOCK)

    def _member(self, header: bytes, kind: bytes, size: str | int, extended: dict[str, str]) -> TarMember:
        name = extended.get("path") or _name(header)
        if kind in _FILES and any(key.startswith("GNU.sparse") for key in extended):
            kind = b"S"
        # Before ustar (1988) a folder was a file whose name ends with a slash.
        if kind in _FILES and name.endswith("/"):
            kind = b"5"
        if kind not in _FILES:  # a size is only what to reserve on the disk: no content follows
            return TarMember(name, _KINDS.get(kind, f"of the unknown type {kind.decode('latin1')!r}"), 0)
        self._left = int(size)
        if self._left < 0:
            raise ValueError("a negative size")
        self._padding = -self._left % _BLOCK
        return TarMember(name, "a file", self._left)

    def content(self) -> Iterator[bytes]:
        """Yield the unread rest of the current member, in pieces.

        Raises:
            EOFError: the tar ends inside the member.
        """
        while self._left:
            piece = self._whole(min(self._left, _PIECE))
            self._left -= len(piece)
            yield piece
        self._whole(self._padding)
        self._padding = 0

    def _extended(self, size: int) -> bytes:
        if not 0 <= size <= _LONG:
            raise ValueError(f"an extended header of {size:,} bytes")
        content = self._whole(size)
        self._whole(-size % _BLOCK)
        return content

    def _whole(self, size: int) -> bytes:
        content = self._read(size)
        if len(content) < size:
            raise EOFError
        return content


def _is_header(block: bytes) -> bool:
    """Check a block's checksum: the sum of its bytes with spaces in its own field; old programs summed signed bytes."""
    if len(block) < _BLOCK:
        return False
    text = block[148:156].strip(b" \0")
    rest = block[:148] + b" " * 8 + block[156:]
    signed = sum(rest) - 256 * sum(byte > 127 for byte in rest)
    return (
        text.isdigit()
        and int(text) > 0
        and text.translate(None, b"01234567") == b""
        and (int(text, 8) in (sum(rest), signed))
    )


def _number(field: bytes) -> int:
    """Parse a number in octal digits or, if the first bit is set (GNU), in binary."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise ValueError("a negative size")
        return int.from_bytes(field[1:], "big")
    text = field.partition(b"\0")[0].strip()
    if text.translate(None, b"01234567"):
        raise ValueError("a number that is not octal")
    return int(text or b"0", 8)


def _name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _records(content: bytes) -> dict[str, str]:
    """Parse the records of an extended header, one ``LENGTH KEY=VALUE`` per line."""
    found, start = {}, 0
    while start < len(content):
        space = content.index(b" ", start, start + 20)  # no length has more digits than a 64-bit number
        end = start + int(content[start:space])
        if not space < end <= len(content):
            raise ValueError("an extended header whose lengths do not fit")
        key, _, value = content[space + 1 : end - 1].partition(b"=")
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        start = end
    return found
