"""Headers of a server's answers, links that are checked, and addresses and sizes in messages."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from bad_server import Act
from downloads import PAGE, PAGE_TEXT
from hypothesis import given
from hypothesis import strategies as st
from other_processes import QUICK

from sertool.core.fetch import http_replies as replies
from sertool.core.fetch.download import check_link
from sertool.core.formatting import readable_size

LINKS = {
    "right": (Act(), True, 300_004, True, "206, 300.0 kB, application/zip"),
    "no ranges": (Act(ignore_range=True), True, 300_004, False, "200, 300.0 kB, application/zip"),
    "chunked": (
        Act(ignore_range=True, chunked=True),
        True,
        None,
        False,
        "200, length unknown, application/zip",
    ),
    "gone": (Act(status=404), False, None, False, "the server answered 404 (Not Found)"),
    "page": (Act(page=PAGE), False, None, False, PAGE_TEXT),
    "hang up": (Act(hang_up=True), False, None, False, "the connection was closed before an answer"),
}


@pytest.mark.parametrize(("act", "works", "size", "resumable", "detail"), LINKS.values(), ids=LINKS.keys())
def test_check_link(server, act, works, size, resumable, detail):
    server.always = act
    link = check_link(server.url(), QUICK)
    assert (link.works, link.size, link.resumable, link.detail) == (works, size, resumable, detail)
    assert len(server.log) == 1
    server.validators = "weak"
    assert not check_link(server.url(), QUICK).resumable


@given(st.text(max_size=60) | st.from_regex(r"bytes [0-9*]+-?[0-9]*/[0-9*]+"))
def test_range_headers(text):
    found = replies.content_range(text)
    if found is not None:
        first, last, total = found
        assert 0 <= first <= last
        assert total is None or last < total
        told = f"bytes {first}-{last}/{'*' if total is None else total}"
        assert re.sub(r"(?<!\d)0+(?=\d)", "", text.strip()) == told
    length = replies.unsatisfied_total(text)
    assert length is None or re.sub(r"(?<!\d)0+(?=\d)", "", text.strip()) == f"bytes */{length}"


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.integers(-90_000, 90_000))
def test_retry_after_in_both_forms(moment, seconds):
    now = moment.replace(microsecond=0, tzinfo=UTC)
    date = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    assert replies.retry_after(date, now) == max(0, seconds)
    assert replies.retry_after(str(abs(seconds)), now) == abs(seconds)


@given(st.text(max_size=40))
def test_any_header_is_read_without_a_crash(text):
    now = datetime(2020, 1, 1, tzinfo=UTC)
    wait = replies.retry_after(text, now)
    assert wait is None or wait >= 0
    assert replies.validator({"ETag": "W/" + text, "Last-Modified": ""}) is None
    length = replies.content_length({"Content-Length": text})
    assert length is None or int(text.strip()) == length
    assert replies.clean(text, 20).isprintable()
    assert len(replies.clean(text, 20)) <= 20
    assert isinstance(replies.is_page(text, text.encode()), bool)
    title = replies.page_title(f"<title>{text}</title>".encode())
    assert title is None or title.isprintable()
    assert "secret" not in replies.shown(f"http://secret:secret@host/{text.replace('@', '')}?secret")


def test_addresses_are_shown_without_what_is_secret():
    assert replies.shown("https://me:pass@host:81/a/b.zip?sig=1#x") == "https://host:81/a/b.zip?…"
    assert replies.shown("http://[bad") == "http://[bad"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (12_340_000, "12.3 MB"),
        (999_960, "1.0 MB"),
        (999 * 10**9, "999.0 GB"),
        (12 * 10**11, "1.2 TB"),
    ],
)
def test_readable_sizes(size, text):
    assert readable_size(size) == text
