"""A known report on a terminal: exact lines, widths, colours, and how figures are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_example import example
from report_pages import section

from sertool.commands.report import COLOURS, _coloured
from sertool.core.formatting import INTERVAL, aligned
from sertool.core.metrics import Estimate
from sertool.core.reports.contents import MemberSpread
from sertool.core.reports.text.terminal import show
from sertool.core.reports.wording import figure, interval, p_value, points, points_interval, spread


@pytest.fixture(scope="module")
def report():
    return example(60)


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
        "always neutral            baseline             30.00               30.00                     30.00",
        "iemocap - iemocap-honest  difference           +3.80   0.6 to 7.1  +3.80   0.6 to 7.1        +3.80   0.6 to 7.1",  # noqa: E501
        "published 1: the paper's repository, on 1,085 utterances",
        "published 2: the paper, table 2",
        "iemocap: k = 4, 5 members, trained on 4,446 utterances; selected on test: epochs, order and k",
        "iemocap-honest: k = 4, 5 members, trained on 4,446 utterances",
        "iemocap - iemocap-honest: accuracy p = 0.021, UAR p = 0.021, weighted F1 p = 0.021",
        "iemocap - iemocap-honest: trained on 4,446 against 3,557 utterances",
    ]


def test_a_narrow_terminal_gets_the_columns_below_each_other(report):
    lines = section(show(report, 80), "IEMOCAP")
    assert lines[3:15] == [
        "                          protocol          accuracy         95 %",
        "published 1               5 members            72.53",
        "iemocap                   selected on test     73.20  68.2 - 77.7",
        "iemocap-honest            honest               69.40  64.4 - 73.9",
        "always neutral            baseline             30.00",
        "iemocap - iemocap-honest  difference           +3.80   0.6 to 7.1",
        "",
        "                          protocol            UAR         95 %",
        "iemocap                   selected on test  74.40  69.4 - 78.9",
        "iemocap-honest            honest            70.60  65.6 - 75.1",
        "always neutral            baseline          30.00",
        "iemocap - iemocap-honest  difference        +3.80   0.6 to 7.1",
    ]


def test_what_is_missing_and_what_could_not_be_used(report):
    lines = show(report, 80)
    assert "missing: meld: needs data/MELD: sertool fetch-data data" in lines
    assert lines[-3:] == [
        "could not be used",
        "─────────────────",
        "vgaf: no stored predictions: sertool ensemble --name vgaf --split valid,test",
    ]


def test_a_run(report):
    lines = section(show(report, 100), "iemocap · ")
    assert lines[:10] == [
        "iemocap · IEMOCAP · emotion, 4 classes · MAT, 5 members · selected on test: epochs, order and k",
        "─" * 95,
        "error: epochs, order and k were selected on the test split [selected-on-test]",
        "warning: too sure of itself: 78.1 % confident on average, 71.9 % right [miscalibrated]",
        "warning: 15 words and more: 55.0 against 74.2 for the rest (38 utterances, p < 0.001) [weak-slice]",
        "note: only 2 speakers: the intervals say nothing about other speakers [other-clusters]",
        "",
        "test · 60 utterances · k = 4, selected on test by accuracy · selected on test: epochs, order and k",
        "             k = 4         95 %  baseline  members, mean ± sd",
        "accuracy     73.20  68.2 - 77.7     30.00        69.00 ± 0.95",
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
    assert "as it is           73.20  74.40" in lines
    assert "audio masked       64.20  65.40              +9.00   5.0 to 12.6   0.030" in lines
    assert lines[-1] == "decisions were compared with the test labels by sertool train, sertool ensemble"


def test_scores_are_shown_in_their_own_units(report):
    lines = section(show(report, 80), "mosi · ")
    assert "MAE                  0.912        0.840 - 0.990         -                   -" in lines
    assert "acc7                 35.20          30.2 - 39.7         -                   -" in lines
    assert "CCC                  not defined              -         -                   -" in lines


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
