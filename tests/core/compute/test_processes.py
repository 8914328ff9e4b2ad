"""Jobs in child processes: order of events, deaths, errors, cards, and that no process is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from counting import Counted, Counting
from process_jobs import Failing, Telling

from sertool.core.compute.cards import Card, Found
from sertool.core.compute.child_environment import child_environment
from sertool.core.compute.jobs import Job, Lost, Share, describe_placement
from sertool.core.compute.launchers import open_launcher
from sertool.core.compute.processes import ProcessLauncher, select_cards
from sertool.core.errors import DataError, SertoolError, UsageError

TABLE = torch.arange(6.0).view(2, 3).t()


def run(work, jobs, workers=2, launcher=None):
    return list((launcher or ProcessLauncher()).run(work, jobs, Share(workers, threads=1)))


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # One that has ended and that nobody has asked about yet is no process any more.
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def wait_until(true, seconds=20):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_worker_has_one_card_its_threads_and_a_silent_screen(capfd, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, GPU-b,3")
    jobs = [Job("one", lambda: 0), Job("two", lambda: 0)]
    events = run(Telling(TABLE), jobs, 2, ProcessLauncher(cards=(2, 1)))
    workers = {event for event in events if isinstance(event, tuple)}
    assert {(card, threads) for _, card, threads in workers} == {("3", 1), ("GPU-b", 1)}
    assert os.getpid() not in {process for process, _, _ in workers}
    tables = [event for event in events if isinstance(event, torch.Tensor)]
    assert [torch.equal(table, TABLE) for table in tables] == [True, True]
    tables[0][0] = 1  # may be written to
    assert all(gone(process) for process, _, _ in workers)
    assert capfd.readouterr() == ("", "")


class Unlucky(Counted):
    """Is described beyond the deadly number once its worker has died there."""

    def describe(self):
        self.next += self.next == 2
        return super().describe()


def test_events_come_in_order_and_a_job_goes_on_in_a_new_worker_where_one_was_killed():
    counted = [Unlucky("a"), Counted("b", last=2), Counted("c", last=2)]
    seen = {name: [] for name in "abc"}
    lost = Lost("count a", "", "its process was killed (SIGKILL)")
    for event in ProcessLauncher().run(Counting(die_at=(2,)), [c.job for c in counted], Share(2)):
        if isinstance(event, Lost):
            seen["a"].append(event)
            continue
        name, number = event
        seen[name].append(number)
        assert next(c for c in counted if c.name == name).next == number + 1  # taken, and no further
    assert seen == {"a": [0, 1, lost, 3], "b": [0, 1], "c": [0, 1]}
    assert describe_placement(lost) == "count a is run again: its process was killed (SIGKILL)"


@pytest.mark.slow
def test_a_job_that_ends_every_process_fails():
    with pytest.raises(SertoolError) as caught:
        run(Failing(hard=True), [Job("this", lambda: 0)])
    assert str(caught.value) == (
        "this: its worker died 4 times, the last time its process ended with exit code 3: the reason"
    )
    assert caught.value.hint == "run the same command again; finished work is kept"


def test_a_users_mistake_is_raised_at_once():
    wrong = Counted("wrong")
    endless = Job("endless", lambda: ("endless", 3, 10**9))
    with pytest.raises(DataError, match=r"^wrong: 2 is too much$") as caught:
        run(Counting(fail_at=2), [wrong.job, endless])
    assert caught.value.hint == "count less"
    assert wrong.next == 2


def test_an_interrupt_is_the_parents_business_and_a_bug_shows_where_it_is():
    events = ProcessLauncher().run(Failing(hard=False), [Job("this", lambda: 0)], Share())
    assert next(events) == "survived an interrupt"
    with pytest.raises(ValueError, match="a bug") as caught:
        next(events)
    (note,) = caught.value.__notes__
    assert note.startswith("raised in a worker process:\nTraceback")
    assert "process_jobs.py" in note


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    ],
    ids=lambda how: how.name,
)
def test_children_end_with_their_parent(tmp_path, how):
    code = f"from process_jobs import hold; hold({str(tmp_path)!r})"
    environment = child_environment(os.environ)
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        children = [int(path.name) for path in tmp_path.iterdir()]
        assert not any(map(gone, children))
        begun = time.monotonic()
        parent.send_signal(how)
        parent.communicate(timeout=20)
    wait_until(lambda: all(map(gone, children)), 5)
    assert time.monotonic() - begun < 5


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from process_jobs import count_in_a_child\nprint('here')\nprint(count_in_a_child())\n")
    done = subprocess.run(
        [sys.executable, str(script)],
        env=child_environment(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "here\n[('a', 0), ('a', 1)]\n"


def machine(cards):
    found = tuple(Card(index, "A Card", (9, 0), 2**36) for index in range(cards))
    return Found(found, cuda="13.0", architectures=("sm_90",))


def test_the_cards_that_are_named():
    assert select_cards("all", machine(3)) == (0, 1, 2)
    assert select_cards("all", machine(1)) == (0,)
    assert select_cards("2, 0", machine(3)) == (2, 0)


def test_a_launcher_for_cards_chooses_for_all_of_them(monkeypatch):
    cards = (Card(0, "A Card", (9, 0), 2**36), Card(1, "Old Card", (7, 5), 2**34), Card(2, "A Card", (9, 0), 2**35))
    facts = Found(cards, cuda="13.0", architectures=("sm_75", "sm_90"))
    for module in ("launchers", "device"):
        monkeypatch.setattr(f"sertool.core.compute.{module}.find_cards", lambda: facts)
    with open_launcher("local", devices="2,0") as launcher:
        chosen = launcher.choose("auto", "auto")
    # Each process sees a single card, which is its first.
    assert (chosen.device, chosen.name, chosen.cards, chosen.memory) == (torch.device("cuda"), "bf16", 2, 2**35)
    assert chosen.reason == "2 x A Card, bf16, steps as a CUDA graph"
    with open_launcher("local", devices="all") as launcher:
        assert launcher.cards == (0, 1, 2)
        assert launcher.choose("cuda", "auto").name == "fp32"
    with (
        pytest.raises(UsageError, match=r"--devices 3: there are 3 cards, 0 to 2"),
        open_launcher("local", devices="3"),
    ):
        raise AssertionError("there is no such card")


@pytest.mark.parametrize(
    ("wanted", "found", "message", "hint"),
    [
        ("", machine(2), "expected all, or numbers of CUDA devices, like 0,1", None),
        ("-1", machine(2), "expected all, or numbers of CUDA devices, like 0,1", None),
        ("0,\u0661", machine(2), "expected all, or numbers of CUDA devices, like 0,1", None),
        ("0,1,0", machine(2), "expected each device once", None),
        ("2", machine(2), "there are 2 cards, 0 and 1", None),
        ("0,8", machine(8), "there are 8 cards, 0 to 7", None),
        ("1", machine(1), "there is one card, 0", None),
        (
            "all",
            Found(cuda="13.0", visible=""),
            "the environment variable CUDA_VISIBLE_DEVICES= hides the cards",
            "unset CUDA_VISIBLE_DEVICES, or set it to the number of a card, as in CUDA_VISIBLE_DEVICES=0",
        ),
        (
            "0",
            Found(cuda="13.0", error="No CUDA GPUs are available"),
            "torch sees no CUDA device",
            "--device auto takes the CPU where there is no GPU (without --devices)",
        ),
    ],
)
def test_cards_that_cannot_be_used(wanted, found, message, hint):
    with pytest.raises(UsageError) as caught:
        select_cards(wanted, found)
    assert (str(caught.value), caught.value.hint) == (f"--devices {wanted}: {message}", hint)
