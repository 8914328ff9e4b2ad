"""The script run.py of a bundle, in a process that has neither torch nor sertool."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr
import torch
from bundle_running import load_script, run_alone
from export_runs import CLASSES, CLIPS, judge_of, run
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.corpora.words import clean_words
from sertool.core.export.check import make_trial
from sertool.core.export.source import open_trained
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.log_mel import log_mels
from sertool.core.metrics.calibration import probabilities
from sertool.core.recipe.frontends import Frontend


@pytest.mark.parametrize("option", [[], ["--with-frontend"]], ids=["mels in numpy", "mels in the graph"])
def test_run_py_decides_alone_as_pytorch_does(shop, tmp_path, option):
    assert run(shop, "--out", str(tmp_path / "b"), *option).exit_code == 0
    opened = open_trained("tiny", shop / "ckpt", shop / "data", None)
    trained = opened.trained
    trial = make_trial(trained, None)
    path, text = sorted(CLIPS.glob("*.flac"))[0], "Word1, word-2 “WORD3”… nobody’s"
    frames = log_mels(read_audio(Segment(path), 22050), trained.recipe.frontend).numpy()
    one = replace(trial.corpus.utterances[0], words=clean_words(text))
    nobody = np.zeros((0, 80), np.float32)
    cases = [(one, frames), (one, nobody), (replace(one, words=()), frames)]
    corpus = replace(
        trial.corpus,
        utterances=tuple(utterance for utterance, _ in cases),
        audio=type(trial.corpus.audio).join([own for _, own in cases], 80),
    )
    logits = judge_of(trained, replace(trial, corpus=corpus, targets=(None,) * 3))([0, 1, 2])
    calls = ([str(path), "--text", text], ["--text", text], [str(path)])
    for arguments, expected in zip(calls, probabilities(logits, "single"), strict=True):
        done = run_alone(tmp_path / "b", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        if arguments[0] == "--text":  # alone, with one known word of three
            assert done.stdout == "unsure (most words unknown and no audio)\n"
            continue
        first, *rest, last = done.stdout.splitlines()
        assert last == "  uncalibrated: no temperature was fitted for these members"
        assert first == CLASSES[int(expected.argmax())]
        shares = {line.split()[0]: float(line.split()[1]) for line in rest}
        assert [shares[name] for name in CLASSES] == pytest.approx(expected.tolist(), abs=2e-4)


@pytest.fixture(scope="module")
def script(shop, tmp_path_factory):
    bundle = tmp_path_factory.mktemp("script") / "b"
    assert run(shop, "--out", str(bundle)).exit_code == 0
    return load_script(bundle)


def test_run_py_computes_the_frames_that_training_saw(script, tmp_path):
    frontend = Frontend()
    random = np.random.default_rng(0)
    waves = [soundfile.read(path, dtype="float32")[0] for path in sorted(CLIPS.glob("*.flac"))]
    waves += [random.normal(0, 0.1, n).astype(np.float32) for n in (1, 511, 512, 4401)]
    waves += [np.zeros(3000, np.float32)]
    for wave in waves:
        expected = log_mels(torch.from_numpy(wave), frontend).numpy()[:8]
        found = script["log_mels"](wave, frontend.model_dump())
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_run_py_resamples_nearly_as_training_did(script, tmp_path, rate):
    """The mean difference of features that the model card tells."""
    frontend, differences = Frontend(frame_step=4), []
    for path in sorted(CLIPS.glob("*.flac"))[:4]:
        wave, own = soundfile.read(path, dtype="float32")
        soundfile.write(tmp_path / "clip.wav", soxr.resample(wave, own, rate), rate, subtype="FLOAT")
        expected = read_audio(Segment(tmp_path / "clip.wav"), 22050)
        found = script["read"](tmp_path / "clip.wav", 22050)
        assert len(found) == len(expected)
        pair = [log_mels(wave, frontend) for wave in (expected, torch.from_numpy(found))]
        if len(pair[0]) == len(pair[1]):
            differences.append(float((pair[0] - pair[1]).abs().mean()))
    assert len(differences) >= 3
    assert np.mean(differences) < 1e-3


@pytest.mark.parametrize(("own", "rate"), [(8000, 22050), (44100, 16000), (100, 250)])
def test_run_py_resamples_in_pieces_as_a_whole(script, own, rate):
    """Across the borders of pieces of 30 seconds, and for recordings that end at one."""
    for seconds in (0.5, 30, 30.3, 61.123):
        wave = np.random.default_rng(0).normal(size=round(seconds * own)).astype(np.float32)
        padded = np.pad(wave, (own, own + -len(wave) % own))
        whole = script["resample"](padded, own, rate)[rate : rate + -(-len(wave) * rate // own)]
        found = script["resample_all"](iter(np.array_split(wave, 1 + len(wave) // 1000)), own, rate)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, whole, rtol=0, atol=2e-3 if own == 100 else 2e-5)


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=9), size=st.integers(1, 12))
def test_run_py_regroups_blocks_without_loss(script, sizes, size):
    blocks = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    *pieces, last = script["regroup"](iter(blocks), size)
    assert np.concatenate([*pieces, last]).tolist() == list(range(sum(sizes)))
    assert all(len(piece) == size for piece in pieces)
    assert len(last) < size


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("FLAC", "PCM_24"), ("OGG", "OPUS")]
)
def test_run_py_reads_what_sertool_reads(script, tmp_path, form, subtype):
    wave = (0.1 * np.random.default_rng(0).normal(size=(48000, 2))).astype(np.float32)
    soundfile.write(tmp_path / "a", wave, 48000, subtype=subtype, format=form)
    expected = read_audio(Segment(tmp_path / "a"), 48000).numpy()
    np.testing.assert_allclose(script["read"](tmp_path / "a", 48000), expected, rtol=0, atol=1e-7)


def test_run_py_reads_joined_recordings_and_those_without_a_header_to_their_ends(script, tmp_path):
    wave = 0.1 * np.random.default_rng(0).normal(size=16000)
    for form, subtype in (("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")):
        content = io.BytesIO()
        soundfile.write(content, wave, 16000, format=form, subtype=subtype)
        one = content.getvalue()
        (tmp_path / "one").write_bytes(one)
        (tmp_path / "joined").write_bytes(one + one)
        alone, joined = (script["read"](tmp_path / name, 16000) for name in ("one", "joined"))
        np.testing.assert_array_equal(joined, np.tile(alone, 2))
        (tmp_path / "cut").write_bytes(one[: len(one) // 2])
        if form == "MP3":  # its header states the length; an Ogg file has none
            with pytest.raises(ValueError, match=r"cut: truncated, ends after 0\.\d+ s of 1 s"):
                script["read"](tmp_path / "cut", 16000)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("Word12 -'“”’…/.,\t\u0091\u200bé") | st.characters(codec="utf-8")))
def test_run_py_cleans_words_as_training_did(script, text):
    vocabulary = json.loads((script["HERE"] / "vocabulary.json").read_text())[0]
    expected = [vocabulary.get(word, 1) for word in clean_words(text)]
    assert script["encode"](text).tolist() == [expected]


def test_run_py_says_what_is_wrong(shop, tmp_path):
    run(shop, "--out", str(tmp_path / "b"))
    done = run_alone(tmp_path / "b")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("error: give the input of the model: audio or text")
    done = run_alone(tmp_path / "b", "missing.wav")
    assert done.returncode == 1
    assert done.stderr.startswith("error: missing.wav: ")
    assert len(done.stderr.splitlines()) == 1
    # The graph would take NaN and answer all the same.
    soundfile.write(tmp_path / "nan.wav", np.full(9000, np.nan), 22050, subtype="FLOAT")
    done = run_alone(tmp_path / "b", str(tmp_path / "nan.wav"))
    assert (done.returncode, done.stderr) == (
        1,
        f"error: {tmp_path / 'nan.wav'}: holds NaN or infinite samples\n",
    )
