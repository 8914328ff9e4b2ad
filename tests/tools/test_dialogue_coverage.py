"""The table of docs/statistics.md on speakers and dialogues, made at a small size."""

import dialogue_coverage as tool
import numpy as np
import pytest


def test_the_page_has_the_table_that_the_script_writes():
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    small = tool.updated(text, 2)
    assert tool.updated(small, 2) == small
    rows, wanted = (
        [line.split(" | ")[:2] for line in page.splitlines() if line.startswith(("| 50 calls", "| 100 scenes"))]
        for page in (text, small)
    )
    assert rows == wanted
    assert len(rows) == 6


@pytest.mark.parametrize("index", [0, 1])
def test_right_predictions_have_the_correlation_that_is_stated(index):
    """Within clusters right decisions correlate by variance of their probability over ``mean (1 - mean)``."""
    many = np.arange(200_000) // 2
    places = (many, np.zeros(len(many), np.int64))[:: 1 - 2 * index]
    right, _ = tool.drawn(np.random.default_rng(1), *places, 1 - index, index)
    assert right.mean() == pytest.approx(tool.ACCURACY, abs=0.01)
    assert np.corrcoef(right[::2], right[1::2])[0, 1] == pytest.approx(tool.CORRELATION, abs=0.01)


def test_intervals_over_dialogues_say_little_of_other_speakers():
    held = tool.measured("series", "speaker", 20)
    assert held["dialogue", "others"] < 0.8 < held["dialogue", "same"]
