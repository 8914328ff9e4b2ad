"""Long recordings: what a model does not see, windows, and their arithmetic; options that do not go together."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tones import RATE, predict, refusal, tone, written

from sertool.core.inference.passages import windows


def long_wav(seconds: float) -> None:
    soundfile.write("long.wav", tone(seconds, True), RATE)


def test_what_a_model_does_not_see_is_told(here):
    long_wav(3)
    assert (
        "note: long.wav: longer than the 1.2 s that this model uses; the rest is ignored; "
        "--window 1.1 covers all of it\n"
    ) in predict("long.wav").stderr
    assert "longer than" not in predict("long.wav", "--window", "1.1").stderr
    assert "longer than" in predict("long.wav", "--window", "1.5").stderr


def test_windows_have_times(here):
    long_wav(2.5)
    result = predict("long.wav", "--window", "1", "--hop", "0.5")
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "tones · 2 members, all that were trained · uncalibrated",
        "long.wav", "", "from s  to s  class  percent  high   low",
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


@given(length=st.integers(1, 500), size=st.integers(1, 100), hop=st.integers(1, 100), least=st.integers(1, 20))
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
        (["00.wav", "--window", "0"], "error: --window 0: expected seconds, from 0.1 to 14,400\n"),
        (["00.wav", "--window", "nan"], "error: --window nan: expected seconds, from 0.1 to 14,400\n"),
        (["00.wav", "--window", "inf"], "error: --window inf: expected seconds, from 0.1 to 14,400\n"),
        (["00.wav", "--window", "1e308"], "error: --window 1e+308: expected seconds, from 0.1 to 14,400\n"),
        (["00.wav", "--window", "1", "--hop", "0.01"], "error: --hop 0.01: expected seconds, from 0.1 to 14,400\n"),
        (["00.wav", "--hop", "1"], "error: --hop: only with --window\n  try: --window 4 --hop 2\n"),
        (
            ["00.wav", "--window", "1", "--hop", "2"],
            "error: --hop 2: longer than --window 1, so that some seconds would be in no window\n",
        ),
        (
            ["00.wav", "--window", "1", "--text", "sky"],
            "error: --window: divides recordings, and --text cannot be divided; leave one out\n",
        ),
        (["00.wav", "--abstain", "1.5"], "error: --abstain 1.5: expected a probability, from 0 to 1\n"),
        (["00.wav", "--abstain", "nan"], "error: --abstain nan: expected a probability, from 0 to 1\n"),
        (
            [],
            'error: no input was given\n  try: a recording, several, a folder, --table FILE, or --text "words"\n',
        ),
        (["--text", " "], 'error: --text: is empty, expected words as in --text "I am so happy"\n'),
        (
            ["00.wav", "01.wav", "--text", "sky"],
            "error: --text: goes with one recording, or with none\n"
            "  try: --table FILE with the columns audio and text for several\n",
        ),
        (
            ["00.wav", "--table", "t.csv"],
            "error: --table: lists all recordings and texts; leave out --text and other recordings\n",
        ),
        (["00.wav", "--index", "3"], "error: --members 3: there are 2 members to average\n"),
    ],
)
def test_what_does_not_go_together(here, arguments, text):
    assert refusal(*arguments, code=2) == text
