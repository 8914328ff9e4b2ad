"""Hints lead on: every command behind `next:` works when it is pasted, and what it leaves behind is what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from tones import CLASSES, RATE, run, tone

from sertool.core.corpora.load import corpus_folder
from sertool.core.errors import DataError

HINT = re.compile(r"^next: (.+)$", re.MULTILINE)
SPEAKERS = 6


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of four short recordings by each of six speakers, in the working folder."""
    monkeypatch.chdir(tmp_path)
    lines = ["file,text,label,speaker,split\n"]
    for number in range(4 * SPEAKERS):
        high, speaker = number % 2 == 0, number // 4
        soundfile.write(f"{number:02}.wav", tone(0.3, high, number), RATE)
        split = {SPEAKERS - 2: "valid", SPEAKERS - 1: "test"}.get(speaker, "train")
        word = "sky" if high else "sea"
        lines.append(f"{number:02}.wav,{word} word{number % 3},{CLASSES[number % 2]},s{speaker},{split}\n")
    Path("calls.csv").write_text("".join(lines))
    return tmp_path


def hints(printed: str) -> list[str]:
    """Return the commands of the lines that begin with `next:`."""
    return HINT.findall(printed)


def paste(command: str) -> str:
    """Run a command as someone who pastes it; return what it printed."""
    program, *words = shlex.split(command)
    if program == "python":
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout
    assert program == "sertool", command
    result = run(*words)
    assert result.exit_code == 0, f"{command}\n{result.output}"
    return result.output


def follow(*commands: str) -> list[str]:
    """Run commands, then every command that they hint at, each once; return all that were hinted at."""
    waiting, seen = list(commands), set[str]()
    found: list[str] = []
    while waiting:
        command = waiting.pop(0)
        if command in seen:
            continue
        seen.add(command)
        new = hints(paste(command))
        found += new
        waiting += new
    return found


def test_a_story_leads_from_a_table_to_a_report(table):
    found = follow("sertool prepare calls.csv --out data/CALLS")
    assert [command.split()[1] for command in found] == ["train", "ensemble", "report", "report"]
    assert found[0] == "sertool train --recipe custom --name calls --set dataset.path=data/CALLS"
    assert found[1] == "sertool ensemble --name calls --split valid,test --probe"
    assert found[3] == "sertool report --name calls --html report.html"
    assert Path("report.html").is_file()
    # The corpus is trained on already, so that the next run needs another name.
    doctor = follow("sertool doctor --data data/CALLS --recipe custom --set training.runs=1")
    assert doctor[0].startswith("sertool train --recipe custom --name calls-2 --set dataset.path=data/CALLS")
    assert Path("ckpt/calls-2/run-1/run.json").is_file()


def test_a_bundle_runs_as_its_hint_says(table):
    pytest.importorskip("onnxruntime")
    tiny = ["model.hidden_size=8", "model.ffn_size=8", "model.num_heads=2", "training.max_epochs=2", "training.runs=2"]
    settings = " ".join(f"--set {one}" for one in ["dataset.path=data/CALLS", *tiny])
    paste("sertool prepare calls.csv --out data/CALLS")
    paste(f"sertool train --recipe custom --name calls --output models {settings}")
    found = follow("sertool export --name calls --output models --out bundle")
    assert found
    assert all(command.startswith("python bundle/run.py") for command in found)


def test_folders_of_another_place_stand_in_the_hints(table):
    paste("sertool prepare calls.csv --out corpora/CALLS")
    paste("sertool recipes copy custom mine.yaml")
    tiny = "--set training.max_epochs=1 --set training.runs=1 --set model.hidden_size=8 --set model.num_heads=2"
    train = f"sertool train --recipe mine.yaml --data corpora --output models --set dataset.path=CALLS {tiny}"
    found = follow(train)
    assert found[0] == "sertool ensemble --name mine --split valid,test --probe --data corpora --output models"
    assert found[-1].endswith("--html report.html")
    assert not Path("ckpt").exists()


def test_a_table_that_cannot_be_trained_on_hints_at_no_training(table):
    Path("one.csv").write_text("file,label\n00.wav,high\n")
    for command in ("sertool prepare one.csv --out data/ONE", "sertool prepare none.csv --out data/NONE"):
        Path("none.csv").write_text("file\n00.wav\n01.wav\n")
        result = run(*shlex.split(command)[1:])
        assert not [hint for hint in hints(result.output) if hint.startswith("sertool train")], result.output


def test_a_start_that_is_refused_leaves_no_folder(table):
    paste("sertool prepare calls.csv --out data/CALLS")
    settings = ["--recipe", "custom", "--set", "dataset.path=data/CALLS"]
    result = run("train", *settings, "--name", "second", "--from", "nothing")
    assert result.exit_code == 2, result.output
    assert not Path("ckpt").exists()


def test_a_path_that_names_the_data_folder_is_not_looked_for_below_it(table):
    for place in ("data/CALLS", "data/data/CALLS", "data/data/OTHER", "OTHER"):
        Path(place).mkdir(parents=True)
    assert corpus_folder("data/CALLS", Path("data")) == Path("data/CALLS")
    assert corpus_folder("CALLS", Path("data")) == Path("data/CALLS")
    assert corpus_folder("OTHER", Path("data")) == Path("OTHER")
    with pytest.raises(DataError, match="data/OTHER: no such corpus"):
        corpus_folder("data/OTHER", Path("data"))
