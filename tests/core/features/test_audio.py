"""Reading recordings: formats, rates, segments, damage and hostile headers, accepted or refused."""

import io
import math
import os
import resource
import struct
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError
from sertool.core.features import audio as audio_files
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.resampling import Resampler

READABLE = (
    "supported are WAV, FLAC, Ogg (Vorbis, Opus), MP3 and AIFF, and after pip install 'sertool[media]' also M4A, MP4, "
    "WebM, AMR and others"
)
FORMATS = {
    "pcm": ("WAV", "PCM_16"),
    "float": ("WAV", "FLOAT"),
    "adpcm": ("WAV", "IMA_ADPCM"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_24"),
}


def loaded_by_librosa(path, rate):
    # In here, because librosa is slow to import.
    librosa = pytest.importorskip("librosa")
    with warnings.catch_warnings():
        # Its audioread imports modules that Python 3.13 drops.
        warnings.simplefilter("ignore")
        return librosa.load(path, sr=rate)[0]


def tone(rate, seconds=0.5, hertz=440.0):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def encoded(kind, samples, rate):
    """The bytes of a file."""
    format_, subtype = FORMATS[kind]
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=format_, subtype=subtype)
    return content.getvalue()


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("wav", "DOUBLE"),
        ("wav", "PCM_U8"),
        ("wav", "PCM_24"),
        ("wav", "PCM_32"),
        ("wav", "ULAW"),
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
    ],
)
def test_reads_rates_and_formats_as_librosa_does(tmp_path, rate, suffix, subtype):
    path = tmp_path / f"tone.{suffix}"
    stereo = np.stack([tone(rate), tone(rate, hertz=1000)], axis=1)
    soundfile.write(path, stereo, rate, subtype=subtype)
    expected = loaded_by_librosa(path, 22050)
    samples = read_audio(Segment(path), 22050)
    assert samples.dtype == torch.float32
    assert samples.shape == expected.shape
    np.testing.assert_allclose(samples.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 6, 200])
def test_any_number_of_channels_is_averaged(tmp_path, channels):
    samples = np.random.default_rng(0).normal(0, 0.1, (3000, channels))
    soundfile.write(tmp_path / "many.wav", samples, 22050, subtype="FLOAT")
    np.testing.assert_allclose(
        read_audio(Segment(tmp_path / "many.wav"), 22050).numpy(),
        samples.astype(np.float32).mean(1),
        atol=1e-7,
    )


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_blocks_leave_no_trace(tmp_path, rate):
    samples = np.random.default_rng(0).normal(0, 0.1, 200_000).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", samples, rate, subtype="FLOAT")
    whole = samples if rate == 22050 else soxr.resample(samples, rate, 22050, "HQ")
    read = read_audio(Segment(tmp_path / "long.wav"), 22050).numpy()
    assert np.array_equal(read[: len(whole)], whole)
    assert len(read) == math.ceil(len(samples) * 22050 / rate)


@pytest.mark.parametrize("kind", ["vorbis", "opus", "mp3"])
def test_reads_lossy_formats(tmp_path, kind):
    path = tmp_path / "tone"
    path.write_bytes(encoded(kind, tone(48000, 1.0), 48000))
    samples = read_audio(Segment(path), 22050)
    assert samples.numel() / 22050 == pytest.approx(1.0, abs=0.06)
    assert samples[4000:18000].square().mean().sqrt().item() == pytest.approx(0.5 / math.sqrt(2), rel=0.02)


@pytest.mark.parametrize("name", ["tone.wav", "tone.mp3", "tone.raw", "tone.txt", "tone", "ton\u00e9 \u2603.flac"])
@pytest.mark.parametrize("kind", ["pcm", "flac", "vorbis", "mp3"])
def test_content_counts_and_not_the_name(tmp_path, kind, name):
    (tmp_path / name).write_bytes(encoded(kind, tone(16000), 16000))
    assert len(read_audio(Segment(tmp_path / name), 16000)) == pytest.approx(8000, abs=1200)


def test_samples_beyond_full_scale_are_kept(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.tile([0.0, 1.5, -32768.0], 100), 22050, subtype="FLOAT")
    assert read_audio(Segment(path), 22050)[:3].tolist() == [0.0, 1.5, -32768.0]


def test_a_segment_is_that_part_of_the_file(tmp_path):
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.arange(1000) / 1000, 1000, subtype="DOUBLE")
    whole = read_audio(Segment(path), 1000)
    assert torch.equal(read_audio(Segment(path, 0.25, 0.75), 1000), whole[250:750])
    assert torch.equal(read_audio(Segment(path, start=0.25), 1000), whole[250:])
    assert torch.equal(read_audio(Segment(path, end=0.75), 1000), whole[:750])
    # Tables round: a tenth of a second beyond the end is the end.
    assert torch.equal(read_audio(Segment(path, 0.5, 1.09), 1000), whole[500:])


@pytest.mark.parametrize("kind", FORMATS)
def test_segments_of_every_format(tmp_path, kind):
    path = tmp_path / "noise"
    samples = np.random.default_rng(0).normal(0, 0.1, (48000 * 3, 2))
    path.write_bytes(encoded(kind, samples, 48000))
    whole = read_audio(Segment(path), 48000).numpy()
    segment = read_audio(Segment(path, 1.25, 2.5), 48000).numpy()
    assert segment.shape == (60000,)
    # A decoder that starts in the middle of an MP3 or of Opus needs some frames to be exact.
    skip = 5000 if kind in ("mp3", "opus") else 0
    np.testing.assert_allclose(segment[skip:], whole[60000 + skip : 120000], atol=1e-3 if skip else 0)


def test_a_segment_of_a_long_file_is_not_read_from_the_beginning(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "long.flac", np.zeros(3_000_000), 16000)
    decoded = []
    read = soundfile.SoundFile.read

    def spy(self, out):
        decoded.append(len(out))
        return read(self, out=out)

    monkeypatch.setattr(soundfile.SoundFile, "read", spy)
    assert len(read_audio(Segment(tmp_path / "long.flac", 180.0, 181.0), 16000)) == 16000
    assert sum(decoded) == 16000


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (1.0, None, "is 1 s long, but the segment's start is at 1 s"),
        (1500.0, 2500.0, "is 1 s long, but the segment's start is at 1500 s"),
        (0.0, 1.2, "is 1 s long, but the segment's end is at 1.2 s"),
        (0.5, 0.5, "invalid segment from 0.5 s to 0.5 s"),
        (-1.0, 0.5, "invalid segment from -1 s to 0.5 s"),
        (math.nan, 0.5, "invalid segment from nan s to 0.5 s"),
        (0.0, math.inf, "invalid segment from 0 s to inf s"),
        (0.5, 0.505, "lasts 5 ms, expected at least 10 ms"),
    ],
)
def test_a_segment_outside_the_file_is_refused(tmp_path, start, end, message):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(1000), 1000)
    with pytest.raises(DataError) as caught:
        read_audio(Segment(path, start, end), 1000)
    assert str(caught.value) == f"{path}: {message}"


def refusal(path: Path, hint: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_audio(Segment(path), 22050)
    assert str(caught.value).startswith(f"{path}: ")
    assert caught.value.hint == hint
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "none.wav") == "no such file"
    assert refusal(tmp_path) == "is a folder, expected a file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not audio", "Format not recognised"),
        (bytes(100), "Format not recognised"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"PK\x03\x04\x14", "it is a zip archive"),
    ],
)
def test_what_is_no_audio_is_refused(tmp_path, content, reason):
    for name in ("sound.wav", "sound.raw"):
        (tmp_path / name).write_bytes(content)
        assert refusal(tmp_path / name, READABLE) == f"not readable as audio ({reason})"


def test_what_is_empty_is_refused(tmp_path):
    (tmp_path / "nothing.flac").touch()
    assert refusal(tmp_path / "nothing.flac", READABLE) == "the file is empty"
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 22050)
    assert refusal(tmp_path / "empty.wav") == "contains no samples"


def test_ten_milliseconds_are_a_recording_and_less_is_none(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.full(480, 0.5), 48000)
    assert read_audio(Segment(tmp_path / "short.wav"), 8000).shape == (80,)
    soundfile.write(tmp_path / "short.wav", np.full(479, 0.5), 48000)
    assert refusal(tmp_path / "short.wav") == "lasts 9.98 ms, expected at least 10 ms"


@pytest.mark.parametrize("rate", [22050, 16000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_not_finite_are_refused(tmp_path, rate, value):
    samples = np.zeros((90000, 2), np.float32)
    samples[80000:, 1] = value
    soundfile.write(tmp_path / "bad.wav", samples, rate, subtype="FLOAT")
    at = f"{80000 / rate:.3f}"
    assert refusal(tmp_path / "bad.wav") == f"holds NaN or infinite samples, the first at {at} s"
    with pytest.raises(DataError, match=f"the first at {at} s"):
        read_audio(Segment(tmp_path / "bad.wav", 1.0, 5.5 if rate == 16000 else 4.0), 22050)


def test_infinite_samples_that_cancel_are_refused(tmp_path):
    samples = np.tile(np.array([np.inf, -np.inf], np.float32), (1000, 1))
    soundfile.write(tmp_path / "bad.wav", samples, 22050, subtype="FLOAT")
    assert refusal(tmp_path / "bad.wav") == "holds NaN or infinite samples, the first at 0.000 s"


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 22050), 22050)
    path.write_bytes(path.read_bytes()[:20000])
    # Its words are for libsndfile's version to say, and may be none at all.
    with pytest.raises(DataError) as caught:
        read_audio(Segment(path), 22050)
    message = str(caught.value).removeprefix(f"{path}: ")
    assert message.startswith("not readable as audio (")
    assert "()" not in message


def test_a_stream_that_does_not_know_its_length_is_read_whole(tmp_path):
    path = tmp_path / "stream.flac"
    soundfile.write(path, tone(22050), 22050)
    content = bytearray(path.read_bytes())
    # STREAMINFO starts at byte 8; its sample count, 36 bits from byte 21 on, is 0 where it was not known.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert len(read_audio(Segment(path), 22050)) == 11025


def header(rate=16000, channels=1, data=0xFFFFFFF0):
    """A 16-bit WAV header that promises ``data`` bytes."""
    frame = 2 * channels
    return (
        b"RIFF" + struct.pack("<I", min(data + 36, 0xFFFFFFFF)) + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, 16)
        + b"data" + struct.pack("<I", data)
    )  # fmt: skip


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_header_may_promise_four_gigabytes(tmp_path):
    (tmp_path / "liar.wav").write_bytes(header() + bytes(32000))
    before = peak_mb()
    assert len(read_audio(Segment(tmp_path / "liar.wav"), 16000)) == 16000
    (tmp_path / "liar.wav").write_bytes(header(channels=1000) + bytes(2000 * 400))
    assert len(read_audio(Segment(tmp_path / "liar.wav"), 16000)) == 400
    assert peak_mb() - before < 50


@pytest.mark.parametrize("rate", [1, 99, 1_000_001, 2**31 - 1])
def test_sampling_rates_that_nothing_has_are_refused(tmp_path, rate):
    (tmp_path / "odd.wav").write_bytes(header(rate, data=2000) + bytes(2000))
    assert refusal(tmp_path / "odd.wav") == f"a sampling rate of {rate} Hz, expected 100 to 1,000,000 Hz"


@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_years_of_silence_are_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(audio_files, "LONGEST", 3600)
    hint = "divide it into segments with the columns start and end, in seconds"
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros(100 * 3601, np.int16), 100)
    if kind == "unknown":
        content = bytearray(path.read_bytes())
        content[21] &= 0xF0
        content[22:26] = bytes(4)
        path.write_bytes(content)
    assert refusal(path, hint) == "lasts more than 1 hours, more than can be read at once"
    assert len(read_audio(Segment(path, 5.0, 3601.0), 100)) == 359_600


@pytest.mark.slow
def test_an_hour_is_read_in_blocks(tmp_path):
    path = tmp_path / "hour.flac"
    with soundfile.SoundFile(path, "w", 44100, 2) as file:
        block = np.random.default_rng(0).normal(0, 0.1, (441000, 2))
        for _ in range(360):
            file.write(block)
    before = peak_mb()
    assert len(read_audio(Segment(path), 22050)) == 3600 * 22050
    # The result, 303 MB, and once more while its pieces are joined.
    assert peak_mb() - before < 700


def test_mp3_that_is_odd_says_nothing_on_stderr(tmp_path, capfd):
    content = encoded("mp3", tone(44100, 2.0), 44100)
    for number, bad in enumerate(
        [content[:9000], content[:700], content[100:], content[:4000] + bytes(500) + content[5000:]]
    ):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(bad)
        with suppress(DataError):
            read_audio(Segment(path), 22050)
    os.write(2, b"still there\n")
    assert capfd.readouterr().err == "still there\n"


def test_stderr_is_whole_after_threads_read_mp3(tmp_path, capfd):
    path = tmp_path / "a.mp3"
    path.write_bytes(encoded("mp3", tone(44100, 2.0), 44100))
    threads = [threading.Thread(target=lambda: [read_audio(Segment(path), 22050) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"still there\n")
    assert capfd.readouterr().err == "still there\n"


SAMPLES = np.stack([tone(16000, 0.3), tone(16000, 0.3, 300.0)], 1)
SOURCES = {kind: encoded(kind, SAMPLES, 16000) for kind in FORMATS}
PATCHES = st.tuples(
    st.one_of(st.integers(0, 100), st.integers(0, 20_000)),  # most in the header
    st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"]),
    ),
    st.integers(0, 8),  # bytes that it replaces
)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(sorted(SOURCES)),
    patches=st.lists(PATCHES, max_size=6),
    cut=st.one_of(st.none(), st.integers(0, 20_000)),
)
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, kind, patches, cut):
    content = bytearray(SOURCES[kind])
    for at, patch, replaced in patches:
        at %= len(content) + 1
        content[at : at + replaced] = patch
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    path.write_bytes(content[:cut])
    began, before = time.process_time(), peak_mb()
    with suppress(DataError):
        samples = read_audio(Segment(path), 22050)
        assert samples.isfinite().all()
        assert samples.numel() >= 0.01 * 22050
    assert time.process_time() - began < 10
    assert peak_mb() - before < 200


@pytest.mark.parametrize("target", [8000, 22050, 48000])
def test_resampling_by_way_of_another_rate_leaves_no_trace_of_blocks(target):
    samples = np.random.default_rng(0).normal(0, 0.1, 100_000).astype(np.float32)
    resampler = Resampler(48_000, 16_000, target)
    pieces = [piece for at in range(0, len(samples), 7000) for piece in resampler.add(samples[at : at + 7000])]
    expected = soxr.resample(soxr.resample(samples, 48_000, 16_000, "HQ"), 16_000, target, "HQ")
    found = np.concatenate([*pieces, resampler.rest()])
    assert abs(len(found) - len(expected)) <= 1
    np.testing.assert_allclose(found[: len(expected)], expected[: len(found)], atol=1e-6)
