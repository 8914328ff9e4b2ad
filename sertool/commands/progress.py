"""Progress of long work on stderr: a bar on a terminal, a plain line each tenth elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is called with how many are done and how many there are.

    Args:
        what: is counted, for example ``recordings``.
    """
    console = Console(stderr=True)
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
