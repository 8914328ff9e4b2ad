"""The work of ``sertool prepare``: processes, kills, bad recordings, folders, machine-made texts, a full disk."""

import errno
import hashlib
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile
import typer
from other_processes import die, warn
from typer.testing import CliRunner

from sertool.cli import app as sertool_app
from sertool.commands import prepare as command
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features import extract as decoding
from sertool.core.features.log_mel import LogMel
from sertool.core.files import artifacts
from sertool.core.prepare.folder import read_folder
from sertool.core.prepare.rows import script_of, script_warnings
from sertool.core.prepare.table import read_table
from sertool.core.recipe.frontends import Frontend

RATE = 8000
SMALL = ("--set", "frontend.sample_rate=8000")
FRONTEND = Frontend(sample_rate=RATE)

app = typer.Typer()
app.command("prepare")(command.prepare)


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(3)
    rows = []
    for n in range(20):
        soundfile.write(tmp_path / f"{n}.wav", random.normal(0, 0.1, RATE), RATE)
        rows.append(f"u{n},{n}.wav,{'word' if n % 4 else ''},{'xy'[n % 2]},s{n % 5}")
    (tmp_path / "t.csv").write_text("\n".join(["id,audio,text,label,speaker", *rows]) + "\n")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), *SMALL])


def digests(corpus):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in corpus.iterdir()}


def test_the_same_bytes_whatever_the_number_of_processes(folder):
    found = []
    for workers in (1, 3):
        out = folder / str(workers) / "SET"
        result = run(folder / "t.csv", "--out", out, "--workers", workers)
        assert result.exit_code == 0, result.exception
        found.append(digests(out))
    assert found[0] == found[1]
    # And no cache.
    expected = {"audio.safetensors", "corpus.json", "recordings.json", "sounds.safetensors", "utterances.jsonl"}
    assert set(found[0]) == expected


def test_a_process_that_is_killed_is_told(folder, monkeypatch):
    monkeypatch.setattr(decoding, "_extract", die)
    segments = [row.segment for row in read_table(folder / "t.csv").rows]
    with pytest.raises(SertoolError) as caught:
        list(decoding.extracts(segments, LogMel(FRONTEND), workers=2))
    assert str(caught.value).startswith("a process was killed while it decoded recordings")
    assert "--workers 1" in caught.value.hint


def test_a_warning_of_a_process_is_shown_without_control_signs(folder, monkeypatch):
    monkeypatch.setattr(decoding, "_extract", warn)
    segments = [row.segment for row in read_table(folder / "t.csv").rows]
    shown = "".join(decoding.extracts(segments, LogMel(FRONTEND), workers=2))
    assert r"UserWarning: \x1b[31mRED" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(("cores", "recordings", "expected"), [(8, 10, 1), (8, 2500, 2), (2, 50000, 2)])
def test_few_recordings_need_few_processes(monkeypatch, cores, recordings, expected):
    monkeypatch.setattr(decoding.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert decoding.default_workers(recordings) == expected


SLOW = """
import sys, time
from contextlib import nullcontext
from sertool.core.prepare import assemble as preparing
from sertool.core.prepare.extraction import Extraction
from sertool.core.prepare.table import read_table
from sertool.core.recipe.frontends import Frontend
from pathlib import Path
table, cache = map(Path, sys.argv[1:])
slow = Extraction(cache, workers=2, counting=lambda what: nullcontext(lambda *_: time.sleep(0.05)))
preparing.decode(read_table(table), Frontend(sample_rate=8000), slow)
"""


def test_it_goes_on_after_a_kill_and_leaves_no_process(folder, tmp_path):
    (tmp_path / "slow.py").write_text("if __name__ == '__main__':\n    " + SLOW.strip().replace("\n", "\n    "))
    out = folder / "SET"
    cache = out / ".prepare" / "frames"
    process = subprocess.Popen([sys.executable, tmp_path / "slow.py", folder / "t.csv", cache.parent])
    deadline = time.monotonic() + 60
    while not list(cache.glob("??/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.01)
    children = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(children) >= 2
    while any(alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [child for child in children if alive(child)]
    kept = {path.name: path.stat().st_mtime_ns for path in cache.glob("??/*.safetensors")}
    assert kept
    assert not (out / "corpus.json").exists()
    soundfile.write(folder / "19.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    stopped = run(folder / "t.csv", "--out", out)  # a bad recording: what is good stays
    assert isinstance(stopped.exception, DataError)
    now = {path.name: path.stat().st_mtime_ns for path in cache.glob("??/*.safetensors")}
    assert kept.items() <= now.items()
    assert len(now) >= 19
    assert run(folder / "t.csv", "--out", out, "--skip-bad").exit_code == 0
    assert run(folder / "t.csv", "--out", folder / "again" / "SET", "--skip-bad").exit_code == 0
    assert digests(out) == digests(folder / "again" / "SET")


def descendants(pid):
    """Ids of the processes below one, from /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_bad_recordings_stop_it_or_are_listed(folder):
    (folder / "3.wav").write_bytes(b"")
    (folder / "5.wav").write_bytes(b"PK\x03\x04" + bytes(40))
    (folder / "7.wav").unlink()
    soundfile.write(folder / "8.wav", np.zeros(8), RATE)
    table = run(folder / "t.csv", "--out", folder / "SET")
    assert str(table.exception) == f"{folder / 't.csv'}: 1 problem\n  row 9: no such audio file in {folder}: 7.wav"
    result = run(folder / "t.csv", "--out", folder / "SET", "--skip-bad")
    assert result.exit_code == 0, result.exception
    left_out = {item.id: item.reason for item in read_corpus(folder / "SET").left_out}
    assert left_out == {
        "u3": f"row 5: {folder / '3.wav'}: the file is empty",
        "u5": f"row 7: {folder / '5.wav'}: not readable as audio (it is a zip archive)",
        "u7": f"row 9: {folder / '7.wav'}: no such file",
        "u8": f"row 10: {folder / '8.wav'}: lasts 1 ms, expected at least 10 ms",
    }
    assert "warning: left out 4 of 20 utterances\n" in result.stderr
    assert "doctor: 4 warnings (the text cannot tell, too few speakers: 1, 4 left out, 4 without text)" in result.stdout


def test_a_recording_that_is_hardly_one_utterance(folder):
    soundfile.write(folder / "2.wav", np.random.default_rng(1).normal(0, 0.1, RATE * 601), RATE)
    result = run(folder / "t.csv", "--out", folder / "SET")
    assert (
        "warning: 1 recording of more than 10 minutes (row 4: u2): a row should be one utterance; "
        "cut it out with the columns start and end\n" in result.stderr
    )


def test_a_full_disk_is_one_message_and_the_work_is_kept(folder, monkeypatch):
    write, number = artifacts.write_bytes, 0

    def full(path, content):
        nonlocal number
        number += 1
        if number > 6:  # the first names the command
            raise artifacts.write_error(path, OSError(errno.ENOSPC, "No space left on device"))
        write(path, content)

    monkeypatch.setattr(artifacts, "write_bytes", full)
    result = run(folder / "t.csv", "--out", folder / "SET")
    assert isinstance(result.exception, SertoolError)
    assert "no space left on the disk" in str(result.exception)
    assert result.exception.hint == "free some space and run the same command again"
    assert len(list((folder / "SET" / ".prepare").rglob("*.safetensors"))) == 5
    monkeypatch.undo()
    assert run(folder / "t.csv", "--out", folder / "SET").exit_code == 0


def test_a_folder_of_classes(tmp_path):
    for name in (
        "happy/a.wav",
        "happy/b.wav",
        "sad/deep/c.wav",
        "sad/b.wav",
        "._x.wav",
        "top.wav",
        "sad/notes.txt",
    ):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, RATE), RATE, format="WAV")
    table = read_folder(tmp_path / "in")
    assert {(row.id, row.labels["emotion"]) for row in table.rows} == {
        ("a", "happy"),
        ("happy/b.wav", "happy"),
        ("c", "sad"),
        ("sad/b.wav", "sad"),
    }
    assert table.warnings[0] == "ignored, no recording in a folder of a class: sad/notes.txt, top.wav"
    result = run(tmp_path / "in", "--out", tmp_path / "SET")
    assert result.exit_code == 0, result.exception
    assert "splits drawn by recording\n" in result.stdout
    assert "--set 'dataset.modalities=[audio]'" in result.stdout
    (tmp_path / "in" / "sad" / "b.wav").write_bytes(b"x")
    bad = run(tmp_path / "in", "--out", tmp_path / "OTHER")
    assert str(bad.exception) == (
        f"{tmp_path / 'in'}: 1 of 4 recordings cannot be used\n"
        f"  sad/b.wav: {tmp_path / 'in/sad/b.wav'}: not readable as audio (Format not recognised)"
    )


def test_a_folder_without_classes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no recordings in its subfolders, which are the classes"


class FakeModel:
    """faster_whisper.WhisperModel as version 1 has it: an iterator of segments, and facts."""

    heard: ClassVar[list[int]] = []

    def __init__(self, model_size_or_path, device="auto", compute_type="default"):
        if model_size_or_path == "none":
            raise ValueError("Invalid model size 'none'")

    def transcribe(self, audio, language=None, temperature=(0.0, 0.2)):
        assert audio.dtype == np.float32
        assert temperature == 0.0
        FakeModel.heard.append(len(audio))
        segments = (types.SimpleNamespace(text=text) for text in (" Guten Tag,", " Welt. "))
        return segments, types.SimpleNamespace(language=language)


@pytest.fixture
def whisper(monkeypatch):
    FakeModel.heard = []
    monkeypatch.setitem(sys.modules, "faster_whisper", types.SimpleNamespace(WhisperModel=FakeModel))


def test_missing_texts_are_transcribed_and_marked(folder, whisper):
    out = folder / "SET"
    result = run(
        folder / "t.csv",
        "--out",
        out,
        "--transcribe",
        "small",
        "--language",
        "de",
        "--json",
        folder / "r.json",
    )
    assert result.exit_code == 0, result.exception
    assert FakeModel.heard == [16000] * 5
    corpus = read_corpus(out)
    made = {u.id: (u.text, u.transcriber) for u in corpus.utterances if u.transcriber}
    assert made == {f"u{n}": ("Guten Tag, Welt.", "faster-whisper small") for n in range(0, 20, 4)}
    assert corpus.caveats == " (machine-made transcripts)"
    assert "5 transcripts machine-made" in result.stdout
    assert "text is empty" not in result.stderr
    assert artifacts.read_json(folder / "r.json")["transcribed"] == 5
    doctor = CliRunner().invoke(sertool_app, ["doctor", "--data", str(out), *SMALL])
    assert "SET (machine-made transcripts)" in doctor.stdout.replace("\N{NO-BREAK SPACE}", " ")


def test_texts_are_kept_until_the_corpus_is_complete(folder, whisper, monkeypatch):
    def fails(*_, **__):
        raise artifacts.write_error(folder, OSError(errno.ENOSPC, ""))

    with monkeypatch.context() as patched:
        patched.setattr("sertool.core.corpora.corpus_files.write_corpus", fails)
        assert isinstance(
            run(folder / "t.csv", "--out", folder / "SET", "--transcribe", "tiny").exception, SertoolError
        )
    assert run(folder / "t.csv", "--out", folder / "SET", "--transcribe", "tiny").exit_code == 0
    assert len(FakeModel.heard) == 5


def test_transcribing_without_the_extra_or_the_model(folder, whisper, monkeypatch):
    wrong = run(folder / "t.csv", "--out", folder / "SET", "--transcribe", "none").exception
    assert str(wrong) == "--transcribe none: the model cannot be loaded (Invalid model size 'none')"
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    missing = run(folder / "t.csv", "--out", folder / "SET", "--transcribe", "small").exception
    assert isinstance(missing, UsageError)
    assert (str(missing), missing.hint) == ("--transcribe needs faster-whisper", "pip install 'sertool[asr]'")
    assert not (folder / "SET").exists()


@pytest.mark.parametrize(
    ("text", "script"),
    [("Guten Tag!", "LATIN"), ("Добрый день", "CYRILLIC"), ("こんにちは", "CJK"), ("123 ...", ""), ("", "")],
)
def test_scripts(text, script):
    assert script_of(text) == script


def test_a_text_in_another_script_is_a_note():
    texts = [(2, "one"), (3, "два"), (4, "three"), (5, "8"), (6, "四")]
    assert script_warnings(texts) == [
        "row 6: text is in CJK letters, most are in Latin ones",
        "row 3: text is in Cyrillic letters, most are in Latin ones",
    ]
