"""Messages and progress of commands on stderr: lines, bars and counters. Results go to stdout."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text

from sertool.core.formatting import escaped, one_message, readable_size

if TYPE_CHECKING:
    from sertool.core.fetch.fetch import Step

MANY = 20  # items that are worth a progress bar
LINES = 10  # of progress, where there is no terminal to draw a bar on
SECONDS = 1.0  # at least between two lines of a download, so that a quick one does not flood a log
RATED = 5.0  # seconds after which lines name rate and time left
NARROWEST = 80  # columns; on a narrower terminal, tables would lose their figures
BYTES = ("download", "unpack")  # stages of a fetch that are counted in bytes
UNKNOWN_SIZE = 10**8  # bytes between two lines where the server does not say how much will come


class SafeConsole(Console):
    """A console that spells out control, escape and direction signs in all it prints, but for Rich's own."""

    def __init__(self, stream: TextIO) -> None:
        # The gate before the stream would spell out Rich's colours as well.
        super().__init__(file=getattr(stream, "ungated", stream), highlight=False, markup=False)

    def render_str(self, text: str, **more: Any) -> Text:
        """Turn a string into Rich's text; spelled out here, so that its width is right."""
        return super().render_str(escaped(text), **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Turn anything into pieces of text; what is no sign of Rich's own is spelled out."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(escaped(piece.text), piece.style)


def console() -> Console:
    """Open the console on stderr; stdout is for results, so that they can be piped."""
    return SafeConsole(sys.stderr)


def results() -> Console:
    """Open the console on stdout."""
    return SafeConsole(sys.stdout)


def say(talk: Console, text: str) -> None:
    """Print a message: wrapped between words on a terminal, on one line elsewhere."""
    talk.print(one_message(text), markup=False, highlight=False, soft_wrap=not talk.is_terminal)


def table_width() -> int | None:
    """Return the columns that tables on stdout may take; None in a pipe or a file, where nothing is divided."""
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else None


@contextmanager
def counting(what: str, number: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show how many items are done; yield the function to call with the number done and the total.

    Args:
        what: name of the items, for example ``recordings``.
        number: number of items, if it is known; of a few, which are soon done, nothing is shown.
    """
    if number is not None and number < MANY:
        yield lambda done, total: None
        return
    talk = console()
    if not talk.is_terminal:
        begun = time.monotonic()
        yield lambda done, total: _count_line(talk, what, done, total, time.monotonic() - begun)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=talk, transient=True) as bar:  # transient: only results stay on the screen
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _count_line(talk: Console, what: str, done: int, total: int, seconds: float) -> None:
    if done * LINES // total > (done - 1) * LINES // total:  # this item completes another tenth
        rate, left = done / max(seconds, 1e-9), seconds * (total - done) / done
        # Where all is done within seconds, nobody waits.
        told = f", {rate:.3g} a second, {clock(left)} left" if seconds >= RATED and done < total else ""
        say(talk, f"{done} of {total} {what}{told}")


class _Rate(ProgressColumn):
    """Column of a progress bar: items a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "")


@contextmanager
def fetching(name: str) -> Iterator[Callable[["Step"], None]]:
    """Show the progress of a fetch; yield the function to call with each step.

    Args:
        name: name of the source that is fetched.
    """
    talk = console()
    if not talk.is_terminal:
        yield _StepLines(talk, name).take
        return
    columns = (
        TextColumn("{task.description}", markup=False),  # names come from outside: brackets are no markup
        BarColumn(bar_width=None),
        _Amount(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=talk, transient=True) as bar:
        stages: dict[str, TaskID] = {}

        def take(step: "Step") -> None:
            if step.note:
                say(bar.console, f"{name}: {step.note}")
            if step.stage not in stages:
                # One bar at a time: the stages follow each other, and a finished one is of no use any more.
                for task in stages.values():
                    bar.remove_task(task)
                stages.clear()
                title = f"{name} · {step.stage}"
                stages[step.stage] = bar.add_task(title, total=None, in_bytes=step.stage in BYTES)
            bar.update(stages[step.stage], completed=step.done, total=step.total)

        yield take


class _Amount(ProgressColumn):
    """Column of a progress bar: bytes and their rate, or items."""

    def render(self, task: Task) -> Text:
        if not task.fields["in_bytes"]:
            return Text(f"{task.completed:.0f} of {task.total:.0f}" if task.total is not None else "")
        rate = f" {readable_size(task.speed)}/s" if task.speed else ""
        return Text(amount(int(task.completed), None if task.total is None else int(task.total)) + rate)


class _StepLines:
    """Plain lines instead of a bar: one per tenth of a stage, with rate and time left; notes at once."""

    def __init__(self, talk: Console, name: str) -> None:
        self.talk, self.name = talk, name
        self.stage, self.tenth = "", 0
        self.begun = self.printed = time.monotonic()
        self.first = 0

    def take(self, step: "Step") -> None:
        if step.note:
            self._print(step.note)
        now = time.monotonic()
        if step.stage != self.stage:
            self.stage, self.tenth = step.stage, 0
            # A resumed download starts in the middle: its rate counts only what came in this run.
            self.begun, self.first = now, step.done
        tenth = step.done * LINES // step.total if step.total else step.done // UNKNOWN_SIZE
        complete = step.done == step.total and self.tenth < LINES  # the last line comes even within a second
        if complete or (tenth > self.tenth and now - self.printed >= SECONDS):
            self.tenth, self.printed = tenth, now
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
        say(self.talk, f"{self.name}: {text}")


def amount(done: int, total: int | None) -> str:
    """Format a number of bytes, as in ``12.0 MB of 1.2 GB``."""
    return readable_size(done) if total is None else f"{readable_size(done)} of {readable_size(total)}"


def clock(seconds: float) -> str:
    """Format seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
