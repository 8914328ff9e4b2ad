"""The page of a time line in a browser, from a file: Debian's chromium, driven by Playwright."""

import numpy as np
import pytest
import soundfile
from browsing import chromium
from report_pages import HOSTILE
from timelines import line_of, predicted

from sertool.core.inference.timeline.contents import Stretch
from sertool.core.inference.timeline.page import render
from sertool.core.inference.timeline.peaks import SAMPLE_RATE, waveform

pytestmark = pytest.mark.slow
STARTS = (1.0, 3.0, 6.0, 8.5)
PLAYED = "node => new Promise((done) => { node.ontimeupdate = () => { if (node.currentTime > 3.1) done(true); }; })"


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser, tmp_path):
    """A page with four segments of two speakers beside its recording; nothing but the recording is loaded."""
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * SAMPLE_RATE).astype(np.float32)
    soundfile.write(tmp_path / "my call.wav", noise, SAMPLE_RATE)
    shares = ((0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.4, 0.3, 0.3), (0.1, 0.1, 0.8))
    stretches = [
        Stretch(start, start + 1.5, predicted(share, text), f"channel {number % 2 + 1}", number % 2 + 1)
        for number, (start, share, text) in enumerate(zip(STARTS, shares, ("so", *HOSTILE), strict=True))
    ]
    line = line_of(*stretches, abstain=0.5, path="my call.wav")
    wave = waveform([noise])
    path = tmp_path / "call.html"
    path.write_text(render(line, {1: wave, 2: wave}, "calls · 5 members", "my%20call.wav"), encoding="utf-8")
    opened = browser.new_context(viewport={"width": 400, "height": 800}).new_page()
    talk, asked = [], []
    opened.on("console", lambda message: talk.append(message.text))
    opened.on("pageerror", lambda error: talk.append(str(error)))
    opened.on("dialog", lambda dialog: (talk.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(path.as_uri())
    opened.wait_for_function("document.getElementById('audio').readyState > 0")
    yield opened
    assert talk == []
    assert set(asked) == {path.as_uri(), (tmp_path / "my call.wav").as_uri().replace(" ", "%20")}
    opened.context.close()


def at(page) -> float:
    return page.evaluate("document.getElementById('audio').currentTime")


def test_keys_and_clicks_go_to_segments_and_play(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for start in STARTS:
        page.keyboard.press("ArrowRight")
        assert at(page) == pytest.approx(start, abs=0.01)
    page.keyboard.press("ArrowRight")
    assert at(page) == pytest.approx(STARTS[-1], abs=0.01)
    assert page.locator("#now").inner_text() == "0:08.5 to 0:10.0 · channel 2: sad 80.0 %"
    page.keyboard.press("ArrowLeft")
    assert page.locator("#now").inner_text() == "0:06.0 to 0:07.5 · channel 1: unsure"
    assert page.locator("tr[aria-current]").inner_text().split()[0] == "0:06.0"
    # A click goes there, and Space still plays and pauses, though a button has the focus.
    page.get_by_role("button", name="go to 0:03.0").click()
    assert at(page) == pytest.approx(3, abs=0.01)
    page.keyboard.press(" ")
    assert page.locator("#audio").evaluate(PLAYED)
    page.keyboard.press(" ")
    assert page.evaluate("document.getElementById('audio').paused")
    assert 3 < at(page) < 5
    # The time line: the last tenth of the whole recording.
    box = page.locator("#overview").bounding_box()
    page.locator("#overview").click(position={"x": 0.9 * box["width"], "y": 10})
    assert at(page) == pytest.approx(9, abs=0.05)
    assert page.locator("#now").inner_text().startswith("0:08.5")


def test_everything_is_reached_with_the_keyboard_and_hostile_texts_are_shown(page):
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert seen[0] == "skip"
    assert {"theme", "audio", "earlier", "later", "zoom"} < set(seen)
    assert seen.count("jump") >= 1
    texts = page.locator("td.text").all_inner_texts()
    assert texts == ["so", *HOSTILE]
    assert page.locator("td.text img, td.text script").count() == 0
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) != light


def test_a_recording_that_is_gone_is_named_and_the_time_line_works(browser, tmp_path):
    line = line_of(Stretch(1, 2, predicted()), path="gone.wav")
    wave = waveform([np.zeros(3 * SAMPLE_RATE, np.float32)])
    path = tmp_path / "call.html"
    path.write_text(render(line, {None: wave}, "calls", "gone.wav"), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.locator("#trouble").wait_for(state="visible")
    page.keyboard.press("ArrowRight")
    assert page.locator("#now").inner_text() == "0:01.0 to 0:02.0 · happy 70.0 %"
    page.close()
