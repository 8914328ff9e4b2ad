"""The exported graph gives PyTorch's logits, on any length, padding and waveform."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from export_runs import everyday, judge_of, make_trained, session_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.export import check as bundle_check
from sertool.core.export.check import TOLERANCE, feeds_of, make_trial, torch_logits, with_recordings
from sertool.core.export.onnx_frontend import waveform_frames
from sertool.core.export.onnx_graph import FLOAT, Graph
from sertool.core.features.log_mel import log_mels
from sertool.core.metrics.calibration import probabilities
from sertool.core.recipe.frontends import Frontend

RANGES = ((1.0, 5.0), (-1.0, 1.0), (0.0, 10.0))
KINDS = {
    "mat": {},
    "mnt": {"architecture": "mnt"},
    "multi-label": {"rule": "present"},
    "two vocabularies": {"folds": 2},
    "two vocabularies mnt": {"folds": 2, "architecture": "mnt", "members": 1},
    "corpus statistics": {"folds": 2, "standardize": "corpus"},
    "utterance statistics": {"standardize": "utterance"},
    "text alone": {"modalities": ["text"]},
    "text alone mnt": {"modalities": ["text"], "architecture": "mnt"},
    "audio alone": {"modalities": ["audio"]},
    "audio alone mnt, statistics": {"modalities": ["audio"], "architecture": "mnt", "standardize": "corpus"},
    "linear": {"architecture": "linear"},
    "linear, two vocabularies, statistics": {"architecture": "linear", "folds": 2, "standardize": "corpus"},
    "linear, text alone": {"architecture": "linear", "modalities": ["text"]},
    "linear, text as frames": {"architecture": "linear", "text_width": 3},
    "layers": {"layers": 3, "audio_width": 6},
    "layers mnt, statistics": {"layers": 2, "audio_width": 6, "architecture": "mnt", "standardize": "corpus"},
    "layers linear": {"layers": 3, "audio_width": 6, "architecture": "linear"},
    "speakers' statistics": {"folds": 2, "standardize": "speaker"},
    "text as frames": {"text_width": 3},
    "text as frames left out": {"text_width": 3, "modalities": ["audio"]},
    "scores": {"ranges": RANGES},
    "scores mnt, folds that standardise in their own way": {"ranges": RANGES, "folds": 2, "architecture": "mnt"},
    "scores linear": {"ranges": RANGES, "architecture": "linear", "folds": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_says_what_pytorch_says(kind):
    """Random utterances of any length, and those without words, without audio, with silence inside."""
    trained = make_trained(**KINDS[kind])
    trial = make_trial(trained, None)
    session = session_of(trained)
    expected = judge_of(trained, trial)(range(len(trial.corpus.utterances)))
    found = bundle_check.onnx_logits(session, feeds_of(trained, trial))
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(expected - expected.mean(0)).max() > 1e-3  # the models do look at what they are given


def padded(feeds: list[dict], random: np.random.Generator) -> dict:
    """Several utterances as one batch, padded with zeros to any common length."""
    batch = {}
    for name in feeds[0]:
        axis = feeds[0][name].ndim - (2 if name == "mels" else 1)
        longest = max(own[name].shape[axis] for own in feeds) + int(random.integers(0, 4))
        rows = []
        for own in feeds:
            widths = [(0, 0)] * own[name].ndim
            widths[axis] = (0, longest - own[name].shape[axis])
            rows.append(np.pad(own[name], widths))
        batch[name] = np.concatenate(rows, axis=axis - 1)
    return batch


@pytest.mark.parametrize("kind", ["mat", "mnt", "linear", "layers", "corpus statistics", "utterance statistics"])
def test_batches_and_padding_change_nothing(kind):
    trained = make_trained(**KINDS[kind])
    trial = make_trial(trained, None)
    session, feeds, random = session_of(trained), feeds_of(trained, trial), np.random.default_rng(3)
    alone = bundle_check.onnx_logits(session, feeds)
    for size in (2, 5, 16):
        rows = random.choice(len(feeds), size, replace=False)
        together = session.run(["logits"], padded([feeds[row] for row in rows], random))[0]
        np.testing.assert_allclose(together, alone[rows], rtol=0, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.sampled_from(["word1", "word2", "nobody"]), max_size=9),
    frames=st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=12),
)
def test_any_pattern_of_masks_is_judged_as_by_pytorch(words, frames):
    trained, session, stack = everyday()
    made = make_trial(trained, None)
    values = np.array(frames, np.float32)[:, None] * np.linspace(0.1, 1, 5, dtype=np.float32)
    one = replace(made.corpus.utterances[0], words=tuple(words))
    corpus = replace(made.corpus, utterances=(one,), audio=type(made.corpus.audio).join([values.reshape(-1, 5)], 5))
    trial = replace(made, corpus=corpus, targets=(None,))
    expected = torch_logits(trained, stack, trained.members, trial)([0])
    found = bundle_check.onnx_logits(session, feeds_of(trained, trial))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rule", ["name", "present"])
def test_probabilities_are_calibrated(rule):
    trained = make_trained(rule=rule)
    feeds = feeds_of(trained, make_trial(trained, None))[:6]
    session = session_of(trained, 2.5)
    for own in feeds:
        logits, shares = session.run(["logits", "probabilities"], own)
        kind = "multi" if rule == "present" else "single"
        np.testing.assert_allclose(shares, probabilities(logits, kind, 2.5), atol=1e-6)


def test_large_scores_do_not_shine_through_where_all_is_masked():
    """With an additive -1e9 they would: float32 keeps steps of 64 there."""
    trained = make_trained()
    loud = [replace(m, weights={n: 40 * torch.as_tensor(w) for n, w in m.weights.items()}) for m in trained.members]
    trained = replace(trained, members=tuple(loud))
    trial = make_trial(trained, None)
    expected = judge_of(trained, trial)(range(len(trial.corpus.utterances)))
    found = bundle_check.onnx_logits(session_of(trained), feeds_of(trained, trial))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


FRONTENDS = {
    "the reference's": Frontend(),
    "the demo's": Frontend(frame_step=10),
    "every frame, untrimmed": Frontend(frame_step=1, trim_db=None),
    "odd sizes at 16 kHz": Frontend(
        sample_rate=16000, fft_size=401, window_length=400, hop_length=160, frame_step=2, mel_bands=20
    ),
}


@pytest.mark.parametrize("name", FRONTENDS)
def test_the_frontend_in_the_graph_gives_the_same_frames(name):
    frontend, length, random = FRONTENDS[name], 30, np.random.default_rng(0)
    graph = Graph()
    graph.output("frames", waveform_frames(graph, frontend, length), FLOAT, [1, "frames", frontend.mel_bands])
    session = onnxruntime.InferenceSession(graph.model("").SerializeToString())
    rate = frontend.sample_rate
    for samples in (1, 2, 511, 512, 513, 4400, 2 * rate, 11 * rate + 17):
        noise = random.normal(0, 0.1, samples)
        inside = np.abs(np.arange(samples) - samples / 2) < samples / 4
        for wave in (noise, noise * 0, noise * np.where(inside, 1, 1e-6), np.clip(50 * noise, -1, 1)):
            waveform = wave.astype(np.float32)
            found = session.run(None, {"waveform": waveform})[0][0]
            expected = log_mels(torch.from_numpy(waveform), frontend).numpy()[:length]
            np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5)
    nothing = session.run(None, {"waveform": np.zeros(0, np.float32)})[0]
    assert nothing.shape == (1, 1, frontend.mel_bands)
    assert not nothing.any()


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_recordings_go_in_as_they_are(architecture):
    trained = make_trained(architecture=architecture, audio_width=80, standardize="corpus")
    heard, waveforms = with_recordings(trained, make_trial(trained, None))
    expected = judge_of(trained, heard)(range(len(waveforms)))
    session = session_of(trained, with_frontend=True)
    found = bundle_check.onnx_logits(session, feeds_of(trained, heard, waveforms))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    # A waveform without a sample is no audio.
    silent = feeds_of(trained, make_trial(trained, None))[1]
    assert silent["mels"].shape[1] == 0
    none = session.run(["logits"], {"tokens": silent["tokens"], "waveform": np.zeros(0, np.float32)})[0]
    plain = session_of(trained).run(["logits"], silent)[0]
    np.testing.assert_allclose(none, plain, rtol=0, atol=1e-5)
