"""Tables as CSV: a spreadsheet runs no text of a corpus, and a program finds each cell again."""

import csv
import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sertool.core.files.csv_text import csv_text
from sertool.core.formatting import printable

FORMULAS = tuple("=+-@＝＋－＠")


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def undone(cell: str) -> str:
    """Take away the apostrophe, as docs/report.md says."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULAS) else cell


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("-1e5", "'-1e5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1", "'＝1"),
        ("\t=1", "\\t=1"),
        ("\r=1", "\\r=1"),
        ("'=1", "''=1"),
        ("-1", "-1"),
        ("+0.5", "+0.5"),
        ("-", "'-"),
        ("- yes -", "'- yes -"),
        ("'tis", "'tis"),
        ("well = good", "well = good"),
        ("line\nend", "line\\nend"),
        ("", ""),
    ],
)
def test_a_formula_becomes_a_text(cell, written):
    assert cells(csv_text([["id", cell]])) == [["id", written]]
    assert cells(csv_text([["id", cell]], raw=True)) == [["id", printable(cell)]]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (-0.1, "-0.1"),
        (1 / 3, "0.3333333333333333"),
        (np.float32(-0.1), repr(float(np.float32(-0.1)))),
        (np.int64(-3), "-3"),
        (-3, "-3"),
        (None, ""),
        (float("nan"), ""),
        (np.float64("nan"), ""),
        (float("-inf"), "-inf"),
    ],
)
def test_a_number_stays_one_with_all_its_digits(cell, written):
    assert csv_text([[cell, "x"]]) == f"{written},x\n"
    assert csv_text([[cell, "x"]], raw=True) == f"{written},x\n"


@given(st.lists(st.text(st.sampled_from("'=+-@＝a1.,\"\n\t \\") | st.characters()), min_size=2, max_size=4))
@example(["'=1", "=1", "''=1"])
def test_texts_come_back_when_the_apostrophe_is_taken_away(row):
    safe, raw = cells(csv_text([row])), cells(csv_text([row], raw=True))
    assert raw == [[printable(cell) for cell in row]]
    assert [[undone(cell) for cell in line] for line in safe] == raw
    assert not any(cell.startswith(FORMULAS) and not cell[1:2].isdigit() for cell in safe[0])
