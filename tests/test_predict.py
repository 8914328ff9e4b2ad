"""``sertool predict`` and ``sertool.load``: what is judged, what is said about it, and what is refused."""

import csv
import itertools
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from builders import CPU, copy_case, make_inputs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import sertool
from sertool.cli import app
from sertool.commands._predictions import show
from sertool.commands.demo import next_commands
from sertool.core.corpora.tasks import Task
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts
from sertool.core.inference.clips import collect
from sertool.core.inference.predictor import Prediction, Predictor
from sertool.core.inference.windows import windows
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.members import open_runs, stack_of
from sertool.core.runs.temperature import read_calibration, write_calibration

RATE = 22050
CLASSES = ("high", "low")
RECIPE = """
name: tones
about: a test's
dataset: {reader: corpus, path: TONES, max_text_length: 4, max_audio_length: 6, standardize: corpus%s}
splits: %s
model: {hidden_size: 8, ffn_size: 8, num_heads: 2, num_layers: 1, embedding_size: 6}
training: {runs: 2, batch_size: 8, max_epochs: 2, learning_rate: 0.01, precision: fp32}
"""
HOLDOUT = "{scheme: holdout, group: speaker, valid_fraction: 0.2, test_fraction: 0.2}"
RECIPES = {
    "tones": ("", HOLDOUT),
    "folds": ("", "{scheme: folds, folds: 3, group: speaker}"),
    "text": (", modalities: [text]", HOLDOUT),
    "audio": (", modalities: [audio]", HOLDOUT),
}
TABLE = "utterance,audio,text,label,speaker\n"


def tone(seconds: float, high: bool, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.02, round(seconds * RATE))
    return 0.3 * np.sin(np.arange(len(noise)) * (0.4 if high else 0.03)) + noise


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Thirty short recordings, prepared and trained on: fused, in three folds, and each modality alone."""
    folder = tmp_path_factory.mktemp("tones")
    rows = []
    for number in range(30):
        high = number % 2 == 0
        soundfile.write(folder / f"{number:02}.wav", tone(0.4 + number % 4 * 0.2, high, number), RATE)
        words = f"{'sky' if high else 'sea'} is word{number % 7}, {'up' if number % 3 else 'down'}"
        rows.append(f'u{number:02},{number:02}.wav,"{words}",{CLASSES[number % 2 == 1]},s{number // 2 % 5}\n')
    (folder / "tones.csv").write_text(TABLE + "".join(rows))
    done = run("prepare", str(folder / "tones.csv"), "--out", str(folder / "data/TONES"))
    assert done.exit_code == 0, done.output
    for name, parts in RECIPES.items():
        (folder / f"{name}.yaml").write_text(RECIPE % parts)
        done = run("train", "--recipe", str(folder / f"{name}.yaml"), "--name", name, *places(folder))
        assert done.exit_code == 0, done.output
    (folder / "june.wav").write_bytes((folder / "00.wav").read_bytes())
    return folder


def places(folder) -> list[str]:
    return ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A working folder of one test's own, with the models and two recordings."""
    for name in ("ckpt", "data"):
        (tmp_path / name).symlink_to(trained / name)
    for name in ("00", "01"):
        shutil.copy(trained / f"{name}.wav", tmp_path / f"{name}.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_model(here: Path, name: str = "tones") -> Path:
    """A copy of a model that a test may change, as ckpt/mine."""
    models = (here / "ckpt").resolve()
    (here / "ckpt").unlink()
    shutil.copytree(models / name, here / "ckpt/mine")
    return here / "ckpt/mine"


def predict(*arguments: str, name: str = "tones", code: int = 0):
    result = run("predict", "--name", name, *arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def refusal(*arguments: str, name: str = "tones", code: int = 1) -> str:
    result = predict(*arguments, name=name, code=code)
    assert result.stdout == ""
    return result.stderr


def written(*arguments: str, name: str = "tones") -> list[dict]:
    predict(*arguments, "--json", "p.json", name=name)
    return json.loads(Path("p.json").read_text())["predictions"]


# What is said


def test_one_recording_and_its_words(here):
    result = predict("00.wav", "--text", "Sky is word0, down!")
    (own,) = written("00.wav", "--text", "Sky is word0, down!")
    best, other = sorted(own["probabilities"].items(), key=lambda item: -item[1])
    title, name, text, _, *bars, _, answer = result.stdout.splitlines()
    assert title == "tones · 2 members · not calibrated"
    assert (name, text) == ("00.wav", "Sky is word0, down!")
    for (label, share), bar in zip((best, other), bars, strict=True):
        assert bar == f"{label:<4}  {share:.2f}  {'━' * round(20 * share)}"
    assert answer == f"{best[0]}, probability {best[1]:.2f}"
    assert result.stderr == (
        "note: no temperature was fitted for these 2 members; sertool ensemble --name tones fits one, "
        "if there is validation to fit it on\n"
    )


def test_many_recordings_are_a_table(here):
    lines = predict("00.wav", "01.wav").stdout.splitlines()
    rows = written("00.wav", "01.wav")
    assert lines[:3] == ["tones · 2 members · not calibrated", "", "recording  class     p  high   low"]
    for line, own in zip(lines[3:5], rows, strict=True):
        shares = "  ".join(f"{p:.2f}" for p in own["probabilities"].values())
        assert line == f"{own['id']:<9}  {own['label']:<5}  {own['probability']:.2f}  {shares}"
    assert lines[5] == ""
    assert lines[6].startswith("2 predictions: ")
    assert len(lines) == 7


def test_a_folder_is_searched_for_recordings(here):
    (here / "calls/b").mkdir(parents=True)
    for place in ("calls/b/2.WAV", "calls/1.wav", "calls/._1.wav", "calls/.hidden.wav", "calls/notes.txt"):
        shutil.copy("00.wav", place)
    assert [own["id"] for own in written("calls")] == ["calls/1.wav", "calls/b/2.WAV"]
    (here / "none").mkdir()
    assert refusal("none").startswith(
        "error: none: no recordings in this folder (names ending in .wav, .flac,"
    )


def test_a_table_gives_ids_texts_and_segments(here):
    (here / "sub").mkdir()
    Path("sub/calls.csv").write_text(
        "id,audio,text,start,end,label\na,../00.wav,sky is up,,,high\nb,../00.wav,,0.1,0.3,\nc,,sea,,,\n"
        ",../01.wav,,,,\n"
    )
    rows = written("--table", "sub/calls.csv")
    assert [own["id"] for own in rows] == ["a", "b", "c", "../01.wav"]
    assert [own["modalities"] for own in rows] == [["text", "audio"], ["audio"], ["text"], ["audio"]]
    assert [(own["start"], own["end"]) for own in rows] == [
        (None, None),
        (0.1, 0.3),
        (None, None),
        (None, None),
    ]
    Path("calls.jsonl").write_text('{"audio": "00.wav", "text": "sky is up"}\n{"text": "sea"}\n')
    lines = written("--table", "calls.jsonl")
    assert [own["id"] for own in lines] == ["00.wav", "row 2"]
    assert lines[0]["logits"] == pytest.approx(rows[0]["logits"], abs=1e-6)


def test_files_hold_everything(here):
    predict("00.wav", "01.wav", "--csv", "p.csv", "--json", "p.json", "--abstain", "1")
    table = json.loads(Path("p.json").read_text())
    assert {key: table[key] for key in ("name", "dataset", "task", "classes", "temperature", "abstain")} == {
        "name": "tones", "dataset": "TONES", "task": "emotion", "classes": ["high", "low"], "temperature": None,
        "abstain": 1.0,
    }  # fmt: skip
    assert (len(table["members"]), table["left_out"]) == (2, [])
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "id", "start", "end", "class", "probability", "probability_high", "probability_low",
    ]  # fmt: skip
    for row, own in zip(rows, table["predictions"], strict=True):
        assert (row["id"], row["class"], row["start"]) == (own["id"], "unsure", "")
        assert float(row["probability_low"]) == own["probabilities"]["low"]
        assert own["unsure"] is True
        assert own["label"] in CLASSES  # the raw one stays


def test_abstaining(here):
    (own,) = written("00.wav")
    share = own["probability"]
    above, below = f"{share + 0.01:.2f}", f"{share - 0.01:.2f}"
    said = predict("00.wav", "--abstain", above).stdout.splitlines()[-1]
    assert said == f"unsure: {own['label']} has {share:.2f}, below {float(above):g}"
    assert predict("00.wav", "--abstain", below).stdout.splitlines()[-1].startswith(own["label"])
    assert "2 predictions: unsure 2" in predict("00.wav", "01.wav", "--abstain", "1").stdout


# The same numbers as everywhere else


@pytest.mark.parametrize("name", ["tones", "text", "audio"])
def test_the_logits_are_those_of_ensemble(here, trained, name):
    done = run("ensemble", "--name", name, "--sets", "valid,test", "--predictions", "e.csv", *places(trained))
    assert done.exit_code == 0
    (trained / "ckpt" / name / "calibration.json").unlink()
    rows = {own["id"]: own["logits"] for own in written("--table", str(trained / "tones.csv"), name=name)}
    with Path("e.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            wanted = [float(row[f"logit_{label}"]) for label in CLASSES]
            np.testing.assert_allclose(rows[row["utterance"]], wanted, rtol=0, atol=1e-5)


def test_members_of_all_folds_are_averaged_each_with_its_own_vocabulary(here):
    opened = open_runs(Path("ckpt/folds"))
    assert len(opened.members) == 6
    assert len({tuple(own.vocabulary.index.items()) for own in opened.inputs}) == 3
    text = "sky sea word0 word1"
    alone = [
        Predictor(replace(opened, members=(member,)), 1, None, CPU).predict("00.wav", text).logits
        for member in opened.members
    ]
    together = sertool.load("ckpt/folds", device="cpu").predict("00.wav", text).logits
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=0, atol=1e-5)
    assert np.std(alone, axis=0).min() > 1e-3


def test_the_temperature_is_used_where_it_fits(here):
    folder = own_model(here)
    (before,) = written("00.wav", name="mine")
    order = sertool.load(folder).members
    write_calibration(folder, Calibration(order, 0.5, "valid", 6, 0.2, 0.1, 1.0, 0.9))
    (after,) = written("00.wav", name="mine")
    assert (before["calibrated"], after["calibrated"]) == (False, True)
    assert after["logits"] == before["logits"]
    assert after["label"] == before["label"]
    powers = np.exp(np.array(before["logits"]) * 2)
    assert list(after["probabilities"].values()) == pytest.approx(powers / powers.sum())
    said = predict("00.wav", name="mine").stdout.splitlines()[0]
    assert said == "mine · 2 members · calibrated on 6 validation utterances"
    fewer = predict("00.wav", "--index", "1", name="mine")
    assert fewer.stdout.splitlines()[0] == "mine · 1 member · not calibrated"
    assert "sertool ensemble --name mine --index 1 fits one" in fewer.stderr


def test_ensemble_fits_what_predict_uses(here):
    folder = own_model(here)
    (before,) = written("00.wav", name="mine")
    done = run("ensemble", "--name", "mine", "--index", "1")
    assert done.exit_code == 0
    assert read_calibration(folder).members == sertool.load(folder, index=1).members
    assert written("00.wav", "--index", "1", name="mine")[0]["calibrated"] is True
    assert written("00.wav", name="mine") == [before]


# One modality


def test_one_modality_is_enough_and_is_told(here):
    notes = predict("00.wav").stderr
    assert notes.startswith(
        "note: 00.wav: judged by audio alone, without text; the model was trained on both\n"
    )
    notes = predict("--text", "sky is up").stderr
    assert notes.startswith(
        "note: text: judged by text alone, without audio; the model was trained on both\n"
    )
    notes = predict("00.wav", "01.wav").stderr
    assert notes.startswith("note: all 2: judged by audio alone, without text")


def test_a_missing_modality_is_masked(here):
    """No recording is frames of zeros that are masked, as in training."""
    model = sertool.load("ckpt/tones")
    own = model.predict(text="sky is")
    ids = torch.tensor([[model.trained.inputs[0].vocabulary.encode(["sky", "is"], 4)]] * 2)
    stack = stack_of(model.trained, model.trained.first(2))
    with torch.no_grad():
        logits = stack(make_inputs(ids, torch.zeros(2, 1, 6, 80)))[:, 0]
    np.testing.assert_allclose(own.logits, logits.mean(0).numpy(), rtol=0, atol=1e-6)


def test_a_model_of_one_modality_ignores_the_other(here):
    with_text = written("00.wav", "--text", "sky", name="audio")
    assert with_text[0]["logits"] == written("00.wav", name="audio")[0]["logits"]
    assert with_text[0]["modalities"] == ["audio"]
    assert (
        "note: this model looks at audio alone; the text is ignored\n"
        in predict("00.wav", "--text", "sky", name="audio").stderr
    )
    assert refusal("--text", "sky", name="audio") == (
        "error: text: has no audio, and this model looks at audio alone\n"
    )
    # The recording is not even opened.
    assert (
        "note: this model looks at text alone; the audio is ignored\n"
        in predict("gone.wav", "--text", "sky", name="text").stderr
    )
    assert refusal("00.wav", name="text") == (
        "error: 00.wav: has no text, and this model looks at text alone\n"
    )
    assert refusal("00.wav", "--window", "1", name="text", code=2) == (
        "error: --window: this model looks at text alone, and text cannot be divided\n"
    )


@pytest.mark.parametrize("text", ["...", " ?! "])
def test_a_text_without_words_is_none(here, text):
    assert refusal("--text", text) == "error: text: there are no words in its text\n"
    (own,) = written("00.wav", "--text", text)
    assert own["modalities"] == ["audio"]


def test_words_that_training_never_had_are_counted(here):
    said = predict("00.wav", "--text", "Привет мир, sky привет ещё раз").stderr
    assert "note: 00.wav: only the first 4 words of the text count\n" in said
    assert "note: 3 words not in training: привет, мир\n" in said
    assert "1 word not in training: zebra\n" in predict("--text", "sky zebra").stderr
    assert "not in training" not in predict("00.wav", "--text", "zebra", name="audio").stderr


# Long recordings


def long_wav(seconds: float) -> None:
    soundfile.write("long.wav", tone(seconds, True), RATE)


def test_what_a_model_does_not_see_is_told(here):
    long_wav(3)
    assert (
        "note: long.wav: longer than the 1.2 s that this model sees, the rest is ignored; "
        "--window 1.1 looks at all of it\n"
    ) in predict("long.wav").stderr
    assert "longer than" not in predict("long.wav", "--window", "1.1").stderr
    assert "longer than" in predict("long.wav", "--window", "1.5").stderr


def test_windows_have_times(here):
    long_wav(2.5)
    result = predict("long.wav", "--window", "1", "--hop", "0.5")
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "tones · 2 members · not calibrated", "long.wav", "", "from s  to s  class     p  high   low",
    ]  # fmt: skip
    assert [line.split()[:2] for line in lines[4:8]] == [
        ["0.00", "1.00"], ["0.50", "1.50"], ["1.00", "2.00"], ["1.50", "2.50"],
    ]  # fmt: skip
    assert lines[-1].startswith("4 predictions: ")
    rows = written("long.wav", "--window", "1", "--hop", "0.7")
    assert [own["start"] for own in rows] == pytest.approx([0, 0.7, 1.4, 2.1], abs=1e-4)
    assert [own["end"] for own in rows] == pytest.approx([1, 1.7, 2.4, 2.5], abs=1e-4)


def test_a_window_is_judged_as_the_segment_it_is(here):
    long_wav(2)
    Path("t.csv").write_text("audio,start,end\nlong.wav,0.5,1.5\n")
    second = written("long.wav", "--window", "1", "--hop", "0.5")[1]
    (segment,) = written("--table", "t.csv")
    np.testing.assert_allclose(second["logits"], segment["logits"], rtol=0, atol=1e-6)


def test_windows_of_a_segment_count_from_the_file(here):
    long_wav(3)
    Path("t.csv").write_text("audio,start,end\nlong.wav,1,2.2\n")
    rows = written("--table", "t.csv", "--window", "1")
    assert [own["start"] for own in rows] == pytest.approx([1, 2], abs=1e-4)
    assert [own["end"] for own in rows] == pytest.approx([2, 2.2], abs=1e-4)


@given(
    length=st.integers(1, 500), size=st.integers(1, 100), hop=st.integers(1, 100), least=st.integers(1, 20)
)
@settings(max_examples=200)
def test_window_arithmetic(length, size, hop, least):
    hop, least = min(hop, size), min(least, size)
    spans = windows(length, size, hop, least)
    assert [first for first, _ in spans] == [place * hop for place in range(len(spans))]
    assert all(0 < last - first <= size for first, last in spans)
    # Only the last one may be shorter, and none lies within the one before.
    assert all(last - first == size for first, last in spans[:-1])
    assert all(later[1] > earlier[1] for earlier, later in itertools.pairwise(spans))
    # Everything is in a window but a rest that is too short to judge.
    assert length - least < spans[-1][1] <= length
    assert len(spans) == 1 or spans[-1][1] - spans[-1][0] >= least


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["00.wav", "--window", "0"], "error: --window 0: expected seconds, at least 0.1\n"),
        (["00.wav", "--window", "nan"], "error: --window nan: expected seconds, at least 0.1\n"),
        (["00.wav", "--window", "inf"], "error: --window inf: expected seconds, at least 0.1\n"),
        (["00.wav", "--window", "1", "--hop", "0.01"], "error: --hop 0.01: expected seconds, at least 0.1\n"),
        (["00.wav", "--hop", "1"], "error: --hop: only with --window\n  try: --window 4 --hop 2\n"),
        (
            ["00.wav", "--window", "1", "--hop", "2"],
            "error: --hop 2: longer than --window 1, so that some seconds would be in no window\n",
        ),
        (
            ["00.wav", "--window", "1", "--text", "sky"],
            "error: --window: divides a recording, and --text cannot be divided with it\n",
        ),
        (["00.wav", "--abstain", "1.5"], "error: --abstain 1.5: expected a probability, from 0 to 1\n"),
        (["00.wav", "--abstain", "nan"], "error: --abstain nan: expected a probability, from 0 to 1\n"),
        (
            [],
            "error: nothing to judge was given\n"
            '  try: a recording, several, a folder, --table FILE, or --text "words"\n',
        ),
        (["--text", " "], 'error: --text: is empty, expected words as in --text "I am so happy"\n'),
        (
            ["00.wav", "01.wav", "--text", "sky"],
            "error: --text: goes with one recording, or with none\n"
            "  try: --table FILE with the columns audio and text for several\n",
        ),
        (
            ["00.wav", "--table", "t.csv"],
            "error: --table: gives all recordings and texts itself; leave the others out\n",
        ),
        (["00.wav", "--index", "3"], "error: --index 3: there are 2 members to average\n"),
    ],
)
def test_what_does_not_go_together(here, arguments, text):
    assert refusal(*arguments, code=2) == text


# Bad input


def test_all_that_is_bad_is_told_before_anything_is_judged(here):
    Path("empty.wav").write_bytes(b"")
    Path("text.wav").write_text("not audio at all")
    soundfile.write("short.wav", np.zeros(10), RATE)
    nan = np.zeros(RATE, np.float32)
    nan[100] = np.nan
    soundfile.write("nan.wav", nan, RATE, subtype="FLOAT")
    bad = ["gone.wav", "empty.wav", "text.wav", "short.wav", "nan.wav"]
    said = refusal("00.wav", *bad, "--json", "p.json", "--csv", "p.csv")
    first, *lines, hint = said.splitlines()
    assert first == "error: 5 of 6 cannot be judged"
    assert [line.split(":")[0].strip() for line in lines] == bad
    assert lines[0] == "  gone.wav: no such file"
    assert lines[4].startswith("  nan.wav: holds NaN or infinite samples")
    assert hint == "  try: --skip-bad goes on without them"
    assert not Path("p.json").exists()
    assert not Path("p.csv").exists()
    result = predict("00.wav", *bad, "--skip-bad", "--json", "p.json")
    assert result.stderr.splitlines()[-6:] == ["left out 5:", *lines]
    table = json.loads(Path("p.json").read_text())
    assert [own["id"] for own in table["predictions"]] == ["00.wav"]
    assert [item["id"] for item in table["left_out"]] == bad
    said = refusal(*bad, "--skip-bad")
    assert said.splitlines() == ["error: 5 of 5 cannot be judged", *lines]
    assert refusal("gone.wav") == "error: gone.wav: no such file\n"


def test_silence_is_a_warning(here):
    soundfile.write("silent.wav", np.zeros(RATE), RATE)
    result = predict("silent.wav", "--window", "0.5")
    assert result.stderr.startswith("warning: silent.wav: there is no sound in it\n")
    assert [own["silent"] for own in written("silent.wav")] == [True]


def test_a_wrong_ending_is_no_obstacle(here):
    shutil.copy("00.wav", "voice.mp3")
    assert written("voice.mp3")[0]["logits"] == written("00.wav")[0]["logits"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "t.csv: 1 problem\n  there is nothing to judge in it\n"),
        ("audio\n", "t.csv: 1 problem\n  there is nothing to judge in it\n"),
        ("file\nx\n", "t.csv: 1 problem\n  missing column 'audio' or 'text' (columns: file)\n"),
        ("audio,audio\n00.wav,00.wav\n", "t.csv: 1 problem\n  column 'audio' is there twice\n"),
        ("audio,text\n00.wav\n", "t.csv: 1 problem\n  row 2: not 2 fields, as the header has\n"),
        ("id,text\na,sky\na,sea\n", "t.csv: row 3: 'a' is the id of row 2 already\n"),
        ("audio,start\n00.wav,x\n", "t.csv: row 2: start 'x' is not a number of seconds\n"),
        ("audio,end\n00.wav,-1\n", "t.csv: row 2: end '-1' is not a number of seconds\n"),
        ("audio,end\n00.wav,nan\n", "t.csv: row 2: end 'nan' is not a number of seconds\n"),
        ("audio,start,end\n00.wav,2,1\n", "t.csv: row 2: end is not after start\n"),
        ("audio,start\n00.wav,9\n", "row 2: 00.wav: is 0.4 s long, the segment's start at 9 s lies beyond\n"),
        ("audio,text\n,\n00.wav,sky\n", None),
        ("audio\ngone.wav\n", "row 2: gone.wav: no such file\n"),
        ("audio\n\x00.wav\n", "row 2: "),
    ],
)  # fmt: skip
def test_tables_that_are_refused(here, content, text):
    Path("t.csv").write_bytes(content.encode())
    if text is None:  # a row without anything is no row
        assert len(written("--table", "t.csv")) == 1
        return
    said = refusal("--table", "t.csv")
    assert text in said
    assert said.startswith("error: ")


def test_a_table_is_told_all_its_bad_rows_at_once(here):
    Path("t.csv").write_text("id,audio,end\na,00.wav,x\nb,gone.wav,\nc,00.wav,\n")
    assert refusal("--table", "t.csv") == (
        "error: 2 of 3 cannot be judged\n  t.csv: row 2: end 'x' is not a number of seconds\n"
        "  row 3: gone.wav: no such file\n  try: --skip-bad goes on without them\n"
    )
    result = predict("--table", "t.csv", "--skip-bad")
    assert result.stderr.splitlines()[-3] == "left out 2:"


def test_tables_of_other_kinds(here):
    assert refusal("--table", "gone.csv") == "error: gone.csv: no such file\n"
    Path("t.xlsx").write_bytes(b"PK")
    assert "a table is a .csv, .tsv or .jsonl file" in refusal("--table", "t.xlsx", code=2)
    Path("t.csv").write_bytes("audio,text\n00.wav,schön\n".encode("latin-1"))
    assert refusal("--table", "t.csv").startswith("error: t.csv: not UTF-8 text")
    Path("t.jsonl").write_text('{"text": ["sky"]}\n[1]\nnonsense\n')
    assert refusal("--table", "t.jsonl") == (
        "error: t.jsonl: 3 problems\n  row 1: text is not a text or a number\n  row 2: not a JSON object\n"
        "  row 3: not valid JSON (Expecting value: line 1 column 1 (char 0))\n"
        "  try: correct the table; nothing was judged yet\n"
    )


def test_half_a_character_is_spelled_out(here):
    Path("t.jsonl").write_text(
        '{"id": "a\\ud800b\\u001b[31m", "text": "sky \\ud800"}\n{"audio": "\\ud800.wav"}\n'
    )
    rows = written("--table", "t.jsonl", "--skip-bad")
    assert [own["id"] for own in rows] == ["a\\ud800b\\x1b[31m"]
    assert json.loads(Path("p.json").read_text())["left_out"] == [
        {"id": "\\ud800.wav", "reason": "row 2: \\ud800.wav: no such file"}
    ]


@given(st.binary(max_size=80) | st.text("audio,text;\n\"'.wav0\t{}:[]", max_size=60).map(str.encode))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_is_read_or_refused(tmp_path, content):
    for ending in ("csv", "jsonl"):
        path = tmp_path / f"t.{ending}"
        path.write_bytes(content)
        try:
            clips, refused = collect([], None, path)
        except (DataError, UsageError):
            continue
        assert clips or refused
        json.dumps([clip.name + clip.text for clip in clips], ensure_ascii=False).encode()


# The model's folder


def test_a_folder_that_is_no_model(here):
    said = refusal("00.wav", name="tonse", code=2)
    assert said.startswith(
        "error: ckpt/tonse: holds neither runs of sertool nor checkpoints of the reference (best*.pkl), "
        "did you mean 'tones'?"
    )


def test_a_model_without_its_vocabulary(here):
    (own_model(here) / "vocabulary.json").unlink()
    assert refusal("00.wav", name="mine").startswith("error: ckpt/mine/vocabulary.json: no such file")


def test_a_model_with_another_vocabulary(here):
    folder = own_model(here)
    artifacts.write_json(folder / "vocabulary.json", {"rows": 3, "index": {"UNK": 1, "sky": 2}})
    assert "was trained with another vocabulary" in refusal("00.wav", name="mine")


def test_a_model_whose_frames_come_from_elsewhere(here):
    folder = own_model(here)
    note = artifacts.read_json(folder / "corpus.json")
    artifacts.write_json(folder / "corpus.json", {**note, "audio_width": 384})
    assert refusal("00.wav", name="mine", code=2) == (
        "error: mine: was trained on audio frames of 384 values, and its frontend makes 80 of a recording: "
        "they came from elsewhere\n"
    )
    artifacts.write_json(folder / "corpus.json", {**note, "text_width": 16})
    assert refusal("00.wav", name="mine", code=2) == (
        "error: mine: was trained on text as frames of 16 values by another program, "
        "which cannot be made of words here\n"
    )


def test_weights_that_are_not_finite(here):
    folder = own_model(here)
    for path in folder.glob("run-*/model.safetensors"):
        arrays, _ = artifacts.read_arrays(path)
        artifacts.write_arrays(path, {name: np.full_like(value, np.nan) for name, value in arrays.items()})
    assert refusal("00.wav", name="mine") == (
        "error: mine: gives values that are not finite; its weights are damaged\n"
    )


JUNK = [b"", b"{", b"[]", b"{}", b"null", b"5", b'"x"', b"\xff\xfe", b"format: 1"]


@pytest.mark.parametrize(
    "file",
    [
        "recipe.yaml", "corpus.json", "vocabulary.json", "standardization.json", "calibration.json",
        "run-1/run.json", "run-1/model.safetensors",
    ],
)  # fmt: skip
def test_a_damaged_folder_is_one_message(here, file):
    folder = own_model(here)
    write_calibration(folder, Calibration(sertool.load(folder).members, 0.5, "valid", 6, 0.2, 0.1, 1.0, 0.9))
    path = folder / file
    whole = path.read_bytes()
    for content in [*JUNK, whole[: len(whole) // 2], whole[:-3]]:
        path.write_bytes(content)
        said = refusal("00.wav", name="mine", code=2 if file == "recipe.yaml" else 1)
        assert said.startswith("error: ")
        assert "mine" in said
    if path.suffix != ".json":
        return
    content = json.loads(whole)
    for key in content:
        for value in (None, -1, 99, "x", [], {}, [["x"]]):
            path.write_text(json.dumps({**content, key: value}))
            result = run("predict", "--name", "mine", "00.wav")
            assert result.exit_code in (0, 1, 2), (key, value, result.exception)
            assert result.exception is None or isinstance(result.exception, SystemExit), (key, value)


def test_a_model_of_several_labels_and_the_reference_checkpoints(tmp_path, monkeypatch, trained):
    folder = copy_case("mosei6-mat", tmp_path)
    monkeypatch.chdir(folder)
    shutil.copy(trained / "00.wav", "00.wav")
    (own,) = written("00.wav", "--text", "i am so happy", name="ref")
    assert len(own["probabilities"]) == 6
    for name, logit in zip(own["probabilities"], own["logits"], strict=True):
        assert own["probabilities"][name] == pytest.approx(1 / (1 + np.exp(-logit)))
        assert (name in own["labels"]) == (logit > 0)
    result = predict("00.wav", "00.wav", name="ref")
    (own, _) = written("00.wav", "00.wav", name="ref")
    assert result.stdout.splitlines()[-1] == f"2 predictions: {', '.join(own['labels']) or 'none'} 2"
    shutil.rmtree(folder / "data")
    assert "data/MOSEI: no such corpus" in refusal("00.wav", name="ref")


# From Python


def test_from_python(here):
    model = sertool.load("ckpt/tones")
    assert model.classes == CLASSES
    own = model.predict(audio="00.wav", text="sky is up")
    assert isinstance(own, Prediction)
    assert own.labels == (own.label,)
    assert own.probability == own.probabilities[own.label] == max(own.probabilities.values())
    assert sum(own.probabilities.values()) == pytest.approx(1)
    (same,) = written("00.wav", "--text", "sky is up")
    assert same["logits"] == pytest.approx(own.logits, abs=1e-6)
    with pytest.raises(FrozenInstanceError):
        own.label = "x"


def test_lists_give_lists(here):
    model = sertool.load("ckpt/tones")
    both = model.predict(audio=["00.wav", None], text=[None, "sea"])
    assert [own.modalities for own in both] == [("audio",), ("text",)]
    assert model.predict(audio=["00.wav"])[0].logits == pytest.approx(both[0].logits, abs=1e-6)
    assert model.predict(text=["sea", "sky"])[0].logits == pytest.approx(both[1].logits, abs=1e-6)
    assert model.predict(audio=[]) == []
    pieces = model.predict("00.wav", window=0.2)
    assert [own.start for own in pieces] == pytest.approx([0, 0.2], abs=1e-4)


@pytest.mark.parametrize("rate", [22050, 16000, 48000])
def test_a_waveform_is_judged_as_its_file(here, rate):
    samples = tone(1, True)[: rate // 2].astype(np.float32)
    soundfile.write("float.wav", samples, rate, subtype="FLOAT")
    model = sertool.load("ckpt/tones")
    wanted = model.predict("float.wav").logits
    assert model.predict(samples, sample_rate=rate).logits == pytest.approx(wanted, abs=1e-5)
    stereo = np.stack([samples * 2, np.zeros_like(samples)], axis=1)
    assert model.predict(stereo, sample_rate=rate).logits == pytest.approx(wanted, abs=1e-4)
    whole = np.round(samples * 32767).astype(np.int16)
    soundfile.write("int.wav", whole, rate, subtype="PCM_16")
    wanted = model.predict("int.wav").logits
    assert model.predict([whole], sample_rate=rate)[0].logits == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "nothing to judge was given: audio, text or both"),
        ({"audio": np.zeros(9999)}, "sample_rate: is needed for a waveform, in Hz"),
        ({"audio": ["00.wav"], "text": "sky"}, "text: expected a list of 1, one for each"),
        ({"audio": ["00.wav"], "text": ["a", "b"]}, "text: expected a list of 1, one for each"),
        (
            {"audio": "00.wav", "text": "sky", "window": 1.0},
            "00.wav: --window cannot divide its text: leave the text out",
        ),
        ({"audio": np.zeros(5), "sample_rate": 8000}, "audio: lasts 0.000625 s, expected 0.01 s to 4 hours"),
        ({"audio": np.full(800, np.nan), "sample_rate": 8000}, "audio: holds NaN or infinite samples"),
        (
            {"audio": np.zeros((8, 8, 8)), "sample_rate": 8000},
            "audio: an array of shape (8, 8, 8) and kind float64 at 8000 Hz, "
            "expected (samples,) or (samples, channels) of floats or integers",
        ),
        ({"audio": "gone.wav"}, "gone.wav: no such file"),
        ({"text": "..."}, "text: there are no words in its text"),
    ],
)  # fmt: skip
def test_mistakes_in_python(here, given, text):
    with pytest.raises(SertoolError) as raised:
        sertool.load("ckpt/tones").predict(**given)
    assert str(raised.value) == text


def test_several_threads_get_the_same(here):
    model = sertool.load("ckpt/tones")
    texts = [f"sky word{number}" for number in range(8)]
    wanted = [model.predict("00.wav", text).logits for text in texts]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            got = list(pool.map(lambda text: model.predict("00.wav", text).logits, texts))
            assert got == wanted
    assert torch.get_num_threads() == threads


def test_importing_sertool_loads_nothing_heavy():
    code = (
        "import sertool, sys; print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)), sertool.load)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] <function load")


def test_the_example_of_the_docs_runs(here, monkeypatch):
    """The python block of docs/predict.md, with this model and these recordings in the place of its own."""
    page = (Path(__file__).parent.parent / "docs/predict.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (own_model(here)).rename(here / "ckpt/demo")
    for name in ("june-01.flac", "june-02.flac"):
        shutil.copy("00.wav", name)
    soundfile.write("meeting.wav", tone(4, True), RATE)
    names: dict[str, object] = {}
    exec(block, names)
    assert isinstance(names["result"], Prediction)
    assert len(names["both"]) == 2
    assert len(names["parts"]) == 2


# How it reads


def rows_of(number: int) -> list[Prediction]:
    shares = dict.fromkeys(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"), 0.1)
    shares["joy"] = 0.4
    path = "recordings/of/a/long/campaign/speaker-12/take-{}.wav"
    return [
        Prediction(path.format(place), "joy", ("joy",), 0.4, dict(shares), True, (0.0,) * 7)
        for place in range(number)
    ]


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(here):
    model = sertool.load("ckpt/tones")
    model.trained = replace(model.trained, task=Task("emotion", tuple(rows_of(1)[0].probabilities), "name"))
    narrow = show(model, rows_of(3), None, 80)
    assert max(map(len, narrow)) <= 80
    assert narrow[3] == "…dings/of/a/long/campaign/speaker-12/take-0.wav  joy    0.40  ━━━━  neutral 0.10"
    wide = show(model, rows_of(3), None, 200)
    assert max(map(len, wide)) <= 200
    assert "surprise" in wide[2]
    piped = show(model, rows_of(3), None, None)
    assert piped == wide
    assert piped[3].startswith("recordings/of/a/long/campaign/speaker-12/take-0.wav  joy")


def test_the_demo_ends_with_a_prediction_to_try(monkeypatch, tmp_path):
    root = Path(sertool.__file__).parent.parent
    monkeypatch.chdir(root)
    line, report = next_commands(Path("ckpt"), Path())
    assert report == "next: sertool report --name demo --html report.html"
    assert line == (
        "next: sertool predict --name demo sertool/core/corpora/demo/clips/june-01.flac "
        "--text 'I think the traffic is useful.'"
    )
    assert (root / line.split()[5]).is_file()
    monkeypatch.chdir(tmp_path)
    elsewhere, _ = next_commands(Path("models"), Path())
    assert Path(elsewhere.split()[5]).is_file()
    assert elsewhere.endswith(" --output models")
