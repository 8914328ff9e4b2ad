"""Recordings of phones, browsers and video files: their length, streams and channels, and files that are hostile."""

import math
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_media import KINDS, write_media

from sertool.core.errors import DataError, UsageError
from sertool.core.features import media
from sertool.core.features.audio import Segment, read_audio, read_recording

pytest.importorskip("av")
RATE = 16000
# Formats that say nothing about the samples in front of the recording and behind it, with what they may add (seconds).
LOOSE = {"aac": 0.13, "flv": 0.13, "ts": 0.13, "avi": 0.13, "mkv": 0.065, "amr": 0.025, "wma": -0.05}


def voice(seconds=1.3, hertz=440.0, rate=RATE):
    """A tone whose loudness swells and falls, like syllables."""
    place = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * hertz * place) * np.sin(2 * np.pi * 2 * place)).astype(np.float32)


def made(folder: Path, kind="m4a", *streams, rate=RATE, **options) -> Path:
    return write_media(folder / f"recording.{kind}", *(streams or (voice(rate=rate),)), rate=rate, kind=kind, **options)


def refusal(path: Path, **segment) -> str:
    with pytest.raises(DataError) as caught:
        read_audio(Segment(path, **segment), RATE)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_has_its_true_length(tmp_path, kind, rate):
    read = read_recording(Segment(made(tmp_path, kind, rate=rate)), RATE)
    off = len(read.samples) / RATE - 1.3
    low, high = sorted((0.0, LOOSE.get(kind, 0.0)))
    assert low - 0.002 <= off <= high + 0.002
    assert read.remark == ""
    loudness = read.samples.square().mean().sqrt().item()
    assert loudness == pytest.approx(float(np.sqrt(np.mean(voice() ** 2))), rel=0.2)


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv", "avi"])
def test_pictures_are_passed_over(tmp_path, kind):
    plain = read_audio(Segment(made(tmp_path, kind)), RATE)
    film = read_audio(Segment(write_media(tmp_path / "film", voice(), rate=RATE, kind=kind, picture=True)), RATE)
    np.testing.assert_allclose(film, plain, atol=1e-6)


def test_what_is_lossless_is_the_same(tmp_path):
    samples = np.stack([voice(), voice(hertz=330)], 1)
    path = made(tmp_path, "alac", samples)
    np.testing.assert_allclose(read_audio(Segment(path), RATE), samples.mean(1), atol=1e-4)
    np.testing.assert_allclose(read_audio(Segment(path, channel=2), RATE), samples[:, 1], atol=1e-4)
    soundfile.write(tmp_path / "same.wav", samples, RATE)
    # Resampled and cut by the same code as other recordings.
    for segment in ((None, None), (0.25, 0.75), (0.5, 1.35)):
        ours, theirs = (read_audio(Segment(one, *segment), 22050) for one in (path, tmp_path / "same.wav"))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_quicktime_file_without_the_box_of_its_kind_is_read(tmp_path):
    path = made(tmp_path, "mov")
    content = path.read_bytes()
    size = int.from_bytes(content[:4], "big")
    assert content[4:8] == b"ftyp"
    path.write_bytes(size.to_bytes(4, "big") + b"free" + content[8:])
    assert len(read_audio(Segment(path), RATE)) == math.ceil(1.3 * RATE)


def test_aac_behind_a_tag_is_read(tmp_path):
    path = made(tmp_path, "aac")
    plain = read_audio(Segment(path), RATE)
    path.write_bytes(b"ID3\4\0\0\0\0\0\x3f" + bytes(63) + path.read_bytes())
    np.testing.assert_array_equal(read_audio(Segment(path), RATE), plain)


def test_a_channel_is_taken_and_a_missing_one_refused(tmp_path):
    path = made(tmp_path, "m4a", np.stack([voice(), np.zeros_like(voice())], 1))
    assert read_audio(Segment(path, channel=1), RATE).abs().max() > 0.3
    assert read_audio(Segment(path, channel=2), RATE).abs().max() < 0.01
    assert refusal(path, channel=3) == "has 2 channels, and channel 3 is asked for"


def test_a_channel_of_a_wave_file(tmp_path):
    samples = np.stack([voice(), voice(hertz=330)], 1)
    for subtype in ("PCM_16", "FLOAT"):
        soundfile.write(tmp_path / "call.wav", samples, RATE, subtype=subtype)
        for channel in (1, 2):
            one = read_audio(Segment(tmp_path / "call.wav", channel=channel), RATE)
            np.testing.assert_allclose(one, samples[:, channel - 1], atol=1e-4)
    assert refusal(tmp_path / "call.wav", channel=3) == "has 2 channels, and channel 3 is asked for"
    assert refusal(tmp_path / "call.wav", stream=2) == "has one stream, and stream 2 is asked for"
    assert len(read_audio(Segment(tmp_path / "call.wav", stream=1), RATE)) == len(samples)


def test_the_first_stream_is_read_unless_another_is_asked_for(tmp_path):
    path = made(tmp_path, "mp4", voice(1.0), voice(2.0, 330))
    lengths = [len(read_audio(Segment(path, stream=number), RATE)) / RATE for number in (None, 1, 2)]
    assert lengths == pytest.approx([1.0, 1.0, 2.0], abs=0.002)
    assert refusal(path, stream=3) == (
        "not readable as audio (MP4 or M4A: it has 2 streams of sound, and stream 3 is asked for)"
    )


@pytest.mark.parametrize("kind", ["m4a", "webm", "mkv", "amr", "3gp", "alac"])
def test_a_segment_far_into_a_file_is_that_part_of_it(tmp_path, kind):
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * RATE).astype(np.float32)
    path = made(tmp_path, kind, noise)
    whole = read_audio(Segment(path), RATE).numpy()
    for start, end in ((1.25, 2.5), (15.0, 16.25), (17.5, None)):
        part = read_audio(Segment(path, start, end), RATE).numpy()
        expected = whole[round(start * RATE) : None if end is None else round(end * RATE)]
        assert len(part) == pytest.approx(len(expected), abs=RATE // 1000)
        least = min(len(part), len(expected))
        # Resampling starts anew at the segment, and Matroska states places in milliseconds.
        shifts = range(-16, 17) if kind in ("webm", "mkv") else (0,)
        middle = slice(400, least - 400)
        near = max(
            np.corrcoef(np.roll(part[:least], shift)[middle], expected[:least][middle])[0, 1] for shift in shifts
        )
        assert near > 0.9 if kind in ("amr", "3gp") else near > 0.98


def test_opus_is_decoded_to_the_rate_that_was_recorded(tmp_path):
    """Above half of that rate a decoder adds noise; libsndfile leaves it out, too."""
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    read = read_audio(Segment(made(tmp_path, "webm", noise)), 48_000).numpy()
    assert len(read) == 2 * 48_000
    power = np.abs(np.fft.rfft(read)) ** 2
    assert power[2 * 8_400 :].sum() < 1e-7 * power.sum()
    soundfile.write(tmp_path / "same.ogg", noise, RATE, format="OGG", subtype="OPUS")
    assert len(read_audio(Segment(tmp_path / "same.ogg"), 48_000)) == len(read)


def test_a_segment_outside_the_recording_is_refused(tmp_path):
    path = made(tmp_path)
    assert refusal(path, start=2.0, end=3.0) == "is 1.3 s long, but the segment's start is at 2 s"
    assert refusal(path, start=0.5, end=1.5) == "is 1.3 s long, but the segment's end is at 1.5 s"


def test_threads_decode_side_by_side(tmp_path):
    path = made(tmp_path)
    lengths = []
    threads = [
        threading.Thread(target=lambda: lengths.extend(len(read_audio(Segment(path), RATE)) for _ in range(5)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(lengths) == {math.ceil(1.3 * RATE)}


def test_ffmpeg_stays_out_of_this_process(tmp_path):
    read_audio(Segment(made(tmp_path)), RATE)
    del sys.modules["av"]  # of the maker
    read_audio(Segment(made(tmp_path / "..", "webm")), RATE)


def test_without_pyav_the_message_names_the_extra(tmp_path, monkeypatch):
    path = made(tmp_path)
    monkeypatch.setattr(media, "is_installed", lambda: False)
    with pytest.raises(UsageError) as caught:
        read_audio(Segment(path), RATE)
    assert str(caught.value) == f"{path}: is MP4 or M4A, which needs PyAV"
    assert caught.value.hint == "pip install 'sertool[media]'"
