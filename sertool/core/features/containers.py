"""The true length of a recording where its header does not state it: files never closed, cut, relabelled or joined.

libsndfile reads as much as a header promises. So what it is given here is the file with its header put right, or each
of several joined streams as a file of its own. A file that is as its header says is left to libsndfile alone.
"""

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO

from sertool.core.features.file_parts import Container, Part, Window
from sertool.core.features.streams import mp3_parts, ogg_parts

_HEAD = 4096  # bytes that are looked at first
_OPEN_SIZES = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF}  # a header written before the end
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")  # programs write them behind the audio of any format
_FLAC_TAIL = 1 << 16  # bytes; frames of FLAC files are shorter
_BEHIND = re.compile(rb"LIST|id3 |ID3 |bext|cue |iXML|_PMX|fact|smpl|PEAK|TAG")  # that programs write behind samples
_TAIL = 1 << 16  # bytes in which such chunks are looked for
_MOST = 100  # places that are tried
_ID3V1 = 128  # bytes of a tag
_NIST_FIELD = re.compile(rb"^(\w+) -i (\d{1,15})\s*$", re.MULTILINE)
_FLAC_START = b"fLaC\0\0\0\x22"  # with the header of the first block, which all such files have
_PIECE = 1 << 16  # bytes searched at a time; larger pieces would be new memory each time
_MARKS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"fLaC")
_MARK = 4  # bytes of each
_OGG_PAGE = 27  # bytes of a page's header, without the table of its segments


CUT = "its end is missing: it was cut, or is still being written"
NEVER_CLOSED = "its header was never completed, so it gives no length"


def examine(file: BinaryIO, size: int) -> Container | None:
    """Compare a recording with its header.

    Args:
        file: the recording; read from any position.
        size: its bytes.

    Returns:
        None for a file that libsndfile reads whole by itself, or in a format that is not known here.
    """
    file.seek(0)
    head = file.read(_HEAD)
    for mark, look in _FORMATS:
        if head.startswith(mark):
            return look(file, head, size)
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":
        return _mpeg(file, head, size)
    return None


def _sized(field_place: int, encoded: bytes, claimed: int, start: int, size: int) -> Container | None:
    """Judge a header that states the bytes of the samples.

    Args:
        field_place: place of the statement.
        encoded: statement of the true number of bytes.
        claimed: bytes that the header states.
        start: place of the first sample.
        size: bytes of the file.
    """
    rest = size - start
    if rest <= 0:
        return None
    part = Part(0, size, patches={field_place: encoded})
    if claimed in _OPEN_SIZES:
        return Container((part,), remark=NEVER_CLOSED)
    return Container((part,), share=claimed / rest)


def _riff(file: BinaryIO, head: bytes, size: int) -> Container | None:
    order = ">" if head.startswith(b"RIFX") else "<"
    wide: int | None = None  # place of the size in a ds64 chunk
    for name, place, claimed in _chunks(file, 12, size, order):
        if name == b"ds64":
            wide = place + 8
        if name != b"data":
            continue
        field_place, form = place - 4, order + "I"
        if wide is not None and claimed == 0xFFFFFFFF:
            field_place, form = wide, order + "Q"
            claimed = _number(file, wide, form)
        if claimed == size - place:
            return None
        if claimed < size - place:
            joined = _joined(file, place + claimed, size)
            if joined is not None or _only_chunks(file, place + claimed, size, order):
                return joined
        end = _end_of_samples(file, place, size, order) if claimed in _OPEN_SIZES else size
        most = 2 ** (8 * struct.calcsize(form)) - 1
        return _sized(field_place, struct.pack(form, min(end - place, most)), claimed, place, size)
    return None


def _end_of_samples(file: BinaryIO, start: int, size: int, order: str) -> int:
    """Return the place of the first chunk or tag behind samples whose number no header states, or else the file's end.

    Samples may look like the name of a chunk, but not like chunks that reach exactly to the end.
    """
    begin = max(start, size - _TAIL)
    file.seek(begin)
    tail = file.read(_TAIL)
    for found in islice(_BEHIND.finditer(tail), _MOST):
        place = begin + found.start()
        if found[0] == b"TAG":
            ends = place + _ID3V1
        else:
            chunks = _chunks(file, place, size, order)
            ends = max((content + claimed for _, content, claimed in chunks), default=0)
        if ends in (size, size - 1):  # an odd number of bytes may be filled up
            return place
    return size


def _aiff(file: BinaryIO, head: bytes, size: int) -> Container | None:
    for name, place, claimed in _chunks(file, 12, size, ">"):
        if name == b"SSND":
            if claimed <= size - place:
                joined = _joined(file, place + claimed, size)
                if joined is not None or _only_chunks(file, place + claimed, size, ">"):
                    return joined
            return _sized(place - 4, struct.pack(">I", min(size - place, 2**32 - 1)), claimed, place, size)
    return None


def _au(file: BinaryIO, head: bytes, size: int) -> Container | None:
    order = ">" if head.startswith(b".snd") else "<"
    start, claimed = struct.unpack(order + "II", head[4:12].ljust(8, b"\0"))
    if claimed == 0xFFFFFFFF or claimed == size - start or _is_tag(file, start + claimed, size):
        return None  # all ones mean "up to the end" in this format
    joined = _joined(file, start + claimed, size)
    return joined or _sized(8, struct.pack(order + "I", 0xFFFFFFFF), claimed, start, size)


def _caf(file: BinaryIO, head: bytes, size: int) -> Container | None:
    place = 8
    while 0 < place <= size - 12:
        file.seek(place)
        name, claimed = struct.unpack(">4sQ", file.read(12))
        start = place + 12
        if name == b"data":
            if claimed <= size - start and _only_wide_chunks(file, start + claimed, size):
                return None
            true = struct.pack(">Q", size - start)
            if claimed == 0xFFFFFFFFFFFFFFFF:  # allowed, but libsndfile refuses it
                return Container((Part(0, size, patches={place + 4: true}),))
            return _sized(place + 4, true, claimed, start, size)
        place = start + claimed
    return None


def _flac(file: BinaryIO, head: bytes, size: int) -> Container | None:
    """Compare the number of samples in the header with the last frame's; the decoder decides where they differ."""
    if len(head) < 26:
        return None
    behind = _find(file, _FLAC_START, len(_FLAC_START), size)
    if behind is not None:
        return _joined(file, behind, size)
    claimed = int.from_bytes(head[18:26], "big") & (2**36 - 1)
    if claimed == 0:
        return None  # libsndfile then reads to the end by itself
    file.seek(max(0, size - _FLAC_TAIL))
    tail = file.read(_FLAC_TAIL)
    least = int.from_bytes(head[8:10], "big")  # samples of a block
    at = _last_frame(tail, len(tail))
    while at >= 0:
        ends = _flac_frame_end(tail[at : at + 16], least)
        if ends is not None:
            if ends == claimed:
                return None
            if ends <= 2**36:
                break
        at = _last_frame(tail, at)
    open_end = (int.from_bytes(head[18:26], "big") & ~(2**36 - 1)).to_bytes(8, "big")
    return Container((Part(0, size, patches={18: open_end}),), samples=claimed)


def _last_frame(tail: bytes, end: int) -> int:
    """Find the last place before ``end`` where a FLAC frame may begin; -1 if there is none."""
    return max(tail.rfind(b"\xff\xf8", 0, end), tail.rfind(b"\xff\xf9", 0, end))


def _flac_frame_end(header: bytes, fixed: int) -> int | None:
    """Return the number of samples up to the end of a frame, given its header; None if it is none."""
    if len(header) < 6 or header[1] & 0xFE != 0xF8:
        return None
    code = header[2] >> 4
    number, place = _coded_number(header, 4)
    if number is None or code == 0:
        return None
    if code == 1:
        block = 192
    elif code <= 5:
        block = 576 << (code - 2)
    elif code in (6, 7):
        block = int.from_bytes(header[place : place + code - 5], "big") + 1
        place += code - 5
    else:
        block = 256 << (code - 8)
    place += {12: 1, 13: 2, 14: 2}.get(header[2] & 0x0F, 0)
    if place >= len(header) or _crc8(header[:place]) != header[place]:
        return None
    return (number if header[1] & 1 else number * fixed) + block


def _coded_number(header: bytes, place: int) -> tuple[int | None, int]:
    """Read a number coded as in UTF-8; returns it and the place behind."""
    first = header[place]
    if first < 0x80:
        return first, place + 1
    length = 8 - (first ^ 0xFF).bit_length()
    rest = header[place + 1 : place + length]
    if not 2 <= length <= 7 or len(rest) < length - 1 or any(byte & 0xC0 != 0x80 for byte in rest):
        return None, place
    value = first & (0x7F >> length)
    for byte in rest:
        value = value << 6 | byte & 0x3F
    return value, place + length


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07) & 0xFF if value & 0x80 else value << 1
    return value


def _ogg(file: BinaryIO, head: bytes, size: int) -> Container | None:
    data = head + file.read()
    # Counting is quicker than searching, and nearly all files hold one stream.
    begun = data.count(b"OggS\0\2") + data.count(b"OggS\0\6")
    parts = ogg_parts(data) if begun > 1 else [data]
    last = data[data.rfind(b"OggS") :]
    ended = len(last) > 5 and last[5] & 4 and _OGG_PAGE + len(last[_OGG_PAGE:]) >= _page_bytes(last)
    remark = "" if ended else CUT
    if len(parts) == 1 and not remark:
        return None
    return Container(tuple(Part(0, 0, prefix=part) for part in parts), remark=remark)


def _page_bytes(page: bytes) -> int:
    """Return the bytes that an Ogg page has by its header."""
    if len(page) < _OGG_PAGE:
        return _OGG_PAGE
    table = page[_OGG_PAGE : _OGG_PAGE + page[26]]
    return _OGG_PAGE + page[26] + sum(table)


def _mpeg(file: BinaryIO, head: bytes, size: int) -> Container | None:
    data = head + file.read()
    parts = mp3_parts(data)
    if len(parts) == 1 and data.endswith(parts[0]):
        return None  # only tags in front of it are missing
    return Container(tuple(Part(0, 0, prefix=part) for part in parts))


def _chunks(file: BinaryIO, place: int, size: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place of the content and stated size of each chunk."""
    while place <= size - 8:
        file.seek(place)
        name, claimed = struct.unpack(order + "4sI", file.read(8))
        yield name, place + 8, claimed
        place += 8 + claimed + claimed % 2


def _only_chunks(file: BinaryIO, place: int, size: int, order: str) -> bool:
    """Check that nothing but chunks, tags or padding lies between a place and the end."""
    for start in (place + place % 2, place):
        if size - start < 8 or _is_tag(file, start, size):
            return True
        inside = True
        for name, content, claimed in _chunks(file, start, size, order):
            inside = inside and all(32 <= byte < 127 for byte in name) and content + claimed <= size + 1
        if inside:
            return True
    return False


def _only_wide_chunks(file: BinaryIO, place: int, size: int) -> bool:
    while place <= size - 12:
        if _is_tag(file, place, size):
            return True
        file.seek(place)
        name, claimed = struct.unpack(">4sQ", file.read(12))
        if not all(32 <= byte < 127 for byte in name) or claimed > size - place - 12:
            return False
        place += 12 + claimed
    return True


def _is_tag(file: BinaryIO, place: int, size: int) -> bool:
    """Check that there is nothing but a tag, or a few zeros, between a place and the end."""
    if place > size:
        return False
    file.seek(place)
    begin = file.read(_HEAD)
    return begin.startswith(_TAGS) or (size - place < _HEAD and not any(begin))


def _nist(file: BinaryIO, head: bytes, size: int) -> Container | None:
    stated = {name: int(value) for name, value in _NIST_FIELD.findall(head[:1024])}
    start = int(head[8:16]) if head[8:16].strip().isdigit() else 1024
    numbers = (b"sample_count", b"sample_n_bytes", b"channel_count")
    if not all(name in stated for name in numbers):
        return None
    claimed = stated[numbers[0]] * stated[numbers[1]] * stated[numbers[2]]
    if claimed == size - start or size <= start or _is_tag(file, start + claimed, size):
        return None
    return Container((Part(0, size),), share=claimed / (size - start))  # libsndfile reads to the end by itself


def _w64(file: BinaryIO, head: bytes, size: int) -> Container | None:
    place = 40
    while place <= size - 24:
        file.seek(place)
        name, stated = struct.unpack("<16sQ", file.read(24))
        start, claimed = place + 24, stated - 24
        if name.startswith(b"data"):
            # libsndfile reads to the end by itself, whatever is stated.
            return Container((Part(0, size),), share=claimed / (size - start)) if claimed > size - start > 0 else None
        if stated < 24:
            return None
        place += (stated + 7) // 8 * 8
    return None


def _joined(file: BinaryIO, place: int, size: int) -> Container | None:
    """Divide a file at a place where another recording begins; None if none begins there, or at the next even byte."""
    for start in (place, place + 1):
        file.seek(start)
        if file.read(_MARK).startswith(_MARKS) and start < size:
            rest = examine(Window(file, Part(start, size)), size - start)  # type: ignore[arg-type]
            parts = rest.parts if rest is not None else (Part(0, size - start),)
            return Container((Part(0, start), *(part.shifted(start) for part in parts)))
    return None


def _find(file: BinaryIO, mark: bytes, place: int, size: int) -> int | None:
    """Find some bytes at or behind a place."""
    while place < size:
        file.seek(place)
        found = file.read(_PIECE + len(mark) - 1).find(mark)
        if found >= 0:
            return place + found
        place += _PIECE
    return None


def _number(file: BinaryIO, place: int, form: str) -> int:
    file.seek(place)
    return int(struct.unpack(form, file.read(struct.calcsize(form)).ljust(struct.calcsize(form), b"\0"))[0])


_FORMATS: tuple[tuple[bytes, Callable[[BinaryIO, bytes, int], Container | None]], ...] = (
    (b"RIFF", _riff),
    (b"RIFX", _riff),
    (b"RF64", _riff),
    (b"FORM", _aiff),
    (b".snd", _au),
    (b"dns.", _au),
    (b"caff", _caf),
    (b"fLaC", _flac),
    (b"OggS", _ogg),
    (b"NIST_1A", _nist),
    (b"riff\x2e\x91\xcf\x11", _w64),
    (b"ID3", _mpeg),
)
