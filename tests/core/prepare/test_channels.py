"""Corpora of calls, with a speaker on each channel, and of files with several streams of sound."""

import json

import numpy as np
import pytest
import soundfile
from made_media import write_media
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.recordings import read_recordings
from sertool.core.errors import DataError

RATE = 8000
SMALL = ("--set", "frontend.sample_rate=8000")


@pytest.fixture
def folder(tmp_path):
    """Three calls with another voice on each side, and each side in a file of its own."""
    random = np.random.default_rng(3)
    for number in range(3):
        call = random.normal(0, 0.1, (RATE, 2)).astype(np.float32)
        soundfile.write(tmp_path / f"{number}.wav", call, RATE)
        for side in (0, 1):
            soundfile.write(tmp_path / f"{number}_{side}.wav", call[:, side], RATE)
    return tmp_path


def prepared(table, text, out, *arguments):
    table.write_text(text)
    given = ["prepare", str(table), "--out", str(out), *SMALL, *arguments]
    done = CliRunner().invoke(app, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return read_corpus(out)


def test_each_side_of_a_call_is_an_utterance(folder):
    calls = [f"{n}.wav,{side},{label}" for n in range(3) for side, label in (("left", "x"), ("2", "y"))]
    made = prepared(folder / "t.csv", "\n".join(["audio,channel,label", *calls]), folder / "CALLS")
    alone = [f"{n}_{side}.wav,{label}" for n in range(3) for side, label in ((0, "x"), (1, "y"))]
    expected = prepared(folder / "u.csv", "\n".join(["audio,label", *alone]), folder / "SIDES")
    frames = {one.id: made.audio[place] for place, one in enumerate(made.utterances)}
    assert set(frames) == {f"{n}_{side}" for n in range(3) for side in ("left", "2")}
    for place, one in enumerate(expected.utterances):
        call, _, side = one.id.partition("_")
        np.testing.assert_array_equal(frames[f"{call}_{('left', '2')[int(side)]}"], expected.audio[place])
    # Both sides of a call are in one split, as they are not independent.
    assert all(len({one.split for one in made.utterances if one.id[0] == str(n)}) == 1 for n in range(3))
    places = read_recordings(folder / "CALLS")
    assert {(one.path.name, one.channel, one.stream) for one in places} == {
        (f"{n}.wav", channel, None) for n in range(3) for channel in (1, 2)
    }


def test_where_recordings_lie_is_stored_as_before_without_a_channel(folder):
    text = "\n".join(["audio,channel,label", "0.wav,,x", "1.wav,,y", "2.wav,right,x"])
    prepared(folder / "t.csv", text, folder / "CALLS")
    kept = json.loads((folder / "CALLS/recordings.json").read_text())
    assert sorted(kept["recordings"]) == [[str(folder / f"{n}.wav"), None, None] for n in range(3)]
    assert sorted(kept["channels"], key=str) == [2, None, None]
    assert "streams" not in kept
    prepared(folder / "t.csv", "audio,label\n0.wav,x\n1.wav,y\n2.wav,x\n", folder / "PLAIN")
    assert set(json.loads((folder / "PLAIN/recordings.json").read_text())) == {"format", "utterances", "recordings"}


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ([0, None, None], r"channels\[0\]: "),
        ([None, 1000, None], r"channels\[1\]: "),
        ([None, "left", None], r"channels\[1\]: "),
        ([None, True, None], r"channels\[1\]: "),
        ([1], "channels and streams are not as many as the recordings"),
    ],
)
def test_an_altered_channel_is_one_message(folder, channels, told):
    prepared(folder / "t.csv", "audio,label\n0.wav,x\n1.wav,y\n2.wav,x\n", folder / "CALLS")
    path = folder / "CALLS/recordings.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "channels": channels}))
    with pytest.raises(DataError, match=rf"recordings\.json: {told}"):
        read_recordings(folder / "CALLS")


def test_another_stream_than_the_first_is_asked_for(folder):
    pytest.importorskip("av")
    voices = [np.random.default_rng(n).normal(0, 0.1, RATE * (n + 1)).astype(np.float32) for n in (0, 1)]
    for number in range(3):
        write_media(folder / f"{number}.mp4", *voices, rate=RATE, kind="mp4")
    text = "\n".join(["audio,label", *(f"{n}.mp4,{'xy'[n % 2]}" for n in range(3))])
    first = prepared(folder / "t.csv", text, folder / "FIRST")
    second = prepared(folder / "t.csv", text, folder / "SECOND", "--stream", "2")
    assert [round(one.seconds) for one in first.utterances] == [1, 1, 1]
    assert [round(one.seconds) for one in second.utterances] == [2, 2, 2]
    assert {one.stream for one in read_recordings(folder / "SECOND")} == {2}
