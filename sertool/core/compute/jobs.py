"""The interface of a launcher: it runs jobs somewhere and yields their events in the order in which they arrive."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sertool.core.compute.device import Device, Precision, Wanted
from sertool.core.errors import SertoolError

TRIES = 4  # attempts at a job whose worker dies


@dataclass(frozen=True)
class Began:
    """A job starts on a node, for the first time or again after its worker died."""

    title: str
    node: str


@dataclass(frozen=True)
class Lost:
    """A job's worker died, and the job will be run again; without a node, on this machine."""

    title: str
    node: str
    reason: str


@dataclass(frozen=True)
class Waiting:
    """No node has had room for a worker so far."""

    wanted: str


Placement = Began | Lost | Waiting


def describe_placement(event: Placement) -> str:
    """Describe the event in one sentence."""
    if isinstance(event, Began):
        return f"{event.title} on node {event.node}"
    if isinstance(event, Lost) and not event.node:
        return f"{event.title} is run again: {event.reason}"
    if isinstance(event, Lost):
        return f"{event.title} is run again elsewhere: {event.reason} on node {event.node}"
    return f"waiting for a node with {event.wanted} to spare"


@runtime_checkable
class Work(Protocol):
    """The work that all jobs share. It may be pickled, so it holds no open file, lock or thread."""

    def open(self) -> Callable[[Any], Iterator[Any]]:
        """Return a function that does a job, given its description, and yields events.

        It is called once in each worker's process.
        """
        ...


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        title: name in messages, for example ``group 2``.
        describe: returns the input of the work; called when a worker takes the job, and again after that worker died.
        take: called with each event before the launcher yields it, one at a time, in the order of the job. The work
            continues when it returns.
    """

    title: str
    describe: Callable[[], Any]
    take: Callable[[Any], None] = lambda event: None


@dataclass
class Pending:
    """A job that has not ended, with the number of workers that died while they did it."""

    job: Job
    deaths: int = 0

    def lose(self, reason: str, node: str = "") -> Lost:
        """Count a worker's death, after which the job is to be run again.

        Raises:
            SertoolError: its workers died :data:`TRIES` times.
        """
        self.deaths += 1
        lost = Lost(self.job.title, node, reason)
        if self.deaths == TRIES:
            last = f"on node {node}: {reason}" if node else reason
            raise SertoolError(
                f"{self.job.title}: its worker died {TRIES} times, the last time {last}",
                hint="run the same command again; finished work is kept",
            )
        return lost


@dataclass(frozen=True)
class Share:
    """The share of a machine that a worker takes.

    Attributes:
        workers: largest number of workers on this machine.
        threads: threads of a worker's operations on the CPU.
        gpu: a worker computes on a GPU.
        processes: workers on this machine are processes rather than threads.
    """

    workers: int = 1
    threads: int = 1
    gpu: bool = False
    processes: bool = False


@runtime_checkable
class Launcher(Protocol):
    """An object that runs jobs in this process or on a cluster."""

    def choose(self, device: Device, precision: Wanted, *, graphs: bool = True) -> Precision:
        """Choose device and number format where the jobs run; see :func:`sertool.core.compute.device.choose`."""
        ...

    def run(self, work: Work, jobs: Sequence[Job], share: Share) -> Iterator[Any]:
        """Yield the events of all jobs, each job's in order, and a :data:`Placement` where the user should know it.

        Raises:
            SertoolError: a job failed.
        """
        ...
