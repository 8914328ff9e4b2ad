"""Progress of long work on stderr: a bar on a terminal, a plain line each tenth elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from sertool.commands._console import console as stderr_console
from sertool.commands._console import say
from sertool.core.formatting import readable_size

if TYPE_CHECKING:
    from sertool.core.fetch.fetch import Step

LINES = 10
SECONDS = 1.0  # between two lines of a fetch at least
BYTES = ("download", "unpack")  # the stages of a fetch that are counted in bytes


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is called with how many are done and how many there are.

    Args:
        what: is counted, for example ``recordings``.
    """
    console = stderr_console()
    if not console.is_terminal:
        yield lambda done, total: _line(console, what, done, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _line(console: Console, what: str, done: int, total: int) -> None:
    if done * LINES // total > (done - 1) * LINES // total:
        console.print(f"{done} of {total} {what}", markup=False, highlight=False)


@contextmanager
def fetching(name: str) -> Iterator[Callable[["Step"], None]]:
    """Give a function that is called with every step of a fetch.

    Args:
        name: of what is fetched.
    """
    console = stderr_console()
    if not console.is_terminal:
        yield _StepLines(console, name).take
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        _Amount(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        stages: dict[str, Any] = {}

        def take(step: "Step") -> None:
            if step.note:
                say(bar.console, f"{name}: {step.note}")
            if step.stage not in stages:
                for task in stages.values():
                    bar.remove_task(task)
                stages.clear()
                title = f"{name} · {step.stage}"
                stages[step.stage] = bar.add_task(title, total=None, in_bytes=step.stage in BYTES)
            bar.update(stages[step.stage], completed=step.done, total=step.total)

        yield take


class _Amount(ProgressColumn):
    """How much is done: bytes with their rate, or pieces."""

    def render(self, task: Task) -> Text:
        if not task.fields["in_bytes"]:
            return Text(f"{task.completed:.0f} of {task.total:.0f}" if task.total is not None else "")
        rate = f" {readable_size(task.speed)}/s" if task.speed else ""
        return Text(amount(int(task.completed), None if task.total is None else int(task.total)) + rate)


class _StepLines:
    """A line each tenth of a stage, with rate and time left; notes as they come."""

    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name = console, name
        self.stage, self.tenth = "", 0
        self.begun = self.told = time.monotonic()
        self.first = 0

    def take(self, step: "Step") -> None:
        if step.note:
            self._print(step.note)
        now = time.monotonic()
        if step.stage != self.stage:
            self.stage, self.tenth = step.stage, 0
            self.begun, self.first = now, step.done
        # Where nobody knows how much it is, a line each 100 MB.
        tenth = step.done * LINES // step.total if step.total else step.done // 10**8
        complete = step.done == step.total and self.tenth < LINES
        if complete or (tenth > self.tenth and now - self.told >= SECONDS):
            self.tenth, self.told = tenth, now
            self._print(self._line(step))

    def _line(self, step: "Step") -> str:
        if step.stage not in BYTES:
            return f"{step.stage}: {step.done} of {step.total}"
        seconds = time.monotonic() - self.begun
        rate = (step.done - self.first) / seconds if seconds else 0.0
        line = f"{step.stage}: {amount(step.done, step.total)}"
        if rate:
            line += f", {readable_size(rate)}/s"
            if step.total is not None and step.done < step.total:
                line += f", {clock((step.total - step.done) / rate)} left"
        return line

    def _print(self, text: str) -> None:
        say(self.console, f"{self.name}: {text}")


def amount(done: int, total: int | None) -> str:
    """``12.0 MB of 1.2 GB``."""
    return readable_size(done) if total is None else f"{readable_size(done)} of {readable_size(total)}"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
