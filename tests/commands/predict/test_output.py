"""``sertool predict``: what is printed and written, and how it reads."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import (
    CLASSES,
    own_model,
    predict,
    refusal,
    written,
)

import sertool
from sertool.commands._outputs import Outputs
from sertool.commands._predictions import show
from sertool.commands.demo import next_commands
from sertool.core.corpora.tasks import Task
from sertool.core.inference.prediction import Prediction


def test_one_recording_and_its_words(here):
    result = predict("00.wav", "--text", "Sky is word0, down!")
    (own,) = written("00.wav", "--text", "Sky is word0, down!")
    best, other = sorted(own["probabilities"].items(), key=lambda item: -item[1])
    title, name, text, _, *bars, _, answer = result.stdout.splitlines()
    assert title == "tones · 2 members, all that were trained · uncalibrated"
    assert (name, text) == ("00.wav", "Sky is word0, down!")
    for (label, share), bar in zip((best, other), bars, strict=True):
        assert bar == f"{label:<4}  {100 * share:5.1f} %  {'━' * round(20 * share)}".rstrip()
    assert answer == f"{best[0]}, probability {100 * best[1]:.1f} %, uncalibrated"
    assert result.stderr == (
        "note: uncalibrated: no temperature was fitted for these 2 members; sertool ensemble --name tones fits one, "
        "if there is validation to fit it on\n"
    )


def test_a_model_that_standardises_by_corpus_takes_all_of_its_training_and_says_so(here):
    before = written("00.wav", "01.wav")
    recipe = own_model(here) / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("standardize: corpus", "standardize: each-corpus"))
    said = predict("00.wav", "01.wav", name="mine").stderr
    assert "note: all 2: standardised by the recordings of all corpora of the training together" in said
    after = sertool.load("mine", output="ckpt").predict(["00.wav", "01.wav"])
    assert [list(own.logits) for own in after] == [own["logits"] for own in before]


def test_many_recordings_are_a_table(here):
    lines = predict("00.wav", "01.wav").stdout.splitlines()
    rows = written("00.wav", "01.wav")
    assert lines[:3] == [
        "tones · 2 members, all that were trained · uncalibrated",
        "",
        "recording  class  percent  high   low",
    ]
    for line, own in zip(lines[3:5], rows, strict=True):
        shares = "  ".join(f"{100 * p:.1f}" for p in own["probabilities"].values())
        assert line == f"{own['id']:<9}  {own['label']:<5}  {100 * own['probability']:7.1f}  {shares}"
    assert lines[5] == ""
    assert lines[6].startswith("2 predictions: ")
    assert len(lines) == 7


def test_a_folder_is_searched_for_recordings(here):
    (here / "calls/b").mkdir(parents=True)
    for place in ("calls/b/2.WAV", "calls/1.wav", "calls/._1.wav", "calls/.hidden.wav", "calls/notes.txt"):
        shutil.copy("00.wav", place)
    samples, rate = soundfile.read("00.wav")
    soundfile.write("calls/c.SPH", samples, rate, format="NIST")  # telephone corpora come so
    assert [own["id"] for own in written("calls")] == ["calls/1.wav", "calls/b/2.WAV", "calls/c.SPH"]
    assert (
        "note: calls: passed over 3 other files: ._1.wav, .hidden.wav, notes.txt (hidden, or without an ending of "
        "recordings that can be read)\n"
    ) in predict("calls").stderr
    (here / "none").mkdir()
    assert refusal("none").startswith("error: none: no recordings in this folder (names ending in .wav, .flac,")
    for name in ("memo.doc", "call.amr.part"):
        (here / "none" / name).touch()
    assert refusal("none").endswith("; it holds 2 other files: call.amr.part, memo.doc\n")


def test_each_side_of_a_call_is_an_input(here):
    (one, rate), (other, _) = soundfile.read("00.wav"), soundfile.read("01.wav")
    call = np.zeros((max(len(one), len(other)), 2))
    call[: len(one), 0], call[: len(other), 1] = one, other
    soundfile.write("call.wav", call, rate)
    for side in (0, 1):
        soundfile.write(f"side{side}.wav", call[:, side], rate)
    Path("t.csv").write_text("audio,channel\ncall.wav,left\ncall.wav,2\ncall.wav,\n")
    sides = written("--table", "t.csv")
    assert [own["id"] for own in sides] == ["call.wav left", "call.wav 2", "call.wav"]
    alone = written("side0.wav", "side1.wav")
    for side, file in zip(sides, alone, strict=False):  # in batches of other sizes, which change the last digits
        assert side["logits"] == pytest.approx(file["logits"], abs=1e-6)
    Path("t.csv").write_text("audio,channel\ncall.wav,3\ncall.wav,both\n")
    assert refusal("--table", "t.csv").splitlines()[1:3] == [
        "  t.csv: row 3: channel 'both' is not a channel, expected 1, 2, ... or left or right",
        "  row 2: call.wav: has 2 channels, and channel 3 is asked for",
    ]


def test_a_stream_of_a_file_is_asked_for(here):
    assert refusal("00.wav", "--stream", "2") == "error: 00.wav: has one stream, and stream 2 is asked for\n"
    assert written("00.wav", "--stream", "1")[0]["logits"] == written("00.wav")[0]["logits"]


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
        "id", "start", "end", "class", "probability", "calibrated", "probability_high", "probability_low",
    ]  # fmt: skip
    for row, own in zip(rows, table["predictions"], strict=True):
        assert (row["id"], row["class"], row["start"]) == (own["id"], "unsure", "")
        assert (row["calibrated"], own["calibrated"]) == ("no", False)
        assert float(row["probability_low"]) == own["probabilities"]["low"]
        assert own["unsure"] is True
        assert own["label"] in CLASSES  # the raw one stays


def test_abstaining(here):
    (own,) = written("00.wav")
    share = own["probability"]
    above, below = f"{share + 0.01:.2f}", f"{share - 0.01:.2f}"
    said = predict("00.wav", "--abstain", above).stdout.splitlines()[-1]
    assert said == f"unsure: {own['label']} has {100 * share:.1f} %, below {100 * float(above):g} %"
    assert predict("00.wav", "--abstain", below).stdout.splitlines()[-1].startswith(own["label"])
    assert "2 predictions: unsure 2" in predict("00.wav", "01.wav", "--abstain", "1").stdout


def rows_of(number: int) -> list[Prediction]:
    shares = dict.fromkeys(("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"), 0.1)
    shares["joy"] = 0.4
    path = "recordings/of/a/long/campaign/speaker-12/take-{}.wav"
    return [
        Prediction(path.format(place), "joy", ("joy",), 0.4, dict(shares), True, (0.0,) * 7) for place in range(number)
    ]


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(here):
    model = sertool.load("ckpt/tones")
    model.trained = replace(model.trained, task=Task("emotion", tuple(rows_of(1)[0].probabilities), "name"))
    narrow = show(model, rows_of(3), None, 80)
    assert max(map(len, narrow)) <= 80
    assert narrow[3] == "…gs/of/a/long/campaign/speaker-12/take-0.wav  joy       40.0  ━━━━  neutral 10.0"
    wide = show(model, rows_of(3), None, 200)
    assert max(map(len, wide)) <= 200
    assert "surprise" in wide[2]
    piped = show(model, rows_of(3), None, None)
    assert piped == wide
    assert piped[3].startswith("recordings/of/a/long/campaign/speaker-12/take-0.wav  joy")


def test_a_terminal_shows_the_first_of_a_long_job(here):
    model = sertool.load("ckpt/tones")
    model.trained = replace(model.trained, task=Task("emotion", tuple(rows_of(1)[0].probabilities), "name"))
    assert len(show(model, rows_of(512), None, 200)) == 512 + 5
    lines = show(model, rows_of(1600), None, 200, ["out.csv", "out.json"])
    assert len(lines) == 20 + 6
    assert "take-19.wav" in lines[22]
    assert lines[23:] == ["... and 1,580 more, in out.csv, out.json", "", "1,600 predictions: joy 1,600"]
    assert show(model, rows_of(1600), None, 200)[23] == "... and 1,580 more; --csv FILE writes all of them"
    assert len(show(model, rows_of(1600), None, None, ["out.csv"])) == 1600 + 5  # a pipe gets all


def test_the_terminal_is_the_one_that_gets_what_is_shown(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr("sys.stderr", Terminal())
    own = Outputs({"--csv": Path("-"), "--jsonl": Path("a.jsonl"), "--json": None})
    assert (own.width(), own.places()) == (90, ["standard output", "a.jsonl"])
    assert Outputs({"--csv": Path("a.csv")}).width() is None


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


def test_a_folder_with_media_needs_pyav_for_them_alone(here, monkeypatch):
    (here / "calls").mkdir()
    shutil.copy("00.wav", "calls/1.wav")
    Path("calls/2.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(40))
    with monkeypatch.context() as patched:
        patched.setattr("sertool.core.inference.clips.is_installed", lambda: True)
        patched.setattr("sertool.core.features.media.is_installed", lambda: False)
        assert refusal("calls", code=2).startswith("error: calls/2.m4a: is MP4 or M4A, which needs PyAV\n")
    monkeypatch.setattr("sertool.core.inference.clips.is_installed", lambda: False)
    monkeypatch.setattr("sertool.core.features.media.is_installed", lambda: False)
    assert (
        "note: calls: passed over 1 other file: 2.m4a (hidden, or without an ending of recordings that can be "
        "read; pip install 'sertool[media]' reads more of them)\n" in predict("calls").stderr
    )
    told = refusal("calls/1.wav", "calls/2.m4a", code=2)
    assert told == "error: calls/2.m4a: is MP4 or M4A, which needs PyAV\n  try: pip install 'sertool[media]'\n"
