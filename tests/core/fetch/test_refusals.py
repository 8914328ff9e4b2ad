"""Downloads that end in one message: what the server, the user or the disk did, and what to try."""

import errno
import os
import re
import shutil
from types import SimpleNamespace

import pytest
from bad_server import Act
from downloads import BY_HAND, CONTENT, OTHER, PAGE, PAGE_TEXT, digest, fetch, leftovers, refused
from other_processes import QUICK

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.fetch import http_client, part_file
from sertool.core.fetch.download import Downloaded, check_link, download
from sertool.core.fetch.part_file import PartFile


def test_a_wrong_checksum_twice(server, target):
    text, hint = refused(server, target, sha256=digest(OTHER))
    assert text == (
        "TARGET: could not be downloaded\n"
        f"  http://host/file.zip: its checksum is {digest(CONTENT)}, expected {digest(OTHER)}: "
        "the file there is a different one, or damaged"
    )
    assert hint == BY_HAND
    assert len(server.log) == 2
    assert leftovers(target) == [".file.zip.lock"]


WRONG = {
    "403": (Act(status=403), "the server answered 403 (Forbidden)", 1),
    "404": (Act(status=404), "the server answered 404 (Not Found)", 1),
    "410": (Act(status=410), "the server answered 410 (Gone)", 1),
    "401": (Act(status=401), "the server answered 401 (Unauthorized)", 1),
    "unknown": (Act(status=799), "the server answered 799", 1),
    "500": (
        Act(status=500),
        "the server answered 500 (Internal Server Error) (4 times in a row, 0 bytes downloaded)",
        4,
    ),
    "hang up": (
        Act(hang_up=True),
        "the connection was closed before an answer (4 times in a row, 0 bytes downloaded)",
        4,
    ),
    "stall": (
        Act(cut=0, stall=True),
        "no data for 0.2 s (4 times in a row, 0 bytes downloaded)",
        4,
    ),
    "429 too long": (
        Act(status=429, headers=(("Retry-After", "3600"),)),
        "the server answered 429 (Too Many Requests): it asks to wait 3600 s",
        1,
    ),
    "circle": (
        Act(location="/file.zip?a=secret"),
        "it redirects in a circle (20 times, the last to http://host/file.zip?…)",
        21,
    ),
    "redirect elsewhere": (
        Act(location="file:///etc/passwd"),
        "it redirects to file:///etc/passwd, which is not an http address",
        1,
    ),
    "page": (Act(page=PAGE, content_type="text/html; charset=utf-8"), PAGE_TEXT, 1),
    "page of wrong type": (Act(page=b"\xef\xbb\xbf \n" + PAGE), PAGE_TEXT, 1),
    "page by its type": (
        Act(page=b"sorry", content_type="Text/HTML"),
        PAGE_TEXT.replace(' ("Too many [31mrequests & such")', ""),
        1,
    ),
    "no length": (
        Act(no_length=True),
        "the server does not report the file's length, so an incomplete download could not be detected",
        1,
    ),
    "no ranges and cut": (
        Act(ignore_range=True, cut=1000),
        "the server stopped after 1,000 of 300,004 bytes (started 5 times, 1.0 kB downloaded)",
        6,
    ),
}


@pytest.mark.parametrize(("act", "reason", "requests"), WRONG.values(), ids=WRONG.keys())
def test_one_message(server, target, act, reason, requests):
    server.always = act
    text, hint = refused(server, target)
    assert text == f"TARGET: could not be downloaded\n  http://host/file.zip: {reason}"
    page = act.page is not None
    assert hint == ("--check-links shows which addresses work; " if page else "") + BY_HAND
    assert len(server.log) == requests


@pytest.mark.parametrize(
    ("validators", "reason"),
    [
        ("etag", "the server reported 300,104 bytes, but ends at 300,004"),
        ("none", "the server stopped after 300,004 of 300,104 bytes"),
    ],
)
def test_a_server_that_always_sends_less_than_it_says(server, target, validators, reason):
    server.always, server.validators = Act(length=len(CONTENT) + 100), validators
    text, _ = refused(server, target)
    assert text.startswith(f"TARGET: could not be downloaded\n  http://host/file.zip: {reason} (started 5 times, ")


def test_a_length_that_is_not_the_known_one(server, target):
    server.always = Act(length=1000)
    text, _ = refused(server, target, size=len(CONTENT))
    assert text.endswith("\n  http://host/file.zip: the file there has 1,000 bytes, expected 300,004")
    server.always = Act(chunked=True)
    text, _ = refused(server, target, size=1000)
    assert text.endswith("\n  http://host/file.zip: the server sends more than 1,000 bytes")


def test_a_server_that_cannot_be_reached(target, server):
    url = server.url()
    server.server_close()
    with pytest.raises(DataError) as caught:
        download([url.replace("//", "//me:secret@") + "?sig=hidden"], target, policy=QUICK)
    assert str(caught.value) == (
        f"{target}: could not be downloaded\n"
        f"  {url}?…: no connection (Connection refused) (4 times in a row, 0 bytes downloaded)"
    )


def test_a_target_that_is_there(server, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    there = Downloaded(target, len(CONTENT), digest(CONTENT), "")
    assert fetch(server, target) == there
    assert fetch(server, target, size=len(CONTENT), sha256=digest(CONTENT)) == there
    hint = "delete it or move it away, then run the same command again"
    with pytest.raises(DataError) as caught:
        fetch(server, target, size=5)
    assert (str(caught.value), caught.value.hint) == (
        f"{target}: exists with 300,004 bytes, expected 5",
        hint,
    )
    with pytest.raises(DataError) as caught:
        fetch(server, target, sha256=digest(OTHER))
    assert str(caught.value) == f"{target}: exists with checksum {digest(CONTENT)}, expected {digest(OTHER)}"
    assert target.read_bytes() == CONTENT
    assert server.log == []
    with pytest.raises(DataError, match="data: is a folder, expected a file"):
        fetch(server, target.parent)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/x", "host/x", "http://", "http://[x", "", "http://h:99999/"]
)
def test_other_addresses_are_a_mistake(target, url):
    with pytest.raises(UsageError, match="not an http or https address"):
        download([url], target)
    assert check_link(url).detail == "not an http or https address"


def test_a_checksum_that_is_none(target):
    with pytest.raises(UsageError) as caught:
        download(["http://127.0.0.1/x"], target, sha256="abc")
    assert str(caught.value) == "abc: not a SHA-256 checksum, which has 64 hexadecimal digits"


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(server, target, monkeypatch):
    usage = SimpleNamespace(total=1, used=1, free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    text, hint = refused(server, target)
    assert text == "TARGET: 300.0 kB are needed, 100.0 kB are free on this disk"
    assert hint == "free some space, or choose a folder on another disk"
    assert not target.with_name(".file.zip.part").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_keeps_the_part(server, target, monkeypatch, code):
    monkeypatch.setattr(http_client, "CHUNK", 10_000)
    write = os.write

    def full(file, content):
        if os.fstat(file).st_size >= 95_000:
            raise OSError(code, os.strerror(code))
        return write(file, content[:5_000])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        text, hint = refused(server, target)
    kept = PartFile(target).length
    assert re.fullmatch(r"TARGET: no space left on the disk after [89]\d\.\d kB, which are kept", text)
    assert hint == "free some space and run the same command again; it resumes from there"
    assert kept >= 95_000
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None, f"bytes={kept}-"]


def test_a_disk_that_fills_up_at_the_flush(server, target, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(part_file, "_data_sync", full)
    text, _ = refused(server, target)
    assert text == "TARGET: no space left on the disk after 300.0 kB, which are kept"


def test_a_folder_that_takes_no_file(server, tmp_path):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "x.zip"
    with pytest.raises(SertoolError) as caught:
        fetch(server, target)
    assert str(caught.value).startswith(f"{target}: cannot be written (")
