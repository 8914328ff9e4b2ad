"""Recordings that are longer than their header says, or whose header says nothing: read to their true ends."""

import numpy as np
import pytest
import soundfile
from encoded_audio import encoded, without_header

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment, read_audio

RATE = 16000
KINDS = {"mp3": ("MP3", "MPEG_LAYER_III"), "vorbis": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS")}


def refusal(path, *ends) -> str:
    with pytest.raises(DataError) as raised:
        read_audio(Segment(path, *ends), RATE)
    return str(raised.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_joined_files_are_read_one_after_another(tmp_path, kind):
    file_format, subtype = KINDS[kind]
    parts = [encoded(seconds, RATE, file_format=file_format, subtype=subtype) for seconds in (1, 2, 1)]
    (tmp_path / "joined").write_bytes(b"".join(parts))
    wanted = []
    for number, part in enumerate(parts):
        (tmp_path / f"{number}").write_bytes(part)
        wanted.append(read_audio(Segment(tmp_path / f"{number}"), RATE).numpy())
    found = read_audio(Segment(tmp_path / "joined"), RATE).numpy()
    np.testing.assert_array_equal(found, np.concatenate(wanted))
    for start, end in ((0.5, 1.5), (1.0, 3.25), (3.5, None), (None, 0.1)):
        segment = read_audio(Segment(tmp_path / "joined", start, end), RATE).numpy()
        np.testing.assert_array_equal(segment, found[round((start or 0) * RATE) : round((end or 4) * RATE)])
    assert refusal(tmp_path / "joined", 0, 5) == "is 4 s long, but the segment's end is at 5 s"


def test_an_mp3_without_a_stated_length_is_read_to_its_end(tmp_path):
    """Its first frames are small, so that libsndfile guesses a length that is several times too large."""
    path = tmp_path / "bare.mp3"
    path.write_bytes(without_header(encoded(4, RATE, mode="VARIABLE")))
    guessed = soundfile.info(path).duration
    assert not 3.5 < guessed < 4.5
    whole = read_audio(Segment(path), RATE)
    assert len(whole) / RATE == pytest.approx(4, abs=0.2)
    np.testing.assert_array_equal(read_audio(Segment(path, 1, 3.5), RATE), whole[RATE : 7 * RATE // 2])
    true = len(whole) / RATE
    assert refusal(path, 0, 6) == f"is {true:g} s long, but the segment's end is at 6 s"
    assert refusal(path, 5, 6) == f"is {true:g} s long, but the segment's start is at 5 s"


@pytest.mark.parametrize("other", [{"rate": 8000}, {"rate": RATE, "channels": 2}])
def test_joined_files_of_different_kinds_are_refused(tmp_path, other):
    one = encoded(1, RATE, file_format="OGG", subtype="OPUS")
    (tmp_path / "mixed.ogg").write_bytes(one + encoded(1, file_format="OGG", subtype="OPUS", **other))
    assert refusal(tmp_path / "mixed.ogg") == (
        "not readable as audio (joined from recordings of different sampling rates or numbers of channels)"
    )


def test_a_joined_file_that_is_cut_is_refused(tmp_path):
    one = encoded(1, RATE)
    (tmp_path / "cut.mp3").write_bytes(one + one[: len(one) // 2])
    assert refusal(tmp_path / "cut.mp3") == "not readable as audio (part 2 of 2 is damaged or cut short)"


def test_a_header_that_was_never_written_is_told(tmp_path):
    path = tmp_path / "killed.wav"
    soundfile.write(path, np.zeros(RATE), RATE, subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes(4) + content[44:])
    assert refusal(path) == "contains no samples, as its header says, but the file has 32,044 bytes"
    for start, end in ((0, 1e308), (1e308, None), (1e307, 1e308)):
        assert refusal(path, start, end).startswith("contains no samples")
