"""The tables of docs/statistics.md on predicted scores, made at a small size, and the truths behind them."""

import re

import numpy as np
import pytest
import score_coverage as tool

from sertool.core.metrics.scores import dimension_figures


def rows_of(page, name):
    """The rows of a table, without its head."""
    table = page.partition(f"<!-- {name}: made by tools/score_coverage.py -->")[2].partition(f"<!-- {name}: end -->")[0]
    return [line for line in table.splitlines() if line.startswith("| ")][1:]


def test_the_page_has_the_tables_that_the_script_writes():
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    small = tool.updated(text, 2)
    assert tool.updated(small, 2) == small
    for name, columns in (("scores", 2), ("tests", 2), ("conformal", 1)):
        stored, wanted = rows_of(text, name), rows_of(small, name)
        assert [row.split(" | ")[:columns] for row in stored] == [row.split(" | ")[:columns] for row in wanted]
    cells = {
        name: [
            float(cell) for row in rows_of(text, name) for cell in re.findall(r"\d+\.\d(?= [(|])", row) if cell != "0.2"
        ]
        for name in ("scores", "tests", "conformal")
    }
    assert cells["scores"] == [pytest.approx(95, abs=4)] * 90
    assert cells["tests"] == [pytest.approx(5, abs=2.5)] * 105
    assert cells["conformal"] == [pytest.approx(90, abs=1)] * 15


def test_the_truths_are_the_figures_of_many_speakers():
    draw = np.random.default_rng(0)
    clusters = tool.speakers(draw, 4000)
    targets, a, b = tool.scores(draw, clusters, 0.2)
    truths = tool.truths()
    for one in (a, b):
        found = dimension_figures(targets[:, 0], one[:, 0])
        for name, metric in tool.DIMENSION_METRICS.items():
            assert found[name] == pytest.approx(truths[metric.title], abs=0.02), name
    assert np.isnan(targets).mean(0) == pytest.approx([0, 0.2, 0.2], abs=0.01)
    speaker = np.array([one.mean() for one in np.split(a[:, 1], np.flatnonzero(np.diff(clusters.index)) + 1)])
    assert speaker.std() > 0.3  # errors and scores depend on the speaker


def test_intervals_of_eight_speakers_hold_the_truth():
    found = tool.measured(8, 0.0, 40)
    assert found["CCC"] > 0.8
    assert found["MAE, bootstrap"] < 0.2
    assert tool.coverages(8, 0.0, 40).mean() == pytest.approx(0.9, abs=0.02)
