"""Recordings whose header does not state their true length: never closed, cut, relabelled or joined."""

import io
import re
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from encoded_audio import without_header
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError
from sertool.core.features.audio import Recording, Segment, read_recording
from sertool.core.features.cache import FeatureCache
from sertool.core.features.frontend import extract_frames
from sertool.core.features.log_mel import LogMel
from sertool.core.recipe.frontends import Frontend

CASES = Path(__file__).resolve().parents[2] / "cases/audio"
RATE = 16000
NEVER_CLOSED = "its header was never completed, so it gives no length"
# Container, codec, and by how many samples a decoder may differ: a frame of a lossy codec and its delay.
KINDS = {
    "wav": ("WAV", "PCM_16", 0),
    "wav float": ("WAV", "FLOAT", 0),
    "wav adpcm": ("WAV", "IMA_ADPCM", 1024),
    "wavex": ("WAVEX", "PCM_24", 0),
    "rf64": ("RF64", "PCM_16", 0),
    "w64": ("W64", "PCM_16", 0),
    "aiff": ("AIFF", "PCM_16", 0),
    "au": ("AU", "PCM_16", 0),
    "au ulaw": ("AU", "ULAW", 0),
    "caf": ("CAF", "PCM_16", 0),
    "nist": ("NIST", "PCM_16", 0),
    "flac": ("FLAC", "PCM_16", 0),
    "vorbis": ("OGG", "VORBIS", 0),
    "opus": ("OGG", "OPUS", 0),
    "mp3": ("MP3", "MPEG_LAYER_III", 2304),
}


@cache
def encoded(kind: str, samples: int = RATE, channels: int = 1) -> bytes:
    form, subtype, _ = KINDS[kind]
    noise = 0.1 * np.random.default_rng(samples).normal(size=(samples, channels))
    content = io.BytesIO()
    soundfile.write(content, noise, RATE, format=form, subtype=subtype)
    return content.getvalue()


def read(folder: Path, content: bytes, start: float | None = None, end: float | None = None) -> Recording:
    (folder / "sound").write_bytes(content)
    return read_recording(Segment(folder / "sound", start, end), RATE)


@pytest.mark.parametrize(("name", "seconds"), [("loud", 6.0), ("quiet", 8.0), ("average", 6.0)])
def test_an_mp3_without_information_frame_is_read_to_its_end(name, seconds):
    heard = read_recording(Segment(CASES / f"{name}.mp3"), RATE)
    assert len(heard.samples) / RATE == pytest.approx(seconds, abs=0.06)
    assert heard.remark == ""
    segment = read_recording(Segment(CASES / f"{name}.mp3", 4.5, 5.5), RATE).samples
    assert len(segment) == RATE
    with pytest.raises(DataError, match=rf"{name}\.mp3: is [68]\.0\d+ s long, but the segment's end is at 9 s"):
        read_recording(Segment(CASES / f"{name}.mp3", 1.0, 9.0), RATE)


@pytest.mark.parametrize("name", ["ff", "riff0", "riff8", "riff36"])
def test_a_wav_that_was_never_closed_is_read_and_noted(name, tmp_path):
    heard = read_recording(Segment(CASES / f"{name}.wav"), RATE)
    assert (len(heard.samples), heard.remark) == (16000, NEVER_CLOSED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_has_no_remark(tmp_path, kind):
    heard = read(tmp_path, encoded(kind, 20000, 2))
    assert heard.remark == ""
    assert abs(len(heard.samples) - 20000) <= KINDS[kind][2]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"w64", "nist", "caf", "rf64"}))
def test_joined_files_are_read_one_behind_the_other(tmp_path, kind):
    one, other = encoded(kind), encoded(kind, 24000)
    apart = [read(tmp_path, content).samples for content in (one, other)]
    heard = read(tmp_path, one + other)
    assert len(heard.samples) == sum(map(len, apart))
    np.testing.assert_array_equal(heard.samples, np.concatenate(apart))
    assert heard.remark.startswith("it holds 2 recordings, one after the other: the first lasts 1")
    assert len(read(tmp_path, one + other, 0.75, 1.5).samples) == 12000


def test_of_joined_files_each_may_have_a_fault(tmp_path):
    one = encoded("mp3")
    heard = read(tmp_path, one + one[: len(one) // 2])
    assert "the first lasts 1 s, all of them 1." in heard.remark
    assert re.search(r"; of number 2, its header states 1 s, but it holds 0\.\d+ s$", heard.remark)


@pytest.mark.parametrize("kind", ["mp3", "flac"])
def test_segments_of_a_file_without_a_stated_length(tmp_path, kind):
    content = encoded(kind)
    content = without_header(content) if kind == "mp3" else content[:21] + b"\xf0" + bytes(4) + content[26:]
    whole = read(tmp_path, content).samples
    assert abs(len(whole) - RATE) <= KINDS[kind][2]
    torch.testing.assert_close(read(tmp_path, content, 0.25, 0.75).samples, whole[4000:12000], atol=1e-6, rtol=0)
    for start, end, what, at in ((0.0, 6.0, "end", 6), (5.0, 6.0, "start", 5), (5.0, None, "start", 5)):
        if kind == "flac" and what == "start":
            continue  # libsndfile refuses to seek there, in words of its own
        told = rf"is {len(whole) / RATE:g} s long, but the segment's {what} is at {at} s$"
        with pytest.raises(DataError, match=told):
            read(tmp_path, content, start, end)
    for start, end in ((0, 1e308), (1e308, None), (1e307, 1e308)):
        with pytest.raises(DataError, match=r"long, but the segment's (start|end) is at|psf_fseek"):
            read(tmp_path, content, start, end)


def test_joined_files_may_differ_in_their_rates(tmp_path):
    content = io.BytesIO()
    soundfile.write(content, 0.1 * np.random.default_rng(0).normal(size=8000), 8000, format="FLAC")
    assert len(read(tmp_path, encoded("flac") + content.getvalue()).samples) == 2 * RATE


# Place of the size behind the mark, its format, what is added to it, and values that mean "not known".
SIZES = {
    "wav": (b"data", 4, "<I", 0, (0, 0xFFFFFFFF, 0x7FFFFFFF)),
    "wav adpcm": (b"data", 4, "<I", 0, (0, 0xFFFFFFFF)),
    "aiff": (b"SSND", 4, ">I", 8, (0, 0xFFFFFFFF)),
    "au": (b".snd", 8, ">I", 0, (0,)),
    "caf": (b"data", 4, ">Q", 4, (0,)),
}


@pytest.mark.parametrize("kind", SIZES)
def test_a_header_that_states_another_length_is_told(tmp_path, kind):
    mark, offset, form, extra, unknown = SIZES[kind]
    content, samples = encoded(kind), len(read(tmp_path, encoded(kind)).samples)
    place = content.index(mark) + offset

    def states(size: int) -> Recording:
        field = struct.pack(form, size)
        return read(tmp_path, content[:place] + field + content[place + len(field) :])

    for size in unknown:
        heard = states(size)
        assert (len(heard.samples), heard.remark) == (samples, NEVER_CLOSED)
    for share in (0.25, 4):
        heard = states(extra + round(share * (len(content) - place - 4 - extra)))
        assert abs(len(heard.samples) - samples) <= KINDS[kind][2]
        assert heard.remark.startswith("its header states ")
        assert heard.remark.endswith(f"s, but it holds {len(heard.samples) / RATE:.4g} s")


@pytest.mark.parametrize(("claimed", "stated"), [(4000, "0.25"), (64000, "4")])
def test_a_flac_file_that_states_another_length(tmp_path, claimed, stated):
    content = bytearray(encoded("flac"))
    number = int.from_bytes(content[18:26], "big") & ~(2**36 - 1) | claimed
    content[18:26] = number.to_bytes(8, "big")
    heard = read(tmp_path, bytes(content))
    assert (len(heard.samples), heard.remark) == (16000, f"its header states {stated} s, but it holds 1 s")


def test_chunks_and_tags_behind_the_samples_are_no_sound(tmp_path):
    wav, rest = encoded("wav"), b"LIST\x04\0\0\0INFO"
    for tail in (rest, b"TAG" + bytes(125), b"ID3\x04\0\0\0\0\0\0", bytes(100), rest + b"id3 \x02\0\0\0ab", b"\0"):
        heard = read(tmp_path, wav + tail)
        assert (len(heard.samples), heard.remark) == (16000, "")


def test_chunks_behind_samples_whose_number_was_never_stated_are_no_sound(tmp_path):
    wav, rest = bytearray(encoded("wav")), b"LIST\x04\0\0\0INFO"
    place = wav.index(b"data") + 4
    for size in (0, 0xFFFFFFFF):
        wav[place : place + 4] = struct.pack("<I", size)
        for tail in (rest, b"TAG" + bytes(125), b"id3 \x03\0\0\0abc\0", rest + b"cue \0\0\0\0"):
            assert len(read(tmp_path, bytes(wav) + tail).samples) == RATE
        for samples in (b"LIST" + bytes(99), b"TAG" + bytes(5), b"fact\xff\0\0\0" + bytes(8)):  # no such chunks
            assert len(read(tmp_path, bytes(wav) + samples).samples) == RATE + len(samples) // 2


def test_an_odd_number_of_bytes_is_filled_up(tmp_path):
    content = io.BytesIO()
    soundfile.write(content, np.zeros(1001), RATE, format="WAV", subtype="PCM_U8")
    for tail in (b"", b"LIST\x04\0\0\0INFO"):
        assert read(tmp_path, content.getvalue() + tail).remark == ""


def test_a_header_alone_contains_no_samples(tmp_path):
    with pytest.raises(DataError, match="contains no samples"):
        read(tmp_path, encoded("wav")[:44])


def test_the_remark_is_kept_with_the_frames(tmp_path):
    (tmp_path / "cut.wav").write_bytes(encoded("wav")[:-16000])
    segment, maker, store = Segment(tmp_path / "cut.wav"), LogMel(Frontend()), FeatureCache(tmp_path / "cache")
    first, again = (store.extract_frames(segment, maker).remark for _ in range(2))
    assert first == again == extract_frames(segment, maker).remark == "its header states 1 s, but it holds 0.5 s"


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), share=st.floats(0.05, 1), channels=st.sampled_from([1, 2]))
def test_a_file_that_was_cut_is_refused_or_told(tmp_path_factory, kind, share, channels):
    content = encoded(kind, 24000, channels)
    kept = content[: round(share * len(content))]
    folder = tmp_path_factory.mktemp("cut")
    try:
        heard = read(folder, kept)
    except DataError:
        return
    allowed = KINDS[kind][2] + (0 if kind in ("vorbis", "opus") else 1)
    assert heard.remark or abs(len(heard.samples) - 24000) <= allowed
