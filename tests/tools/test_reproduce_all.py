"""`make reproduce-all`: done ones are skipped, missing data is told, a failure stops no other, a report ends it."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from places import ROOT

from sertool.core.recipe import load as recipes

# Stands for sertool: trainings that only leave a mark; MOSI's fails, and the report where FAIL says so.
FAKE = """
import json, sys
from pathlib import Path
arguments = sys.argv[1:]
option = lambda name: arguments[arguments.index(name) + 1]
output = Path(option("--output"))
output.mkdir(parents=True, exist_ok=True)
with (output / "calls.jsonl").open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
if arguments[:3] == ["train", "--recipe", "mosi"]:
    sys.exit(1)
if arguments[0] == "ensemble":
    path = Path(option("--json"))
    (path.parent / "predictions").mkdir(parents=True)
    (path.parent / "predictions" / "test-probes.safetensors").touch()
    path.write_text(json.dumps({"sets": {"test": {"ensemble": [{"members": 10, "accuracy": 0.71}]}}}))
if arguments[0] == "report":
    sys.exit((output / "FAIL").exists())
"""
FETCH = "sertool fetch-data data"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("reproduce_all", ROOT / "tools" / "reproduce_all.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["reproduce_all"] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["reproduce_all"]


@pytest.fixture
def run(tool, tmp_path, capfd):
    """Gives (exit code, lines of the table and after it, calls of sertool) of the tool with the fake sertool."""
    (tmp_path / "fake.py").write_text(FAKE)
    (tmp_path / "ckpt").mkdir()

    def run(*arguments):
        places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
        calls = tmp_path / "ckpt" / "calls.jsonl"
        code = tool.main([*places, *arguments], [sys.executable, str(tmp_path / "fake.py")])
        lines = capfd.readouterr().out.rstrip("\n").split("\n")
        start = next(n for n, line in enumerate(lines) if line.startswith("recipe "))
        return code, lines[start + 1 :], [json.loads(line) for line in calls.read_text().splitlines()]

    return run


def finish(folder, accuracy=0.7):
    (folder / "predictions").mkdir(parents=True)
    (folder / "predictions" / "test-probes.safetensors").touch()
    result = {"sets": {"test": {"ensemble": [{"members": 10, "accuracy": accuracy}]}}}
    (folder / "ensemble.json").write_text(json.dumps(result))


def test_a_launcher_is_passed_to_every_training(run, tmp_path):
    (tmp_path / "data" / "VGAF").mkdir(parents=True)
    _, _, calls = run("--only", "vgaf", "--launcher", "ray", "--address", "10.0.0.2:6379")
    assert calls[0][0] == "train"
    assert calls[0][-4:] == ["--launcher", "ray", "--address", "10.0.0.2:6379"]
    assert "ray" not in calls[1]


def test_it_runs_both_protocols_and_nothing_of_ours(tool):
    names = [recipe.name for recipe in tool.published_recipes()]
    assert names == [
        *("iemocap", "iemocap-folds", "iemocap-honest", "iemocap-mnt", "iemocap-mnt-honest"),
        *("meld", "meld-honest", "meld-sentiment", "meld-sentiment-honest"),
        *("mosei-2", "mosei-2-honest", "mosei-7", "mosei-7-honest", "mosei-emotion", "mosei-emotion-honest"),
        *("mosi", "mosi-7", "mosi-7-honest", "mosi-honest", "vgaf", "vgaf-honest"),
    ]
    assert {recipe.training.runs for recipe in tool.published_recipes() if recipe.name != "iemocap-folds"} == {10}


def test_all_are_told(run, tmp_path):
    for name in ("MOSI", "IEMOCAP"):
        (tmp_path / "data" / name).mkdir(parents=True)
    finish(tmp_path / "ckpt" / "iemocap")

    code, lines, calls = run()

    assert code == 1
    needs = {name: f"needs {tmp_path / 'data' / name}: {FETCH}" for name in ("MELD", "MOSEI", "VGAF")}
    assert lines[:-2] == [
        "iemocap                paper     70.00 %, 10 members, selected on test",
        "iemocap-folds          honest    71.00 %, 10 members",
        "iemocap-honest         honest    71.00 %, 10 members",
        "iemocap-mnt            paper     71.00 %, 10 members, selected on test",
        "iemocap-mnt-honest     honest    71.00 %, 10 members",
        f"meld                   paper     {needs['MELD']}",
        f"meld-honest            honest    {needs['MELD']}",
        f"meld-sentiment         paper     {needs['MELD']}",
        f"meld-sentiment-honest  honest    {needs['MELD']}",
        f"mosei-2                paper     {needs['MOSEI']}",
        f"mosei-2-honest         honest    {needs['MOSEI']}",
        f"mosei-7                paper     {needs['MOSEI']}",
        f"mosei-7-honest         honest    {needs['MOSEI']}",
        f"mosei-emotion          paper     {needs['MOSEI']}",
        f"mosei-emotion-honest   honest    {needs['MOSEI']}",
        "mosi                   paper     failed: sertool train --recipe mosi (its message is above)",
        "mosi-7                 paper     71.00 %, 10 members, selected on test",
        "mosi-7-honest          honest    71.00 %, 10 members",
        "mosi-honest            honest    71.00 %, 10 members",
        f"vgaf                   paper     {needs['VGAF']}",
        f"vgaf-honest            honest    {needs['VGAF']}",
    ]
    assert lines[-2].startswith("8 of 21 done, ")
    assert lines[-1] == f"report: {tmp_path / 'ckpt' / 'report.html'} (also .md and .json)"
    assert [call[2] for call in calls if call[0] == "train"] == [
        *("iemocap-folds", "iemocap-honest", "iemocap-mnt", "iemocap-mnt-honest"),
        *("mosi", "mosi-7", "mosi-7-honest", "mosi-honest"),
    ]


def test_what_it_calls(run, tmp_path):
    (tmp_path / "data" / "IEMOCAP").mkdir(parents=True)
    data, output = str(tmp_path / "data"), tmp_path / "ckpt"
    folders = ["--data", data, "--output", str(output)]

    code, _, calls = run("--only", "iemocap", "--only", "iemocap-honest")

    assert code == 0
    assert [" ".join(call) for call in calls] == [
        " ".join(["train", "--recipe", "iemocap", *folders]),
        " ".join(["ensemble", "--name", "iemocap", "--split", "test", "--probe", *folders])
        + f" --json {output}/iemocap/ensemble.json",
        " ".join(["train", "--recipe", "iemocap-honest", *folders]),
        " ".join(["ensemble", "--name", "iemocap-honest", "--split", "valid,test", "--probe", *folders])
        + f" --json {output}/iemocap-honest/ensemble.json",
        " ".join(["report", "--all", "--expect", "published", *folders])
        + f" --html {output}/report.html --markdown {output}/report.md --json {output}/report.json",
    ]


def test_what_was_judged_without_probes_is_judged_again(run, tmp_path):
    (tmp_path / "data" / "VGAF").mkdir(parents=True)
    finish(tmp_path / "ckpt" / "vgaf-honest")
    (tmp_path / "ckpt" / "vgaf-honest" / "predictions" / "test-probes.safetensors").unlink()
    (tmp_path / "ckpt" / "vgaf-honest" / "predictions").rmdir()

    code, lines, calls = run("--only", "vgaf-honest")

    assert (code, lines[0]) == (0, "vgaf-honest  honest    71.00 %, 10 members")
    assert [call[0] for call in calls] == ["train", "ensemble", "report"]


def test_nothing_there_is_no_failure(run, tmp_path):
    (tmp_path / "ckpt" / "FAIL").touch()
    code, lines, calls = run()
    assert code == 0
    assert all(f"needs {tmp_path / 'data'}" in line for line in lines[:21])
    assert lines[21].startswith("0 of 21 done, ")
    assert len(lines) == 22
    assert [call[0] for call in calls] == ["report"]


def test_a_report_that_fails_is_a_failure(run, tmp_path):
    finish(tmp_path / "ckpt" / "mosi-7")
    (tmp_path / "ckpt" / "FAIL").touch()
    code, lines, _ = run("--only", "mosi-7")
    assert (code, lines[-1]) == (1, "failed: sertool report (its message is above)")


def test_the_figure_is_that_of_the_chosen_members(run, tmp_path):
    finish(tmp_path / "ckpt" / "mosi-7")
    result = tmp_path / "ckpt" / "mosi-7" / "ensemble.json"
    sizes = [{"members": 1, "accuracy": 0.75}, {"members": 2, "accuracy": 0.7}]
    result.write_text(json.dumps({"size": {"k": 1, "chosen_by": "test"}, "sets": {"test": {"ensemble": sizes}}}))
    assert "75.00 %, 1 member, selected on test" in run("--only", "mosi-7")[1][0]


def test_a_damaged_result_is_told(run, tmp_path):
    finish(tmp_path / "ckpt" / "mosi-7")
    result = tmp_path / "ckpt" / "mosi-7" / "ensemble.json"
    result.write_text('{"sets": {}}')
    code, lines, _ = run("--only", "mosi-7")
    assert (code, lines[0]) == (1, f"mosi-7  paper     failed: {result} is damaged ('test'); delete it")


def test_synthetic_ones_are_small_apart_and_said_to_be(tool, tmp_path, capfd):
    (tmp_path / "fake.py").write_text(FAKE)
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    sertool = [sys.executable, str(tmp_path / "fake.py")]
    assert tool.main([*places, "--synthetic", "--only", "meld-honest"], sertool) == 0

    lines = capfd.readouterr().out.rstrip("\n").split("\n")
    told = "synthetic corpora: the figures only show that the chain works"
    assert (lines[0], lines[-1]) == (told, told)
    folders = sorted(path.name for path in (tmp_path / "data" / "synthetic").iterdir())
    assert folders == ["IEMOCAP", "MELD", "MOSEI", "MOSI", "VGAF"]
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["synthetic"]
    calls = (tmp_path / "ckpt" / "synthetic" / "calls.jsonl").read_text().splitlines()
    train = json.loads(calls[0])
    changes = [train[place + 1] for place, part in enumerate(train) if part == "--set"]
    assert "model.hidden_size=32" in changes
    for name in ("meld-honest", "iemocap-mnt", "iemocap-folds"):
        changed = recipes.load(name, changes)
        assert changed.model.num_layers == 1
        assert changed.training.runs == recipes.load(name).training.runs


def test_data_that_were_not_generated_are_left_alone(tool, tmp_path, capfd):
    (tmp_path / "data" / "synthetic" / "MOSI").mkdir(parents=True)
    (tmp_path / "data" / "synthetic" / "MOSI" / "mine.txt").touch()
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    assert tool.main([*places, "--synthetic"]) == 1
    assert "they were not generated" in capfd.readouterr().err
    assert not (tmp_path / "ckpt").exists()


def test_an_unknown_recipe_is_told(tool, capsys):
    with pytest.raises(SystemExit) as caught:
        tool.main(["--only", "iemocap-tuned"])
    assert caught.value.code == 2
    assert "invalid choice: 'iemocap-tuned'" in capsys.readouterr().err


def test_an_interrupt_ends_it_in_a_line(tool, tmp_path, monkeypatch, capsys):
    def interrupted(command):
        raise KeyboardInterrupt

    (tmp_path / "VGAF").mkdir()
    monkeypatch.setattr(tool, "_call", interrupted)
    assert tool.main(["--data", str(tmp_path), "--output", str(tmp_path / "ckpt")]) == 130
    assert capsys.readouterr().err == "\ninterrupted; run the same command again to resume\n"


@pytest.mark.slow
def test_the_real_chain_goes_on_after_a_kill_and_ends_in_a_report(tmp_path):
    command = [
        sys.executable,
        str(ROOT / "tools" / "reproduce_all.py"),
        "--synthetic",
        "--only",
        "vgaf-honest",
    ]
    command += ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    output = tmp_path / "ckpt" / "synthetic"
    running = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(output.glob("vgaf-honest/state/*.safetensors")):
        assert running.poll() is None, "it ended before it saved anything"
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not list(output.glob("vgaf-honest/run-*/run.json"))

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "resuming after epoch" in done.stderr
    assert re.search(r"^vgaf-honest  honest    \d+\.\d\d %, \d+ members?$", done.stdout, re.MULTILINE)
    assert len(list(output.glob("vgaf-honest/run-*/run.json"))) == 10
    assert "synthetic speech" in (output / "report.md").read_text()
    assert json.loads((output / "report.json").read_text())
    assert (output / "report.html").is_file()
