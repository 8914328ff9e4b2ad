"""The members of a tar, read forward only and a block at a time.

Python's own ``tarfile`` takes the archive's word for the length of a header, follows chains of headers by
recursion and steps back in the file. Plain files need none of that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BLOCK = 512
_PIECE = 1 << 20
_LONG = 1 << 20  # bytes of one extended header; real ones have some hundred
_FILES = (b"0", b"\0", b"7")
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
    """The first block is no header of a tar."""


@dataclass(frozen=True)
class TarMember:
    """One member.

    Attributes:
        name: as the archive has it, unchecked; bytes that are no UTF-8 stand in it as lone surrogates.
        kind: "a file", "a folder", or what else it is.
        size: bytes of a file.
    """

    name: str
    kind: str
    size: int


class TarStream:
    """Goes through a tar once.

    Args:
        read: gives as many bytes as asked for, at most 1 MiB at a time; fewer only at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._left = 0  # bytes of the current member that nobody has read yet
        self._padding = 0

    def members(self) -> Iterator[TarMember]:
        """The members in order; what was not read of one is skipped.

        Raises:
            NotATarError: it does not begin as a tar does.
            ValueError: it is damaged.
            EOFError: it ends too early.
        """
        header = self._read(_BLOCK)
        if not _is_header(header):
            raise NotATarError
        extended: dict[str, str] = {}  # what headers before a member say about it
        while header.strip(b"\0"):
            if not _is_header(header):
                raise ValueError("a header has a wrong checksum")
            kind, size = header[156:157], _number(header[124:136])
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
        # Before 1988 a folder was a file whose name ends so.
        if kind in _FILES and name.endswith("/"):
            kind = b"5"
        if kind not in _FILES:  # a size there is, at most, what to reserve: no content follows
            return TarMember(name, _KINDS.get(kind, f"of the unknown type {kind.decode('latin1')!r}"), 0)
        self._left = int(size)
        if self._left < 0:
            raise ValueError("a negative size")
        self._padding = -self._left % _BLOCK
        return TarMember(name, "a file", self._left)

    def content(self) -> Iterator[bytes]:
        """What is left of the current member, in pieces.

        Raises:
            EOFError: the tar ends in it.
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
    """Whether a block's checksum is right; some old programs summed signed bytes."""
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
    """A number in octal digits, or, where the first bit is set, in binary."""
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
    """The records ``LENGTH KEY=VALUE``, a line each, of an extended header."""
    found, start = {}, 0
    while start < len(content):
        space = content.index(b" ", start, start + 20)
        end = start + int(content[start:space])
        if not space < end <= len(content):
            raise ValueError("an extended header whose lengths do not fit")
        key, _, value = content[space + 1 : end - 1].partition(b"=")
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        start = end
    return found
