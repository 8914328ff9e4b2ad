"""Parts of MP3 and Ogg files that libsndfile decodes to their true ends.

libsndfile stops at the length that it takes from a header, or that it guesses where there is none: an MP3 of variable
bit rate without a header may be twice as long as the guess, joined MP3 files seem as long as the first one, and of
joined Ogg files only the first is decoded. The functions return the contents of files without these faults.
"""

import re
from itertools import pairwise

# [copied into run.py]
MANY_FRAMES = (1 << 31).to_bytes(4, "big")  # frames of an MP3, nearly two years


def info_frame(head: bytes) -> bytes:
    """Return an MP3's Info frame that states more frames than any file has.

    Args:
        head: the stream that it belongs before, of which it needs the header of 4 bytes.
    """
    version, mono = head[1] >> 3 & 3, head[3] >> 6 == 3  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    rate = (44100, 48000, 32000, 44100)[head[2] >> 2 & 3] >> {3: 0, 2: 1}.get(version, 2)
    size = (144 * 128_000 if version == 3 else 72 * 80_000) // rate  # of a frame with the bit rate of index 9
    before = 4 + {(3, False): 32, (3, True): 17, (2, False): 17, (0, False): 17}.get((version, mono), 9)
    frame = bytes([head[0], head[1] | 1, head[2] & 0x0C | 0x90, head[3]]).ljust(before, b"\0")
    return (frame + b"Info" + bytes([0, 0, 0, 1]) + MANY_FRAMES).ljust(size, b"\0")


def mp3_parts(data: bytes) -> list[bytes]:
    """Return the streams of an MP3, each with a length that is right or too long, because libsndfile stops there."""
    parts: list[bytes] = []
    while True:
        while data[:3] == b"ID3" and len(data) > 10:
            data = data[10 + sum(byte << 7 * (3 - place) for place, byte in enumerate(data[6:10])) :]
        if len(data) < 4 or data[0] != 0xFF:  # it does not begin with a frame
            return [*parts, data]
        place = max(data[:200].find(b"Xing"), data[:200].find(b"Info"))
        if place < 0 or data[place + 7] & 3 != 3:  # no header that states frames and bytes
            return [*parts, info_frame(data) + data]
        end = int.from_bytes(data[place + 12 : place + 16], "big")
        rest = data[end:]
        while rest[:3] == b"TAG" or rest[:8] == b"APETAGEX":
            rest = rest[128 if rest[:3] == b"TAG" else 32 + int.from_bytes(rest[12:16], "little") :]
        if rest.count(data[:2]) <= 2:  # no frames of another MP3 follow
            return [*parts, data]
        if end < place or (rest[:2] != data[:2] and rest[:3] != b"ID3"):  # the header belongs to other frames
            return [*parts, data[: place + 8] + MANY_FRAMES + data[place + 12 :]]
        parts.append(data[:end])
        data = rest


def ogg_parts(data: bytes) -> list[bytes]:
    """Return the streams of an Ogg file that follow each other; libsndfile decodes only the first."""
    starts = [found.start() for found in re.finditer(rb"OggS\0[\2\6]", data)]
    # A stream has several pages; one page alone starts a stream beside another.
    starts = [0, *(now for before, now in pairwise(starts) if data.count(b"OggS", before, now) > 1), len(data)]
    return [data[start:end] for start, end in pairwise(starts)]
