"""Files for FFmpeg that are cut, damaged, encrypted, or made to do harm: each is read as far as it goes, or refused."""

import os
import signal
import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_media import write_media

from sertool.core.errors import DataError
from sertool.core.features import media
from sertool.core.features.audio import Segment, read_audio, read_recording

pytest.importorskip("av")
RATE = 16000
NOISE = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
IN_FRONT = {"movflags": "faststart"}  # the table of contents of an MP4 before its samples, as on web sites


def made(folder: Path, kind="mp4", **options) -> Path:
    return write_media(folder / f"recording.{kind}", NOISE, rate=RATE, kind=kind, **options)


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_audio(Segment(path), RATE)
    return str(caught.value).removeprefix(f"{path}: not readable as audio ").strip("()")


@pytest.mark.parametrize("kind", ["mp4", "webm", "mkv"])
def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path, kind):
    options = {"options": IN_FRONT} if kind == "mp4" else {}
    read = read_recording(Segment(cut(made(tmp_path, kind, **options), 0.5)), RATE)
    held = len(read.samples) / RATE
    assert 0.7 < held < 1.3
    stated, _, rest = read.remark.removeprefix("its header states ").partition(" s, but it holds ")
    assert float(stated) == pytest.approx(2, abs=0.07)
    assert float(rest.removesuffix(" s")) == pytest.approx(held, abs=0.001)


@pytest.mark.parametrize(("kind", "share"), [("mp4", 0.9), ("mp4", 0.02), ("webm", 0.01), ("avi", 0.02)])
def test_a_file_without_its_beginning_or_end_is_refused(tmp_path, kind, share):
    assert refusal(cut(made(tmp_path, kind), share)).endswith(("damaged or cut short", "contains no samples"))


def test_what_is_damaged_is_passed_over(tmp_path):
    path = made(tmp_path, "aac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = bytes(60)
    path.write_bytes(content)
    read = read_recording(Segment(path), RATE)
    assert read.remark.startswith("what is damaged was passed over: ")
    assert len(read.samples) > RATE


def test_an_encrypted_recording_is_refused(tmp_path):
    key, number = "76a6c65c5ea762046bd749a2e632ccbb", "a7e61c373e219033c21091fa607bf3b8"
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": number}
    assert "damaged or encrypted" in refusal(made(tmp_path, options=options))


def test_fragments_of_a_stream_are_read_whole(tmp_path):
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "500000"}
    read = read_recording(Segment(made(tmp_path, options=options)), RATE)
    assert len(read.samples) / RATE == pytest.approx(2, abs=0.13)
    assert read.remark == ""


def test_pictures_alone_are_refused(tmp_path):
    path = write_media(tmp_path / "film", rate=RATE, kind="mp4", picture=True)
    assert refusal(path) == "MP4 or M4A: it holds no sound; its streams: video"


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n%s\n",
        b"ffconcat version 1.0\nfile '%s'\n",
        b"<MPD><Period><AdaptationSet><BaseURL>%s</BaseURL></AdaptationSet></Period></MPD>",
        b"[playlist]\nFile1=%s\n",
        b"v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n%s\n",
    ],
)
def test_lists_of_other_files_are_no_recordings(tmp_path, content):
    path = tmp_path / "list.m4a"
    path.write_bytes(content % str(made(tmp_path)).encode())
    assert refusal(path) in ("Format not recognised", "it is a web page")


def altered(path: Path, box: bytes, place: int, *values: int) -> Path:
    """Write 32-bit numbers behind the name of a box of an MP4."""
    content = bytearray(path.read_bytes())
    at = content.index(box) + 4 + place
    content[at : at + 4 * len(values)] = struct.pack(f">{len(values)}I", *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("box", "place", "values"),
    [
        (b"stsz", 4, (1, 2**31 - 1)),  # two thousand million samples of one byte
        (b"stsz", 4, (0, 2**31 - 1)),
        (b"stsc", 12, (2**31 - 1,)),  # samples of a chunk
        (b"stts", 8, (2**31 - 1, 2**31 - 1)),
        (b"elst", 4, (2**31 - 1,)),
        (b"mdhd", 12, (1, 2**32 - 1)),  # 136 years
        (b"mp4a", 24, (2**32 - 1,)),  # sampling rate
        (b"mp4a", 16, (2**32 - 1,)),  # channels
    ],
)
def test_absurd_numbers_take_neither_time_nor_memory(tmp_path, box, place, values):
    path = altered(made(tmp_path), box, place, *values)
    began = time.monotonic()
    with suppress(DataError):
        assert len(read_audio(Segment(path), RATE)) < 3 * RATE
    assert time.monotonic() - began < 20


def test_a_process_that_ends_costs_one_recording(tmp_path):
    path = made(tmp_path)
    read_audio(Segment(path), RATE)
    os.kill(media._own_decoder().process.pid, signal.SIGKILL)
    assert "FFmpeg came to an end over it" in refusal(path)
    assert len(read_audio(Segment(path), RATE)) == 2 * RATE


def test_a_process_that_gives_no_answer_is_ended(tmp_path, monkeypatch):
    path = made(tmp_path)
    monkeypatch.setattr(media, "PATIENCE", 0.5)
    media._own_decoder().end()
    assert len(read_audio(Segment(path), RATE)) == 2 * RATE
    stopped = media._own_decoder().process
    os.kill(stopped.pid, signal.SIGSTOP)
    assert refusal(path).endswith("FFmpeg gave no answer for 0.5 s")
    assert stopped.returncode == -signal.SIGKILL
    assert len(read_audio(Segment(path), RATE)) == 2 * RATE


def test_a_recording_that_is_refused_while_it_is_read_leaves_nothing_behind(tmp_path):
    """Samples that FFmpeg still had to send of one recording are not taken for those of the next one."""
    samples = np.tile(np.float32([0.1, np.nan]), RATE)
    path = write_media(tmp_path / "nan.mov", samples, rate=RATE, kind="float")
    with pytest.raises(DataError, match="holds NaN or infinite samples"):
        read_audio(Segment(path), RATE)
    assert read_audio(Segment(made(tmp_path)), RATE).isfinite().all()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    short = NOISE[: RATE // 4]
    kinds = ("mp4", "webm", "amr", "wma", "avi", "aac", "flv", "ts", "3gp")
    return {kind: write_media(folder / f"s.{kind}", short, rate=RATE, kind=kind).read_bytes() for kind in kinds}


PATCHES = st.tuples(
    st.one_of(st.integers(0, 200), st.integers(0, 8000)),
    st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])),
    st.integers(0, 8),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), patches=st.lists(PATCHES, max_size=6), share=st.one_of(st.none(), st.floats(0.0, 1.0)))
def test_a_damaged_file_is_read_or_refused(sources, tmp_path_factory, data, patches, share):
    content = bytearray(sources[data.draw(st.sampled_from(sorted(sources)))])
    for at, patch, replaced in patches:
        at %= len(content)
        content[at : at + replaced] = patch
    path = tmp_path_factory.getbasetemp() / "damaged.media"
    path.write_bytes(content[: None if share is None else round(share * len(content))])
    began = time.monotonic()
    with suppress(DataError):
        samples = read_audio(Segment(path), RATE)
        assert samples.isfinite().all()
    assert time.monotonic() - began < 20
