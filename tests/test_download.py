"""Downloads from a server that misbehaves: the right file, or one clear message; never a wrong file under its name."""

import errno
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from bad_server import Act, BadServer, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.fetch import http_client, part_file
from sertool.core.fetch import http_replies as replies
from sertool.core.fetch.download import Downloaded, Policy, Progress, check_link, download
from sertool.core.fetch.part_file import Known, PartFile, address_id
from sertool.core.formatting import readable_size

QUICK = Policy(
    tries=4,
    first_wait=0.001,
    longest_wait=0.002,
    longest_retry_after=5.0,
    connect_timeout=2.0,
    stall_timeout=0.2,
    lock_wait=0.1,
)
CONTENT = b"PK\x03\x04" + random.Random(1).randbytes(300_000)
OTHER = b"PK\x03\x04" + random.Random(2).randbytes(250_000)
SAME_LENGTH = OTHER + random.Random(3).randbytes(50_000)
BY_HAND = "fetch it in a browser, or from another address, and give it with --from FILE"
PAGE = b"<!DOCTYPE html>\n<html><head><title>\n Too many \x1b[31mrequests &amp; such </title></head>no</html>"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving(CONTENT) as one:
        yield one


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "file.zip"


def fetch(server: BadServer, target: Path, **options) -> Downloaded:
    return download([server.url()], target, **{"policy": QUICK, **options})


def refused(server: BadServer, target: Path, **options) -> tuple[str, str | None]:
    """The one message, without the server's port; nothing has the target's name."""
    with pytest.raises(SertoolError) as caught:
        fetch(server, target, **options)
    assert not target.exists()
    text = str(caught.value).replace(str(target), "TARGET").replace(server.url(""), "http://host")
    return text, caught.value.hint


def leftovers(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_arrives_whole(server, target):
    seen: list[Progress] = []
    got = fetch(server, target, progress=seen.append, size=len(CONTENT), sha256=digest(CONTENT).upper())
    assert got == Downloaded(target, len(CONTENT), digest(CONTENT), server.url())
    assert target.read_bytes() == CONTENT
    assert leftovers(target) == [".file.zip.lock", "file.zip"]
    assert [(request.method, request.range, request.encoding) for request in server.log] == [
        ("GET", None, "identity")
    ]
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
    """It answers 206 although If-Range no longer holds; only the new ETag gives it away."""
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


def test_a_wrong_checksum_twice(server, target):
    text, hint = refused(server, target, sha256=digest(OTHER))
    assert text == (
        "TARGET: could not be downloaded\n"
        f"  http://host/file.zip: its checksum is {digest(CONTENT)}, expected {digest(OTHER)}: "
        "the file there is another one, or damaged"
    )
    assert hint == BY_HAND
    assert len(server.log) == 2
    assert leftovers(target) == [".file.zip.lock"]


PAGE_TEXT = (
    'an HTML page came in place of the file ("Too many [31mrequests & such"): '
    "the link is probably expired, over its quota or asks for a login"
)
WRONG = {
    "403": (Act(status=403), "the server answered 403 (Forbidden)", 1),
    "404": (Act(status=404), "the server answered 404 (Not Found)", 1),
    "410": (Act(status=410), "the server answered 410 (Gone)", 1),
    "401": (Act(status=401), "the server answered 401 (Unauthorized)", 1),
    "unknown": (Act(status=799), "the server answered 799", 1),
    "500": (
        Act(status=500),
        "the server answered 500 (Internal Server Error) (4 times in a row, 0 bytes are there)",
        4,
    ),
    "hang up": (
        Act(hang_up=True),
        "the connection was closed before an answer (4 times in a row, 0 bytes are there)",
        4,
    ),
    "stall": (
        Act(cut=0, stall=True),
        "no data for 0.2 s (4 times in a row, 0 bytes are there)",
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
        "it redirects to file:///etc/passwd, which is no http address",
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
        "the server does not tell the file's length, so nobody can tell whether all of it came",
        1,
    ),
    "no ranges and cut": (
        Act(ignore_range=True, cut=1000),
        "the server ended after 1,000 of 300,004 bytes (started 5 times, 1.0 kB are there)",
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
        ("etag", "the server announced 300,104 bytes, but ends at 300,004"),
        ("none", "the server ended after 300,004 of 300,104 bytes"),
    ],
)
def test_a_server_that_always_sends_less_than_it_says(server, target, validators, reason):
    server.always, server.validators = Act(length=len(CONTENT) + 100), validators
    text, _ = refused(server, target)
    assert text.startswith(
        f"TARGET: could not be downloaded\n  http://host/file.zip: {reason} (started 5 times, "
    )


def test_a_length_that_is_not_the_known_one(server, target):
    server.always = Act(length=1000)
    text, _ = refused(server, target, size=len(CONTENT))
    assert text.endswith("\n  http://host/file.zip: the file there has 1,000 bytes, expected 300,004")
    server.always = Act(chunked=True)
    text, _ = refused(server, target, size=1000)
    assert text.endswith("\n  http://host/file.zip: the server sends more than 1,000 bytes")


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


def test_a_server_that_cannot_be_reached(target, server):
    url = server.url()
    server.server_close()
    with pytest.raises(DataError) as caught:
        download([url.replace("//", "//me:secret@") + "?sig=hidden"], target, policy=QUICK)
    assert str(caught.value) == (
        f"{target}: could not be downloaded\n"
        f"  {url}?…: no connection (Connection refused) (4 times in a row, 0 bytes are there)"
    )


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
        f"{target}: could not be downloaded\n"
        f"  {urls[0]}: the server answered 404 (Not Found)\n  {urls[1]}: {PAGE_TEXT}"
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
        "the server ended after 1,000 of 300,004 bytes, trying again in 0 s",
        "went on at 1.0 kB",
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


def test_it_goes_on_in_another_process(server, target):
    server.script = [Act(cut=200_000)]
    with pytest.raises(DataError):
        fetch(server, target, policy=replace(QUICK, tries=1))
    notes = []
    got = fetch(server, target, progress=lambda step: notes.append(step.note))
    assert got.sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=200000-"]
    assert "went on at 200.0 kB" in notes


def stop_at_the_rename(server, target, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(
            part_file.artifacts, "write_json", lambda path, content: path.write_text(json.dumps(content))
        )
        with pytest.raises(KeyboardInterrupt):
            fetch(server, target)


def test_stopped_after_the_last_byte_nothing_is_asked_for_again(server, target, monkeypatch):
    stop_at_the_rename(server, target, monkeypatch)
    assert not target.exists()
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert len(server.log) == 1


def test_after_another_boot_only_what_was_flushed_counts(server, target, monkeypatch):
    monkeypatch.setattr(part_file, "FLUSH_EVERY", 100_000)
    stop_at_the_rename(server, target, monkeypatch)
    state = target.with_name(".file.zip.part.json")
    told = json.loads(state.read_text())
    told["flushed"] = 120_000
    state.write_text(json.dumps(told))
    part = target.with_name(".file.zip.part")
    # What a power cut leaves: the right length, and holes where nothing had been written yet.
    part.write_bytes(CONTENT[:120_000] + bytes(len(CONTENT) - 120_000))
    boot = target.with_name("boot")
    boot.write_text("another")
    monkeypatch.setattr(part_file, "_BOOT_ID", boot)
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None, "bytes=120000-"]


def test_the_state_never_vouches_for_more_than_was_flushed(server, target, monkeypatch):
    monkeypatch.setattr(part_file, "FLUSH_EVERY", 50_000)
    monkeypatch.setattr(http_client, "CHUNK", 10_000)
    flushed, written = [], []
    sync, write = part_file._data_sync, os.write

    def synced(file):
        flushed.append(os.fstat(file).st_size)
        sync(file)

    def state(path, content):
        written.append(content["flushed"])
        assert content["flushed"] <= max(flushed, default=0)
        path.write_text(json.dumps(content))

    monkeypatch.setattr(part_file, "_data_sync", synced)
    monkeypatch.setattr(part_file.artifacts, "write_json", state)
    server.script = [Act(cut=120_000)]
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert len(written) >= 4
    assert written == sorted(written)
    assert write is os.write


def test_without_a_boot_id_only_what_was_flushed_counts(server, target, monkeypatch, tmp_path):
    monkeypatch.setattr(part_file, "_BOOT_ID", tmp_path / "none")
    stop_at_the_rename(server, target, monkeypatch)
    state = target.with_name(".file.zip.part.json")
    told = json.loads(state.read_text())
    state.write_text(json.dumps({**told, "flushed": 5000}))
    assert PartFile(target).length == 5000
    assert told["boot"] is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2),
)


@given(
    st.one_of(
        st.binary(max_size=40),
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("address", "validator", "total", "flushed", "boot"), JUNK)
        ).map(lambda state: json.dumps(state).encode()),
    )
)
def test_a_damaged_state_file_is_a_new_start_or_a_sound_one(content):
    with TemporaryDirectory() as folder:
        target = Path(folder, "file.zip")
        part = PartFile(target)
        part.path.write_bytes(b"1234567")
        part.state.write_bytes(content)
        part = PartFile(target)
        assert 0 <= part.length <= 7
        assert part.known is not None or part.length == 0
        part.close()


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
        f"{target}: is there with 300,004 bytes, expected 5",
        hint,
    )
    with pytest.raises(DataError) as caught:
        fetch(server, target, sha256=digest(OTHER))
    assert (
        str(caught.value) == f"{target}: is there with checksum {digest(CONTENT)}, expected {digest(OTHER)}"
    )
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
    assert hint == "free some space and run the same command again; it goes on from there"
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


def hold(url: str, target: Path, results) -> None:
    slow = replace(QUICK, lock_wait=10.0)
    results.put(download([url], target, policy=slow).url)


def test_two_processes_fetch_it_once(server, target):
    server.pace = (20_000, 0.02)
    processes = multiprocessing.get_context("spawn")
    results = processes.Queue()
    both = [
        processes.Process(target=hold, args=(server.url(), target, results), daemon=True) for _ in range(2)
    ]
    for process in both:
        process.start()
    got = sorted(results.get(timeout=30) for _ in both)
    for process in both:
        process.join()
    assert got == ["", server.url()]
    assert len(server.log) == 1
    assert target.read_bytes() == CONTENT


def test_another_process_is_waited_for_only_a_while(server, target):
    server.pace = (5_000, 0.01)
    first = threading.Thread(target=fetch, args=(server, target))
    first.start()
    while not server.log:
        time.sleep(0.01)
    notes = []
    with pytest.raises(SertoolError) as caught:
        fetch(server, target, progress=lambda step: notes.append(step.note))
    assert str(caught.value) == f"{target}: is being fetched by another process"
    assert caught.value.hint == "wait for it, then run the same command again"
    assert notes == ["another process is fetching it, waiting"]
    server.pace = None
    first.join()
    assert target.read_bytes() == CONTENT


LINKS = {
    "right": (Act(), True, 300_004, True, "206, 300.0 kB, application/zip"),
    "no ranges": (Act(ignore_range=True), True, 300_004, False, "200, 300.0 kB, application/zip"),
    "chunked": (
        Act(ignore_range=True, chunked=True),
        True,
        None,
        False,
        "200, length not told, application/zip",
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


lengths = st.integers(0, len(CONTENT))
ACTS = st.one_of(
    st.builds(Act, cut=lengths, reset=st.booleans(), ignore_range=st.booleans(), chunked=st.booleans()),
    st.builds(Act, cut=lengths, shift=st.integers(-5, 5), total=st.none() | st.integers(1, 400_000)),
    st.builds(Act, cut=lengths, new_content=st.sampled_from([CONTENT, OTHER, SAME_LENGTH])),
    st.builds(Act, at_most=st.integers(1, 200_000), length=st.none() | st.integers(300_004, 300_010)),
    st.builds(Act, status=st.sampled_from([403, 404, 408, 410, 416, 429, 500, 503])),
    st.builds(Act, location=st.sampled_from(["/file.zip", "/other.zip", "//127.0.0.1:1/x"])),
    st.builds(
        Act, page=st.sampled_from([PAGE, b"<html>"]), content_type=st.sampled_from(["text/html", "a/b"])
    ),
    st.just(Act(hang_up=True)),
)


MISBEHAVIOUR = given(
    scripts=st.lists(st.lists(ACTS, max_size=6), min_size=1, max_size=3),
    validators=st.sampled_from(["etag", "date", "weak and date", "weak", "none"]),
    known=st.sampled_from([None, "size", "checksum"]),
)
SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=25, **SHARED)
@MISBEHAVIOUR
def test_any_misbehaviour_ends_in_the_right_file_or_one_message(server, scripts, validators, known):
    right_or_one_message(server, scripts, validators, known)


@pytest.mark.slow
@settings(max_examples=600, **SHARED)
@MISBEHAVIOUR
def test_many_misbehaviours_end_in_the_right_file_or_one_message(server, scripts, validators, known):
    right_or_one_message(server, scripts, validators, known)


def right_or_one_message(server, scripts, validators, known):
    """Over several runs of the command; the last one meets a server that has come to its senses."""
    server.content, server.validators = CONTENT, validators
    with TemporaryDirectory() as folder:
        target = Path(folder, "file.zip")
        for script in [*scripts, []]:
            server.script = list(script)
            if not script and known:
                server.content = CONTENT
            wanted = {
                "size": len(CONTENT) if known == "size" else None,
                "sha256": digest(CONTENT) if known == "checksum" else None,
            }
            got = outcome(server, target, **wanted)
            if got is None:
                assert not target.exists()
                continue
            content = target.read_bytes()
            assert got.sha256 == digest(content)
            assert content == CONTENT or (known != "checksum" and content in (OTHER, SAME_LENGTH))
            assert leftovers(target) == [".file.zip.lock", "file.zip"]
            break
        else:
            pytest.fail("no file from a server that behaves")


def outcome(server: BadServer, target: Path, **wanted) -> Downloaded | None:
    try:
        return fetch(server, target, **wanted)
    except SertoolError:
        return None


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
    assert length is None or int(text) == length
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
        (12 * 10**11, "1200.0 GB"),
    ],
)
def test_readable_sizes(size, text):
    assert readable_size(size) == text


def test_a_part_file_without_its_state_is_not_trusted(server, target):
    target.parent.mkdir()
    target.with_name(".file.zip.part").write_bytes(OTHER)
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == [None]


def test_a_part_longer_than_the_file_starts_again(server, target):
    target.parent.mkdir()
    part = PartFile(target)
    part.begin(Known(address_id(server.url()), server.tags()["ETag"], None), 0)
    part.append(CONTENT + CONTENT)
    part.close()
    assert fetch(server, target).sha256 == digest(CONTENT)
    assert server.ranges == ["bytes=600008-", None]
