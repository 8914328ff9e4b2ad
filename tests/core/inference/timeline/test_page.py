"""The page of a time line: valid HTML that runs nothing but its own script, shows every text, and stays small."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from report_pages import HOSTILE, of, parsed, text_of
from timelines import CLASSES, line_of, predicted, scored, timelines

from sertool.core.files.page_text import visible
from sertool.core.inference.timeline.contents import Stretch, clock
from sertool.core.inference.timeline.page import address, render
from sertool.core.inference.timeline.peaks import SAMPLE_RATE, Waveform, waveform

FLAT = Waveform(3.0, 20.0, np.zeros((60, 2), np.int8))


def page_of(timeline, model="calls · 5 members", audio="call.wav", waves=None):
    channels = sorted({own.channel or 0 for own in timeline.stretches})
    return render(timeline, waves or {channel or None: FLAT for channel in channels or [0]}, model, audio)


def data_of(tree):
    [script] = [node for node in of(tree, "script") if node.get("type") == "application/json"]
    return json.loads(script.text)


@given(timelines())
@settings(max_examples=25)
def test_any_texts_give_valid_html_with_every_segment(timeline):
    tree = parsed(page_of(timeline))
    rows = [row for row in of(tree, "tr") if any("jump" in (b.get("class") or "") for b in of(row, "button"))]
    assert len(rows) == len(timeline.stretches) == len(data_of(tree)["segments"])
    texts = [text_of(cell) for cell in of(tree, "td") if cell.get("class") == "text"]
    wanted = [re.sub(r"\s+", " ", visible(own.prediction.text)).strip() for own in timeline.stretches]
    assert texts == wanted or not any(own.prediction.text for own in timeline.stretches)
    assert len(of(tree, "script")) == 2


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_names_are_texts(bad):
    own = Stretch(0, 1, predicted(text=bad, classes=(bad, "b", "c")), bad, 1)
    tree = parsed(page_of(line_of(own, path=f"calls/{bad.replace('/', '')}.wav", classes=(bad, "b", "c")), model=bad))
    assert [node.get("src") for node in of(tree, "img")] == []
    assert len(of(tree, "script")) == 2
    names = [name for node in tree.iter() for name in dict(node.items())]
    assert not [name for name in names if str(name).startswith(("on", "style"))]
    assert any(text_of(cell) == bad for cell in of(tree, "td"))


def test_a_policy_allows_the_pages_own_script_alone_and_no_network():
    text = page_of(line_of(Stretch(0, 1, predicted())))
    [policy] = [node.get("content") for node in of(parsed(text), "meta") if node.get("http-equiv")]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in re.sub("http-equiv", "", text)


def test_classes_are_told_by_name_and_pattern_not_by_colour_alone():
    names = tuple(f"class {number}" for number in range(19))
    shares = [tuple(float(place == best) for place in range(19)) for best in range(19)]
    own = [Stretch(place, place + 1, predicted(share, classes=names)) for place, share in enumerate(shares)]
    tree = parsed(page_of(line_of(*own, classes=names)))
    swatches = [node.get("class") for node in of(tree, "span") if "swatch c" in (node.get("class") or "")]
    assert len(set(swatches)) == 19
    answers = [text_of(cell) for cell in of(tree, "td") if cell.get("class") == "answer"]
    assert answers == [f"{name} 100.0 %" for name in names]


def test_what_is_unsure_has_no_class_and_names_the_most_probable_ones():
    own = [Stretch(0, 1, predicted((0.4, 0.35, 0.25))), Stretch(1, 2, predicted(uninformed=True))]
    tree = parsed(page_of(line_of(*own, abstain=0.5)))
    assert [segment[3:] for segment in data_of(tree)["segments"]] == [
        [-1, "unsure", [400, 350, 250]],
        [-1, "unsure", []],
    ]
    next_ = [text_of(cell) for cell in of(tree, "td") if cell.get("class") == "next"]
    assert next_ == ["angry 40.0, happy 35.0", ""]


def test_scores_are_drawn_on_their_range_with_their_intervals():
    tree = parsed(page_of(line_of(Stretch(0, 1, scored(3.5)), Stretch(1, 2, scored(None)))))
    data = data_of(tree)
    assert (data["classes"], data["ranges"]) == (["valence"], [[1.0, 5.0]])
    assert [segment[3:] for segment in data["segments"]] == [[0, "valence 3.50", [3.5]], [-1, "unsure", []]]
    assert "3.00 to 4.00" in text_of(tree.getroot() if hasattr(tree, "getroot") else tree)


@pytest.mark.parametrize(
    ("recording", "page", "wanted"),
    [
        ("a/call.wav", "a/call.html", "call.wav"),
        ("a/call.wav", "out/pages/call.html", "../../a/call.wav"),
        ("a/100%?#.wav", "a/x.html", "100%25%3F%23.wav"),
        ("../call.wav", "call.html", "../call.wav"),
    ],
)
def test_the_recording_is_named_as_seen_from_the_page(recording, page, wanted):
    assert address(Path(recording), Path(page)) == wanted


def test_an_hour_of_two_speakers_is_less_than_ten_megabytes():
    draw = random.Random(1)
    stretches = []
    for place in range(1800):
        text = " ".join(draw.choice(("something", "else", "was", "said")) for _ in range(8))
        stretches.append(
            Stretch(2 * place, 2 * place + 1.8, predicted(text=text), f"channel {place % 2 + 1}", place % 2 + 1)
        )
    minute = np.random.default_rng(1).normal(0, 0.1, 60 * SAMPLE_RATE).astype(np.float32)
    wave = waveform([minute] * 60)
    text = page_of(line_of(*stretches), waves={1: wave, 2: wave})
    assert len(text.encode()) < 3e6
    assert wave.seconds == 3600


def test_times_are_those_of_a_player():
    assert [clock(0), clock(59.96), clock(3599.99), clock(3671.5, 0)] == ["0:00.0", "1:00.0", "1:00:00.0", "1:01:12"]
    assert clock(-1) == "0:00.0"


def test_the_classes_are_those_of_the_model():
    assert data_of(parsed(page_of(line_of(Stretch(0, 1, predicted())))))["classes"] == list(CLASSES)
