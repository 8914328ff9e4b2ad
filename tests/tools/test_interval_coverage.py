"""The table of docs/statistics.md, made at a small size."""

import re

import interval_coverage as tool
import numpy as np
import pytest


def test_the_page_has_the_table_that_the_script_writes(monkeypatch):
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    monkeypatch.setattr(tool, "CLUSTERS", tool.CLUSTERS[:4])
    small = tool.updated(text, 3)
    assert tool.updated(small, 3) == small
    rows, wanted = ([line for line in page.splitlines() if line.startswith("| ")] for page in (text, small))
    start = rows.index(f"| figure | value | correlation | {' | '.join(map(str, (2, 3, 4, 5, 8, 12, 20, 50)))} |") + 1
    assert [row.split(" | ")[:3] for row in rows[start : start + 30]] == [
        row.split(" | ")[:3] for row in wanted[start : start + 30]
    ]
    for row in rows[start : start + 30]:
        cells = re.findall(r"\d+\.\d", row.partition(" | ")[2])
        assert [float(cell) for cell in cells[-5:]] == [pytest.approx(95, abs=9)] * 5, row


def test_the_scores_that_a_model_says_are_those_of_its_logits():
    said = np.array([-3.0, -1.25, 0.0, 0.4, 2.9])
    shares = np.exp(tool.logits_of(said))
    np.testing.assert_allclose(shares / shares.sum(1, keepdims=True) @ np.arange(-3, 4), said, atol=1e-9)


def test_probabilities_have_the_correlation_that_was_asked_for():
    """Within clusters right decisions correlate by variance of their probability over ``mean (1 - mean)``."""
    clusters = tool.Clusters(np.arange(20_000), 20_000, "speaker")
    found = tool.shares(np.random.default_rng(0), clusters, 0.65, 0.2)
    assert found.mean() == pytest.approx(0.65, abs=0.01)
    assert found.var() / (0.65 * 0.35) == pytest.approx(0.2, abs=0.01)


def test_intervals_of_eight_speakers_hold_the_truth():
    assert tool.coverage(8, 0.65, 0.0, 60)["accuracy"] > 0.85
