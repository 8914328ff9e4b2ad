"""Subtitles are read back: times, and texts of any signs, which end no cue and are no markup."""

import html
import re

from hypothesis import given
from timelines import line_of, predicted, scored, timelines

from sertool.core.formatting import printable
from sertool.core.inference.timeline.captions import srt, vtt
from sertool.core.inference.timeline.contents import Stretch

TIME = re.compile(r"(\d\d+):([0-5]\d):([0-5]\d)[.,](\d{3})")


def seconds(text: str) -> float:
    hours, minutes, rest, thousandths = map(int, TIME.fullmatch(text).groups())
    return 3600 * hours + 60 * minutes + rest + thousandths / 1000


def cues(text: str) -> list[tuple[str, float, float, list[str]]]:
    """Number, start, end and lines of each cue: they end at an empty line."""
    found = []
    for block in text.split("\n\n") if text else []:
        number, times, *lines = block.removesuffix("\n").split("\n")
        start, end = times.split(" --> ")
        found.append((number, seconds(start), seconds(end), lines))
    return found


def one_line(text: str) -> str:
    return printable(" ".join(text.split()))


@given(timelines())
def test_srt_is_read_back(timeline):
    found = cues(srt(timeline))
    assert [number for number, *_ in found] == [str(place) for place in range(1, len(timeline.stretches) + 1)]
    for (_, start, end, lines), own in zip(found, timeline.stretches, strict=True):
        assert abs(start - own.start) < 0.00051
        assert end > start
        assert abs(end - max(own.end, own.start + 0.001)) < 0.0016
        assert not re.search("[<>{}]", "".join(lines))
        assert len(lines) == 1 + bool(own.prediction.text.strip())
        assert all(line.strip() for line in lines)
        assert timeline.answer(own) in lines[0]


@given(timelines())
def test_vtt_is_read_back(timeline):
    head, _, rest = vtt(timeline).partition("\n\n" if timeline.stretches else "\n")
    assert head == "WEBVTT"
    found = cues(rest)
    assert len(found) == len(timeline.stretches)
    for (_, start, end, lines), own in zip(found, timeline.stretches, strict=True):
        assert end > start
        assert abs(start - own.start) < 0.00051
        voice = re.match("<v ([^<>]*)>", lines[0])
        assert (voice is None) == (not (own.speaker or "").strip())
        assert voice is None or html.unescape(voice[1]) == one_line(own.speaker)
        told = [lines[0][voice.end() if voice else 0 :], *lines[1:]]
        assert not re.search("[<>]", "".join(told))
        assert html.unescape(told[0]) == own.caption(timeline.abstain)
        assert [html.unescape(line) for line in told[1:]] == [one_line(own.prediction.text)] * bool(
            own.prediction.text.strip()
        )


def test_the_answer_has_its_probability_and_an_unsure_one_none():
    stretches = (
        Stretch(0.5, 2.25, predicted(text="I am\nso happy"), "channel 1", 1),
        Stretch(3, 4, predicted((0.4, 0.3, 0.3)), "channel 2", 2),
        Stretch(3600, 3601, predicted((0.4, 0.3, 0.3), uninformed=True)),
    )
    assert srt(line_of(*stretches, abstain=0.5)) == (
        "1\n00:00:00,500 --> 00:00:02,250\nchannel 1: happy 70.0 %\nI am so happy\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\nchannel 2: unsure\n\n"
        "3\n01:00:00,000 --> 01:00:01,000\nunsure\n"
    )
    assert vtt(line_of(stretches[0])) == (
        "WEBVTT\n\n1\n00:00:00.500 --> 00:00:02.250\n<v channel 1>happy 70.0 %\nI am so happy\n"
    )


def test_several_labels_none_and_scores_are_said_as_predict_says_them():
    several = line_of(
        Stretch(0, 1, predicted((0.1, 0.7, 0.6), labels=("happy", "sad"))), Stretch(1, 2, predicted(labels=()))
    )
    assert [lines for *_, lines in cues(srt(several))] == [["happy, sad 70.0 %"], ["none"]]
    scores = line_of(Stretch(0, 1, scored(3.4159)), Stretch(1, 2, scored(None)))
    assert [lines for *_, lines in cues(srt(scores))] == [["valence 3.42"], ["unsure"]]
