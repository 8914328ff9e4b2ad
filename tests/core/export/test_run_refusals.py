"""Errors of a bundle's run.py: each is one line, and nothing that it prints can control a terminal."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bundle_running import load_script, run_alone
from export_runs import CLIPS, run
from hypothesis import given, settings
from hypothesis import strategies as st

RATE = 8000
WAVE = (0.1 * np.random.default_rng(0).normal(size=RATE)).astype(np.float32)
RECORDING = sorted(CLIPS.glob("*.flac"))[0]


@pytest.fixture(scope="module")
def exported(shop, tmp_path_factory):
    bundle = tmp_path_factory.mktemp("exported") / "b"
    assert run(shop, "--out", str(bundle)).exit_code == 0
    return bundle


@pytest.fixture
def bundle(exported, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(exported, tmp_path / "b"))


@pytest.fixture(scope="module")
def script(exported):
    return load_script(exported)


def wav(samples, subtype="PCM_16", rate=RATE, file_format="WAV") -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, subtype=subtype, format=file_format)
    return content.getvalue()


def unclosed(content: bytes) -> bytes:
    """A WAV as a killed recorder leaves it: the sizes in its header were never written."""
    return content[:4] + bytes(4) + content[8:40] + bytes(4) + content[44:]


BAD = {
    "header only": (wav(WAVE[:0]), "contains no samples according to its header, though the file has 44 bytes"),
    "unclosed": (unclosed(wav(WAVE)), "contains no samples according to its header, though the file has 16,044 bytes"),
    "short": (wav(WAVE[:79]), "lasts 0.00988 s, expected at least 0.01 s"),
    "NaN": (wav(WAVE * np.nan, "FLOAT"), "holds NaN or infinite samples"),
    "infinite": (wav(WAVE * np.inf, "DOUBLE"), "holds NaN or infinite samples"),
    "too loud": (wav(WAVE * 1e12, "DOUBLE"), "holds NaN or infinite samples"),
    "rate": (wav(WAVE, rate=50), "a sampling rate of 50 Hz, expected 100 to 1,000,000 Hz"),
    "text": (
        b"hello, world, hello",
        "not readable as audio (Format not recognised.), expected WAV, FLAC, Ogg, MP3 or AIFF",
    ),
    "cut header": (
        wav(WAVE)[:30],
        "not readable as audio (Error in WAV file. No 'data' chunk marker.), expected WAV, FLAC, Ogg, MP3 or AIFF",
    ),
    "empty": (b"", "the file is empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_recording_that_cannot_be_heard_is_refused(script, tmp_path, kind):
    content, text = BAD[kind]
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {text}") + "$"):
        script["inputs"](str(path), None)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_at_once(script, tmp_path, make):
    make(tmp_path / "bad.wav")
    with pytest.raises(ValueError, match=r"bad\.wav: is a folder, a pipe or a device, expected a file"):
        script["read"](tmp_path / "bad.wav", RATE)


def test_silence_is_judged_and_told(script, tmp_path):
    (tmp_path / "z.wav").write_bytes(wav(WAVE * 0))
    with pytest.warns(UserWarning, match=r"z\.wav: contains no sound"):
        assert script["read"](tmp_path / "z.wav", 22050).shape == (22050,)


def test_a_name_decides_nothing(script, tmp_path):
    for name in ("v.raw", "v.mp3", "v"):
        (tmp_path / name).write_bytes(wav(WAVE, "FLOAT"))
        np.testing.assert_array_equal(script["read"](str(tmp_path / name), RATE), WAVE)


@pytest.mark.parametrize("text", ["...", " ", "?!", "\u200b", ""])
def test_a_text_without_words_is_refused(script, text):
    with pytest.raises(ValueError, match="contains no words" if text else "the model needs audio or text"):
        script["inputs"](None, text)


def test_a_long_recording_is_refused_before_memory_holds_it(script):
    """A small file may decode to years of silence; blocks of it are counted."""

    class Endless:
        samplerate, channels, frames, made = 100, 1, 1 << 62, 0

        def read(self, out):
            self.made += len(out)
            assert self.made < 5 * 3600 * self.samplerate
            out[:] = 0
            return out

    with pytest.raises(ValueError, match=r"x\.flac: lasts more than 4 hours"):
        for _ in script["read_blocks"]([Endless()], 100, Path("x.flac")):
            pass


DAMAGED = {
    "settings.json": [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 10**5, b'{"format": "sertool-bundle/2"}'],
    "labels.json": [b"{}", b"[]", b'{"kind": "one", "classes": []}', b'{"kind": "single", "classes": [1, 2, 3]}'],
    "vocabulary.json": [b"[]", b"{}", b"[1]", b"null"],
}


@pytest.mark.parametrize(("name", "content"), [(name, one) for name, many in DAMAGED.items() for one in many])
def test_damaged_texts_of_the_bundle_are_named(bundle, name, content):
    (bundle / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: (damaged|the file is empty)"):
        load_script(bundle)["encode"]("word1")


@pytest.mark.parametrize("classes", [["a"], ["a", "a", "b"], list("abcd")])
def test_labels_of_another_number_are_refused(bundle, classes):
    (bundle / "labels.json").write_text(json.dumps({"kind": "single", "classes": classes}))
    script = load_script(bundle)
    with pytest.warns(UserWarning, match=r"labels\.json: was changed after the export"):
        session = script["open_session"]()
    with pytest.raises(ValueError, match=r"labels\.json: expected 3 different classes"):
        script["predict"](session, None, "word1")


@pytest.mark.parametrize("kept", [0, 4, 1000])
def test_a_damaged_graph_is_named(bundle, kept):
    graph = bundle / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:kept])
    text = "not a graph that onnxruntime can open" if kept else "the file is empty"
    with (
        warnings.catch_warnings(action="ignore"),  # it was changed after the export
        pytest.raises(ValueError, match=rf"model\.onnx: {text}"),
    ):
        load_script(bundle)["open_session"]()


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_altered_setting_is_judged_or_refused_quickly(exported, script, tmp_path_factory, data):
    content = json.loads((exported / "settings.json").read_text())
    place = content["frontend"] if data.draw(st.booleans()) else content
    key = data.draw(st.sampled_from(sorted(place)))
    value = data.draw(ANY)
    place[key] = value
    if not script["are_settings"](content):
        return
    space = {**script, "SETTINGS": content}
    for name in ("inputs", "load_frames", "log_mels", "encode"):  # the same functions, with these settings
        function = script[name]
        space[name] = type(function)(function.__code__, space)
    with (
        warnings.catch_warnings(action="ignore"),
        suppress(ValueError, ArithmeticError, LookupError, TypeError, AttributeError, MemoryError),  # one line of each
    ):
        feeds = space["inputs"](str(RECORDING), "word1")
        assert set(feeds) <= {"tokens", "mels", "text"}


@pytest.mark.parametrize("key", ["mel_bands", "fft_size", "window_length"])
def test_numbers_by_which_tables_grow_are_bounded_as_in_a_recipe(key, exported, script):
    content = json.loads((exported / "settings.json").read_text())
    most = 1024 if key == "mel_bands" else 65536
    for value in (most, most + 1, 1_000_000):
        content["frontend"][key] = value
        assert script["are_settings"](content) == (value == most)


def test_a_result_is_never_written_over_an_input(bundle, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(WAVE))
    for target in (tmp_path / "a.wav", bundle / "model.onnx", bundle / "settings.json"):
        before = target.read_bytes()
        done = run_alone(bundle, str(tmp_path / "a.wav"), "--json", str(target))
        assert (done.returncode, done.stderr) == (2, f"error: --json {target}: would overwrite an input\n")
        assert target.read_bytes() == before


def test_several_recordings_and_json(bundle, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(WAVE))
    done = run_alone(bundle, str(tmp_path / "a.wav"), str(RECORDING), "--json", str(tmp_path / "r.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(": ")[0] for line in done.stdout.splitlines()[::5]] == [str(tmp_path / "a.wav"), str(RECORDING)]
    written = json.loads((tmp_path / "r.json").read_text())
    single = json.loads(run_alone(bundle, str(RECORDING), "--json", "-").stdout)
    assert written["predictions"][1] == single["predictions"][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b", "r.json"]
    (tmp_path / "bad.wav").write_bytes(b"x")
    done = run_alone(bundle, str(RECORDING), str(tmp_path / "bad.wav"), "--json", str(tmp_path / "n.json"))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert not (tmp_path / "n.json").exists()


def test_nothing_that_is_printed_controls_a_terminal(bundle, tmp_path):
    labels = json.loads((bundle / "labels.json").read_text())
    labels["classes"] = ["\x1b[31mred", "\u202eright", "caf\u00e9\x07"]
    (bundle / "labels.json").write_text(json.dumps(labels))
    for name in ("a\x1b[2J\n.wav", "b\udce9\u2066.wav"):
        (tmp_path / name).write_bytes(wav(WAVE))
    names = sorted(str(path) for path in tmp_path.glob("*.wav"))
    command = [sys.executable, str(bundle / "run.py"), *names]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    printed = (done.stdout + done.stderr).decode("cp1252")
    assert all(sign.isprintable() or sign == "\n" for sign in printed)
    for text in ("\\x1b[31mred", "\\u202eright", "caf\u00e9\\x07", "a\\x1b[2J\\n.wav", "b\\udce9\\u2066.wav"):
        assert text in printed
    ascii_only = subprocess.run(
        command, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert ascii_only.returncode == 0
    assert b"caf\\xe9" in ascii_only.stdout


def test_a_full_or_closed_stdout_is_one_line(bundle):
    for target, text in (
        ("> /dev/full", "standard output: No space left on device"),
        (">&-", "standard output is closed"),
    ):
        done = subprocess.run(
            ["bash", "-c", f'"$0" "$1" --text word1 {target}', sys.executable, str(bundle / "run.py")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (1, f"error: {text}\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\x1b[1m\nb"), "error: a\\x1b[1m b\n"),
        (FileNotFoundError(2, "No such file", "x\n.wav"), "error: x .wav: No such file\n"),
        (MemoryError("Unable to allocate"), "error: not enough memory (Unable to allocate)\n"),
        (KeyboardInterrupt(), "error: interrupted\n"),
        (RuntimeError("std::bad_alloc"), "error: not enough memory (std::bad_alloc)\n"),
        (KeyError("frontend"), "error: KeyError: 'frontend' (a file of this bundle may be damaged)\n"),
    ],
)
def test_any_error_is_one_line(script, capsys, error, line):
    script["print_error"](type(error), error, None)
    assert capsys.readouterr().err == line
