"""Streams of a command: what they cannot show, that they are full, closed or cut off, and signs a terminal obeys."""

import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
import wave
from pathlib import Path

import pytest
from commands_run import files, refusal, run, tiny
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from sertool.cli import app
from sertool.commands._console import console, results, say
from sertool.commands._streams import SUBSTITUTE, gated

ESCAPE = "\x1b]0;PWNED\x07\x1b[31mRED"
SHOWN = r"\x1b]0;PWNED\x07\x1b[31mRED"
MARKS = "\u061c\u200e\u200f"  # of direction; the other signs of direction have a class of their own
DIRECTION = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
hostile = st.text(
    st.sampled_from("ab. =[]'\"\x1b\x07\x08\r\t\x7f\x9b\u2028\u202e\u2066\ud800\udcff" + MARKS) | st.characters(),
    min_size=1,
    max_size=12,
).map(lambda text: "x" + text.replace("\0", "\x01"))  # no argument holds a zero; x: no option
QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def obeyed(text: str) -> list[str]:
    """The signs that a terminal would obey, by the classes of Unicode."""
    return [
        sign
        for sign in text.replace("\n", "")
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(sign) in DIRECTION
        or sign in MARKS
    ]


def started(arguments: list[str], **more) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    call = [sys.executable, "-m", "sertool", *arguments]
    return subprocess.run(call, env=environment, text=True, timeout=60, check=False, **more)


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which $S is the command."""
    environment = {**os.environ, "S": f"{sys.executable} -m sertool"}
    call = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("line", "code", "stderr"),
    [
        ("$S --help > /dev/full", 1, "error: standard output: No space left on device\n"),
        ("$S recipes list > /dev/full", 1, "error: standard output: No space left on device\n"),
        ("$S recipes list --json - > /dev/full", 1, "error: standard output: No space left on device\n"),
        ("$S --help >&-", 1, "error: standard output: Bad file descriptor\n"),
        ("$S recipes list <&- >&- 2>&-", 1, ""),
        ("$S recipes list | head -0", 1, ""),
        ("$S recipes list 2>/dev/full > /dev/null", 0, ""),
        ("$S recipes show x 2>/dev/full", 2, ""),
        ("$S recipes show x 2>&-", 2, ""),
    ],
)
def test_a_stream_that_fails_is_one_line_at_most(line, code, stderr):
    done = in_shell(line)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", stderr)


def test_a_file_is_written_although_standard_output_is_closed(tmp_path):
    done = in_shell(f"$S recipes list --json {tmp_path}/x >&-")
    assert done.returncode == 1
    assert json.loads((tmp_path / "x").read_text())
    assert files(tmp_path) == {"x"}


@pytest.mark.parametrize("wait", [0.03, 0.1])
def test_ctrl_c_while_modules_are_imported(wait):
    code = "import os, signal, sys, threading; import sertool.__main__ as m\n"
    code += f"threading.Timer({wait}, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
    code += "sys.argv = ['sertool', 'train', '--recipe', 'demo', '--set', 'dataset.path=nowhere']; m.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "Interrupted"
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained and evaluated run."""
    folder = tmp_path_factory.mktemp("trained")
    tiny(folder, dataset={"modalities": ["text"]})  # such a run needs no recordings
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]
    done = run("train", "--recipe", str(folder / "tiny.yaml"), "--runs", "1", "--name", "a", *places)
    assert done.exit_code == 0, done.output
    done = run("ensemble", "--name", "a", "--sets", "valid,test", *places)
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("encoding", ["cp1252", "cp932", "cp437", "latin-1", "ascii"])
def test_a_code_page_that_lacks_a_sign_shows_another_one(trained, tmp_path, encoding):
    places = ["--output", str(trained / "ckpt"), "--name", "a"]
    wanted = ["predict", "--text", "well 我很高兴 then", "--csv", str(tmp_path / "x.csv"), *places]
    shown = CliRunner(charset=encoding).invoke(app, wanted)
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "x.csv").read_text(encoding="utf-8").startswith("id,")
    plain = CliRunner().invoke(app, wanted).output
    assert "·" in plain
    assert shown.output == plain.encode(encoding, SUBSTITUTE).decode(encoding)
    report = CliRunner(charset=encoding).invoke(app, ["report", *places])
    assert report.exit_code == 0, report.output


def test_json_on_standard_output_is_complete_in_any_encoding(trained):
    wanted = ["predict", "--text", "我很高兴", "--json", "-", "--output", str(trained / "ckpt"), "--name", "a"]
    shown = CliRunner(charset="ascii").invoke(app, wanted)
    assert shown.exit_code == 0, shown.output
    assert "我很高兴" in json.dumps(json.loads(shown.stdout), ensure_ascii=False)


def test_an_output_over_an_input_is_refused_and_the_input_kept(trained, here):
    (here / "t.csv").write_text("text\nwell then\n")
    recording(here / "0.wav")
    before = (here / "t.csv").read_bytes(), (here / "0.wav").read_bytes()
    predict = ["predict", "--name", "a", "--output", str(trained / "ckpt")]
    report = ["report", "--name", "a", "--output", str(trained / "ckpt")]
    told = refusal(*predict, "--table", "t.csv", "--csv", "t.csv", code=2)
    assert told.startswith("error: --csv t.csv: this command reads it as t.csv, and would replace it\n")
    assert "--csv 0.wav: this command reads it" in refusal(*predict, "0.wav", "--csv", "0.wav", code=2)
    told = refusal(*report, "--html", "x", "--json", "./x", "--csv", "y", code=2)
    assert "is the same place as --" in told
    run_file = str(trained / "ckpt/a/recipe.yaml")
    assert "would replace a file of" in refusal(*predict, "--text", "a", "--json", run_file, code=2)
    assert before == ((here / "t.csv").read_bytes(), (here / "0.wav").read_bytes())
    assert files(here) == {"t.csv", "0.wav"}


def test_a_pipe_and_a_link_are_written_through(trained, here):
    places = ["--name", "a", "--output", str(trained / "ckpt")]
    Path("target").write_text("old")
    Path("link").symlink_to("target")
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)  # what is written fits into the pipe's buffer
    done = run("predict", "--text", "well", *places, "--json", "pipe", "--csv", "link")
    assert done.exit_code == 0, done.output
    assert json.loads(os.read(reader, 1 << 16))
    os.close(reader)
    assert Path("pipe").is_fifo()
    assert Path("link").is_symlink()
    assert Path("target").read_text().startswith("id,")


def recording(path: Path, seconds: float = 0.2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(range(200)) * int(160 * seconds))


def table(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@QUICK
@example(text=ESCAPE)
@example(text="a\n\u202eb")
@given(text=hostile)
def test_arguments_come_back_without_signs_that_a_terminal_obeys(here, text):
    calls = [
        [text],
        ["--" + text],
        ["recipes", "show", text],
        ["recipes", "check", text + ".yaml"],
        ["train", "--recipe", "demo", "--set", "dataset.path=nowhere", "--name", text],
        ["train", "--recipe", "demo", "--set", text],
        ["train", "--recipe", "demo", "--set", "dataset.path=" + json.dumps(text)],
        ["train", "--recipe", "demo", "--runs", text],
        ["doctor", "--recipe", "demo", "--set", f"{json.dumps(text)}=1"],
        ["predict", "--name", text, "--text", "a"],
        ["predict", "--name", "a", text, "--output", text],
        ["report", "--name", text],
        ["fetch-data", text],
        ["prepare", text, "--out", "out"],
        ["prepare", "t.csv", "--out", text],
    ]
    for call in calls:
        done = run(*call)
        assert not obeyed(done.output), call
        assert isinstance(done.exception, SystemExit | None), call
        assert done.exit_code in (0, 1, 2), call


@QUICK
@example(text=ESCAPE)
@given(text=hostile)
def test_cells_of_a_table_come_back_without_signs_that_a_terminal_obeys(here, text):
    recording(here / "0.wav")
    header = ["utterance", "audio", "label", "text", "speaker", "split"]
    row = ["u", "0.wav", "b", "hello", "s", "train"]
    for column in range(len(header)):
        table(here / "t.csv", header, [[*row[:column], text, *row[column + 1 :]]])
        done = run("prepare", "t.csv", "--out", "out", "--workers", "1", "--force")
        assert not obeyed(done.output), header[column]
        assert isinstance(done.exception, SystemExit | None), header[column]
    table(here / "t.csv", ["utterance", "audio", text], [["u", "0.wav", "b"]])
    done = run("prepare", "t.csv", "--out", "out")
    assert not obeyed(done.output)
    Path("r.yaml").write_text(json.dumps({text: 1}), encoding="utf-8")
    assert not obeyed(run("recipes", "check", "r.yaml").output)


def test_names_of_classes_are_shown_without_control_signs_from_table_to_report(here):
    header = ["utterance", "audio", "label", "text", "speaker", "split"]
    splits = ["train", "valid", "test"]
    recording(here / "0.wav")
    rows = [
        [f"{ESCAPE}{i}", "0.wav", (ESCAPE, "b")[i % 2], "hello", f"{ESCAPE}{i}", splits[i // 2 % 3]] for i in range(12)
    ]
    table(here / "t.csv", header, rows)
    small = [f"--set={key}" for key in ("training.max_epochs=1", "model.hidden_size=8", "model.ffn_size=8")]
    small += ["--set=model.num_heads=2", "--set=dataset.path=out", "--set=dataset.vectors=none", "--runs=1"]
    for call in (
        ["prepare", "t.csv", "--out", "out"],
        ["train", "--recipe", "custom", "--name", "n", *small],
        ["ensemble", "--name", "n", "--sets", "valid,test"],
        ["predict", "--name", "n", "0.wav", "--text", "hello"],
        ["report", "--name", "n"],
    ):
        done = run(*call)
        assert done.exit_code == 0, done.output
        assert not obeyed(done.output), call
        assert SHOWN in done.output or call[0] == "train", call


@given(st.text(st.characters() | st.sampled_from("\x1b\r\t\n\u202e\udcff"), max_size=30))
@example("\x1b[A\x1b[31m")
@example("\rback\rback")
def test_all_that_is_printed_passes_the_gate(text):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for encoding in ("ascii", "utf-8")]
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = streams
    try:
        with gated():
            sys.stdout.write("x" + text)
            sys.stderr.writelines(["x" + text, "y"])
            say(console(), text)
            say(results(), text)
            grid = Table(text or "x")
            grid.add_row(Text(text, "bold"))
            console().print(grid, text)
            results().print(grid, text)
    finally:
        sys.stdout, sys.stderr = before
    for stream in streams:
        assert not obeyed(stream.buffer.getvalue().decode(stream.encoding))


def test_warnings_logs_and_tracebacks_pass_the_gate():
    code = (
        "import logging, runpy, sys, warnings\n"
        "from sertool.core.recipe import load\n"
        "def find(name):\n"
        "    warnings.warn(name)\n"
        "    logging.warning(name)\n"
        "    raise ValueError(name)\n"
        "load.find = find\n"
        f"sys.argv = ['sertool', '--debug', 'recipes', 'show', {ESCAPE!r}]\n"
        "from sertool.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"UserWarning: {SHOWN}\n" in done.stderr
    assert f"WARNING:root:{SHOWN}\n" in done.stderr
    assert done.stderr.endswith(f"ValueError: {SHOWN}\n")
    assert not obeyed(done.stderr)


def test_a_line_end_from_outside_begins_no_line_of_its_own(here):
    recording(here / "0.wav")
    table(here / "t.csv", ["utterance", "audio", "label"], [["u1", "a\nerror: b\tc.wav", "x"], ["u2", "0.wav", "y"]])
    told = refusal("prepare", "t.csv", "--out", "out", code=1)
    assert r"row 2: no such audio file in .: a\nerror: b\tc.wav" in told
    assert refusal("predict", "--name", "x\nerror: y", "--text", "a", code=2).startswith(r"error: ckpt/x\nerror: y: ")


@pytest.mark.parametrize("name", ["x\udcff", "a\x1b[31m", "a\nb", "\u202eab"])
def test_a_folder_whose_name_cannot_be_shown_is_refused_by_every_command_that_makes_one(here, name):
    for option, call in (
        ("--name", ["train", "--recipe", "demo", "--name", name]),
        ("--output", ["train", "--recipe", "demo", "--output", name]),
        ("--output", ["demo", "--output", name]),
        ("--out", ["prepare", "t.csv", "--out", f"x/{name}"]),
        ("--out", ["export", "--name", "a", "--out", name]),
        ("--out", ["fetch-data", "demo", "--out", name]),
    ):
        told = refusal(*call, code=2)
        assert told.startswith(f"error: {option} ")
        assert told.endswith(": expected text in UTF-8 without control and direction signs\n")
        assert told.isascii()
    assert files(here) == set()
