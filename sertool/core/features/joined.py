"""Recordings that libsndfile does not decode to their ends by itself, read as if they were one open sound file."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sertool.core.features.streams import mp3_parts, ogg_parts

if TYPE_CHECKING:
    from soundfile import SoundFile

UNKNOWN_LENGTH = 1 << 40  # samples; libsndfile reports more where a header states no length


def open_whole(file: "SoundFile", content: io.RawIOBase) -> "SoundFile | JoinedSound":
    """Return a sound file that can be read to its true end: the open one, or one made of its parts.

    Args:
        file: the recording, open.
        content: the same file, of which MP3 and Ogg are searched for parts.
    """
    if file.format not in ("MP3", "OGG"):
        return file
    place = content.tell()  # libsndfile reads on from here
    content.seek(0)
    data = content.readall() or b""
    content.seek(place)
    parts = mp3_parts(data) if file.format == "MP3" else ogg_parts(data)
    if len(parts) == 1 and data.endswith(parts[0]):  # at most a tag before it was left out
        return file
    return JoinedSound(parts)


class JoinedSound:
    """Parts of a recording that are decoded one after another, with the methods of a sound file that readers use.

    Attributes:
        samplerate: Hz, the same in all parts.
        channels: number of channels, the same in all parts.
        frames: samples of all parts; :data:`UNKNOWN_LENGTH` or more if a part does not state its length.
        subtype: kind of samples; empty, since they are decoded as floats.
        seekable: says that blocks are read one after another.

    Raises:
        ValueError: the parts differ in sampling rate or channels; when reading, a part cannot be decoded to its end.
    """

    subtype = ""

    def __init__(self, parts: Sequence[bytes]) -> None:
        import soundfile

        self._parts = [io.BytesIO(part) for part in parts]
        sounds = [soundfile.SoundFile(part) for part in self._parts]
        kinds = {(sound.samplerate, sound.channels) for sound in sounds}
        if len(kinds) > 1:
            raise ValueError("joined from recordings of different sampling rates or numbers of channels")
        self.samplerate, self.channels = kinds.pop()
        self.frames = sum(sound.frames for sound in sounds)
        self.seekable: Callable[[], bool] = lambda: False
        self._sounds, self._place, self._read, self._before = sounds, 0, 0, 0

    def seek(self, first: int) -> None:
        """Decode and drop the samples before ``first``; their positions are not known otherwise."""
        import numpy as np

        buffer = np.empty((1 << 14, self.channels), np.float32)
        while first > 0 and (count := len(self.read(buffer[:first]))):
            first -= count

    def tell(self) -> int:
        """Return the number of samples that were decoded."""
        return self._before + self._read

    def read(self, out: Any) -> Any:
        """Fill the beginning of an array (samples, channels), and return what was filled; nothing at the end."""
        while self._place < len(self._sounds):
            sound, content = self._sounds[self._place], self._parts[self._place]
            sound.seekable = lambda: False  # soundfile would limit the block to the stated length
            block = sound.read(out=out)
            self._read += len(block)
            if len(block):
                return block
            known = sound.frames < UNKNOWN_LENGTH
            if self._read < sound.frames if known else content.tell() < len(content.getbuffer()):
                raise ValueError(f"part {self._place + 1} of {len(self._parts)} is damaged or cut short")
            self._place, self._read, self._before = self._place + 1, 0, self._before + self._read
        return out[:0]
