"""A download from a server that misbehaves: the right file in the end, never a wrong one under its name."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from bad_server import Act, BadServer
from downloads import BY_HAND, CONTENT, OTHER, PAGE, PAGE_TEXT, SAME_LENGTH, digest, fetch, leftovers, refused
from other_processes import QUICK

from sertool.core.errors import DataError
from sertool.core.fetch.download import Downloaded, Policy, Progress, download
from sertool.core.fetch.part_file import PartFile


def test_a_file_arrives_whole(server, target):
    seen: list[Progress] = []
    got = fetch(server, target, progress=seen.append, size=len(CONTENT), sha256=digest(CONTENT).upper())
    assert got == Downloaded(target, len(CONTENT), digest(CONTENT), server.url())
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == [".file.zip.lock", "file.zip"]
    assert [(request.method, request.range, request.encoding) for request in server.log] == [("GET", None, "identity")]
    assert seen[-1] == Progress(len(CONTENT), len(CONTENT))
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_empty_file_and_a_chunked_one(server, target):
    server.script = [Act(chunked=True)]
    assert fetch(server, target).sha256 == digest(CONTENT)
    target.unlink()
    server.content = b""
    assert fetch(server, target).size == 0


FINE = {
    "cut": [Act(cut=100_000)],
    "reset": [Act(cut=100_000, reset=True), Act(cut=0), Act(cut=1, reset=True)],
    "stall": [Act(cut=50_000, stall=True)],
    "no answer": [Act(hang_up=True), Act(hang_up=True, reset=True)],
    "ranges ignored": [Act(cut=200_000), Act(ignore_range=True)],
    "ranges ignored, and cut": [Act(cut=200_000), Act(ignore_range=True, cut=9), Act(ignore_range=True)],
    "range before the one asked for": [Act(cut=200_000), Act(shift=-1000)],
    "range after the one asked for": [Act(cut=200_000), Act(shift=1000)],
    "range of another total": [Act(cut=200_000), Act(total=len(CONTENT) + 1)],
    "no range in a 206": [Act(cut=200_000), Act(headers=(("Content-Range", "bytes of some kind"),))],
    "range of another length": [Act(cut=99), Act(headers=(("Content-Range", "bytes 99-199/300004"),))],
    "range not satisfiable": [Act(cut=200_000), Act(status=416)],
    "500": [Act(status=500), Act(status=502), Act(status=504)],
    "503 and 408": [Act(cut=5), Act(status=503), Act(status=408)],
    "429": [Act(status=429, headers=(("Retry-After", "0"),))],
    "429 with nonsense": [Act(status=429, headers=(("Retry-After", "soon"),))],
    "redirect": [
        Act(location="/a"),
        Act(location="/b", status=307),
        Act(cut=7),
        Act(location="c", status=308),
    ],
    "length too long once": [Act(length=len(CONTENT) + 5)],
    "chunks cut": [Act(chunked=True, cut=70_000)],
    "gzip said": [Act(headers=(("Content-Encoding", "gzip"),))],
}


@pytest.mark.parametrize("checked", [False, True], ids=["", "checksum"])
@pytest.mark.parametrize("script", FINE.values(), ids=FINE.keys())
@pytest.mark.parametrize("validators", ["etag", "weak and date", "none"])
def test_the_right_file_in_the_end(server, target, script, validators, checked):
    server.script, server.validators = list(script), validators
    got = fetch(server, target, sha256=digest(CONTENT) if checked else None)
    assert (got.size, got.sha256) == (len(CONTENT), digest(CONTENT))
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == [".file.zip.lock", "file.zip"]
    assert not server.script


@pytest.mark.parametrize(
    ("validators", "checked", "asked"),
    [
        ("etag", False, ("bytes=100000-", True)),
        ("date", False, ("bytes=100000-", True)),
        ("weak and date", False, ("bytes=100000-", True)),
        ("weak", False, (None, False)),
        ("none", False, (None, False)),
        ("weak", True, ("bytes=100000-", False)),
        ("none", True, ("bytes=100000-", False)),
    ],
)
def test_what_is_asked_for_after_a_cut(server, target, validators, checked, asked):
    server.script, server.validators = [Act(cut=100_000)], validators
    fetch(server, target, sha256=digest(CONTENT) if checked else None)
    assert (server.log[1].range, server.log[1].if_range is not None) == asked
    assert sum(request.sent for request in server.log) == len(CONTENT) + (0 if asked[0] else 100_000)


def test_a_server_that_sends_ranges_in_pieces(server, target, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.script, server.always = [Act(cut=4)], Act(at_most=100_000)
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=4-", "bytes=100004-", "bytes=200004-"]
    assert len(waits) == 1


def test_a_range_without_the_etag_belongs_to_the_file_asked_for(server, target):
    server.script = [Act(cut=1000), Act(cut=1000, untagged=True)]
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=1000-", "bytes=2000-"]
    assert server.log[1].if_range == server.log[2].if_range == server.tags()["ETag"]


@pytest.mark.parametrize("new", [OTHER, SAME_LENGTH], ids=["shorter", "as long"])
@pytest.mark.parametrize("validators", ["etag", "date", "weak", "none"])
@pytest.mark.parametrize("act", [Act(), Act(ignore_range=True), Act(cut=9)], ids=["", "no ranges", "cut"])
def test_the_file_changes_between_two_tries(server, target, new, validators, act):
    server.script, server.validators = [Act(cut=200_000), replace(act, new_content=new)], validators
    assert fetch(server, target).sha256 == digest(new)
    assert target.read_bytes() == new


def test_a_changed_file_that_the_server_does_not_own_up_to(server, target, monkeypatch):
    """The server answers 206 although If-Range no longer holds; only the new ETag shows it."""
    monkeypatch.setattr(BadServer, "tags", lambda self: {"ETag": f'"{digest(self.content)}"'})
    server.script = [Act(cut=200_000), Act(new_content=SAME_LENGTH)]
    lying = {"If-Range": None}
    handler = server.RequestHandlerClass
    pick = handler.pick

    def trusting(self, act, entry, content, headers):
        entry.if_range = lying["If-Range"]
        return pick(self, act, entry, content, headers)

    monkeypatch.setattr(handler, "pick", trusting)
    assert fetch(server, target).sha256 == digest(SAME_LENGTH)
    assert server.ranges == [None, "bytes=200000-", None]


def test_without_validator_a_checksum_finds_a_mix_and_fetches_once_more(server, target):
    server.validators = "none"
    server.script = [Act(cut=200_000), Act(new_content=SAME_LENGTH)]
    notes = []
    got = fetch(server, target, sha256=digest(SAME_LENGTH), progress=lambda step: notes.append(step.note))
    assert got.sha256 == digest(SAME_LENGTH)
    assert "the checksum is wrong, fetching it once more" in notes
    assert server.ranges == [None, "bytes=200000-", None]


def test_an_end_that_nobody_announced_needs_a_size_or_a_checksum(server, target):
    server.always = Act(no_length=True)
    server.script = [Act(no_length=True, cut=100)]
    assert fetch(server, target, size=len(CONTENT)).sha256 == digest(CONTENT)
    target.unlink()
    server.script = [Act(no_length=True, cut=100)]
    assert fetch(server, target, sha256=digest(CONTENT)).sha256 == digest(CONTENT)


def test_a_page_never_costs_the_part_that_is_there(server, target):
    server.script = [Act(cut=200_000), Act(page=PAGE)]
    text, _ = refused(server, target)
    assert PAGE_TEXT in text
    assert PartFile(target).length == 200_000
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=200000-", "bytes=200000-"]


def test_addresses_are_tried_in_turn_and_each_is_named(server, target):
    server.routes = {"/gone": Act(status=404), "/page": Act(page=PAGE)}
    urls = [server.url(path) for path in ("/gone", "/page", "/file.zip")]
    notes = []
    got = download(urls, target, progress=lambda step: notes.append(step.note), policy=QUICK)
    assert (got.url, got.sha256) == (urls[2], digest(CONTENT))
    assert [note for note in notes if note] == [f"next address: {url}" for url in urls[1:]]
    target.unlink()
    with pytest.raises(DataError) as caught:
        download(urls[:2], target, policy=QUICK)
    assert str(caught.value) == (
        f"{target}: could not be downloaded\n  {urls[0]}: the server answered 404 (Not Found)\n  {urls[1]}: {PAGE_TEXT}"
    )
    assert caught.value.hint == f"--check-links shows which addresses work; {BY_HAND}"


@pytest.mark.parametrize("checked", [True, False], ids=["checksum", ""])
def test_another_address_goes_on_only_with_a_checksum(server, target, checked):
    server.routes = {"/first": Act(cut=1000)}
    server.validators = "etag"
    known = digest(CONTENT) if checked else None
    with pytest.raises(DataError):
        download([server.url("/first")], target, sha256=known, policy=replace(QUICK, tries=1))
    download([server.url("/second")], target, sha256=known, policy=QUICK)
    assert server.log[-1].range == ("bytes=1000-" if checked else None)
    assert target.read_bytes() == CONTENT


def test_the_address_that_was_begun_is_asked_first(server, target):
    server.script = [Act(status=404), Act(cut=1000), Act(status=404)]
    urls = [server.url("/a"), server.url("/b")]
    with pytest.raises(DataError):
        download(urls, target, policy=QUICK)
    assert download(urls, target, policy=QUICK).url == urls[1]
    assert [(request.path, request.range) for request in server.log[2:]] == [
        ("/b", "bytes=1000-"),
        ("/b", "bytes=1000-"),
    ]


def test_waiting_as_long_as_the_server_asks(server, target, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    server.script = [
        Act(status=429, headers=(("Retry-After", "3"),)),
        Act(status=503, headers=(("Retry-After", date),)),
        Act(cut=1000),
    ]
    notes = []
    fetch(server, target, progress=lambda step: notes.append(step.note))
    asked, dated, lost = waits
    assert asked == 3
    assert 2 < dated <= 4
    assert lost <= QUICK.first_wait
    assert [note for note in notes if note] == [
        "the server asks to wait 3 s",
        f"the server asks to wait {dated:.0f} s",
        "the server stopped after 1,000 of 300,004 bytes, trying again in 0 s",
        "resumed at 1.0 kB",
    ]


def test_waits_double_up_to_the_longest_and_progress_resets_the_count(server, target, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    down = [Act(status=500)] * 5
    server.script = [*down, Act(cut=10), *down, Act(cut=10)]
    fetch(server, target, policy=Policy(tries=7, first_wait=1, longest_wait=8))
    bounds = [1, 2, 4, 8, 8, 1, 2, 4, 8, 8, 8, 1]
    assert len(waits) == len(bounds)
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
