"""What a launcher is: it runs jobs somewhere and yields what they bring, in whatever order that happens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sertool.core.compute.device import Precision

Device = Literal["auto", "cpu", "cuda"]
Wanted = Literal["auto", "fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class Began:
    """A job runs on a node; also again, after its worker died."""

    title: str
    node: str


@dataclass(frozen=True)
class Lost:
    """A job's worker died, and the job will be run again."""

    title: str
    node: str
    reason: str


@dataclass(frozen=True)
class Waiting:
    """No node has had room for a worker so far."""

    wanted: str


Placement = Began | Lost | Waiting


def describe_placement(event: Placement) -> str:
    """It as a sentence for the user."""
    if isinstance(event, Began):
        return f"{event.title} on node {event.node}"
    if isinstance(event, Lost):
        return f"{event.title} goes on elsewhere: {event.reason} on node {event.node}"
    return f"waiting for a node with {event.wanted} to spare"


class Work(Protocol):
    """What all jobs have in common. It may be pickled, so it holds no open file, lock or thread."""

    def open(self) -> Callable[[Any], Iterator[Any]]:
        """What does a job, given its description, and yields events; called once in each worker's process."""
        ...


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        title: what it is called in messages, for example ``group 2``.
        describe: what the work is given; asked for when a worker takes the job, and again after that worker died.
        take: called with each event before the launcher yields it, one at a time, and in a job's own order. The work
            goes on when it returns.
    """

    title: str
    describe: Callable[[], Any]
    take: Callable[[Any], None] = lambda event: None


@dataclass(frozen=True)
class Share:
    """What a worker takes of a machine.

    Attributes:
        workers: at most so many on this machine.
        threads: of a worker's operations on the CPU.
        gpu: whether it computes on a GPU.
    """

    workers: int = 1
    threads: int = 1
    gpu: bool = False


class Launcher(Protocol):
    """Runs jobs."""

    def choose(self, device: Device, precision: Wanted, *, graphs: bool = True) -> Precision:
        """Device and number format where jobs are run; see :func:`sertool.core.compute.device.choose`."""
        ...

    def run(self, work: Work, jobs: Sequence[Job], share: Share) -> Iterator[Any]:
        """The events of all jobs, each job's in its order, and :data:`Placement` where that is worth telling.

        Raises:
            SertoolError: a job failed.
        """
        ...
