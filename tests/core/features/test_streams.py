"""MP3 and Ogg files whose header says less than they hold: every part is decoded to its end."""

import io
import math

import numpy as np
import pytest
import soundfile
from encoded_audio import encoded, without_header

from sertool.core.features.streams import mp3_parts, ogg_parts

TAG = b"TAG" + bytes(125)
ID3 = b"ID3\x04\x00\x00\x00\x00\x0f\x76" + bytes(15 * 128 + 0x76)
ART = b"APETAGEX" + bytes(4) + (50_000).to_bytes(4, "little") + np.random.default_rng(0).bytes(16 + 50_000)


def seconds_of(parts: list[bytes]) -> float:
    """Decode parts; infinity if a decoder gave up before the end of a part."""
    total = 0.0
    for part in parts:
        content = io.BytesIO(part)
        with soundfile.SoundFile(content) as sound:
            sound.seekable = lambda: False
            block = np.empty((4096, sound.channels), np.float32)
            while count := len(sound.read(out=block)):
                total += count / sound.samplerate
            if sound.frames > 1 << 40 and content.tell() < len(part):
                return math.inf
    return total


@pytest.mark.parametrize("rate", [48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_mp3_is_decoded_to_its_end(rate, channels):
    short = encoded(1, rate, channels=channels)
    long = encoded(2, rate, channels=channels, mode="VARIABLE")
    bare = without_header(long)
    half = len(short) // 2
    delay = 2 * 1152 / min(rate, 24000)  # without a header the encoder's delay stays
    for content, seconds in (
        (short, 1), (long, 2), (short + TAG, 1), (short + ART, 1), (ID3 + short + bytes(3000), 1),
        (short + long, 3), (ID3 + long + TAG + short, 3), (short + ART + ID3 + long, 3), (short + ID3 + short, 2),
        (bare, 2), (ID3 + bare, 2), (short + bare, 3), (bare + short, 3),
    ):  # fmt: skip
        assert seconds_of(mp3_parts(content)) == pytest.approx(seconds, abs=delay + 0.1)
    # Where half a frame is followed by another one, some decoders give up.
    assert seconds_of(mp3_parts(short[:half] + long)) in (math.inf, pytest.approx(2.5, abs=delay + 0.1))


def test_an_mp3_whose_header_is_right_stays_as_it_is():
    for mode in ("CONSTANT", "VARIABLE"):
        content = encoded(1, 16000, mode=mode)
        assert mp3_parts(content) == [content]
        assert mp3_parts(content + TAG + ART) == [content + TAG + ART]
        assert mp3_parts(content[:3000]) == [content[:3000]]  # its header tells that it is cut
        assert [len(part) for part in mp3_parts(content + content)] == [len(content)] * 2


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_joined_ogg_files_are_parts(subtype):
    one, two = (encoded(seconds, 16000, file_format="OGG", subtype=subtype) for seconds in (1, 2))
    for parts in ([one], [one, two], [two, one, two]):
        assert ogg_parts(b"".join(parts)) == parts
        assert seconds_of(ogg_parts(b"".join(parts))) == pytest.approx(sum(2 if part == two else 1 for part in parts))


@pytest.mark.parametrize(
    "content", [b"", b"I", b"ID3", ID3, b"\xff\xfb\x90\x00", b"OggS", b"OggS\x00\x02", b"\xff" * 99]
)
def test_fragments_are_parts_of_their_own(content):
    assert len(mp3_parts(content)) == 1
    assert ogg_parts(content) == [content]


@pytest.mark.parametrize("stated", [0, 1, 30])
def test_a_header_that_states_less_than_itself_is_not_believed(stated):
    content = bytearray(encoded(1, 16000))
    place = max(content.find(b"Xing"), content.find(b"Info"))
    content[place + 12 : place + 16] = stated.to_bytes(4, "big")
    assert len(mp3_parts(bytes(content))) == 1
    assert seconds_of(mp3_parts(bytes(content))) == pytest.approx(1, abs=0.3)
