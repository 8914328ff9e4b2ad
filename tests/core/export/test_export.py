"""Exported bundles: the graph says what PyTorch says, alone in a folder, or nothing is written."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import soxr
import torch
from builders import CPU, NO_DROPOUT, REFERENCE, copy_case, make_corpus, open_tiny, tiny_recipe, write_tiny
from bundle_running import run_alone
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.tasks import Task
from sertool.core.corpora.vocabulary import Vocabulary, clean_words
from sertool.core.errors import SertoolError
from sertool.core.export import check as bundle_check
from sertool.core.export import export as exporting
from sertool.core.export import quantise as quantising
from sertool.core.export import source as export_source
from sertool.core.export.check import TOLERANCE, feeds_of, make_trial, torch_logits, with_recordings
from sertool.core.export.onnx_ensemble import ensemble_model
from sertool.core.export.onnx_frontend import waveform_frames
from sertool.core.export.onnx_graph import FLOAT, Graph
from sertool.core.export.source import open_trained
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.log_mel import log_mels
from sertool.core.files.artifacts import sha256
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.metrics.calibration import Calibration, probabilities
from sertool.core.models.build import build, initialise, member_state
from sertool.core.recipe.schema import Frontend
from sertool.core.runs.experiment import FoldInputs, open_experiment
from sertool.core.runs.members import Trained, TrainedMember, stack_of
from sertool.core.runs.plan import plan_training
from sertool.core.runs.temperature import write_calibration
from sertool.core.runs.train import train_recipe
from sertool.core.training.batches import Standardization

CLIPS = bundle_check.CLIPS
CLASSES = ("angry", "happy", "sad")


def make_trained(
    *,
    architecture="mat",
    folds=1,
    members=2,
    rule="name",
    text_width=None,
    audio_width=5,
    **dataset,
) -> Trained:
    """Random members; fold f has a vocabulary of its own, in another order and of another size."""
    recipe = tiny_recipe(
        dataset=dataset,
        model={"architecture": architecture, "num_layers": 2, **NO_DROPOUT},
    )
    random = np.random.default_rng(0)
    inputs = []
    for fold in range(folds):
        words = [f"word{number}" for number in range(10 + fold)][:: 1 if fold % 2 else -1]
        statistics = Standardization(
            tuple(random.normal(size=audio_width).tolist()),
            tuple(random.uniform(0.5, 2, audio_width).tolist()),
        )
        given = statistics if dataset.get("standardize") == "corpus" else None
        inputs.append(FoldInputs(Vocabulary.build([words]), given))
    found = []
    for fold, own in enumerate(inputs):
        model = build(
            recipe.model,
            members=members,
            text_rows=own.vocabulary.rows if text_width is None else None,
            text_width=recipe.model.embedding_size if text_width is None else text_width,
            audio_width=audio_width,
            num_classes=len(CLASSES),
        )
        initialise(model, range(10 * fold, 10 * fold + members), [None] * members)
        found += [TrainedMember(f"run-{m}-{fold}", fold, 0.5, member_state(model, m)) for m in range(members)]
    task = Task("emotion", CLASSES, rule)
    return Trained("made", recipe, task, tuple(inputs), tuple(found), audio_width, text_width, "TINY", False)


def session_of(trained: Trained, temperature: float = 1.0, *, with_frontend: bool = False):
    model = ensemble_model(trained, trained.members, temperature, with_frontend=with_frontend)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def judge_of(trained: Trained, trial):
    return torch_logits(trained, stack_of(trained, trained.members), trained.members, trial)


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
    "text as frames": {"text_width": 3},
    "text as frames left out": {"text_width": 3, "modalities": ["audio"]},
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


@pytest.mark.parametrize("kind", ["mat", "mnt", "corpus statistics", "utterance statistics"])
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
    corpus = replace(
        made.corpus, utterances=(one,), audio=type(made.corpus.audio).join([values.reshape(-1, 5)], 5)
    )
    trial = replace(made, corpus=corpus, targets=(None,))
    expected = torch_logits(trained, stack, trained.members, trial)([0])
    found = bundle_check.onnx_logits(session, feeds_of(trained, trial))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def everyday(cache: list = []):  # noqa: B006
    if not cache:
        trained = make_trained()
        cache.append((trained, session_of(trained), stack_of(trained, trained.members)))
    return cache[0]


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
    loud = [
        replace(m, weights={n: 40 * torch.as_tensor(w) for n, w in m.weights.items()})
        for m in trained.members
    ]
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


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with a corpus of 80 mel bands below data and three members below ckpt/tiny."""
    folder = tmp_path_factory.mktemp("shop")
    train_tiny(folder, audio_width=80)
    return folder


def train_tiny(folder: Path, *, audio_width: int, text_frames: int = 0, **sections) -> None:
    recipe = tiny_recipe(**sections)
    corpus = make_corpus(width=audio_width, text_frames=text_frames)
    experiment, _ = open_tiny(folder / "data", recipe, corpus)
    plan = plan_training(experiment, folder / "ckpt" / recipe.name, range(1, 4), None, CPU)
    for _ in train_recipe(plan, folder / "data", CPU):
        pass


def run(folder: Path, *arguments: str):
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]
    return CliRunner().invoke(app, ["export", "--name", "tiny", *places, *arguments])


def message(result) -> str:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stderr


def test_the_command_writes_a_bundle_and_says_so_in_five_lines(shop, tmp_path):
    out = tmp_path / "bundle"
    result = run(shop, "--out", str(out), "--json", str(tmp_path / "result.json"))
    assert (result.exit_code, result.stderr) == (0, "")
    first, largest, latency, holds, last = result.stdout.splitlines()
    assert first == f"{out} · tiny, 3 members averaged, temperature 1"
    assert re.fullmatch(
        r"largest difference of logits to PyTorch \d\.\de-0[6-9], all 20 decisions equal "
        r"\(12 validation utterances of TINY and 8 made ones\)",
        largest,
    )
    assert re.fullmatch(r"one utterance: onnxruntime [\d.]+ ms, PyTorch [\d.]+ ms \(median, CPU\)", latency)
    assert re.match(
        r"holds README.md [\d.]+ kB, labels.json \d+ bytes, model.onnx [\d.]+ [kM]B, run.py", holds
    )
    assert last == f'next: python {out / "run.py"} RECORDING --text "..."'
    table = json.loads((tmp_path / "result.json").read_text())
    assert set(table["bytes"]) == {path.name for path in out.iterdir()}
    assert table["checks"][0]["differing_decisions"] == 0
    assert table["int8"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "result.json"]


def test_settings_and_labels_say_what_a_server_needs(shop, tmp_path):
    run(shop, "--out", str(tmp_path / "b"), "--index", "2")
    settings_ = json.loads((tmp_path / "b/settings.json").read_text())
    assert {
        key: settings_[key]
        for key in ("format", "name", "max_text_length", "max_audio_length", "temperature")
    } == {
        "format": "sertool-bundle/1",
        "name": "tiny",
        "max_text_length": 5,
        "max_audio_length": 8,
        "temperature": 1.0,
    }
    assert len(settings_["members"]) == 2
    assert settings_["frontend"]["hop_length"] == 275
    assert settings_["files"] == {
        path.name: sha256(path) for path in sorted((tmp_path / "b").iterdir()) if path.name != "settings.json"
    }
    labels = json.loads((tmp_path / "b/labels.json").read_text())
    assert labels == {"kind": "single", "classes": list(CLASSES)}
    (index,) = json.loads((tmp_path / "b/vocabulary.json").read_text())
    assert index["UNK"] == 1


def test_two_exports_are_the_same_bytes(shop, tmp_path):
    for name in ("one", "two"):
        assert run(shop, "--out", str(tmp_path / name), "--int8", "--force").exit_code == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "model.int8.onnx" in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_temperature_of_these_members_is_used_and_no_other(shop, tmp_path):
    folder = tmp_path / "ckpt"
    shutil.copytree(shop / "ckpt", folder)
    opened = open_trained("tiny", folder, shop / "data", None)
    names = tuple(member.name for member in opened.members)
    write_calibration(folder / "tiny", Calibration(names, 1.75, "valid", 12, 0.2, 0.1, 1.0, 0.9))
    here = ["--output", str(folder)]
    result = run(shop, *here, "--out", str(tmp_path / "all"))
    assert result.stdout.splitlines()[0].endswith("3 members averaged, temperature 1.75")
    card = (tmp_path / "all/README.md").read_text()
    assert (
        "temperature 1.75, fitted on 12 valid utterances; calibration error there 20.0 % before, 10.0 % after"
        in card
    )
    assert json.loads((tmp_path / "all/settings.json").read_text())["temperature"] == 1.75
    result = run(shop, *here, "--out", str(tmp_path / "one"), "--index", "1")
    assert result.stdout.splitlines()[0].endswith("1 members averaged, temperature 1")
    assert "not calibrated (temperature 1)" in (tmp_path / "one/README.md").read_text()


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
        first, *rest = done.stdout.splitlines()
        assert first == CLASSES[int(expected.argmax())]
        shares = {line.split()[0]: float(line.split()[1]) for line in rest}
        assert [shares[name] for name in CLASSES] == pytest.approx(expected.tolist(), abs=2e-4)


def load_script(bundle: Path) -> dict:
    """The functions of a bundle's run.py."""
    space: dict = {"__name__": "script", "__file__": str(bundle / "run.py")}
    exec(compile((bundle / "run.py").read_text(), "run.py", "exec"), space)
    return space


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


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("Word12 -'“”’…/.,\t\u0091\u200bé") | st.characters(codec="utf-8"))
)
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


@pytest.mark.parametrize("case", ["mosei6-mat", "mosi-mnt"])
def test_checkpoints_of_the_reference_become_bundles_with_its_logits(case, tmp_path):
    folder = copy_case(case, tmp_path)
    done = exporting.export("ref", tmp_path / "b", output=folder / "ckpt", data=folder / "data")
    assert done.compared[0].largest < 1e-5
    numbers = json.loads((REFERENCE / case / "expected.json").read_text())["sets"]["test"]
    opened = open_trained("ref", folder / "ckpt", folder / "data", None)
    corpus = opened.experiment.corpus.select(list(opened.experiment.folds[0].sets["test"]))
    assert [utterance.id for utterance in corpus.utterances] == numbers["keys"]
    trial = bundle_check.Trial(corpus, (None,) * len(numbers["keys"]), "")
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    found = bundle_check.onnx_logits(session, feeds_of(opened.trained, trial))
    np.testing.assert_allclose(found, np.array(numbers["ensemble_logits"]), rtol=0, atol=1e-5)
    settings_ = json.loads((tmp_path / "b/settings.json").read_text())
    assert settings_["protocol"] == "paper"
    selected = "**selected on test**" in (tmp_path / "b/README.md").read_text()
    assert selected == opened.experiment.selected_on_test == (case == "mosi-mnt")


def test_cross_validation_exports_every_fold(tmp_path):
    splits = {"scheme": "folds", "folds": 3, "group": "speaker"}
    train_tiny(tmp_path, audio_width=5, splits=splits)
    result = run(tmp_path, "--out", str(tmp_path / "b"), "--index", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0].endswith("tiny, 3 members averaged, temperature 1")
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    assert {own.name: own.shape for own in session.get_inputs()} == {
        "tokens": [3, "batch", "words"],
        "mels": ["batch", "frames", 5],
    }
    card = (tmp_path / "b/README.md").read_text()
    assert "3 folds by speaker; every fold's members are in this ensemble" in card
    assert "each by the members of its own fold" in card
    # Frames of this width come from another program; run.py takes them from a file.
    np.save(tmp_path / "frames.npy", np.ones((4, 5), np.float32))
    done = run_alone(tmp_path / "b", str(tmp_path / "frames.npy"), "--text", "word1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] in CLASSES


def test_a_model_of_text_alone_asks_for_text(tmp_path):
    train_tiny(tmp_path, audio_width=80, dataset={"modalities": ["text"]})
    result = run(tmp_path, "--out", str(tmp_path / "b"))
    assert result.exit_code == 0, result.stderr
    session = bundle_check.open_session(tmp_path / "b/model.onnx")
    assert [own.name for own in session.get_inputs()] == ["tokens"]
    done = run_alone(tmp_path / "b", "--text", "word1 word2")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_alone(tmp_path / "b", str(next(CLIPS.glob("*.flac"))))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("error: give the input of the model: text")
    card = (tmp_path / "b/README.md").read_text()
    assert "| input | words |" in card
    assert "It reads at most 5 words of an utterance" in card
    result = run(tmp_path, "--out", str(tmp_path / "c"), "--with-frontend")
    assert (result.exit_code, message(result)) == (
        2,
        "error: --with-frontend: tiny has none, it reads text alone\n  try: leave --with-frontend out\n",
    )


def test_the_card_tells_what_legal_asks(shop, tmp_path):
    run(shop, "--out", str(tmp_path / "b"))
    card = (tmp_path / "b/README.md").read_text()
    flat = " ".join(card.split())
    for sentence in (
        "| corpus | TINY: train 24, valid 12, test 12 utterances |",
        "| validated on | 12 utterances of the corpus's own valid split |",
        "| protocol | honest: nothing was selected on test |",
        "| output | one of angry, happy, sad |",
        "Article 5(1)(f) of Regulation (EU) 2024/1689",
        "workplace and education institutions, except for medical or safety reasons",
        "It reads at most 5 words and 8 frames of an utterance",
        "The corpus says of itself: random numbers.",
    ):
        assert sentence in flat, sentence
    assert re.search(
        r"On 12 test utterances: UAR \d+\.\d % \(95 % interval [\d.]+ to [\d.]+ %, bootstrap over 2 speakers\), "
        r"accuracy \d+\.\d %\.",
        flat,
    )
    assert "{" not in card
    assert "synthetic" not in card


def test_the_card_tells_of_machine_made_transcripts(tmp_path):
    corpus = make_corpus(width=80)
    first = replace(corpus.utterances[0], transcriber="whisper tiny")
    write_tiny(tmp_path / "data", replace(corpus, utterances=(first, *corpus.utterances[1:])))
    recipe = tiny_recipe(training={"runs": 1, "max_epochs": 1})
    experiment = open_experiment(recipe, tmp_path / "data")
    plan = plan_training(experiment, tmp_path / "ckpt" / "tiny", [1], None, CPU)
    list(train_recipe(plan, tmp_path / "data", CPU))
    run(tmp_path, "--out", str(tmp_path / "b"))
    card = (tmp_path / "b/README.md").read_text()
    assert "- Some or all of the transcripts in its training data were made by speech recognition.\n" in card
    assert json.loads((tmp_path / "b/settings.json").read_text())["machine_text"] is True
    said = CliRunner().invoke(
        app, ["predict", "--name", "tiny", "--output", str(tmp_path / "ckpt"), "--text", "word1"]
    )
    assert said.stdout.startswith("tiny · machine-made transcripts · 1 member · ")


def test_the_card_tells_of_a_start_that_had_seen_the_test(shop, tmp_path, monkeypatch):
    def started(*arguments: object):
        return replace(open_ensemble(*arguments), started_from="older", seen_in_test=3)

    monkeypatch.setattr(export_source, "open_ensemble", started)
    run(shop, "--out", str(tmp_path / "b"))
    flat = " ".join((tmp_path / "b/README.md").read_text().split())
    assert (
        "| protocol | honest; members started from the weights of older, which was **trained or selected on 3 of the "
        "test utterances** |"
    ) in flat
    assert "so the figures are optimistic." in flat


def test_without_the_corpus_random_utterances_are_compared_and_figures_are_not_claimed(shop, tmp_path):
    nowhere = ["--data", str(tmp_path / "nowhere")]
    result = run(shop, "--out", str(tmp_path / "b"), *nowhere)
    assert "all 64 decisions equal (64 seeded random utterances)" in result.stdout
    card = (tmp_path / "b/README.md").read_text()
    assert "On test: not measured; `sertool ensemble --name tiny --sets test` measures it." in card
    result = run(shop, "--out", str(tmp_path / "c"), "--int8", *nowhere)
    assert result.exit_code == 2
    assert message(result) == (
        "error: --int8: its loss of accuracy was not measured, the corpus is not available; nothing was written\n"
        "  try: --data names the folder that holds the corpora; --force writes it anyway\n"
    )
    assert not (tmp_path / "c").exists()
    result = run(shop, "--out", str(tmp_path / "c"), "--int8", "--force", *nowhere)
    assert "loss of accuracy by int8: not measured" in result.stdout


def test_other_data_of_the_same_name_are_not_taken_for_those_it_was_trained_on(shop, tmp_path):
    write_tiny(tmp_path / "data", make_corpus(width=80, seed=9))
    assert open_trained("tiny", shop / "ckpt", tmp_path / "data", None).experiment is None


def test_eight_bits_that_cost_too_much_are_refused(shop, tmp_path, monkeypatch):
    loss = quantising.Loss(0.75, 0.7, 12)
    monkeypatch.setattr(exporting, "measure_loss", lambda *_: loss)
    result = run(shop, "--out", str(tmp_path / "b"), "--int8")
    assert result.exit_code == 1
    assert message(result) == (
        "error: --int8: loses 5.0 points of accuracy on 12 validation utterances, at most 0.5 is accepted; nothing was "
        "written\n  try: leave --int8 out; --force writes it anyway\n"
    )
    assert list(tmp_path.iterdir()) == []
    result = run(shop, "--out", str(tmp_path / "b"), "--int8", "--force")
    assert "loss of accuracy by int8: +5.0 points on 12 validation utterances" in result.stdout
    assert (
        "has accuracy 70.0 % on 12 validation utterances, the full graph 75.0 %"
        in (tmp_path / "b/README.md").read_text()
    )


def test_eight_bits_are_smaller_and_near(shop, tmp_path):
    result = run(shop, "--out", str(tmp_path / "b"), "--int8", "--force", "--with-frontend")
    assert result.exit_code == 0, result.stderr
    small = onnx.load(tmp_path / "b/model.int8.onnx")
    operators = {node.op_type for node in small.graph.node}
    assert {"DynamicQuantizeLSTM", "MatMulInteger"} <= operators or "DynamicQuantizeMatMul" in operators
    # The filters of the frontend and attention stay as they are.
    whole = onnx.load(tmp_path / "b/model.onnx")
    products = {node.name for node in whole.graph.node if node.op_type == "MatMul"}
    assert products <= {node.name for node in small.graph.node if node.op_type == "MatMul"}
    wave = {
        "tokens": np.array([[1, 2, 3]]),
        "waveform": soundfile.read(next(CLIPS.glob("*.flac")), dtype="float32")[0],
    }
    full, int8 = (
        bundle_check.open_session(tmp_path / "b" / name).run(["probabilities"], wave)[0]
        for name in ("model.onnx", "model.int8.onnx")
    )
    assert 0 < np.abs(full - int8).max() < 0.05


def wrong_graphs(monkeypatch, change) -> None:
    real = bundle_check.onnx_logits
    monkeypatch.setattr(bundle_check, "onnx_logits", lambda *given: change(real(*given)))


def test_a_graph_with_other_logits_is_not_written(shop, tmp_path, monkeypatch):
    wrong_graphs(monkeypatch, lambda logits: logits + np.float32(2e-4))
    result = run(shop, "--out", str(tmp_path / "b"))
    assert result.exit_code == 1
    assert re.fullmatch(
        r"error: export: the graph's logits differ from PyTorch's by 2\.0e-04, at most 1e-04 is accepted \(12 "
        r"validation utterances of TINY and 8 made ones\); nothing was written\n  try: this is a bug "
        r"in sertool or in the installed onnxruntime; `sertool doctor` shows the versions\n",
        message(result),
    )
    assert list(tmp_path.iterdir()) == []


def test_a_graph_with_other_decisions_is_not_written(shop, tmp_path, monkeypatch):
    wrong_graphs(monkeypatch, lambda logits: -logits)
    monkeypatch.setattr(bundle_check, "TOLERANCE", 100.0)
    result = run(shop, "--out", str(tmp_path / "b"))
    assert result.exit_code == 1
    assert message(result) == (
        "error: export: the graph and PyTorch predict different classes for 20 of 20 utterances (12 validation "
        "utterances of "
        "TINY and 8 made ones); nothing was written\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_nan_is_no_agreement(monkeypatch):
    trained, session, _ = everyday()
    trial = make_trial(trained, None)
    wrong_graphs(monkeypatch, lambda logits: logits * np.float32("nan"))
    found = bundle_check.compare(session, feeds_of(trained, trial), judge_of(trained, trial), trial, "single")
    assert found.largest == float("inf")
    with pytest.raises(SertoolError, match="differ from PyTorch's by inf"):
        bundle_check.require_equal(found)


def test_only_a_bundle_is_replaced_and_only_with_force(shop, tmp_path):
    out = tmp_path / "b"
    assert run(shop, "--out", str(out)).exit_code == 0
    (out / "mine.txt").write_text("x")
    result = run(shop, "--out", str(out))
    assert (result.exit_code, message(result)) == (
        2,
        f"error: --out {out}: already exists\n  try: --force replaces it\n",
    )
    assert run(shop, "--out", str(out), "--force").exit_code == 0
    assert not (out / "mine.txt").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "settings.json").write_text('{"format": "something else"}')
    for taken in (other, shop / "ckpt" / "tiny"):
        result = run(shop, "--out", str(taken), "--force")
        text = f"error: --out {taken}: exists and is not a bundle; only a bundle is replaced\n"
        assert (result.exit_code, message(result)) == (2, text)
    link = tmp_path / "link"
    link.symlink_to(out)
    assert run(shop, "--out", str(link), "--force").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "link", "other"]


def test_without_onnx_the_message_names_the_extra(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    result = run(shop, "--out", str(tmp_path / "b"))
    assert (result.exit_code, message(result)) == (
        2,
        "error: export: needs onnx and onnxruntime, which are not installed\n  try: pip install 'sertool[export]'\n",
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ({"modalities": ["text"], "audio_width": 80}, "it reads text alone"),
        (
            {"audio_width": 5},
            "it takes audio frames of 5 values, and the recipe's frontend makes 80 of a recording",
        ),
        (
            {"audio_width": 80, "text_width": 3},
            "it takes text as frames of 3 values, which another program makes",
        ),
    ],
)
def test_a_frontend_that_does_not_fit_is_refused(kind, why):
    with pytest.raises(SertoolError) as caught:
        exporting._check_frontend(make_trained(**kind))
    assert str(caught.value) == f"--with-frontend: made has none, {why}"
    assert caught.value.hint == "leave --with-frontend out"


def test_unknown_names_and_sizes_are_told(shop, tmp_path):
    result = CliRunner().invoke(
        app, ["export", "--name", "tinny", "--output", str(shop / "ckpt"), "--out", str(tmp_path / "b")]
    )
    assert result.exit_code == 2
    assert "did you mean" in message(result)
    result = run(shop, "--out", str(tmp_path / "b"), "--index", "4")
    assert (result.exit_code, message(result)) == (2, "error: --index 4: there are 3 members to average\n")


def test_weights_too_large_for_a_file_lie_beside_it(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "LARGEST_FILE", 1000)
    result = run(shop, "--out", str(tmp_path / "b"), "--int8", "--force")
    assert result.exit_code == 0, result.stderr
    assert (
        (tmp_path / "b/model.onnx.data").stat().st_size > 10_000 > (tmp_path / "b/labels.json").stat().st_size
    )
    assert {"model.onnx.data", "model.int8.onnx"} <= set(
        json.loads((tmp_path / "b/settings.json").read_text())["files"]
    )
    done = run_alone(tmp_path / "b", "--text", "word1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_leaves_nothing(shop, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "save", full)
    result = run(shop, "--out", str(tmp_path / "b"))
    assert (result.exit_code, message(result).splitlines()[0]) == (
        1,
        f"error: {tmp_path / 'b'}: no space left on the disk; nothing was half-written",
    )
    assert list(tmp_path.iterdir()) == []
