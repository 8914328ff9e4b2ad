"""Runs of one task side by side in the HTML report."""

from dataclasses import replace

import pytest
import report_example
from report_pages import HOSTILE, SVG, of, parsed, text_of

from sertool.core.metrics import Estimate
from sertool.core.reports.contents import Report
from sertool.core.reports.html.page import render


def report_of(*runs):
    return replace(report_example.example(30), runs=runs)


def table_of(tree):
    return next(node for node in of(tree, "table") if node.get("class") == "side")


def rows_of(tree):
    return {text_of(row[0]): [text_of(cell) for cell in row[1:]] for row in of(table_of(tree), "tr")}


@pytest.fixture(scope="module")
def tree():
    return parsed(render(report_example.example(30)))


def test_two_runs_of_a_task_have_a_column_each(tree):
    tables = [node for node in of(tree, "table") if node.get("class") == "side"]
    assert len(tables) == 1, "the other tasks have one run each"
    rows = rows_of(tree)
    assert rows["figure"] == ["iemocapselected on test: epochs, order and k", "iemocap-honest"]
    assert rows["accuracy"] == ["73.2068.2–77.7", "69.4064.4–73.9"]
    assert rows["members averaged"] == ["4of 5"] * 2
    report = report_example.example(30)
    for place, name in enumerate(report_example.EMOTIONS):
        recalls = [run.sets["test"].classes[place].recall.value for run in report.runs[:2]]
        assert [float(cell[:4]) for cell in rows[name]] == pytest.approx([100 * value for value in recalls], abs=0.06)
    assert rows["text masked"] == ["+23.019.0 to 26.6"] * 2
    assert [cell.split(" ")[-1] for cell in rows["calibration error"]] == ["chance"] * 2
    weak = [sum(row.weak for row in run.sets["test"].slices) for run in report.runs[:2]]
    assert [int(cell.split("of")[0]) for cell in rows["weak slices"]] == weak


def test_confusion_matrices_stand_side_by_side_and_lead_to_the_utterances_of_their_run(tree):
    folded = next(node for node in of(tree, "details") if text_of(node[0]) == "Confusion matrices side by side")
    for place, figure in enumerate(of(folded, "figure"), start=1):
        assert {node.get("href") for node in figure.iter(SVG + "a")} == {f"#run-{place}-test-utterances"}
    assert len(of(folded, "figure")) == 2


def test_what_only_one_run_has_is_a_dash_for_the_other():
    bare = report_example.run_report("bare")
    test = replace(bare.sets["test"], probes=(), calibration=None, slices=(), metrics={"accuracy": Estimate(0.5)})
    rows = rows_of(parsed(render(report_of(report_example.run_report(), replace(bare, sets={"test": test})))))
    assert rows["accuracy"][1] == "50.00"
    for name in ("UAR", "text masked", "calibration error", "weak slices"):
        assert rows[name][1] == "–"
    both = tuple(replace(bare, name=name, sets={"test": test}) for name in "ab")
    assert "text masked" not in rows_of(parsed(render(report_of(*both)))), "no row without a figure"


def test_one_run_and_runs_without_a_test_set_are_not_compared():
    run = report_example.run_report()
    alone = replace(run, name="valid", sets={"valid": run.sets["valid"]})
    for runs in ((run,), (run, alone)):
        page = parsed(render(report_of(*runs)))
        assert not [node for node in of(page, "table") if node.get("class") == "side"]
    empty = Report("nothing", "now", (), (), (), "")
    assert not [node for node in of(parsed(render(empty)), "table") if node.get("class") == "side"]


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_names_are_text_here_too(bad):
    runs = [replace(report_example.run_report(name), class_names=(name,) * 4) for name in (bad, f"{bad} 2")]
    page = parsed(render(report_of(*runs)))
    heads = of(of(table_of(page), "thead")[0], "a")
    assert [text_of(head) for head in heads] == [bad, f"{bad} 2"]
    assert not of(page, "img")
