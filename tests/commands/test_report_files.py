"""A known report in files: Markdown, CSV and JSON."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_example import example
from report_pages import hostile_report, rows_of

from sertool.core.files.csv_text import csv_text
from sertool.core.formatting import escaped, in_markdown
from sertool.core.reports.data_files import figure_rows, to_json
from sertool.core.reports.text.markdown import to_markdown


@pytest.fixture(scope="module")
def report():
    return example(60)


def csv_of(report):
    return csv_text(figure_rows(report), raw=True)


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
    text = f"| name | accuracy |\n| :-- | --: |\n| x{in_markdown(name)}x | 1 |\n"
    (table,) = tables_of(text)
    shown = "x" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in name) + "x"
    assert table == [["name", "accuracy"], [shown, "1"]]
    assert "<" not in re.sub(r"\\<|&lt;", "", in_markdown(name))


@pytest.mark.parametrize("bad", ["a|b\n| c | d |", "sad\u202e\u2066\x1b[31m", "# x\n\n<b>y</b>", "غضب 1"])
def test_no_name_breaks_a_table_of_the_report_or_stands_there_with_signs_of_direction(bad):
    text = to_markdown(hostile_report(bad))
    assert escaped(text) == text
    shapes = [[len(row) for row in table] for table in tables_of(text)]
    assert shapes == [[len(row) for row in table] for table in tables_of(to_markdown(hostile_report("harmless")))]
    shown = bad.replace("\n", r"\n").replace("\u202e\u2066\x1b", r"\u202e\u2066\x1b")
    assert sum(cell == shown for table in tables_of(text) for row in table for cell in row) > 10


# CSV and JSON


def test_csv_has_a_row_a_figure(report):
    rows = rows_of(csv_of(report))
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
    differences = [row for row in rows if row["what"] == "difference" and row["metric"].startswith("accuracy")]
    assert [(row["name"], row["metric"], row["value"]) for row in differences] == [
        ("iemocap - iemocap-honest", "accuracy", repr(report.tasks[0].differences[0].difference.value)),
        ("iemocap - iemocap-honest", "accuracy p", "0.021"),
    ]
    counted = {what: sum(row["what"] == what for row in own) for what in ("size", "member", "mean", "confusion")}
    assert counted == {"size": 5 * 4, "member": 5 * 5, "mean": 4, "confusion": 16}
    assert sum(row["what"] == "slice" and row["metric"] == "accuracy" for row in own) == len(test.slices)
    assert [row["value"] for row in rows if row["what"] == "published" and row["dataset"] == "MELD"] == ["0.45"]
    assert [row["value"] for row in rows if row["metric"] == "ccc"] == [""]


def test_every_number_of_the_csv_is_one(report):
    for row in rows_of(csv_of(report)):
        if row["value"]:
            float(row["value"])
        if row["low"]:
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"]), row
            assert row["unit"] or row["what"] == "difference", row


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_names_with_anything_in_them_keep_the_csv_whole(report, name):
    own = replace(report.runs[0], name=name, class_names=(name, *report.runs[0].class_names[1:]))
    rows = rows_of(csv_of(replace(report, runs=(own,))))
    assert len(rows) == len(rows_of(csv_of(replace(report, runs=report.runs[:1]))))
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    assert {row["run"] for row in rows if row["what"] == "ensemble"} == {shown}


def test_json_is_the_report_without_recordings(report):
    playing = replace(report, recordings={"iemocap": {"utterance": "data:audio/wav;base64,AAAA"}})
    content = to_json(playing)
    text = json.dumps(content, allow_nan=False)
    assert "base64" not in text
    assert list(content) == ["title", "made", "tasks", "runs", "problems", "command", "summary"]
    test = content["runs"][0]["sets"]["test"]
    assert test["metrics"]["accuracy"]["value"] == report.runs[0].sets["test"].metrics["accuracy"].value
    assert len(test["rows"]) == 60
    mosi = next(one for one in content["runs"] if one["name"] == "mosi")
    assert mosi["sets"]["test"]["scores"]["ccc"]["value"] is None
