"""``sertool.load`` and ``predict`` from Python."""

import io
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given as every
from hypothesis import strategies as st
from places import ROOT
from tones import CLASSES, RATE, own_model, predict, tone, written

import sertool
from sertool.core.errors import SertoolError, UsageError
from sertool.core.inference.clips import check_window
from sertool.core.inference.passages import windows
from sertool.core.inference.prediction import Prediction


def test_from_python(here):
    model = sertool.load("ckpt/tones")
    assert model.classes == CLASSES
    own = model.predict(audio="00.wav", text="sky is up")
    assert isinstance(own, Prediction)
    assert own.labels == (own.label,)
    assert own.probability == own.probabilities[own.label] == max(own.probabilities.values())
    assert sum(own.probabilities.values()) == pytest.approx(1)
    (same,) = written("00.wav", "--text", "sky is up")
    assert same["logits"] == pytest.approx(own.logits, abs=1e-6)
    with pytest.raises(FrozenInstanceError):
        own.label = "x"


def test_lists_give_lists(here):
    model = sertool.load("ckpt/tones")
    both = model.predict(audio=["00.wav", None], text=[None, "sea"])
    assert [own.modalities for own in both] == [("audio",), ("text",)]
    assert model.predict(audio=["00.wav"])[0].logits == pytest.approx(both[0].logits, abs=1e-6)
    assert model.predict(text=["sea", "sky"])[0].logits == pytest.approx(both[1].logits, abs=1e-6)
    assert model.predict(audio=[]) == []
    pieces = model.predict("00.wav", window=0.2)
    assert [own.start for own in pieces] == pytest.approx([0, 0.2], abs=1e-4)


@pytest.mark.parametrize("rate", [22050, 16000, 48000])
def test_a_waveform_is_judged_as_its_file(here, rate):
    samples = tone(1, True)[: rate // 2].astype(np.float32)
    soundfile.write("float.wav", samples, rate, subtype="FLOAT")
    model = sertool.load("ckpt/tones")
    wanted = model.predict("float.wav").logits
    assert model.predict(samples, sample_rate=rate).logits == pytest.approx(wanted, abs=1e-5)
    stereo = np.stack([samples * 2, np.zeros_like(samples)], axis=1)
    assert model.predict(stereo, sample_rate=rate).logits == pytest.approx(wanted, abs=1e-4)
    whole = np.round(samples * 32767).astype(np.int16)
    soundfile.write("int.wav", whole, rate, subtype="PCM_16")
    wanted = model.predict("int.wav").logits
    assert model.predict([whole], sample_rate=rate)[0].logits == pytest.approx(wanted, abs=1e-5)


def test_a_recording_in_memory_is_judged_as_its_file(here):
    model = sertool.load("ckpt/tones")
    samples, rate = soundfile.read("00.wav", dtype="int16")
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="WAV")  # its position is the end now
    wanted = model.predict("00.wav").logits
    same = [
        content,
        content,
        content.getvalue(),
        memoryview(content.getvalue()),
        (samples, rate),
        (np.int64(rate), samples),
    ]
    with Path("00.wav").open("rb") as opened:
        found = model.predict([opened, *same, Path("00.wav"), "00.wav"])
    assert [own.name for own in found] == ["recording"] * 5 + ["waveform"] * 2 + ["00.wav"] * 2
    for own in found:
        assert own.logits == pytest.approx(wanted, abs=1e-6)
    assert len(model.predict(content, window=0.2)) == 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "no input was given: expected audio, text or both"),
        ({"audio": np.zeros(9999)}, "sample_rate: required for a waveform, in Hz"),
        ({"audio": ["00.wav"], "text": "sky"}, "text: expected a list of 1, one per input"),
        ({"audio": ["00.wav"], "text": ["a", "b"]}, "text: expected a list of 1, one per input"),
        (
            {"audio": "00.wav", "text": "sky", "window": 1.0},
            "00.wav: --window cannot divide its text: leave the text out",
        ),
        ({"audio": np.zeros(5), "sample_rate": 8000}, "audio: lasts 0.000625 s, expected 0.01 s to 4 hours"),
        ({"audio": np.full(800, np.nan), "sample_rate": 8000}, "audio: holds NaN or infinite samples"),
        (
            {"audio": np.zeros((8, 8, 8)), "sample_rate": 8000},
            "audio: an array of shape (8, 8, 8) and kind float64 at 8000 Hz, "
            "expected (samples,) or (samples, channels) of floats or integers",
        ),
        ({"audio": np.zeros(0), "sample_rate": 8000}, "audio: contains no samples"),
        (
            {"audio": [np.zeros(800), np.zeros(3)], "sample_rate": 8000},
            "audio[1]: lasts 0.000375 s, expected 0.01 s to 4 hours",
        ),
        ({"audio": (np.zeros(800), "8000")}, "sample_rate: required for a waveform, in Hz"),
        (
            {"audio": (np.zeros(800), 8000), "sample_rate": 16000},
            "sample_rate: 16000 Hz, but the waveform comes with 8000 Hz",
        ),
        (
            {"audio": {"array": np.zeros(800), "sampling_rate": 8000}},
            "audio: a value of type dict, expected a path, a waveform, (waveform, rate), the content of a file, "
            "a list of these, or None",
        ),
        (
            {"audio": [0.1, 0.2], "sample_rate": 8000},
            "audio[0]: a value of type float, expected a path, a waveform, (waveform, rate), the content of a file, "
            "a list of these, or None",
        ),
        ({"audio": ""}, "audio: an empty text, expected a path"),
        ({"audio": "gone.wav"}, "gone.wav: no such file"),
        ({"audio": b""}, "audio: the file is empty"),
        ({"audio": io.BytesIO(b"hello, world, hello")}, "audio: not readable as audio (Format not recognised)"),
        (
            {"audio": io.StringIO("hello")},
            "audio: an open file that gives no bytes, expected one opened with mode 'rb'",
        ),
        ({"text": float("nan")}, "text: a value of type float, expected a text, a list of texts or None"),
        (
            {"audio": ["00.wav"] * 2, "text": ["sky", float("nan")]},
            "text[1]: a value of type float, expected a text, a list of texts or None",
        ),
        ({"text": np.array(["a", "b"])}, "text: a value of type ndarray, expected a text, a list of texts or None"),
        ({"text": ["sky", "..."]}, "text[1]: its text contains no words"),
        ({"audio": "00.wav", "window": "1"}, "window: a value of type str, expected a number of seconds"),
        ({"audio": "00.wav", "window": True}, "window: a value of type bool, expected a number of seconds"),
        ({"audio": "00.wav", "window": 10**400}, "--window inf: expected seconds, from 0.1 to 14,400"),
        ({"audio": "00.wav", "window": float("nan")}, "--window nan: expected seconds, from 0.1 to 14,400"),
        ({"audio": "00.wav", "window": 1, "hop": 1e-308}, "--hop 1e-308: expected seconds, from 0.1 to 14,400"),
        ({"text": "..."}, "text: its text contains no words"),
    ],
)  # fmt: skip
def test_mistakes_in_python(here, given, text):
    with pytest.raises(SertoolError) as raised:
        sertool.load("ckpt/tones").predict(**given)
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"run": None}, "run: a value of type NoneType, expected a path"),
        ({"data": 3}, "data: a value of type int, expected a path"),
        ({"members": 1.5}, "--members 1.5: there are 2 members to average"),
        ({"members": "1"}, "--members 1: there are 2 members to average"),
        ({"device": "gpu"}, "--device gpu: expected auto, cpu, cuda"),
        ({"device": "cpu", "precision": "fp16"}, "--precision fp16: expected auto, fp32, tf32, bf16"),
    ],
)
def test_mistakes_in_opening_a_model(here, given, text):
    with pytest.raises(SertoolError) as raised:
        sertool.load(**{"run": "ckpt/tones"} | given)
    assert str(raised.value) == text


@every(number=st.floats() | st.sampled_from([1e308, 1e-308, -1e-308, 0.1, 14400]), is_hop=st.booleans())
def test_any_window_divides_or_is_refused(number, is_hop):
    window, hop = (1.0, number) if is_hop else (number, None)
    try:
        check_window(window, hop)
    except UsageError:
        assert not 0.1 <= number <= (1 if is_hop else 14400)
    else:
        assert windows(22050, round(window * 22050), round((hop or window) * 22050))


def test_several_threads_get_the_same(here):
    model = sertool.load("ckpt/tones")
    texts = [f"sky word{number}" for number in range(8)]
    wanted = [model.predict("00.wav", text).logits for text in texts]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            got = list(pool.map(lambda text: model.predict("00.wav", text).logits, texts))
            assert got == wanted
    assert torch.get_num_threads() == threads


def test_a_run_is_opened_by_its_name(here):
    own = sertool.load("ckpt/tones").predict("00.wav")
    assert sertool.load("tones").predict("00.wav") == own
    Path("tones").mkdir()  # a corpus of the same name
    assert sertool.load("tones").predict("00.wav") == own
    (here / "models").symlink_to("ckpt")
    assert sertool.load("tones", output="models").predict("00.wav") == own
    os.chdir("ckpt")
    assert sertool.load("tones").trained.name == "tones"
    with pytest.raises(sertool.UsageError, match="did you mean 'tones'"):
        sertool.load("tone", output=here / "ckpt")


def test_a_model_says_what_it_is(here):
    model = sertool.load("tones")
    assert repr(model) == "<Predictor tones · 2 members, all that were trained · uncalibrated · high, low>"
    html = model._repr_html_()
    assert "<script" not in html
    for text in ("tones", "TONES", "high, low", "text and audio", "uncalibrated: no temperature was fitted for"):
        assert text in html
    (own,) = model.predict(["00.wav"], ["sky is up"])
    last = predict("00.wav", "--text", "sky is up").stdout.splitlines()[-1]
    assert repr(own) == f"<Prediction 00.wav: {last}>"
    assert last in own._repr_html_()
    assert isinstance(model.predict("00.wav", window=0.2), sertool.PredictionList)


def test_errors_are_at_the_top():
    assert issubclass(sertool.DataError, sertool.SertoolError)
    assert sertool.Prediction is Prediction
    with pytest.raises(AttributeError, match="'sertool' has no attribute 'nothing'"):
        sertool.nothing  # noqa: B018


def test_importing_sertool_loads_nothing_heavy():
    code = "import sertool, sys; print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)), sertool.load)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] <function load")


def test_the_example_of_the_docs_runs(here, monkeypatch):
    """The python blocks of docs/predict.md, with this model and these recordings in the place of its own."""
    page = (ROOT / "docs/predict.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (own_model(here)).rename(here / "ckpt/demo")
    for name in ("june-01.flac", "june-02.flac"):
        shutil.copy("00.wav", name)
    soundfile.write("meeting.wav", tone(4, True), RATE)
    names: dict[str, object] = {}
    exec("".join(blocks), names)
    assert isinstance(names["result"], Prediction)
    assert len(names["both"]) == 2
    assert len(names["parts"]) == 2
    assert len(names["frame"]) == 2
