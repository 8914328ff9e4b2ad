"""The report's figures: well-formed, with the data in them, drawn for whatever data there are."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sertool.core.files.page_text import visible
from sertool.core.metrics import Estimate
from sertool.core.metrics.reliability import Bin, Point
from sertool.core.reports.contents import Size
from sertool.core.reports.html import figures
from sertool.core.reports.html.figures import DrawnInterval, FigureGroup, drawing
from sertool.core.training.history import MemberEpoch


def xml(figure):
    return ElementTree.fromstring(str(figure))


def texts(figure):
    return [node.text for node in xml(figure).iter("text")]


def classes(figure, name):
    return [node for node in xml(figure).iter() if name in (node.get("class") or "").split()]


def inside(figure):
    """Check that everything drawn has finite coordinates within the figure."""
    root = xml(figure)
    width, height = (float(value) for value in root.get("viewBox").split()[2:])
    limits = {
        "x": width,
        "cx": width,
        "x1": width,
        "x2": width,
        "y": height,
        "cy": height,
        "y1": height,
        "y2": height,
    }
    for node in root.iter():
        for name, limit in limits.items():
            if node.get(name) is not None:
                assert -1 <= float(node.get(name)) <= limit + 1, node.attrib
        for pair in (node.get("points") or "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
    return True


def test_a_confusion_matrix_shows_counts_and_shares_and_tells_the_errors():
    figure = figures.confusion_matrix(((30, 10), (0, 0)), ("calm", "angry"))
    assert texts(figure) == [
        *("label ↓   predicted →", "calm", "angry"),
        *("calm", "30", "75 %", "10", "25 %"),
        *("angry", "0", "0"),
    ]
    assert xml(figure)[1].text == "Most frequent errors: calm predicted as angry: 10"
    shades = [node.get("fill-opacity") for node in classes(figure, "shade")]
    assert shades == ["0.46", "0.15", "0.00", "0.00"]


@pytest.mark.parametrize("number", [1, 2, 7, 20])
def test_a_confusion_matrix_of_any_number_of_classes_is_drawn(number):
    counts = [[(row * column) % 1500 for column in range(number)] for row in range(number)]
    figure = figures.confusion_matrix(counts, [f"a class with a long name {place}" for place in range(number)])
    assert inside(figure)
    assert len(classes(figure, "shade")) == number**2


def test_a_forest_has_a_row_a_run_and_a_line_at_what_was_published():
    rows = (
        DrawnInterval("calls", Estimate(0.7, 0.6, 0.8), is_open=False),
        DrawnInterval("calls-paper", Estimate(0.75, 0.65, 0.85), is_open=True),
    )
    figure = figures.forest([FigureGroup("CALLS · emotion", 0.72, rows)], "uar", "UAR")
    assert xml(figure)[1].text == (
        "CALLS · emotion: published 72; calls: 70.0 [60.0, 80.0]; calls-paper, selected on test: 75.0 [65.0, 85.0]"
    )
    assert len(classes(figure, "interval")) == 3
    assert len(classes(figure, "dot")) == len(classes(figure, "open")) == len(classes(figure, "published")) == 1
    assert inside(figure)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.none() | st.floats(0, 1))
def test_a_forest_of_any_figures_is_drawn(values, published):
    rows = tuple(DrawnInterval("a", Estimate(value, *((0.0, value) if value > 0.5 else ())), False) for value in values)
    assert inside(
        figures.forest(
            [FigureGroup("x", published, (*rows, DrawnInterval("b", Estimate(math.nan), True)))], "uar", "UAR"
        )
    )


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=6),
    st.floats(1e-3, 10),
    st.sampled_from([(0.0, 1.0), (-1e7, 1e7)]),
)
@example([5e-324, -9.0], 1.0, (-1e7, 1e7))
def test_an_axis_holds_its_values(values, least, ends):
    values = [min(max(value, ends[0]), ends[1]) for value in values]
    least = min(least, ends[1] - ends[0])
    low, high = drawing.span(values, least=least, floor=ends[0], ceiling=ends[1])
    assert ends[0] <= low < high <= ends[1]
    assert high - low >= least * (1 - 1e-6)
    for value in values:
        assert value != value or low <= value <= high
    ticks = drawing.Scale(low, high, 0, 100).ticks()
    assert 1 <= len(ticks) <= 8


def test_members_against_k_marks_what_was_taken():
    sizes = tuple(Size(k, {"uar": 0.6 + 0.01 * k}) for k in range(1, 6))
    figure = figures.size_curve({"test": sizes, "valid": sizes[:4]}, 4, "uar", "UAR")
    assert "k = 4 chosen" in texts(figure)
    assert xml(figure)[1].text == ("test: 61 at k = 1, 65 at k = 5; valid: 61 at k = 1, 64 at k = 4; k = 4 was chosen")
    assert len(classes(figure, "curve")) == 4  # two lines, two of the legend
    assert inside(figure)


@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_members_against_k_is_drawn_for_any_number(number):
    sizes = tuple(Size(k, {"uar": 0.5}) for k in range(1, number + 1))
    assert inside(figures.size_curve({"test": sizes}, max(number, 1), "uar", "UAR"))


def epochs(*outcomes, score=0.5, loss=1.0):
    return tuple(MemberEpoch(place, loss, score, 1e-4, outcome) for place, outcome in enumerate(outcomes, start=1))


def test_training_curves_mark_the_best_epoch_and_where_the_rate_fell():
    histories = {
        "run-1": epochs("better", "went back", "better", "worse", "went back, stopped"),
        "run-2": epochs("better"),
    }
    figure = figures.score_curves(histories, "uar", "UAR")
    assert xml(figure)[1].text == "run-1: best 50 in epoch 3; run-2: best 50 in epoch 1"
    assert len(classes(figure, "member")) == 3  # a line of run-1, two of the legend: run-2 is a single dot
    assert (len(classes(figure, "dot")), len(classes(figure, "drop"))) == (2, 2)
    assert texts(figure)[-2:] == ["run-1", "run-2"]
    assert len(classes(figure, "m0")) == 3
    assert inside(figure)
    assert inside(figures.loss_curves(histories))


@pytest.mark.parametrize(
    "histories",
    [
        {},
        {"run-1": ()},
        {"run-1": epochs("worse", "worse")},
        {"run-1": epochs("better", score=math.nan)},
        {"run-1": epochs("better", loss=math.inf)},
    ],
)
def test_training_curves_of_nearly_nothing_are_drawn(histories):
    assert inside(figures.loss_curves(histories))
    assert inside(figures.score_curves(histories, "uar", "UAR"))


def test_a_reliability_diagram_has_a_point_and_a_count_a_bin():
    bins = [Bin(0.4, 0.5, 20, 0.3, 0.7), Bin(0.9, 0.8, 1200, 0.75, 0.85)]
    figure = figures.reliability(bins)
    assert {"20", "1.2k"} <= set(texts(figure))
    assert len(classes(figure, "bar")) == 2
    assert classes(figure, "few") == classes(figure, "curve") == [], "nothing joins shares of different bins"
    assert xml(figure)[1].text == (
        "20 at 40 % confidence: 50 % correct (30 to 70); 1,200 at 90 % confidence: 80 % correct (75 to 85)"
    )
    assert len(classes(figures.reliability([Bin(0.4, 0.5, 2, 0.1, 0.9)]), "few")) == 1
    assert inside(figure)
    assert inside(figures.reliability([Bin(1.0, 1.0, 1, 0.2, 1.0)]))
    assert inside(figures.reliability([]))


@pytest.mark.parametrize("number", [0, 10, 11, 50])
def test_training_curves_of_any_number_of_members_are_drawn(number):
    histories = {f"fold-{place}-run-1": epochs("better", "worse", "better") for place in range(number)}
    figure = figures.score_curves(histories, "uar", "UAR")
    assert inside(figure)
    assert len(classes(figure, "mark")) == (3 * number if number <= 10 else number)
    legend = [text for text in texts(figure) if text.startswith("fold")]
    assert len(legend) == (number if number <= 10 else 0)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1"), (999, "999"), (1000, "1.0k"), (12_345, "12k"), (999_499, "999k"), (2_000_000, "2.0M")]
)
def test_counts_above_bars_are_short(count, text):
    assert text in texts(figures.reliability([Bin(0.4, 0.5, count, 0.3, 0.7)]))


def test_a_risk_curve_has_a_point_a_threshold():
    points = [Point(0.25, 0.96, 0.9), Point(1.0, 0.8, 0.5)]
    figure = figures.risk_curve(points)
    assert len(classes(figure, "dot")) == 2
    assert xml(figure)[1].text == "25 % answered, 4 % of these wrong; 100 % answered, 20 % of these wrong"
    assert inside(figures.risk_curve([Point(1.0, 1.0, 0.0)]))


def test_cells_of_tables_are_drawn_for_any_figure():
    for estimate in (Estimate(0.0), Estimate(1.0, 1.0, 1.0), Estimate(math.nan), Estimate(0.5, 0.2, 0.9)):
        assert inside(figures.bar(estimate))
        scale = figures.shared_scale([estimate], 0.5)
        assert inside(figures.interval_cell(estimate, scale, 0.5, weak=True))
        assert inside(figures.scale_cell(scale))


@given(st.text(st.characters()))
def test_a_text_in_a_figure_is_well_formed(text):
    drawn = ElementTree.fromstring(drawing.figure(10, 10, text, text, [drawing.label(0, 0, text)]))
    shown = visible(text)
    assert (drawn[2].text or "") == shown
