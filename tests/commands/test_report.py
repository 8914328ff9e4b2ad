"""`sertool report`: whole commands on stored runs, and what is refused."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import commands_run
import numpy as np
import pytest
from builders import spoken, tiny_recipe
from places import ROOT
from report_pages import rows_of, section
from stored_sets import changed, make_origin, make_set, shuffled, write_run

from sertool.core.reports.findings import KINDS
from sertool.core.runs.prediction_files import set_path

DOCUMENT = ROOT / "docs" / "report.md"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command; runs lie below ckpt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(*arguments: str):
    return commands_run.run("report", *arguments)


def refusal(*arguments: str, code: int) -> str:
    return commands_run.refusal("report", *arguments, code=code)


def stored(name: str, *, origin=None, probed=False, **options) -> Path:
    """A run below ckpt with predictions of valid and test."""
    origin = origin or make_origin()
    sets = [make_set(one, 120, origin=replace(origin, run=name), **options) for one in ("valid", "test")]
    probes = (lambda one: {"text masked": shuffled(one), "audio masked": one.predictions.logits}) if probed else None
    return write_run(Path("ckpt") / name, *sets, probes=probes)


def paper():
    return make_origin(tiny_recipe(protocol="paper", splits={"valid": "test"}), selected_on_test=True)


def test_a_report_of_one_run(here):
    folder = stored("calls", probed=True)
    result = run("--name", "calls")
    assert result.exit_code == 0, result.stderr
    assert (result.stderr, "\x1b" in result.stdout) == ("", False)
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"calls · \d{4}-\d\d-\d\d \d\d:\d\d UTC by sertool .*", lines[0])
    assert lines[1] == "calls is an ensemble of 3 MAT models, trained on 800 utterances of TINY for"
    assert "TINY · emotion · test" in lines
    assert "calls · TINY · emotion, 3 classes · MAT, 3 members · honest" in lines
    assert lines[-1] == "next: sertool report --name calls --html report.html"
    assert max(map(len, lines)) <= 80
    own = make_set("test", 120).predictions
    valid = make_set("valid", 120).predictions
    k = max(range(1, 4), key=lambda one: (valid.metric("accuracy", one), -one))
    title = next(line for line in lines if line.startswith("test · "))
    assert title == f"test · 120 utterances · k = {k}, chosen on validation by accuracy"
    (accuracy,) = [line.split() for line in lines if re.match(r"accuracy +\d", line)]
    assert accuracy[1] == f"{100 * own.metric('accuracy', k):.2f}"
    assert "intervals over 10 speakers" in lines
    assert any(line.startswith("text masked ") for line in lines)
    assert sorted(path.name for path in folder.iterdir()) == [
        "calibration.json",
        "log.jsonl",
        "predictions",
        "size.json",
    ]


def test_all_files_and_the_command_that_makes_them_again(here):
    stored("calls")
    stored("old", origin=paper())
    arguments = ["--all", "--html", "out/r.html", "--markdown", "r.md", "--json", "r.json", "--csv", "r.csv"]
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-5:] == [
        "",
        "written: out/r.html",
        "written: r.md",
        "written: r.json",
        "written: r.csv",
    ]
    content = json.loads((here / "r.json").read_text())
    assert content["command"] == "sertool report --all --html out/r.html --markdown r.md --json r.json --csv r.csv"
    assert [one["name"] for one in content["runs"]] == ["calls", "old"]
    assert "<!doctype html" in (here / "out/r.html").read_text()[:200].lower()
    by_run = {}
    for row in rows_of((here / "r.csv").read_text()):
        if row["what"] == "ensemble":
            by_run.setdefault(row["run"], set()).add((row["protocol"], row["selected_on_test"]))
    assert by_run == {"calls": {("honest", "")}, "old": {("paper", "epochs, order and k")}}
    spoken = " ".join(result.stdout.split())
    assert spoken.count("selected on test: epochs, order and k") >= 5


def test_which_runs(here):
    assert refusal(code=2) == (
        "error: no runs were named, expected --name NAME or --all\n  try: ckpt holds no runs; sertool train makes one\n"
    )
    stored("calls-v1")
    stored("calls-v2")
    assert (
        refusal(code=2)
        == "error: no runs were named, expected --name NAME or --all\n  try: ckpt holds calls-v1, calls-v2\n"
    )
    assert "did you mean 'calls-v1'?" in refusal("--name", "call-v1", code=2)
    assert refusal("--name", "calls-v1", "--recordings", ".", code=2) == (
        "error: --recordings: only the HTML report plays recordings\n  try: add --html FILE\n"
    )
    for place in ((), ("--html", "-")):
        assert refusal("--name", "calls-v1", "--audio-files", *place, code=2) == (
            "error: --audio-files: there is no HTML file to lie beside\n  try: add --html FILE\n"
        )
    assert refusal("--all", "--output", "nowhere", code=1) == (
        "error: nowhere: no runs in this folder\n  try: sertool train --recipe NAME\n"
    )
    assert "no recipe 'publishd'" in refusal("--all", "--expect", "publishd", code=2)


def test_bad_runs_beside_a_good_one(here):
    """Half-written, of another version, without predictions: a line each, and the rest is reported."""
    stored("good")
    for name in ("half", "older"):
        stored(name)
    path = set_path(Path("ckpt/half"), "test")
    path.write_bytes(path.read_bytes()[:5000])
    set_path(Path("ckpt/half"), "valid").unlink()
    for name in ("test", "valid"):
        path = set_path(Path("ckpt/older"), name)
        path.write_bytes(path.read_bytes().replace(b"sertool-predictions/1", b"sertool-predictions/0"))
    (here / "ckpt/trained/run-1").mkdir(parents=True)
    (here / "ckpt/trained/recipe.yaml").write_text("name: trained\n")
    result = run("--all", "--markdown", "r.md")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    problems = " ".join(line.strip() for line in section(lines, "could not be used")[2:])
    assert "ckpt/half/predictions/test.safetensors: " in problems
    assert 'format: expected sertool-predictions/1 (got "sertool-predictions/0")' in problems
    assert "trained: no stored predictions: sertool ensemble --name trained --split valid,test" in problems
    assert "could not be used" in (here / "r.md").read_text()
    assert any(line.startswith("good · TINY") for line in lines)


def test_nothing_that_could_be_reported(here):
    (here / "ckpt/trained/run-1").mkdir(parents=True)
    (here / "ckpt/trained/recipe.yaml").write_text("name: trained\n")
    result = run("--all", "--json", "r.json")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: nothing could be reported\n  try: sertool ensemble --name NAME --split valid,test --probe\n"
    )
    assert "trained: no stored predictions: " in result.stdout
    assert json.loads((here / "r.json").read_text())["runs"] == []


def test_expected_recipes_without_a_result_are_told(here):
    stored("calls")
    result = run("--name", "calls", "--expect", "published")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    for name, folder in (
        ("iemocap", "IEMOCAP"),
        ("mosi-honest", "MOSI"),
        ("vgaf", "VGAF"),
        ("meld-sentiment", "MELD"),
    ):
        assert f"missing: {name}: needs data/{folder}: sertool fetch-data data" in lines
    assert "72.53" in result.stdout
    assert lines[-1] == "next: sertool report --name calls --expect published --html report.html"


def test_a_run_of_nan_is_told_and_one_member_of_nan_left_out(here):
    stored("calls")
    for name, members in (("some", [1]), ("none", [0, 1, 2])):
        sets = []
        for one in ("valid", "test"):
            own = make_set(one, 120, origin=make_origin(run=name))
            logits = own.predictions.logits.copy()
            logits[members, 3] = np.nan
            sets.append(changed(own, logits=logits))
        write_run(Path("ckpt") / name, *sets, calibrated=False)
    result = run("--all", "--json", "r.json")
    assert result.exit_code == 0, result.stderr
    content = json.loads((here / "r.json").read_text())
    kinds = {one["name"]: [found["kind"] for found in one["findings"]] for one in content["runs"]}
    assert list(kinds) == ["calls", "some"]
    assert "nan-logits" in kinds["some"]
    assert "nan-logits" not in kinds["calls"]
    assert "none: all 3 members have logits that are not finite" in result.stdout


def test_a_report_imports_no_torch(here):
    stored("calls")
    code = (
        "import sys\nfrom sertool.cli import app\n"
        "try: app(['report', '--name', 'calls', '--html', 'r.html', '--markdown', 'r.md', '--csv', 'r.csv'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'spacy', 'matplotlib'} & set(sys.modules)\n"
        "try: app(['compare', 'calls', 'again'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'spacy', 'matplotlib'} & set(sys.modules)\n"
    )
    shutil.copytree("ckpt/calls", "ckpt/again")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_file_that_cannot_be_written(here):
    stored("calls")
    (here / "file").write_text("")
    result = run("--name", "calls", "--csv", "file/r.csv")
    assert result.exit_code == 2  # before any work
    assert result.stderr.startswith("error: --csv file/r.csv: cannot be written")


def test_the_documented_findings_are_those_there_are():
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(kind, severity, text) for kind, (severity, text) in KINDS.items()]


def test_figures_and_tables_for_a_paper(here):
    folder = write_run(Path("ckpt/calls"), make_set("test", 60, origin=replace(make_origin(), run="calls")))
    result = run("--name", "calls", "--figures", "paper/figures", "--latex", "paper/tables")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == ["written: paper/figures", "written: paper/tables"]
    figures, tables = Path("paper/figures"), Path("paper/tables")
    confusion = figures / folder.name / "test-confusion.svg"
    assert {path.suffix for path in confusion.parent.iterdir()} == {".svg", ".pdf", ".png"}
    assert {path.suffix for path in tables.rglob("*.*")} == {".tex"}
    text = (tables / folder.name / "test-metrics.tex").read_text()
    command = text.splitlines()[0].removeprefix("% sertool report ")
    assert command == "--name calls --figures paper/figures --latex paper/tables"
    shutil.rmtree("paper/tables")
    assert run("--name", "calls", "--latex", "paper/tables").exit_code == 0
    again = (tables / folder.name / "test-metrics.tex").read_text()
    dates = re.compile(r"made on [^.]* UTC")
    assert dates.sub("", again).splitlines()[1:] == dates.sub("", text).splitlines()[1:]


def test_figures_do_not_take_the_place_of_a_run(here):
    folder = stored("calls")
    assert "this command reads it" in refusal("--name", "calls", "--latex", str(folder), code=2)
    assert "is the same place as" in refusal("--name", "calls", "--figures", "x", "--latex", "x", code=2)


def test_figures_name_the_extra_that_they_need(here, monkeypatch):
    stored("calls")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'sertool[figures]'" in refusal("--name", "calls", "--figures", "x", code=2)
    assert not Path("x").exists()


def test_recordings_are_copied_beside_the_report_when_asked_to(here):
    stored("calls")
    for row in range(3):
        spoken(Path("sounds") / f"test{row}.wav", seconds=0.2)
    result = run("--name", "calls", "--html", "out/my report.html", "--recordings", "sounds", "--audio-files")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("written: out/my report.html\nwritten: out/my report-audio\n")
    names = sorted(path.name for path in Path("out/my report-audio").iterdir())
    assert names == ["00001.wav", "00002.wav", "00003.wav"]
    page = Path("out/my report.html").read_text(encoding="utf-8")
    assert "my%20report-audio/00001.wav" in page
    assert "data:audio" not in page
    assert "--audio-files" in page, "the command that makes the report again"
