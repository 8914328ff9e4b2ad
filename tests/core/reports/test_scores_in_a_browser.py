"""The page of predicted scores in a browser: the list by residual, on a phone and on paper."""

import pytest
from report_pages import column, first_browser
from score_example import scores_report

from sertool.core.reports.html.page import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return scores_report(tmp_path_factory.mktemp("scores"), "scores")


@pytest.fixture(scope="module")
def path(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(made), encoding="utf-8")
    return path


def ids(own):
    return [text.split("\n")[-1] for text in column(own, 1)]


def ordered(made, share):
    """The ids in falling order of a value; where it is None they come last."""
    rows = made.runs[0].sets["test"].scored
    known = [row for row in rows if share(row) is not None]
    return [row.id for row in sorted(known, key=lambda row: -share(row))]


def test_the_largest_residual_comes_first(opened, path, made):
    own = first_browser(opened(path))
    assert ids(own)[:20] == ordered(made, lambda row: row.residual)[:20]
    assert own.locator(".status").inner_text() == "1 to 50 of 130, the largest residual first."
    worst = max(made.runs[0].sets["test"].scored, key=lambda row: row.residual)
    told = column(own, 3)[0].split("\n")
    assert told[0] == f"valence {worst.true[0]:.2f} → {worst.predicted[0]:.2f} ".replace("-", "−") + told[0].split()[-1]
    assert column(own, 4)[0] == f"{100 * worst.residual:.1f}"


def test_rows_are_as_without_a_script(opened, path):
    with_script = first_browser(opened(path))
    without = first_browser(opened(path, java_script_enabled=False))
    for number in range(1, 8):
        assert column(with_script, number) == column(without, number)


def test_a_score_and_a_side_are_chosen(opened, path, made):
    own = first_browser(opened(path))
    own.get_by_label("Score").select_option("arousal")
    first = [name for name in ids(own) if name]

    def residual(row):
        return None if row.true[1] is None else abs(row.predicted[1] - row.true[1]) / 10

    assert first[:20] == ordered(made, residual)[:20]
    own.get_by_label("Predicted").select_option("too low")
    rows = {row.id: row for row in made.runs[0].sets["test"].scored}
    below = [row for row in rows.values() if row.true[1] is not None and row.predicted[1] < row.true[1]]
    assert own.locator(".status").inner_text().startswith(f"1 to 50 of {len(below)}")
    assert all(rows[name].predicted[1] < rows[name].true[1] for name in ids(own))
    own.get_by_role("button", name="Show all").click()
    assert own.locator(".status").inner_text().startswith("1 to 50 of 130")


def test_heads_sort(opened, path):
    own = first_browser(opened(path))
    for name, number in (("residual, % of the range", 4), ("members, sd", 5), ("words", 6)):
        own.get_by_role("button", name=name).click()
        values = [float(text) for text in column(own, number)]
        assert values == sorted(values, reverse=True)
    assert own.locator("th[data-sort=words]").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_points_and_lines_are_seen(opened, path, scheme):
    page = opened(path, color_scheme=scheme)
    stroke = "(node) => getComputedStyle(node).stroke"
    colours = {page.locator(f"#run-1 {name}").first.evaluate(stroke) for name in (".points", ".identity", ".curve.b")}
    assert len(colours) == 3
    assert "none" not in colours


def test_residuals_are_shown_on_hover(opened, path):
    page = opened(path)
    page.locator("#run-1-test-score-0 + .pair svg").nth(1).locator(".mark").first.hover()
    assert page.locator(".tip").inner_text().startswith("1 to 1.5: ")


def test_nothing_is_cut_off_on_a_phone(opened, path):
    page = opened(path, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    row = first_browser(page).locator("tbody tr").first
    for place in range(1, 8):
        cell = row.locator(f"> :nth-child({place})")
        assert cell.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), place
        box = cell.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
    content = row.locator("> :nth-child(3)").evaluate("node => getComputedStyle(node, '::before').content")
    assert content == '"true → predicted "'


def test_no_head_runs_into_the_next_on_paper_and_20_rows_are_printed(opened, path):
    page = opened(path, viewport={"width": 695, "height": 1000})
    page.emulate_media(media="print")
    own = first_browser(page)
    assert sum(row.is_visible() for row in own.locator("tbody tr").all()) == 20
    wide = own.evaluate(
        """(own) => [...own.querySelectorAll("thead th, tbody td")].filter((cell) => {
          const text = document.createRange();
          text.selectNodeContents(cell);
          return cell.checkVisibility() && text.getBoundingClientRect().width > cell.getBoundingClientRect().width + 1;
        }).map((cell) => cell.textContent)"""
    )
    assert wide == []
