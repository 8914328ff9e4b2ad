"""Labels of Audacity and turns of RTTM are read back, whatever texts and names hold."""

import re

import pytest
from hypothesis import given
from timelines import line_of, predicted, timelines

from sertool.core.errors import UsageError
from sertool.core.inference.timeline.contents import Stretch
from sertool.core.inference.timeline.turns import audacity, rttm


@given(timelines())
def test_audacity_labels_are_read_back(timeline):
    lines = audacity(timeline).split("\n")
    assert lines.pop() == ""
    for line, own in zip(lines, timeline.stretches, strict=True):
        start, end, label = line.split("\t")
        assert abs(float(start) - own.start) < 1e-5
        assert abs(float(end) - own.end) < 1e-5
        assert float(end) >= float(start)
        assert label.isprintable()
        assert own.caption(timeline.abstain) in label


@given(timelines())
def test_rttm_is_read_back(timeline):
    if any(own.speaker is None for own in timeline.stretches):
        with pytest.raises(UsageError, match="nothing tells who speaks"):
            rttm(timeline)
        return
    lines = rttm(timeline).split("\n")
    assert lines.pop() == ""
    for line, own in zip(lines, timeline.stretches, strict=True):
        fields = line.split(" ")
        assert len(fields) == 10  # RT-09, appendix A
        assert re.split(r"\s+", line) == fields
        kind, name, channel, start, length, *rest = fields
        assert (kind, name, int(channel)) == ("SPEAKER", "call", own.channel)
        assert abs(float(start) - own.start) < 0.00051
        assert float(length) > 0
        assert rest[:2] + rest[3:] == ["<NA>"] * 4
        assert rest[2]


def test_both_say_who_speaks():
    timeline = line_of(Stretch(0.5, 2, predicted(text="a\tb"), "channel 2", 2), path="my call.wav")
    assert audacity(timeline) == "0.500000\t2.000000\tchannel 2: happy 70.0 % | a b\n"
    assert rttm(timeline) == "SPEAKER my_call 2 0.500 1.500 <NA> <NA> channel_2 <NA> <NA>\n"
