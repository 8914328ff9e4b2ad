"""Comparisons in child processes that crash, hang or cannot start, and the cache of their results."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sertool.core.compute.device_checks import Verdict, cache_file, compare, source_hash, store, stored

CHILD = "checking_child"
KEY = {"card": "A Card 9000", "driver": "570.86"}
FOUND = {"a fp32": Verdict("", 0.5), "a bf16": Verdict("differs by 0.3", 1.0)}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_each_comparison_has_its_verdict_and_a_crash_costs_no_other():
    names = ["equal", "differs", "raises", "dies", "equal again", "exits"]
    report = compare(CHILD, "cpu", names)
    assert report.problem is None
    assert {name: verdict.fault for name, verdict in report.verdicts.items()} == {
        "equal": "",
        "differs": "differs by 0.3",
        "raises": "raised ValueError: the end of it",
        "dies": "ended its process (SIGSEGV)",
        "equal again": "",
        "exits": "ended its process (exit code 3)",
    }
    assert [name for name, verdict in report.verdicts.items() if verdict.equal] == ["equal", "equal again"]


@pytest.mark.slow
def test_a_comparison_that_hangs_is_ended_and_the_others_go_on():
    begun = time.monotonic()
    report = compare(CHILD, "cpu", ["hangs", "equal"], limit=1)
    assert report.problem is None
    assert report.verdicts["hangs"].fault == "took more than 1 s"
    assert report.verdicts["hangs"].seconds == pytest.approx(1, abs=0.5)
    assert report.verdicts["equal"].equal
    assert time.monotonic() - begun < 60


def test_an_interrupt_ends_the_comparison_at_once():
    begun = time.monotonic()
    main = threading.main_thread().ident  # which gets the signal of a real Ctrl-C
    threading.Timer(1.0, signal.pthread_kill, [main, signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        compare(CHILD, "cpu", ["hangs", "hangs too"])
    assert time.monotonic() - begun < 15


def test_those_that_are_left_when_time_is_up_count_as_faulty():
    report = compare(CHILD, "cpu", ["equal"], total=0)
    assert report.verdicts == {"equal": Verdict("not compared, the others took too long", 0.0)}


def test_a_child_that_cannot_start_says_nothing_about_the_code():
    report = compare(CHILD, "cpu", ["unstarted"])
    assert (report.verdicts, report.problem) == ({}, "the comparison cannot start: is there")
    report = compare("no_such_module", "cpu", ["equal"])
    assert report.problem.endswith("No module named no_such_module")


@pytest.mark.slow
def test_a_device_without_memory_is_no_verdict():
    report = compare(CHILD, "cpu", ["differs", "full", "equal", "not begun"])
    assert list(report.verdicts) == ["differs", "equal"]  # the other two have a child of their own
    assert report.problem == "no memory is left on the device"


def test_results_are_kept_for_their_key_alone(cache):
    assert stored("kernels", KEY, list(FOUND)) is None
    assert store("kernels", KEY, FOUND) is None
    path = cache_file("kernels", KEY)
    assert path.parent == cache / "sertool"
    assert path.name.startswith("kernels-")
    assert json.loads(path.read_text())["key"] == KEY
    assert stored("kernels", KEY, list(FOUND)) == FOUND
    assert stored("kernels", {**KEY, "driver": "580.1"}, list(FOUND)) is None
    assert stored("kernels", KEY, [*FOUND, "b fp32"]) is None  # a comparison that did not exist then


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:40],
        lambda text: "[]",
        lambda text: text.replace("checks-1", "checks-0"),
        lambda text: text.replace("A Card 9000", "Another"),
        lambda text: text.replace("0.5", '"half"'),
        lambda text: text.replace('"seconds"', '"minutes"'),
        lambda text: text.replace('"verdicts": {', '"verdicts": [], "x": {'),
        lambda text: "\x00\xff",
    ],
)
def test_a_damaged_file_is_none(cache, change):
    store("kernels", KEY, FOUND)
    path = cache_file("kernels", KEY)
    path.write_text(change(path.read_text()))
    assert stored("kernels", KEY, list(FOUND)) is None
    store("kernels", KEY, FOUND)
    assert stored("kernels", KEY, list(FOUND)) == FOUND


def test_a_folder_that_cannot_be_written_is_a_sentence(cache):
    cache.write_text("no folder")
    assert stored("kernels", KEY, list(FOUND)) is None
    note = store("kernels", KEY, FOUND)
    assert note == (
        "the results of the comparison cannot be stored: "
        f"{cache_file('kernels', KEY)}: cannot be written (Not a directory)"
    )


def test_without_a_variable_the_cache_lies_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file("kernels", KEY).parent == tmp_path / ".cache/sertool"


def test_processes_that_store_at_once_leave_one_whole_file(cache):
    with ThreadPoolExecutor(8) as pool:
        notes = list(pool.map(lambda _: store("kernels", KEY, FOUND), range(40)))
    assert notes == [None] * 40
    assert stored("kernels", KEY, list(FOUND)) == FOUND
    assert [path.name for path in (cache / "sertool").iterdir()] == [cache_file("kernels", KEY).name]


def test_the_hash_of_a_package_follows_its_files(tmp_path, monkeypatch):
    package = tmp_path / "some_package_to_hash"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    first = source_hash(package.name)
    assert source_hash(package.name) == first
    (package / "more.py").write_text("x = 1\n")
    assert source_hash(package.name) != first
