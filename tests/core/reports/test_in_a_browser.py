"""The HTML report in a browser, from a file, as its reader opens it: Debian's chromium, driven by Playwright."""

from dataclasses import replace

import pytest
import report_example
from builders import spoken
from report_pages import HOSTILE, column, first_browser, hostile_report

from sertool.core.reports import recordings
from sertool.core.reports.html.page import render

pytestmark = pytest.mark.slow


def figures_of(own, number):
    """The numbers at the start of a column's cells."""
    return [float(text.split()[0]) for text in column(own, number)]


def test_it_opens_without_errors_and_requests(opened):
    page = opened()
    assert page.title() == "Four runs on IEMOCAP, MOSI and MOSEI"
    assert first_browser(page).locator("tbody tr").count() == 50
    assert first_browser(page).locator(".status").inner_text() == (
        "1 to 50 of 130, wrong predictions first, the most confident at the top."
    )


def test_pages_lead_through_all_utterances(opened):
    own = first_browser(opened())
    seen = column(own, 1)
    assert own.get_by_role("button", name="Previous").is_disabled()
    for _ in range(2):
        own.get_by_role("button", name="Next").click()
        seen += column(own, 1)
    assert own.locator(".pages span").inner_text() == "page 3 of 3"
    assert own.get_by_role("button", name="Next").is_disabled()
    assert len(set(seen)) == len(seen) == 130


def test_filters_narrow_the_rows_together(opened):
    own = first_browser(opened())
    rows = report_example.example(130).runs[0].sets["test"].rows
    own.get_by_label("Label").select_option("sad")
    own.get_by_label("Correct?").select_option("wrong")
    wanted = {row.id for row in rows if row.target == "sad" and not row.right}
    assert {text.split("\n")[-1] for text in column(own, 1)} == wanted
    own.get_by_label("Speaker").select_option("Ses01F-0")
    fewer = {row.id for row in rows if row.id in wanted and row.speaker == "Ses01F-0"}
    assert {text.split("\n")[-1] for text in column(own, 1)} == fewer != wanted
    own.get_by_role("button", name="Show all").click()
    assert own.locator(".status").inner_text().startswith("1 to 50 of 130")


def test_words_are_searched_in_texts_and_ids_without_regard_to_case(opened):
    own = first_browser(opened())
    rows = report_example.example(130).runs[0].sets["test"].rows
    own.get_by_label("Text or id").fill("MOTHER")
    wanted = [row for row in rows if "mother" in row.text.lower()]
    assert own.locator(".status").inner_text().split(",")[0] == f"1 to {min(50, len(wanted))} of {len(wanted)}"
    own.get_by_label("Text or id").fill(rows[7].id)
    assert column(own, 1)[0].endswith(rows[7].id)
    own.get_by_label("Text or id").fill("no such word")
    assert own.locator(".status").inner_text() == "No utterance matches."


@pytest.mark.parametrize(("name", "number"), [("confidence, %", 5), ("members agreeing", 6), ("words", 7)])
def test_a_head_sorts_and_says_how(opened, name, number):
    own = first_browser(opened())
    head = own.locator("thead th", has_text=name)
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert figures_of(own, number) == sorted(figures_of(own, number), reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert figures_of(own, number) == sorted(figures_of(own, number))
    assert own.locator("th[aria-sort]").count() == 1


def test_unknown_lengths_come_last_whichever_way_is_sorted(opened):
    own = first_browser(opened())
    for _ in range(2):
        own.get_by_role("button", name="seconds").click()
        assert "–" not in column(own, 8)
    for _ in range(2):
        own.get_by_role("button", name="Next").click()
    assert column(own, 8)[-1] == "–"


def test_everything_is_done_with_the_keyboard(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    first_browser(page).get_by_label("Text or id").focus()
    seen = []
    while not seen or not seen[-1].startswith("confidence"):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText ?? ''"))
        assert len(seen) < 12
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    own = first_browser(page)
    assert own.locator("th[data-sort=confidence]").get_attribute("aria-sort") == "descending"
    # Sorting leaves the focus where it was, and Tab leads on.
    assert page.evaluate("document.activeElement.innerText") == "confidence, % ↓"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "members agreeing"


def test_tab_leaves_the_page_in_the_end(opened):
    """No trap: every stop is another element, until there is none."""
    page = opened(viewport={"width": 390, "height": 800})
    stops = page.evaluate("document.querySelectorAll('a, button, input, select, summary').length")
    for _ in range(2 * stops):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            return
    last = page.evaluate("document.activeElement.outerHTML")
    pytest.fail(f"still inside after {2 * stops} stops, at {last:.100}")


def colours(page):
    return page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
        " getComputedStyle(document.querySelector('svg .interval')).stroke]"
    )


def test_dark_mode_follows_the_system_and_the_button(opened):
    light, dark = (colours(opened(color_scheme=scheme)) for scheme in ("light", "dark"))
    assert all(one != other for one, other in zip(light, dark, strict=True))
    page = opened(color_scheme="light")
    page.get_by_role("button", name="Dark").click()
    assert colours(page) == dark
    page.get_by_role("button", name="Light").click()
    assert colours(page) == light


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
  };
  let least = [Infinity, ""];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.disabled) continue;
    const style = getComputedStyle(node);
    const text = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
    let back = ground(node);
    if (node.matches("svg .count, svg .share, svg text.none")) {
      // On the darkest shade there can be.
      const shade = parse(getComputedStyle(document.querySelector(".shade")).fill);
      if (!node.matches(".none")) back = back.map((value, at) => 0.62 * shade[at] + 0.38 * value);
    }
    const [high, low] = [light(parse(text)), light(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < least[0]) least = [ratio, `${ratio} ${node.outerHTML.slice(0, 80)}`];
  }
  return least;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(opened, scheme):
    ratio, where = opened(color_scheme=scheme).evaluate(CONTRAST)
    assert ratio >= 4.5, where


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_itself_never_scrolls_sideways(opened, width):
    page = opened(viewport={"width": width, "height": 800})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_link_into_what_is_folded_unfolds_it(opened, file):
    page = opened()
    page.evaluate("location.hash = '#run-1-valid-classes'")
    page.wait_for_function("document.getElementById('run-1-valid').open")
    assert page.locator("#run-1-valid-classes").is_visible()


def test_without_a_script_the_page_says_what_is_missing(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert first_browser(page).locator("tbody tr").count() == 50
    assert not page.locator("#theme").is_visible()
    assert not first_browser(page).locator("form").is_visible()


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_texts_are_shown_and_do_not_run(opened, tmp_path, bad):
    path = tmp_path / "report.html"
    path.write_text(render(hostile_report(bad)), encoding="utf-8")
    page = opened(path)
    own = first_browser(page)
    own.get_by_role("button", name="words").click()
    own.get_by_label("Label").select_option(bad)
    own.get_by_label("Text or id").fill(bad)
    assert [text.split("\n")[0] for text in column(own, 1)] == [bad] * 6
    assert page.locator("h1").inner_text() == bad
    assert page.locator("img").count() == 0
    page.wait_for_timeout(100)  # time for what should not run


# For every name in an element of its own: the first letters before and after it in its line, where they stand.
BESIDE = """(name) => {
  const edges = (node, at) => {
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return range.getBoundingClientRect();
  };
  const displaced = [];
  let seen = 0;
  for (const node of document.querySelectorAll("bdi")) {
    if (node.textContent !== name || !node.checkVisibility()) continue;
    const own = node.getBoundingClientRect();
    const next = node.nextSibling;
    const at = next?.nodeType === 3 ? next.textContent.search(/[^ \\n]/) : -1;
    if (at < 0) continue;
    const after = edges(next, at);
    seen += 1;
    if (after.top < own.bottom && after.bottom > own.top && after.left < own.right - 1)
      displaced.push(node.parentElement.innerText);
  }
  return [seen, displaced];
}"""


@pytest.mark.parametrize("scripts", [True, False])
def test_a_name_from_right_to_left_displaces_no_figure(opened, tmp_path, scripts):
    path = tmp_path / "report.html"
    path.write_text(render(hostile_report("غضب")), encoding="utf-8")
    page = opened(path, java_script_enabled=scripts, viewport={"width": 1600, "height": 900})
    seen, displaced = page.evaluate(BESIDE, "غضب")
    assert seen > 20
    assert displaced == []
    # Without isolation the same names push the figures after them to their other side.
    page.evaluate("for (const one of document.querySelectorAll('bdi')) one.style.unicodeBidi = 'normal'")
    _, displaced = page.evaluate(BESIDE, "غضب")
    assert len(displaced) > 20


def test_a_script_that_was_smuggled_in_is_stopped_by_the_policy(browser, tmp_path):
    """The second wall: even in the page as an element, nothing runs that is not the page's own."""
    path = tmp_path / "report.html"
    page = render(report_example.example(12))
    bad = "<script>document.title = 'run'</script><img src=x onerror='document.title = 1'>"
    path.write_text(page.replace("</main>", f"{bad}</main>"), encoding="utf-8")
    opened = browser.new_page()
    opened.goto(path.as_uri())
    opened.wait_for_timeout(100)
    assert opened.title() == "Four runs on IEMOCAP, MOSI and MOSEI"
    opened.close()


DURATION = (
    "node => new Promise((done) => { node.onloadedmetadata = () => done(node.duration);"
    " node.onerror = () => done(node.error.message); node.load(); node.preload = 'metadata'; })"
)


def playing(tmp_path, keep=None):
    """A report on a page, with a recording of one utterance, and the id of the utterance."""
    report = report_example.example(12)
    row = report.runs[0].sets["test"].rows[3]
    spoken(tmp_path / "sounds" / f"{row.id}.wav", seconds=0.5)
    report, _ = recordings.attach(replace(report, runs=report.runs[:1]), tmp_path / "sounds", keep)
    path = tmp_path / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path, row.id


def test_recordings_play(opened, tmp_path):
    path, id_ = playing(tmp_path)
    own = first_browser(opened(path))
    own.locator("select[name=recording]").select_option("available")
    assert [text.split("\n")[-1] for text in column(own, 1)] == [id_]
    audio = own.locator("audio")
    assert audio.get_attribute("preload") == "none"
    assert audio.get_attribute("aria-label") == f"recording of {id_}"
    assert audio.evaluate(DURATION) == pytest.approx(0.5, abs=0.01)


def test_recordings_beside_the_page_play_when_asked_to(browser, tmp_path):
    def keep(name, content):
        (tmp_path / "my report-audio").mkdir()
        (tmp_path / "my report-audio" / name).write_bytes(content)
        return f"my%20report-audio/{name}"

    path, _ = playing(tmp_path, keep)
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()], "nothing is loaded before a reader plays it"
    audio = first_browser(page).locator("audio").first
    assert audio.evaluate(DURATION) == pytest.approx(0.5, abs=0.01)
    assert asked[1:] == [f"{tmp_path.as_uri()}/my%20report-audio/00001.wav"]
    page.close()
