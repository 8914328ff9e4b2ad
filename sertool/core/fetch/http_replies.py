"""Interpret a server's answer: ranges, validators, waiting times, pages instead of files. No network, no disk.

Source: RFC 9110 (HTTP Semantics), sections 8.8 and 13.1.5 (validators), 14 (ranges), 10.2.3 (Retry-After).
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

PEEK = 512  # bytes at a file's start that distinguish a page from an archive
# At most 18 digits, so that a number fits into 64 bits.
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})", re.ASCII)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<!--")


def content_range(text: str | None) -> tuple[int, int, int | None] | None:
    """Parse a 206's ``Content-Range`` into first byte, last byte and total (None: unknown); None if it is not one."""
    found = _RANGE.fullmatch((text or "").strip())
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    return (first, last, total) if first <= last and (total is None or last < total) else None


def unsatisfied_total(text: str | None) -> int | None:
    """Parse the file's true length from a 416's ``Content-Range: bytes */N``; None if it is not one."""
    found = _UNSATISFIED.fullmatch((text or "").strip())
    return int(found[1]) if found else None


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the body's length in bytes; None if it is unknown, as for a chunked body."""
    text = headers.get("Content-Length", "").strip()
    if is_chunked(headers) or not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return None
    return int(text)


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Check whether the body is chunked, so that it marks its own end."""
    return "chunked" in headers.get("Transfer-Encoding", "").lower()


def validator(headers: Mapping[str, str]) -> str | None:
    """Return a value for ``If-Range``: a strong ETag, else the date of the last change; weak ETags are not allowed."""
    tag = headers.get("ETag", "").strip()
    if re.fullmatch(r'"[\x21\x23-\x7e]*"', tag):
        return tag
    date = headers.get("Last-Modified", "").strip()
    return date if _date(date) else None


def retry_after(text: str | None, now: datetime) -> float | None:
    """Parse either form of ``Retry-After`` into seconds to wait; None if it is neither."""
    text = (text or "").strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    date = _date(text)
    return max(0.0, (date - now).total_seconds()) if date else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def status_reason(status: int) -> str:
    """Describe a status other than success."""
    known = status in set(HTTPStatus)
    return f"the server answered {status}" + (f" ({HTTPStatus(status).phrase})" if known else "")


def is_page(content_type: str | None, start: bytes) -> bool:
    """Check, by content type and first bytes, whether an HTML page came instead of a file."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        return True
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE_STARTS)


def page_title(start: bytes) -> str | None:
    """Return the title of an HTML page in printable form; None if there is none."""
    found = _TITLE.search(start.decode(errors="replace"))
    return (clean(html.unescape(found[1]), 80) or None) if found else None


def clean(text: str, longest: int) -> str:
    """Turn foreign text into one line of at most ``longest`` characters without control codes, which terminals obey."""
    words = "".join(letter if letter.isprintable() else " " for letter in text).split()
    line = " ".join(words)
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def shown(url: str) -> str:
    """Return an address for messages, without user name, password and query, which may hold a signature."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return clean(url.partition("?")[0], 120)
    place = parts.netloc.rpartition("@")[2]
    return clean(f"{parts.scheme}://{place}{parts.path}" + ("?…" if parts.query else ""), 160)


def is_http(url: str) -> bool:
    """Check whether a text is a complete http or https address."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
