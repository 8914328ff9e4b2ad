"""The HTML report on paper, on a narrow screen, under a pointer and under the arrow keys."""

import re
from dataclasses import replace

import pytest
import report_example
from report_pages import column, first_browser

from sertool.core.files.page_text import sentence
from sertool.core.reports.html.page import render

pytestmark = pytest.mark.slow

PAGE = re.compile(rb"/Type\s*/Page\b")
# Texts and figures that are cut off at the right edge of a screen, outside what the reader can scroll.
CUT = """(selector) => [...document.querySelectorAll(selector)].filter((node) => {
  const own = node.getBoundingClientRect();
  return node.checkVisibility() && own.width > 0 && (own.right > innerWidth + 1 || own.left < -1);
}).map((node) => node.outerHTML.slice(0, 120))"""
# Words that a line break has cut in two; a hyphen is a place to break.
BROKEN = """(selector) => [...document.querySelectorAll(selector)].flatMap((node) => {
  const text = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const broken = [];
  while (text.nextNode()) for (const match of text.currentNode.data.matchAll(/[^\\s-]+/g)) {
    const range = document.createRange();
    range.setStart(text.currentNode, match.index);
    range.setEnd(text.currentNode, match.index + match[0].length);
    if (node.checkVisibility() && new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size > 1)
      broken.push(match[0]);
  }
  return broken;
})"""


@pytest.fixture
def phone(opened):
    return opened(viewport={"width": 390, "height": 844})


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_folded_stays_folded_on_paper_and_says_what_it_holds(opened, scripts):
    page = opened(java_script_enabled=scripts, color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("#run-1-valid-classes").is_visible()
    summary = page.locator("#run-1-valid > summary")
    assert summary.is_visible()
    assert summary.inner_text() == "Figures on valid: 130 utterances, accuracy 74.20, UAR 75.40"
    assert not page.locator(".contents").is_visible()
    assert not first_browser(page).get_by_label("Text or id").is_visible()
    assert page.locator("th[data-sort=confidence]").first.inner_text().startswith("confidence, %")
    assert page.locator("#run-1").evaluate("node => getComputedStyle(node).breakBefore") == "auto"
    assert page.locator("#run-2").evaluate("node => getComputedStyle(node).breakBefore") == "page"
    dark = page.locator("h1").evaluate("node => getComputedStyle(node).color")
    assert dark == "rgb(28, 33, 38)", "dark text, also where the reader's system is dark"


@pytest.mark.parametrize("scripts", [True, False])
def test_the_first_20_utterances_are_printed_and_the_page_says_so(opened, scripts):
    page = opened(java_script_enabled=scripts)
    own = first_browser(page)
    assert not own.locator(".printed").is_visible()
    page.emulate_media(media="print")
    shown = [row for row in own.locator("tbody tr").all() if row.is_visible()]
    assert len(shown) == 20
    said = own.locator(".printed").inner_text()
    assert said == "1 to 20 of 130 are printed; the HTML file lists all."
    assert not own.locator(".status").is_visible()


def test_no_head_of_a_column_runs_into_the_next_on_paper(opened):
    page = opened(viewport={"width": 695, "height": 1000})  # what is left of A4 between the margins, in CSS pixels
    page.emulate_media(media="print")
    wide = first_browser(page).evaluate(
        """(own) => [...own.querySelectorAll("thead th")].filter((head) => {
          const text = document.createRange();
          text.selectNodeContents(head);
          return text.getBoundingClientRect().width > head.getBoundingClientRect().width;
        }).map((head) => head.textContent)"""
    )
    assert wide == []


def test_a_run_takes_few_pages_and_no_head_ends_one(opened, tmp_path):
    report = report_example.example(130)
    path = tmp_path / "one.html"
    path.write_text(render(replace(report, runs=report.runs[:1], tasks=report.tasks[:1])), encoding="utf-8")
    page = opened(path)
    assert len(PAGE.findall(page.pdf(format="A4"))) <= 8  # with 40 slices and seven tables
    page.emulate_media(media="print")
    for part in ("thead", "h4", "caption", ".group"):
        after = page.locator(part).first.evaluate("node => getComputedStyle(node).breakAfter")
        assert after == "avoid", f"{part} alone at the end of a page"


def test_label_and_decision_are_on_the_screen_of_a_phone(phone):
    own = first_browser(phone)
    for place in (1, 2, 3, 4, 5):
        box = own.locator(f"tbody tr:first-child > :nth-child({place})").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["width"] > 40
    label = own.locator("tbody tr:first-child > :nth-child(3)")
    assert label.evaluate("node => getComputedStyle(node, '::before').content") == '"label "'
    # All columns are sorted on a phone as well.
    own.get_by_role("button", name="words").click()
    assert own.locator("th[data-sort=words]").get_attribute("aria-sort") == "descending"


def test_nothing_that_is_read_is_cut_off_on_a_phone(phone):
    assert phone.evaluate(CUT, "caption, figcaption, p, h1, h2, h3, h4, pre, svg.narrow, svg.narrow text") == []


@pytest.mark.parametrize("width", [390, 820, 1400])
def test_no_command_breaks_inside_a_word(opened, width):
    page = opened(viewport={"width": width, "height": 900})
    assert page.evaluate(BROKEN, "td code, th code, .results th, caption") == []


def test_options_and_figures_with_their_unit_stay_on_one_line():
    assert sentence("93.8 %, with --set a=b and x--y") == (
        '93.8\u00a0%, with <span class="option">--set</span> a=b and x--y'
    )


@pytest.mark.parametrize(("width", "most"), [(390, 190), (820, 130), (1400, 700)])
def test_the_contents_leave_the_first_screen_to_the_report(opened, width, most):
    box = opened(viewport={"width": width, "height": 900}).locator(".contents").bounding_box()
    assert box is not None
    assert box["height"] <= most


def test_letters_in_figures_are_large_enough_on_a_phone(phone):
    small = phone.evaluate(
        """() => [...document.querySelectorAll("svg.narrow text")].filter((node) => node.checkVisibility())
        .map((node) => parseFloat(getComputedStyle(node).fontSize) * node.ownerSVGElement.getBoundingClientRect().width
          / node.ownerSVGElement.viewBox.baseVal.width)"""
    )
    assert len(small) > 100
    assert min(small) >= 9.5  # pixels


def test_a_cell_of_the_confusion_matrix_lists_its_utterances(opened):
    page = opened()
    own = first_browser(page)
    cell = page.locator("#run-1-test-confusion + figure a").filter(has_text="%").nth(1)
    label, decision = (cell.get_attribute(name) for name in ("data-label", "data-decision"))
    count = int(cell.locator("text").first.text_content())
    cell.click()
    assert page.evaluate("location.hash") == "#run-1-test-utterances"
    assert own.locator(".status").inner_text().startswith(f"1 to {min(count, 50)} of {count},")
    assert set(column(own, 3)) == {label}
    assert {text.split("\n")[0][2:] for text in column(own, 4)} == {decision}
    # Of a set that is folded away, the cells filter the list of that set.
    page.evaluate("document.getElementById('run-1-valid').open = true")
    page.locator("#run-1-valid-confusion + figure a").first.click()
    assert "of 130" not in page.locator("#run-1-valid .browser .status").inner_text()


def test_values_are_shown_on_hover(opened):
    page = opened()
    tip = page.locator(".tip")
    assert not tip.is_visible()
    mark = page.locator("#run-1-test-members + figure .mark").first
    mark.hover()
    assert tip.inner_text().startswith("test, k = 1: ")
    page.mouse.move(0, 0)
    assert not tip.is_visible()


def test_arrow_keys_step_through_the_values_of_a_figure(opened):
    page = opened()
    tip = page.locator(".tip")
    figure = page.locator("#run-1-test-members + figure svg")
    page.keyboard.press("Tab")  # from here on, what has the focus is shown
    figure.focus()
    assert tip.inner_text().startswith("test, k = 1: ")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("test, k = 2: ")
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.keyboard.press("End")
    assert tip.inner_text().startswith("valid, k = 5: ")
    # A cell is chosen by the keyboard too.
    page.locator("#run-1-test-confusion + figure svg").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#run-1-test-utterances"


def test_values_are_the_browser_s_own_tips_without_a_script(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("#run-1-test-members + figure .mark title").first.text_content().startswith("test, k = 1: ")


def test_every_member_has_a_line_of_its_own_that_is_named(opened):
    figure = opened().locator("#run-1-training ~ .pair figure").first
    styles = figure.evaluate(
        "node => [...node.querySelectorAll('polyline.member')].map((line) => { const own = getComputedStyle(line);"
        " return own.stroke + own.strokeDasharray; })"
    )
    assert len(styles) == 10  # five lines, five of the legend
    assert len(set(styles)) == 5
    texts = figure.locator("text").all_text_contents()
    assert texts[-5:] == [f"run-{place}" for place in range(1, 6)]
