"""`python -m benchmarks.gpu`: order, limits, and what is left when a part or the whole run is cut off."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from gpu_fakes import FACTS, ended, parts
from places import ROOT, TESTS

from benchmarks.gpu import runner
from benchmarks.gpu.parts import PARTS, TOTAL
from benchmarks.gpu.runner import Run, read_outcomes
from benchmarks.gpu.summary import summary

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def paths(monkeypatch):
    """The children import the fake parts, too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(TESTS / "support")]))


def states(folder):
    return {outcome.name: outcome.state for outcome in read_outcomes(folder)}


def notes(folder):
    return {outcome.name: outcome.note for outcome in read_outcomes(folder)}


def test_a_part_that_fails_stops_no_other(tmp_path):
    told = []
    run = Run(tmp_path, FACTS, 60.0, lambda outcome: told.append((outcome.name, outcome.state)))
    assert not run.parts(parts("good", "lacking", "crash", "wrong", "good-again"), ["--with-parent"])
    assert states(tmp_path) == {
        "good": "done",
        "lacking": "left out",
        "crash": "failed",
        "wrong": "failed",
        "good-again": "done",
    }
    assert told[:4] == [("good", "running"), ("good", "done"), ("lacking", "running"), ("lacking", "left out")]
    assert notes(tmp_path)["lacking"] == "no soundfile"
    assert notes(tmp_path)["crash"].splitlines()[:2] == ["killed by SIGSEGV", "about to crash"]
    assert notes(tmp_path)["wrong"] == "exit code 1\nthe result is wrong"
    for file in ("1-good.json", "4-wrong.json", "5-good-again.json"):
        assert json.loads((tmp_path / file).read_text()) == {"done": True}
    assert not (tmp_path / "2-lacking.json").exists()
    text = "\n".join(summary(tmp_path))
    assert "5 parts in " in text
    assert ": 2 done, 2 failed, 1 left out." in text
    assert "| lacking | left out |" in text
    assert "the result is wrong\n```" in text


def test_left_out_is_not_failed(tmp_path):
    assert Run(tmp_path, FACTS, 60.0).parts(parts("lacking"), ["--with-parent"])


@pytest.mark.parametrize("name", ["hang", "hide"])
def test_a_part_that_hangs_is_killed_with_its_processes(name, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LEAST", 1.0)
    assert not Run(tmp_path, FACTS, 60.0).parts([*parts(name, limit=4.0), *parts("good")], ["--with-parent"])
    assert states(tmp_path) == {name: "cut off", "good": "done"}
    assert notes(tmp_path)[name] == "killed after its limit of 4 s"
    processes = json.loads((tmp_path / f"1-{name}.json").read_text())["processes"]
    assert all(ended(process) for process in processes)


def test_all_parts_share_a_limit(tmp_path):
    assert not Run(tmp_path, FACTS, runner.LEAST - 1).parts(parts("good"), [])
    assert notes(tmp_path)["good"] == "no time was left: all parts together may take 4 s"


def test_some_parts_run_again_into_the_results_of_a_whole_run(tmp_path):
    three = parts("good", "wrong", "lacking")
    Run(tmp_path, FACTS, 60.0).parts(three, ["--with-parent"])
    (tmp_path / "2-wrong.json").write_text('{"old": 1}')
    seconds = read_outcomes(tmp_path)[0].seconds
    assert not Run(tmp_path, FACTS, 60.0, only=["wrong"]).parts(three, ["--with-parent"])
    assert list(states(tmp_path)) == ["good", "wrong", "lacking"]
    assert read_outcomes(tmp_path)[0].seconds == seconds
    assert json.loads((tmp_path / "2-wrong.json").read_text()) == {"done": True}


def test_a_log_keeps_its_end(tmp_path):
    Run(tmp_path, FACTS, 60.0).parts(parts("wordy"), ["--with-parent"])
    log = tmp_path / "logs" / "1-wordy.log"
    assert log.stat().st_size == runner.KEPT_LOG
    assert log.read_text().endswith("x\nthe end\n")


@pytest.mark.parametrize(("sent", "left"), [(signal.SIGKILL, "running"), (signal.SIGINT, "cut off")])
def test_a_run_that_is_stopped_leaves_what_was_there(sent, left, tmp_path):
    process = subprocess.Popen([sys.executable, "-m", "gpu_fakes", str(tmp_path), "good", "hang", "good-again"])
    hanging = tmp_path / "2-hang.json"
    try:
        until = time.monotonic() + 30
        while not hanging.exists() and time.monotonic() < until:
            time.sleep(0.05)
        children = json.loads(hanging.read_text())["processes"]
        process.send_signal(sent)
        assert process.wait(10) != 0
    finally:
        process.kill()
    assert all(ended(child) for child in children)
    assert states(tmp_path) == {"good": "done", "hang": left}
    assert json.loads((tmp_path / "1-good.json").read_text()) == {"done": True}
    assert not list(tmp_path.rglob("*.part"))
    written = (tmp_path / "summary.md").read_text()
    assert "| good | done |" in written
    why = "if the run has ended, it was cut off here" if left == "running" else "interrupted"
    assert why in written


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_the_command_refuses_what_it_cannot_do(tmp_path):
    done = command("--only", "machine,nothing")
    assert done.returncode == 2
    assert "--only nothing: no such part; there are machine, kernels, tests, throughput, step, without" in done.stderr
    done = command("--device", "cpu", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "it needs --tiny and --out DIR" in done.stderr


def test_without_a_card_one_message_says_so(tmp_path):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path / "new")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: --device cuda: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_every_part_starts_where_little_is_installed():
    """Neither the runner nor a part imports torch before it works, so the runner leaves the card alone."""
    blocked = ["spacy", "srsly", "soundfile", "soxr", "pytest", "hypothesis", "librosa", "threadpoolctl", "torch"]
    modules = ["benchmarks.gpu.__main__", *(part.module for part in PARTS)]
    code = (
        f"import importlib, sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        f"for name in {modules!r}: assert importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_tells_the_limits():
    page = (ROOT / "benchmarks/README.md").read_text()
    for part in PARTS:
        assert re.search(rf"^\| `{part.name}` \| .* \| {part.limit:.0f} s \|$", page, re.MULTILINE)
    assert f"at most {TOTAL:.0f} s (`--total`)" in page


def test_one_part_by_the_command(tmp_path):
    done = command("--device", "cpu", "--tiny", "--only", "log-mel", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "# Measured on cpu" in done.stdout
    assert "one batch, one core" in done.stdout
    assert (tmp_path / "7-log-mel.json").is_file()


def test_everything_at_tiny_size(tmp_path):
    begun = time.monotonic()
    done = command("--device", "cpu", "--tiny", "--out", str(tmp_path))
    assert time.monotonic() - begun < 600
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(tmp_path)
    kernels = found.pop("kernels")  # there is no card
    assert kernels == "left out"
    assert list(found) == ["machine", "tests", "throughput", "step", "without", "log-mel", "commands"]
    assert set(found.values()) == {"done"}
    written = (tmp_path / "summary.md").read_text()
    assert "cannot be shown" not in written
    for title in ("Training beside plain PyTorch", "A training step", "Without each part", "Commands on the device"):
        assert f"\n## {title}" in written
    assert len(written.splitlines()) < 140
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 16e6
