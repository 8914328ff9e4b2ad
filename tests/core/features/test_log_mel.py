"""The mel frontend against librosa: samples to frames, and files to frames."""

import warnings

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from waveforms import many

from benchmarks import features as benchmark
from sertool.core.features import log_mel as acoustics
from sertool.core.features.audio import Segment
from sertool.core.features.frontend import extract_frames
from sertool.core.features.log_mel import (
    FEATURE_FLOOR,
    LogMel,
    log_mels,
    log_mels_batch,
    mel_filters,
    trim,
)
from sertool.core.recipe.frontends import Frontend

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
    """Compute the frames by librosa, step by step as the settings were published."""
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
    filters = librosa().filters.mel(sr=frontend.sample_rate, n_fft=frontend.fft_size, n_mels=frontend.mel_bands)
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
        Frontend(sample_rate=16000, fft_size=512, hop_length=160, window_length=400, mel_bands=40, frame_step=1),
        Frontend(sample_rate=8000, fft_size=1024, hop_length=100, window_length=1024, mel_bands=64, frame_step=3),
        Frontend(sample_rate=48000, trim_db=None, preemphasis=0.0, frame_step=5),
        Frontend(trim_db=20.0, window_length=801, frame_step=2),
    ],
    ids=["16 kHz", "8 kHz", "48 kHz untrimmed", "odd window"],
)
def test_other_settings_agree_with_librosa(frontend):
    samples = signals()["quiet end"].astype(np.float32)
    assert np.abs(log_mels(torch.from_numpy(samples), frontend).numpy() - oracle(samples, frontend)).max() < 2e-5


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


@pytest.mark.parametrize("frontend", [REFERENCE, EVERY_FRAME], ids=["every 16th", "every frame"])
@pytest.mark.parametrize("rows", [1, 7, 64, 100000])
def test_a_batch_is_bit_for_bit_one_by_one(frontend, rows, monkeypatch):
    waveforms = many()
    expected = [log_mels(waveform, frontend) for waveform in waveforms]
    monkeypatch.setattr(acoustics, "_ROWS", {"cpu": rows})
    batch = log_mels_batch(waveforms[: 8 if rows == 1 else None], frontend)
    assert all(map(torch.equal, batch, expected))
    assert log_mels_batch([], frontend) == []


def test_frames_do_not_depend_on_the_number_of_threads():
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(torch.cat(log_mels_batch(many(), EVERY_FRAME)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 20000),
    fft_size=st.integers(2, 600),
    window_length=st.integers(1, 600),
    hop_length=st.integers(1, 300),
    frame_step=st.integers(1, 5),
    trim_db=st.sampled_from([None, 30.0, 60.0]),
    seed=st.integers(0, 1000),
)
def test_any_frontend_agrees_with_torchs_stft(samples, fft_size, window_length, hop_length, frame_step, trim_db, seed):
    # librosa refuses odd FFT sizes of short signals; torch's own STFT is exact for all.
    window_length = min(window_length, fft_size)
    frontend = Frontend(
        fft_size=fft_size,
        window_length=window_length,
        hop_length=hop_length,
        frame_step=frame_step,
        trim_db=trim_db,
        mel_bands=8,
    )
    random = np.random.default_rng(seed)
    waveform = torch.from_numpy((random.normal(0, 0.1, samples) * random.random(samples)).astype(np.float32))
    kept = waveform if trim_db is None else trim(waveform, trim_db)
    emphasised = torch.cat([kept[:1], kept[1:] - 0.97 * kept[:-1]]).double()
    spectrum = torch.stft(
        emphasised,
        fft_size,
        hop_length,
        window_length,
        torch.hann_window(window_length, dtype=torch.float64),
        pad_mode="constant",
        return_complex=True,
    )[:, ::frame_step]
    level = 20 * (mel_filters(22050, fft_size, 8) @ spectrum.abs()).clamp_min(1e-5).log10()
    expected = ((level + 80) / 100).clamp(FEATURE_FLOOR, 1).T.float()
    torch.testing.assert_close(log_mels(waveform, frontend), expected, atol=1e-5, rtol=0)


def speechlike(rate, seconds, channels, seed=0):
    """Harmonics of a gliding voice that comes and goes, and noise: (samples, channels), peak about 0.5."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 0.7 * time)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 21) if k * 160 < rate / 2)
    loudness = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, None)
    noise = random.normal(0, 0.003, (len(time), channels))
    return 0.2 * (voice * loudness)[:, None] * np.linspace(1, 0.6, channels) + noise


def agree(path, frontend=REFERENCE):
    """Equal counts; 1e-4 at most where nothing is resampled, 1e-3 in the mean where it is."""
    found = extract_frames(Segment(path), LogMel(frontend))
    samples = loaded_by_librosa(path, frontend.sample_rate)
    expected = oracle(samples, frontend)
    assert found.frames.shape == expected.shape
    assert found.seconds == len(samples) / frontend.sample_rate
    difference = np.abs(found.frames - expected)
    if soundfile.info(path).samplerate == frontend.sample_rate:
        assert difference.max() < 1e-4
    assert difference.mean() < 1e-3
    # The reading is librosa's own, so the figures are much better than was asked for.
    assert difference.mean() < 1e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("seconds", [0.05, 0.31, 3.0, pytest.param(100, marks=pytest.mark.slow)])
def test_generated_recordings_agree_with_librosa(tmp_path, rate, channels, subtype, seconds):
    path = tmp_path / "speech.wav"
    soundfile.write(path, speechlike(rate, seconds, channels), rate, subtype=subtype)
    agree(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rate", [16000, 22050])
@pytest.mark.parametrize("kind", ["silence", "clipping", "leading silence"])
def test_silence_and_clipping_agree_with_librosa(tmp_path, rate, kind):
    samples = speechlike(rate, 2.0, 1)
    samples = {
        "silence": 0 * samples,
        "clipping": np.clip(20 * samples, -1, 1),
        "leading silence": np.concatenate([np.zeros((rate, 1)), samples]),
    }[kind]
    soundfile.write(tmp_path / "odd.flac", samples, rate)
    agree(tmp_path / "odd.flac")
    agree(tmp_path / "odd.flac", EVERY_FRAME)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("suffix", "subtype"), [("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III"), ("flac", "PCM_24")]
)
def test_other_formats_agree_with_librosa(tmp_path, suffix, subtype):
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, speechlike(48000, 2.0, 2), 48000, subtype=subtype)
    agree(path)


@pytest.mark.filterwarnings("ignore")
def test_the_benchmark_compares_the_same_work(tmp_path, monkeypatch):
    librosa()
    monkeypatch.setenv("SERTOOL_TEST_DATA", str(tmp_path / "none"))
    origin, speech = benchmark.recordings(1)
    assert origin == "generated"
    kinds = benchmark.write_kinds(tmp_path, origin, speech)
    assert len(kinds) == 4
    for files in kinds.values():
        row = benchmark.measure(files, rounds=1)
        assert row["difference"]["max"] < 1e-4
        assert row["seconds"] > 1
        assert row["times_real_time"]["sertool"]["median"] > 0


@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("every", [20, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("frontend", [REFERENCE, Frontend(frame_step=4)], ids=["reference", "every 4th"])
def test_real_speech_agrees_with_librosa(data_folder, frontend, every):
    files = sorted((data_folder / "emodb" / "audio").glob("*.flac"))
    if not files:
        pytest.skip(f"no EMO-DB recordings below {data_folder}")
    for path in files[::every]:
        agree(path, frontend)
        agree(path, frontend.model_copy(update={"sample_rate": 16000}))
