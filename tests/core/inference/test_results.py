"""Predictions as they show themselves: in words, as a table for pandas, and as HTML for a notebook."""

import copy
import io
import pickle
import re
import sys

import html5lib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_pages import HOSTILE

from sertool.core.errors import UsageError
from sertool.core.files.csv_text import csv_text
from sertool.core.formatting import printable
from sertool.core.inference.prediction import Prediction
from sertool.core.inference.results import PredictionList, prediction_rows

CLASSES = ("happy", "sad", "calm")
SHARES = (0.25, 0.7, 0.05)
TAGS = {"body", "div", "strong", "bdi", "table", "thead", "tbody", "tr", "th", "td"}


def made(name: str = "a.wav", *, classes=CLASSES, calibrated: bool = True, **more) -> Prediction:
    """A prediction of the second class."""
    shares = dict(zip(classes, SHARES, strict=True))
    own = {"label": classes[1], "labels": (classes[1],), "probability": 0.7} | more
    return Prediction(name=name, probabilities=shares, calibrated=calibrated, logits=SHARES, **own)


def unsure(name: str = "b.wav") -> Prediction:
    return made(name, label="unsure", labels=(), calibrated=False, lacking=("no text", "no sound"), uninformed=True)


def many(*predictions: Prediction) -> PredictionList:
    return PredictionList(predictions, CLASSES)


def shown(own) -> list[str]:
    """The texts of the HTML of one, whose markup is that of the standard, without what runs or is fetched."""
    page = f"<!DOCTYPE html><html><head><title>t</title></head><body>{own._repr_html_()}</body></html>"
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    body = tree.find("body")
    nodes = list(body.iter())
    assert {node.tag for node in nodes} <= TAGS
    assert all(set(node.attrib) <= {"style"} for node in nodes)
    assert not any("url" in node.get("style", "") for node in nodes)
    return ["".join(node.itertext()) for node in body.iter("bdi")]


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (made(), "<Prediction a.wav: sad, probability 70.0 %>"),
        (made(calibrated=False), "<Prediction a.wav: sad, probability 70.0 %, uncalibrated>"),
        (made(start=0.5, end=2.0), "<Prediction a.wav · 0.5 s to 2 s: sad, probability 70.0 %>"),
        (made(end=2.0), "<Prediction a.wav · 0 s to 2 s: sad, probability 70.0 %>"),
        (made(start=1.0), "<Prediction a.wav · 1 s to the end: sad, probability 70.0 %>"),
        (unsure(), "<Prediction b.wav: unsure: no text and no sound, so any class would be a guess>"),
        (made(labels=()), "<Prediction a.wav: none of the classes is present>"),
        (made(labels=("happy", "sad")), "<Prediction a.wav: happy, sad>"),
        (made("a\n\x1b[31m"), r"<Prediction a\n\x1b[31m: sad, probability 70.0 %>"),
    ],
)
def test_a_prediction_says_what_predict_says(own, text):
    assert repr(own) == text


def test_a_prediction_in_a_notebook():
    own = made(calibrated=False, uncalibrated="no temperature", text="I am <b>", start=0.0, end=3.0)
    assert shown(own) == [
        "a.wav · 0 s to 3 s", "I am <b>", "sad", "happy", "calm", "sad, probability 70.0 %, uncalibrated",
        "uncalibrated: no temperature",
    ]  # fmt: skip
    html = own._repr_html_()
    assert re.findall(r"width:([0-9.]+)%", html) == ["70.0", "25.0", "5.0"]
    assert re.findall(r">([0-9.]+ %)<", html) == ["70.0 %", "25.0 %", "5.0 %"]
    assert "uncalibrated" not in made()._repr_html_()


def test_a_notebook_claims_no_class_where_predict_does_not():
    assert shown(unsure()) == ["b.wav", "unsure: no text and no sound, so any class would be a guess"]


def test_a_list_in_a_notebook():
    texts = shown(many(made(), made("c.wav", calibrated=False), unsure()))
    assert texts == [
        "calibrated, but for the 1 marked *",
        "recording", "class", "percent", *CLASSES,
        "a.wav", "sad", "70.0 ", "25.0", "70.0", "5.0",
        "c.wav", "sad", "70.0*", "25.0", "70.0", "5.0",
        "b.wav", "unsure", "", "", "", "",
        "3 predictions: sad 2 · unsure 1",
    ]  # fmt: skip
    assert shown(many(made(start=0.0, end=1.5)))[1:5] == ["recording", "from s", "to s", "class"]
    assert shown(many(unsure(), unsure()))[0] == "uncalibrated"
    assert shown(many()) == ["recording", "class", "percent", *CLASSES, "0 predictions"]


@pytest.mark.parametrize(("number", "more"), [(20, ""), (21, "... and 1 more"), (1234, "... and 1,214 more")])
def test_a_long_list_is_shown_in_part(number, more):
    own = many(*(made(f"{place}.wav") for place in range(number)))
    texts = shown(own)
    assert [text for text in texts if text.endswith(".wav")] == [f"{place}.wav" for place in range(20)]
    assert [text for text in texts if " more" in text] == [more] * bool(more)
    lines = repr(own).splitlines()
    assert lines[:2] == [f"[{own[0]!r},", f" {own[1]!r},"]
    assert lines[-1] == (f" {more}]" if more else f" {own[-1]!r}]")
    assert len(lines) == 20 + bool(more)


@settings(max_examples=50)
@given(bad=st.text() | st.sampled_from(HOSTILE))
def test_no_text_from_outside_becomes_markup(bad):
    classes = tuple(f"{bad}{place}" for place in range(3))
    own = made(bad, classes=classes, text=bad, uncalibrated=bad, calibrated=False)
    line = printable(bad)
    assert shown(own) == [
        *([line] if line else []), *([line] if line else []), *(f"{line}{place}" for place in (1, 0, 2)),
        f"{line}1, probability 70.0 %, uncalibrated", *([f"uncalibrated: {line}"] if bad else []),
    ]  # fmt: skip
    assert shown(PredictionList([own], classes)).count(f"{line}1") == 2  # header and answer


def test_a_list_stays_what_it_is():
    own = many(made(), unsure(), made("c.wav"))
    assert own == [made(), unsure(), made("c.wav")]
    for same in (pickle.loads(pickle.dumps(own)), copy.copy(own), copy.deepcopy(own), own[:]):
        assert (type(same), same, same.classes) == (PredictionList, own, CLASSES)
    assert own[::-2] == [made("c.wav"), made()]
    assert own[-1] == made("c.wav")


@pytest.mark.parametrize("abstain", [None, 0.9])
def test_a_data_frame_is_the_table_of_csv(abstain):
    pandas = pytest.importorskip("pandas")
    own = many(made(), made("=b.wav", calibrated=False, start=0.1, end=0.30000000000000004), unsure('c,"d.wav'))
    text = csv_text(prediction_rows(CLASSES, own, abstain), raw=True)
    frame = own.to_pandas(abstain)
    pandas.testing.assert_frame_equal(frame, pandas.read_csv(io.StringIO(text)))
    assert list(frame["class"]) == (["sad", "sad", "unsure"] if abstain is None else ["unsure"] * 3)
    assert list(frame["calibrated"]) == ["yes", "no", "no"]


def test_a_data_frame_without_times_and_one_without_rows():
    pytest.importorskip("pandas")
    frame = many(made()).to_pandas()
    assert frame["start"].dtype == frame["end"].dtype == np.float64
    assert list(many().to_pandas().columns) == list(frame.columns)
    assert len(many().to_pandas()) == 0


def test_without_pandas_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="to_pandas: pandas is needed and not installed") as raised:
        many(made()).to_pandas()
    assert raised.value.hint == "pip install pandas"


RANGES = {"valence": (1.0, 5.0), "arousal": (-1.0, 1.0)}


def scored(name: str = "a.wav", *, ranges=RANGES, **more) -> Prediction:
    """A prediction of two scores, of which the first has an interval."""
    values = dict(zip(ranges, (3.456, -0.0004), strict=True))
    own = {"label": "", "scores": values, "intervals": {next(iter(ranges)): (2.1, 4.812)}} | more
    claim = {"labels": (), "probability": None, "probabilities": {}, "calibrated": bool(own["intervals"])}
    return Prediction(name=name, logits=(3.456, -0.0004), ranges=ranges, **claim, **own)


def guess(name: str = "b.wav") -> Prediction:
    lacking = ("no text", "no sound")
    return scored(name, label="unsure", scores={}, intervals={}, lacking=lacking, uninformed=True)


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (scored(), "<Prediction a.wav: valence 3.46 (2.10 to 4.81), arousal 0.00>"),
        (scored(intervals={}), "<Prediction a.wav: valence 3.46, arousal 0.00, without intervals>"),
        (scored(start=0.5, end=2.0), "<Prediction a.wav · 0.5 s to 2 s: valence 3.46 (2.10 to 4.81), arousal 0.00>"),
        (
            scored(scores={"valence": 120.0, "arousal": 1.5}),
            "<Prediction a.wav: valence 120.00 (2.10 to 4.81), arousal 1.50>",
        ),
    ],
)
def test_scores_are_written_with_the_digits_of_their_range(own, text):
    assert repr(own) == text


def test_a_list_of_scores_in_a_notebook():
    own = PredictionList([scored(), scored("c.wav", intervals={}), guess()], tuple(RANGES), RANGES)
    assert shown(own) == [
        "with intervals, but for the 1 marked *",
        "recording", "", "valence", "interval", "arousal",
        "a.wav", "", "3.46 ", "2.10 to 4.81", "0.00 ",
        "c.wav", "", "3.46*", "", "0.00*",
        "b.wav", "unsure", "", "", "",
        "3 predictions: mean valence 3.46, arousal 0.00 · unsure 1",
    ]  # fmt: skip
    assert shown(PredictionList([], tuple(RANGES), RANGES)) == ["recording", "valence", "arousal", "0 predictions"]
    assert shown(PredictionList([guess()], tuple(RANGES), RANGES))[0] == "without intervals"


def test_a_score_beyond_its_range_is_drawn_at_its_end():
    html = scored(scores={"valence": 7.0, "arousal": -9.0}, intervals={"valence": (6.0, 8.0)})._repr_html_()
    assert re.findall(r"margin-left:([0-9.]+)%", html) == ["100.0", "0.0", "0.0", "0.0"]


@settings(max_examples=50)
@given(bad=st.text(min_size=1) | st.sampled_from(HOSTILE))
def test_no_name_of_a_score_becomes_markup(bad):
    ranges = {f"{bad}{place}": (0.0, 1.0) for place in range(2)}
    own = scored(bad, ranges=ranges, text=bad, uncalibrated=bad)
    line = printable(bad)
    assert shown(own)[2:-1] == [f"{line}0", "3.456 (2.100 to 4.812)", f"{line}1", "0.000"]
    assert shown(PredictionList([own], tuple(ranges), ranges))[2] == f"{line}0"


def test_rows_of_scores_leave_empty_what_there_is_not():
    rows = prediction_rows(tuple(RANGES), [scored(), guess()], None, scores=True)
    assert rows == [
        ["id", "start", "end", "calibrated", "valence", "valence_low", "valence_high", "arousal", "arousal_low",
         "arousal_high"],
        ["a.wav", None, None, "yes", 3.456, 2.1, 4.812, -0.0004, None, None],
        ["b.wav", None, None, "no", None, None, None, None, None, None],
    ]  # fmt: skip
