"""openSMILE's functionals as a frontend: its values, what it cannot compute, and a package that is missing."""

import importlib
import importlib.util
import math
import pickle
import sys

import numpy as np
import pytest
import soundfile
import torch
from fake_opensmile import install

from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment
from sertool.core.features.cache import FeatureCache
from sertool.core.features.extract import extracts
from sertool.core.features.frontend import FrameMaker, extract_frames, open_frontend
from sertool.core.recipe.frontends import OpenSmile

WIDTHS = {"eGeMAPSv02": 88, "ComParE_2016": 6373}
RATE = 16_000


def maker_of(name="eGeMAPSv02"):
    return open_frontend(OpenSmile(opensmile=name))


def speech(seconds=1.0, seed=0):
    """A voiced sound with noise, (samples,)."""
    random = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 12))
    return torch.from_numpy((0.1 * voice + random.normal(0, 0.01, len(times))).astype(np.float32))


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The stand-in in the place of the package."""
    monkeypatch.syspath_prepend(install(tmp_path / "packages"))
    monkeypatch.delitem(sys.modules, "opensmile", raising=False)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("opensmile", None)


# With the package


@pytest.mark.parametrize("name", WIDTHS)
def test_values_are_those_of_the_package(name):
    opensmile = pytest.importorskip("opensmile")
    theirs = opensmile.Smile(feature_set=opensmile.FeatureSet[name], feature_level=opensmile.FeatureLevel.Functionals)
    maker, waveforms = maker_of(name), [speech(0.5, 1), speech(1.2, 2)]
    for waveform, frames in zip(waveforms, maker.frames(waveforms), strict=True):
        assert frames.dtype == torch.float32
        assert frames.shape == (1, WIDTHS[name]) == (1, maker.width)
        assert np.array_equal(frames.numpy(), theirs.process_signal(waveform.numpy(), RATE).to_numpy())


@pytest.mark.parametrize("name", WIDTHS)
def test_short_silent_and_loud_recordings_have_finite_values(name):
    pytest.importorskip("opensmile")
    maker = maker_of(name)
    loud = torch.ones(RATE // 2)
    loud[::2] = -1.2
    for waveform in (torch.zeros(RATE // 2), speech(0.01), speech(0.059), torch.ones(160), loud):
        (frames,) = maker.frames([waveform])
        assert frames.shape == (1, WIDTHS[name])
        assert torch.isfinite(frames).all()
        assert frames.any()  # a frame of zeros would count as padding


def test_full_scale_does_not_become_its_opposite():
    """openSMILE turns samples into 16 bits, in which 1 has no place."""
    pytest.importorskip("opensmile")
    wave = speech(0.5)
    wave = wave / wave.abs().max()
    maker = maker_of()
    (whole,), (below,) = maker.frames([wave]), maker.frames([wave * 0.999])
    assert torch.allclose(whole, below, rtol=0.05, atol=1)


# With a stand-in


def test_the_frontend_keeps_its_contract(fake):
    maker = maker_of("ComParE_2016")
    assert isinstance(maker, FrameMaker)
    assert (maker.sample_rate, maker.width, maker.seconds_per_frame) == (RATE, 6373, math.inf)
    assert maker.version == "1, opensmile 2.6.0"
    described = maker.described()
    assert described["name"] == "opensmile"
    assert described["weights"] == "opensmile 2.6.0"
    assert "non-commercial" in described["licence"]
    assert "non-commercial" in maker.warnings()[0]
    assert open_frontend(described).described() == described
    (before,) = maker.frames([speech()])
    copy = pickle.loads(pickle.dumps(maker))
    assert torch.equal(copy.frames([speech()])[0], before)


def test_what_cannot_be_computed_is_zero_and_large_values_stay(fake):
    """Values of ComParE reach 1e13, which the 16 bits of encoders' frames do not hold."""
    (frames,) = maker_of("ComParE_2016").frames([torch.full((RATE,), 0.5)])
    assert torch.isfinite(frames).all()
    assert frames[0, 4] == 5e12
    assert frames[0, 5] == 0


@pytest.mark.parametrize("name", ["", "a", "egemaps", "GeMAPS"])
def test_unknown_feature_sets_are_refused(name):
    with pytest.raises(DataError, match="frontend opensmile"):
        open_frontend({"name": "opensmile", "opensmile": name})


def test_silence_is_told_by_the_samples(fake, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "loud.wav", speech().numpy(), RATE)
    maker = maker_of()
    silent, loud = (extract_frames(Segment(tmp_path / f"{name}.wav"), maker) for name in ("silent", "loud"))
    assert (silent.silent, loud.silent) == (True, False)
    assert silent.frames.dtype == np.float32


def test_the_cache_tells_sets_versions_and_silence_apart(fake, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    cache, segment = FeatureCache(tmp_path / "cache"), Segment(tmp_path / "silent.wav")
    first = cache.extract_frames(segment, maker_of())
    again = cache.extract_frames(segment, maker_of())
    assert first.silent
    assert again.silent
    assert np.array_equal(first.frames, again.frames)
    places = {cache.slot(segment, maker_of(name)).entry for name in WIDTHS}
    note = {**maker_of().described(), "weights": "opensmile 2.5.0"}
    assert len(places | {cache.slot(segment, open_frontend(note)).entry}) == 3


def test_another_version_than_that_of_the_corpus_is_refused(fake):
    maker = open_frontend({**maker_of().described(), "weights": "opensmile 2.5.0"})
    assert maker.width == 88  # facts need no package
    with pytest.raises(DataError, match=r"made with opensmile 2\.5\.0, and opensmile 2\.6\.0 is installed") as caught:
        maker.frames([speech()])
    assert caught.value.hint.startswith("pip install opensmile==2.5.0")


def test_processes_give_the_same_frames(fake, tmp_path):
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", speech(0.2, number).numpy(), RATE)
    segments = [Segment(tmp_path / f"{number}.wav") for number in range(3)]
    found = list(extracts(segments, maker_of()))
    assert [one.frames.shape for one in found] == [(1, 88)] * 3


# Without it


def test_a_missing_package_is_one_message(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    maker = maker_of()
    for ask in (maker.described, lambda: maker.frames([speech()]), lambda: maker.version):
        with pytest.raises(UsageError, match="openSMILE, eGeMAPSv02: needs the package opensmile") as caught:
            ask()
        assert caught.value.hint == "pip install 'sertool[opensmile]'"
    assert maker.width == 88
