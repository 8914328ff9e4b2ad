"""The mel frontend against librosa, and what reading a recording accepts and refuses."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sertool.core.acoustics import FEATURE_FLOOR, log_mels, mel_filters, read_audio, trim
from sertool.core.errors import DataError
from sertool.core.recipe import Frontend

REFERENCE = Frontend()
EVERY_FRAME = Frontend(frame_step=1)


def librosa():
    # In here, because librosa is slow to import.
    return pytest.importorskip("librosa")


def loaded_by_librosa(path, rate):
    with warnings.catch_warnings():
        # Its audioread imports modules that Python 3.13 drops.
        warnings.simplefilter("ignore")
        return librosa().load(path, sr=rate)[0]


def oracle(samples, frontend):
    """The same frames, step by step as the settings were published, by librosa."""
    if frontend.trim_db is not None:
        samples, _ = librosa().effects.trim(samples, top_db=frontend.trim_db)
    samples = np.append(samples[0], samples[1:] - frontend.preemphasis * samples[:-1])
    magnitude = np.abs(
        librosa().stft(
            samples,
            n_fft=frontend.fft_size,
            hop_length=frontend.hop_length,
            win_length=frontend.window_length,
        )
    )
    filters = librosa().filters.mel(
        sr=frontend.sample_rate, n_fft=frontend.fft_size, n_mels=frontend.mel_bands
    )
    level = 20 * np.log10(np.maximum(1e-5, filters @ magnitude))
    return np.clip((level - 20 + 100) / 100, 1e-8, 1).T[:: frontend.frame_step]


def signals():
    random = np.random.default_rng(7)
    time = np.arange(2 * 22050) / 22050
    noise = random.normal(0, 0.1, 44100)
    return {
        "noise": noise,
        "tone": 0.9 * np.sin(2 * np.pi * 440 * time),
        "chirp": np.sin(2 * np.pi * (50 + 1000 * time) * time),
        "clipped": np.clip(20 * noise, -1, 1),
        "constant": np.full(9000, 0.5),
        "silence around": np.concatenate([np.zeros(20000), noise, np.zeros(15000)]),
        "quiet end": np.concatenate([noise, noise * 1e-4]),
        "quiet throughout": noise * 1e-5,
        "shorter than a window": noise[:300],
        "one sample": np.ones(1),
        "click": np.eye(1, 30000, 15000)[0],
        "zeros": np.zeros(5000),
    }


@pytest.mark.filterwarnings("ignore")  # librosa warns where a signal is shorter than its FFT
@pytest.mark.parametrize("frontend", [REFERENCE, EVERY_FRAME], ids=["every 16th", "every frame"])
@pytest.mark.parametrize("name", signals())
def test_frames_agree_with_librosa(name, frontend):
    samples = signals()[name].astype(np.float32)
    frames = log_mels(torch.from_numpy(samples), frontend)
    expected = oracle(samples, frontend)
    assert frames.shape == expected.shape
    assert frames.dtype == torch.float32
    assert np.abs(frames.numpy() - expected).max() < 2e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "frontend",
    [
        Frontend(
            sample_rate=16000, fft_size=512, hop_length=160, window_length=400, mel_bands=40, frame_step=1
        ),
        Frontend(
            sample_rate=8000, fft_size=1024, hop_length=100, window_length=1024, mel_bands=64, frame_step=3
        ),
        Frontend(sample_rate=48000, trim_db=None, preemphasis=0.0, frame_step=5),
        Frontend(trim_db=20.0, window_length=801, frame_step=2),
    ],
    ids=["16 kHz", "8 kHz", "48 kHz untrimmed", "odd window"],
)
def test_other_settings_agree_with_librosa(frontend):
    samples = signals()["quiet end"].astype(np.float32)
    assert (
        np.abs(log_mels(torch.from_numpy(samples), frontend).numpy() - oracle(samples, frontend)).max() < 2e-5
    )


def test_five_seconds_have_401_frames_and_26_after_the_reduction():
    # The counts that an author of the reference confirmed.
    samples = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 5 * 22050).astype(np.float32))
    every = log_mels(samples, EVERY_FRAME)
    assert every.shape == (401, 80)
    assert torch.equal(log_mels(samples, REFERENCE), every[::16])
    assert log_mels(samples, REFERENCE).shape == (26, 80)


@pytest.mark.parametrize("top_db", [20.0, 40.0, 60.0])
@pytest.mark.parametrize("name", signals())
def test_trim_keeps_what_librosa_keeps(name, top_db):
    samples = signals()[name].astype(np.float32)
    expected, _ = librosa().effects.trim(samples, top_db=top_db)
    assert torch.equal(trim(torch.from_numpy(samples), top_db), torch.from_numpy(expected))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("sample_rate", "fft_size", "mel_bands"),
    [(22050, 2048, 80), (16000, 512, 40), (1600, 256, 8), (8000, 256, 128)],
)
def test_filter_bank_agrees_with_librosa(sample_rate, fft_size, mel_bands):
    expected = librosa().filters.mel(sr=sample_rate, n_fft=fft_size, n_mels=mel_bands, dtype=np.float64)
    np.testing.assert_allclose(mel_filters(sample_rate, fft_size, mel_bands), expected, rtol=1e-9, atol=1e-15)


def test_silence_stays_whole_and_at_the_floor():
    frames = log_mels(torch.zeros(22050), EVERY_FRAME)
    assert frames.shape == (81, 80)
    assert (frames == np.float32(FEATURE_FLOOR)).all()


def tone(rate, seconds=0.5, hertz=440.0):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_16"), ("wav", "FLOAT"), ("wav", "PCM_U8"), ("flac", "PCM_16"), ("flac", "PCM_24")],
)
def test_reads_rates_and_formats_as_librosa_does(tmp_path, rate, suffix, subtype):
    path = tmp_path / f"tone.{suffix}"
    stereo = np.stack([tone(rate), tone(rate, hertz=1000)], axis=1)
    soundfile.write(path, stereo, rate, subtype=subtype)
    expected = loaded_by_librosa(path, 22050)
    samples = read_audio(path, 22050)
    assert samples.dtype == torch.float32
    assert samples.shape == expected.shape
    np.testing.assert_allclose(samples.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_reads_lossy_formats(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(44100, 1.0), 44100)
    samples = read_audio(path, 22050)
    assert samples.numel() / 22050 == pytest.approx(1.0, abs=0.06)
    assert samples[4000:18000].square().mean().sqrt().item() == pytest.approx(0.5 / math.sqrt(2), rel=0.02)


def test_samples_beyond_full_scale_are_kept(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([0.0, 1.5, -3.0]), 22050, subtype="FLOAT")
    assert read_audio(path, 22050).tolist() == [0.0, 1.5, -3.0]


def test_a_segment_is_that_part_of_the_file(tmp_path):
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.arange(1000) / 1000, 1000, subtype="DOUBLE")
    whole = read_audio(path, 1000)
    assert torch.equal(read_audio(path, 1000, 0.25, 0.75), whole[250:750])
    assert torch.equal(read_audio(path, 1000, start=0.25), whole[250:])
    assert torch.equal(read_audio(path, 1000, end=0.75), whole[:750])
    # Tables round: a tenth of a second beyond the end is the end.
    assert torch.equal(read_audio(path, 1000, 0.5, 1.09), whole[500:])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (1.0, None, "is 1 s long, the segment's start at 1 s lies beyond"),
        (1500.0, 2500.0, "is 1 s long, the segment's start at 1500 s lies beyond"),
        (0.0, 1.2, "is 1 s long, the segment's end at 1.2 s lies beyond"),
        (0.5, 0.5, "a segment from 0.5 s to 0.5 s is none"),
        (-1.0, 0.5, "a segment from -1 s to 0.5 s is none"),
        (math.nan, 0.5, "a segment from nan s to 0.5 s is none"),
        (0.0, math.inf, "a segment from 0 s to inf s is none"),
    ],
)
def test_a_segment_outside_the_file_is_refused(tmp_path, start, end, message):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(1000), 1000)
    with pytest.raises(DataError) as caught:
        read_audio(path, 1000, start, end)
    assert str(caught.value) == f"{path}: {message}"


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_audio(path, 22050)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "none.wav") == "no such file"
    assert refusal(tmp_path) == "no such file"


def test_what_is_no_audio_is_refused(tmp_path):
    for name, content in [("text.wav", b"not audio"), ("empty.flac", b""), ("headerless.raw", bytes(100))]:
        (tmp_path / name).write_bytes(content)
        assert refusal(tmp_path / name).startswith("not readable as audio (")
    assert refusal(tmp_path / "text.wav") == "not readable as audio (Format not recognised)"


def test_no_samples_are_refused(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 22050)
    assert refusal(tmp_path / "empty.wav") == "holds no samples"


@pytest.mark.parametrize("rate", [22050, 16000])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, rate, value):
    samples = np.zeros((100, 2), np.float32)
    samples[50, 1] = value
    soundfile.write(tmp_path / "bad.wav", samples, rate, subtype="FLOAT")
    assert refusal(tmp_path / "bad.wav") == "holds NaN or infinite samples"


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 22050), 22050)
    path.write_bytes(path.read_bytes()[:20000])
    # Which of the two is for libsndfile's version to say, and its words may be none at all.
    message = refusal(path)
    assert message.startswith(("not readable as audio (", "truncated, ends after "))
    assert "()" not in message


def test_a_stream_that_does_not_know_its_length_is_read_whole(tmp_path):
    path = tmp_path / "stream.flac"
    soundfile.write(path, tone(22050), 22050)
    content = bytearray(path.read_bytes())
    # STREAMINFO starts at byte 8; its sample count, 36 bits from byte 21 on, is 0 where it was not known.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert len(read_audio(path, 22050)) == 11025


def test_a_sample_or_less_after_resampling_is_still_a_recording(tmp_path):
    soundfile.write(tmp_path / "one.wav", np.full(1, 0.5), 48000)
    samples = read_audio(tmp_path / "one.wav", 8000)
    assert samples.shape == (1,)
    assert log_mels(samples, REFERENCE).shape == (1, 80)


@pytest.mark.data
def test_real_speech_agrees_with_librosa(data_folder):
    files = sorted((data_folder / "emodb" / "audio").glob("*.flac"))
    if not files:
        pytest.skip(f"no EMO-DB recordings below {data_folder}")
    for path in files[::40]:
        for rate in (16000, 22050):
            frontend = Frontend(sample_rate=rate, frame_step=4)
            samples = read_audio(path, rate)
            expected = loaded_by_librosa(path, rate)
            assert samples.shape == expected.shape
            assert np.abs(samples.numpy() - expected).max() < 1e-5
            frames = log_mels(torch.from_numpy(expected), frontend)
            assert np.abs(frames.numpy() - oracle(expected, frontend)).max() < 2e-5
