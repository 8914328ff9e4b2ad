"""`sertool report` on a terminal and in files: exact lines of a known report, and whole commands on stored runs."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from places import ROOT
from report_example import example
from stored_sets import changed, make_origin, make_set, shuffled, write_run
from typer.testing import CliRunner

from sertool.cli import app
from sertool.commands.report import COLOURS, _coloured
from sertool.core.formatting import INTERVAL, aligned
from sertool.core.metrics import Estimate
from sertool.core.reports.contents import MemberSpread
from sertool.core.reports.data_files import to_csv, to_json
from sertool.core.reports.findings import KINDS
from sertool.core.reports.text.markdown import escaped, to_markdown
from sertool.core.reports.text.terminal import show
from sertool.core.reports.wording import figure, interval, p_value, points, points_interval, spread
from sertool.core.runs.prediction_files import set_path

DOCUMENT = ROOT / "docs" / "report.md"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command; runs lie below ckpt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture(scope="module")
def report():
    return example(60)


def run(*arguments: str):
    return CliRunner().invoke(app, ["report", *arguments])


def refusal(*arguments: str, code: int) -> str:
    """What stderr holds of a report that is not made; stdout must hold nothing."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr


def stored(name: str, *, origin=None, probed=False, **options) -> Path:
    """A run below ckpt with predictions of valid and test."""
    origin = origin or make_origin()
    sets = [make_set(one, 120, origin=replace(origin, run=name), **options) for one in ("valid", "test")]
    probes = (
        (lambda one: {"text masked": shuffled(one), "audio masked": one.predictions.logits})
        if probed
        else None
    )
    return write_run(Path("ckpt") / name, *sets, probes=probes)


def paper():
    return make_origin(tiny_recipe(protocol="paper", splits={"valid": "test"}), selected_on_test=True)


# The terminal


def section(lines: list[str], start: str) -> list[str]:
    """The lines from a heading to the next one."""
    begin = next(place for place, line in enumerate(lines) if line.startswith(start))
    rules = [place for place, line in enumerate(lines) if line and set(line) == {"─"} and place > begin + 2]
    headings = [max(p for p in range(place) if not lines[p]) for place in rules]
    end = next((place for place in headings if place > begin), len(lines))
    return lines[begin:end]


def test_the_table_of_a_data_set(report):
    assert section(show(report, 120), "IEMOCAP") == [
        "IEMOCAP · emotion · test",
        "────────────────────────",
        "",
        "                          protocol          accuracy         95 %    UAR         95 %  weighted F1         95 %",  # noqa: E501
        "published 1               5 members            72.53",
        "published 2                                                                                  74.00",
        "iemocap                   selected on test     73.20  68.2 - 77.7  74.40  69.4 - 78.9        73.40  68.4 - 77.9",  # noqa: E501
        "iemocap-honest            honest               69.40  64.4 - 73.9  70.60  65.6 - 75.1        69.60  64.6 - 74.1",  # noqa: E501
        "iemocap - iemocap-honest  difference           +3.80   0.6 to 7.1  +3.80   0.6 to 7.1        +3.80   0.6 to 7.1",  # noqa: E501
        "published 1: the paper's repository, on 1,085 utterances",
        "published 2: the paper, table 2",
        "iemocap: k = 4 of 5 members, trained on 4,446 utterances; selected on test: epochs, order and k",
        "iemocap-honest: k = 4 of 5 members, trained on 4,446 utterances",
        "iemocap - iemocap-honest: accuracy p = 0.021, UAR p = 0.021, weighted F1 p = 0.021",
        "iemocap - iemocap-honest: trained on 4,446 against 3,557 utterances",
    ]


def test_a_narrow_terminal_gets_the_columns_below_each_other(report):
    lines = section(show(report, 80), "IEMOCAP")
    assert lines[3:13] == [
        "                          protocol          accuracy         95 %",
        "published 1               5 members            72.53",
        "iemocap                   selected on test     73.20  68.2 - 77.7",
        "iemocap-honest            honest               69.40  64.4 - 73.9",
        "iemocap - iemocap-honest  difference           +3.80   0.6 to 7.1",
        "",
        "                          protocol            UAR         95 %",
        "iemocap                   selected on test  74.40  69.4 - 78.9",
        "iemocap-honest            honest            70.60  65.6 - 75.1",
        "iemocap - iemocap-honest  difference        +3.80   0.6 to 7.1",
    ]


def test_what_is_missing_and_what_could_not_be_used(report):
    lines = show(report, 80)
    assert "missing: meld: needs data/MELD: sertool fetch-data data" in lines
    assert lines[-3:] == [
        "could not be used",
        "─────────────────",
        "vgaf: no stored predictions: sertool ensemble --name vgaf --sets valid,test",
    ]


def test_a_run(report):
    lines = section(show(report, 100), "iemocap · ")
    assert lines[:10] == [
        "iemocap · IEMOCAP · emotion, 4 classes · MAT, 5 members · selected on test: epochs, order and k",
        "─" * 95,
        "error: epochs, order and k were selected on the test split [selected-on-test]",
        "warning: too sure of itself: 78.1 % confident on average, 71.9 % right [miscalibrated]",
        "warning: 15 words and more: 55.0 against 74.2 for the rest (38 utterances, p < 0.001) [weak-slice]",
        "note: only 2 speakers: the intervals say nothing about other speakers [few-clusters]",
        "",
        "test · 60 utterances · k = 4, chosen on test by accuracy · selected on test: epochs, order and k",
        "             k = 4         95 %  members, mean ± sd",
        "accuracy     73.20  68.2 - 77.7        69.00 ± 0.95",
    ]
    assert "class    precision  recall     F1         95 %  support  predicted" in lines
    assert "≠: differs from the published number" in lines
    calibration = lines.index(
        "abstaining below a probability of 47.5 %: 80.0 % are answered, 78.0 % of these correctly"
    )
    assert lines[calibration - 2 : calibration] == [
        "calibration: temperature 1.62 · ECE 7.1 % (4.9 - 9.8), 2.4 % expected by chance, p = 0.005",
        "mean probability 78.1 %, correct 71.9 % · Brier score 0.402",
    ]
    assert "as it is                  73.20  74.40" in lines
    assert "audio masked              64.20  65.40              +9.00   5.0 to 12.6   0.030" in lines
    assert lines[-1] == "the test labels were read by sertool train, sertool ensemble"


def test_scores_are_shown_in_their_own_units(report):
    lines = section(show(report, 80), "mosi · ")
    assert "MAE                  0.912        0.840 - 0.990                   -" in lines
    assert "acc7                 35.20          30.2 - 39.7                   -" in lines
    assert "CCC                  not defined              -                   -" in lines


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lines_are_no_wider_than_the_terminal(report, width):
    assert max(map(len, show(report, width))) <= width


def test_a_run_takes_no_more_than_a_screen_and_a_half(report):
    lines = show(report, 80)
    for own in report.runs:
        assert len(section(lines, f"{own.name} · ")) <= 60


def test_severity_is_a_word_and_a_colour():
    for severity, colour in COLOURS.items():
        text = _coloured(f"{severity}: something [kind]")
        assert text.plain == f"{severity}: something [kind]"
        assert [(str(span.style), span.start, span.end) for span in text.spans] == [
            (f"bold {colour}", 0, len(severity))
        ]
    assert _coloured("accuracy: 1").spans == []


# Words for figures


def test_figures_and_intervals():
    assert figure(0.72534) == "72.53"
    assert figure(0.9123, "mae") == "0.912"
    assert figure(float("nan"), "ccc") == "not defined"
    assert interval(Estimate(0.5, 0.4, 0.61)) == "40.0 - 61.0"
    assert interval(Estimate(0.5)) == "-"
    assert points(0.0194) == "+1.94"
    assert points(-0.00001) == "0.00"
    assert points(0.0194, 1) == "+1.9"
    assert points_interval(Estimate(0.019, -0.008, 0.045)) == "-0.8 to 4.5"
    assert points_interval(Estimate(0.0, -0.0001, 0.0001)) == "0.0 to 0.0"
    assert [p_value(p) for p in (None, float("nan"), 0.0004, 0.0126)] == ["-", "-", "<0.001", "0.013"]
    assert [spread(own) for own in (None, MemberSpread(0.7, None), MemberSpread(0.7, 0.0123))] == [
        "-",
        "70.00",
        "70.00 ± 1.23",
    ]


CELLS = st.text(st.characters(codec="utf-8"), max_size=40)


@given(
    st.lists(st.tuples(CELLS, st.just("72.53"), st.just("70.1 - 75.0"), st.just("+3.80")), max_size=5),
    st.integers(40, 120),
)
def test_tables_fit_whatever_the_names(rows, width):
    lines = aligned(("name", "accuracy", INTERVAL, "to the rest"), rows, width)
    assert all(len(line) <= width and line.isprintable() for line in lines)
    assert sum("70.1 - 75.0" in line for line in lines) == len(rows)


# Markdown


def tables_of(text: str) -> list[list[list[str]]]:
    """Every table of a Markdown text as a browser would show it: rows of cells' plain text."""
    tables, inside = [], False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type in ("th_open", "td_open"):
            inside = True
        elif token.type in ("th_close", "td_close"):
            inside = False
        elif token.type == "inline" and inside:
            tables[-1][-1].append("".join(child.content for child in token.children))
    return tables


def test_markdown_holds_the_tables(report):
    tables = tables_of(to_markdown(report))
    first = tables[0]
    assert first[0][:6] == ["", "protocol", "accuracy", "95 %", "mean ± sd", "UAR"]
    assert first[3][:5] == [
        "iemocap",
        "selected on test: epochs, order and k",
        "73.20",
        "68.2 - 77.7",
        "69.00 ± 0.95",
    ]
    members = next(table for table in tables if table[0][0] == "member")
    assert [row[0] for row in members[1:]] == ["run-1", "run-2", "run-3", "run-4", "run-5"]
    sizes = next(table for table in tables if table[0][0] == "k")
    assert [row[-1] for row in sizes[1:]] == ["", "", "", "chosen", ""]
    assert all(len({len(row) for row in table}) == 1 for table in tables)


def test_every_table_of_a_run_selected_on_test_says_so(report):
    text = to_markdown(report)
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    own = next(part for part in parts if part.startswith("iemocap · "))
    paragraphs = own.split("\n\n")
    tables = [place for place, paragraph in enumerate(paragraphs) if paragraph.startswith("| ")]
    assert len(tables) > 12
    for place in tables:
        assert "selected on test: epochs, order and k**" in paragraphs[place - 1]
    honest = next(part for part in parts if part.startswith("iemocap-honest"))
    assert "selected on test" not in honest


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_whatever_a_name_is_markdown_shows_it_and_nothing_else(name):
    text = f"| name | accuracy |\n| :-- | --: |\n| x{escaped(name)}x | 1 |\n"
    (table,) = tables_of(text)
    shown = "x" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in name) + "x"
    assert table == [["name", "accuracy"], [shown, "1"]]
    assert "<" not in re.sub(r"\\<|&lt;", "", escaped(name))


# CSV and JSON


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_row_a_figure(report):
    rows = rows_of(to_csv(report))
    what = ["run", "dataset", "task", "protocol", "selected_on_test", "set", "k", "what", "name"]
    assert list(rows[0]) == [*what, "metric", "value", "low", "high", "unit", "clusters"]
    own = [row for row in rows if (row["run"], row["set"]) == ("iemocap", "test")]
    (accuracy,) = [row for row in own if (row["what"], row["metric"]) == ("ensemble", "accuracy")]
    test = report.runs[0].sets["test"]
    assert accuracy == {
        "run": "iemocap",
        "dataset": "IEMOCAP",
        "task": "emotion",
        "protocol": "paper",
        "selected_on_test": "epochs, order and k",
        "set": "test",
        "k": "4",
        "what": "ensemble",
        "name": "",
        "metric": "accuracy",
        "value": repr(test.metrics["accuracy"].value),
        "low": repr(test.metrics["accuracy"].low),
        "high": repr(test.metrics["accuracy"].high),
        "unit": "dialogue",
        "clusters": "28",
    }
    assert {row["selected_on_test"] for row in rows if row["run"] == "iemocap"} == {"epochs, order and k"}
    differences = [
        row for row in rows if row["what"] == "difference" and row["metric"].startswith("accuracy")
    ]
    assert [(row["name"], row["metric"], row["value"]) for row in differences] == [
        ("iemocap - iemocap-honest", "accuracy", repr(report.tasks[0].differences[0].difference.value)),
        ("iemocap - iemocap-honest", "accuracy p", "0.021"),
    ]
    counted = {
        what: sum(row["what"] == what for row in own) for what in ("size", "member", "mean", "confusion")
    }
    assert counted == {"size": 5 * 4, "member": 5 * 5, "mean": 4, "confusion": 16}
    assert sum(row["what"] == "slice" and row["metric"] == "accuracy" for row in own) == len(test.slices)
    assert [row["value"] for row in rows if row["what"] == "published" and row["dataset"] == "MELD"] == [
        "0.45"
    ]
    assert [row["value"] for row in rows if row["metric"] == "ccc"] == [""]


def test_every_number_of_the_csv_is_one(report):
    for row in rows_of(to_csv(report)):
        if row["value"]:
            float(row["value"])
        if row["low"]:
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"]), row
            assert row["unit"] or row["what"] == "difference", row


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_names_with_anything_in_them_keep_the_csv_whole(report, name):
    own = replace(report.runs[0], name=name, class_names=(name, *report.runs[0].class_names[1:]))
    rows = rows_of(to_csv(replace(report, runs=(own,))))
    assert len(rows) == len(rows_of(to_csv(replace(report, runs=report.runs[:1]))))
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    assert {row["run"] for row in rows if row["what"] == "ensemble"} == {shown}


def test_json_is_the_report_without_recordings(report):
    playing = replace(report, recordings={"iemocap": {"utterance": "data:audio/wav;base64,AAAA"}})
    content = to_json(playing)
    text = json.dumps(content, allow_nan=False)
    assert "base64" not in text
    assert list(content) == ["format", "title", "made", "tasks", "runs", "problems", "command"]
    assert content["format"] == "sertool-report/1"
    test = content["runs"][0]["sets"]["test"]
    assert test["metrics"]["accuracy"]["value"] == report.runs[0].sets["test"].metrics["accuracy"].value
    assert len(test["rows"]) == 60
    mosi = next(one for one in content["runs"] if one["name"] == "mosi")
    assert mosi["sets"]["test"]["scores"]["ccc"]["value"] is None


# Whole commands


def test_a_report_of_one_run(here):
    folder = stored("calls", probed=True)
    result = run("--name", "calls")
    assert result.exit_code == 0, result.stderr
    assert (result.stderr, "\x1b" in result.stdout) == ("", False)
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"calls · \d{4}-\d\d-\d\d \d\d:\d\d UTC by sertool .*", lines[0])
    assert lines[2] == "TINY · emotion · test"
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
    assert sorted(path.name for path in folder.iterdir()) == ["calibration.json", "log.jsonl", "predictions"]


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
    assert (
        content["command"]
        == "sertool report --all --html out/r.html --markdown r.md --json r.json --csv r.csv"
    )
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
    assert "format 'sertool-predictions/0', expected sertool-predictions/1" in problems
    assert "trained: no stored predictions: sertool ensemble --name trained --sets valid,test" in problems
    assert "could not be used" in (here / "r.md").read_text()
    assert any(line.startswith("good · TINY") for line in lines)


def test_nothing_that_could_be_reported(here):
    (here / "ckpt/trained/run-1").mkdir(parents=True)
    (here / "ckpt/trained/recipe.yaml").write_text("name: trained\n")
    result = run("--all", "--json", "r.json")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: nothing could be reported\n  try: sertool ensemble --name NAME --sets valid,test --probe\n"
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
    assert result.exit_code == 1
    assert result.stderr.startswith("error: file/r.csv: cannot be written")


def test_the_documented_findings_are_those_there_are():
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(kind, severity, text) for kind, (severity, text) in KINDS.items()]
