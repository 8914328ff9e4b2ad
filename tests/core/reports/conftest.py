"""Fixtures for tests of reports and comparisons."""

from dataclasses import replace

import pytest
import report_example
from browsing import chromium
from stored_sets import make_set, write_run

from sertool.core.reports.html.page import render


@pytest.fixture
def clean(tmp_path):
    """A folder with one clean run."""
    write_run(tmp_path / "tiny", make_set("test"), make_set("valid", 200))
    return tmp_path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command; runs lie below ckpt."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium, driven by Playwright."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A report of two runs on 130 utterances."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    report = report_example.example(130)
    path.write_text(render(replace(report, runs=report.runs[:2])), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """Opens the report, and watches that it says nothing and asks for nothing."""
    talk, contexts = [], []

    def open_(path=file, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: talk.append(message.text))
        page.on("pageerror", lambda error: talk.append(str(error)))
        page.on("dialog", lambda dialog: (talk.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: talk.extend([request.url] * (request.url != path.as_uri())))
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [line for line in talk if not line.startswith("data:")] == []
