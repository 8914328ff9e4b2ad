"""A launcher that runs jobs in child processes of this machine, each with a card of its own or on the CPU.

Nothing is forked, because neither threads nor CUDA survive that: a child is a fresh Python that does not read the
caller's script. It ends with its parent, however that ends, because it sees its socket closed. Only the parent reads
and writes files.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any

import torch

from sertool.core.compute.cards import Found, find_problem
from sertool.core.compute.child_environment import child_environment
from sertool.core.compute.device import Device, Precision, Wanted, choose
from sertool.core.compute.jobs import Job, Pending, Share, Work
from sertool.core.compute.process_worker import Begin, Broken, pack, unpack
from sertool.core.compute.worker import Event, RefusedJob
from sertool.core.errors import UsageError

PATIENCE = 10.0  # seconds for a child to end after its socket was closed


@dataclass(frozen=True)
class ProcessLauncher:
    """A launcher that runs ``share.workers`` jobs at a time, each in a process of its own.

    Attributes:
        cards: the CUDA devices of the workers, as torch numbers them here; empty where workers compute on the CPU.
    """

    cards: tuple[int, ...] = ()

    def choose(self, device: Device, precision: Wanted, *, graphs: bool = True) -> Precision:
        """Choose device and precision on this machine."""
        chosen = choose(device, precision, graphs=graphs, devices=self.cards)
        if chosen.device.type == "cpu":
            return chosen
        return replace(chosen, device=torch.device("cuda"), cards=len(self.cards))  # each worker sees a single card

    def run(self, work: Work, jobs: Sequence[Job], share: Share) -> Iterator[Any]:
        """Yield the events of all jobs, and a :class:`~sertool.core.compute.jobs.Lost` where a worker died.

        A job whose worker dies is described again and given to a new one. The error of a job is raised at once.

        Args:
            work: the work that all jobs share; each worker reads it once, from a file.
            jobs: the jobs in the order in which they start.
            share: ``workers`` run at a time, each with its number of threads.

        Raises:
            SertoolError: a job failed, or its workers died again and again.
        """
        with tempfile.TemporaryFile() as content:
            pool = _Pool(jobs, share, self.cards, content)
            try:
                yield from pool.run(work)
            finally:
                pool.close()


@dataclass
class _Worker:
    """A child process, its end of the socket, its card, its job, and what it says on stdout and stderr."""

    process: subprocess.Popen[bytes]
    connection: "Connection[Any, Any]"
    card: int | None
    job: Pending
    talk: IO[bytes]


class _Pool:
    """The workers of one call of :meth:`ProcessLauncher.run`."""

    def __init__(self, jobs: Sequence[Job], share: Share, cards: Sequence[int], content: IO[bytes]) -> None:
        self.waiting = deque(Pending(job) for job in jobs)
        self.workers: dict[Any, _Worker] = {}  # by connection
        self.share, self.cards, self.content = share, cards, content

    def run(self, work: Work) -> Iterator[Any]:
        """See :meth:`ProcessLauncher.run`."""
        for place in range(min(self.share.workers, len(self.waiting))):
            self._hire(self.cards[place % len(self.cards)] if self.cards else None)
        self.content.write(pack(work))
        self.content.flush()
        for worker in self.workers.values():
            self._begin(worker)
        while self.workers:
            for connection in wait(list(self.workers)):
                worker = self.workers[connection]
                try:
                    answer = unpack(worker.connection.recv_bytes())
                except (EOFError, OSError):
                    yield worker.job.lose(self._bury(worker))
                    self.waiting.appendleft(worker.job)
                    self._begin(self._hire(worker.card))
                    continue
                if isinstance(answer, RefusedJob | Broken):
                    raise answer.error
                if isinstance(answer, Event):
                    worker.job.job.take(answer.value)
                    yield answer.value
                    _send(worker, None)
                elif self.waiting:
                    worker.job = self.waiting.popleft()
                    self._begin(worker)
                else:
                    self._bury(worker)

    def _hire(self, card: int | None) -> _Worker:
        """Start a child process for the next job."""
        ours, theirs = Pipe()
        talk = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the worker is buried)
        handles = theirs.fileno(), self.content.fileno()
        call = f"from sertool.core.compute.process_worker import serve; serve(*{handles}, {self.share.threads})"
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", call],
                stdin=subprocess.DEVNULL,
                stdout=talk,  # the parent may be showing a table
                stderr=talk,
                pass_fds=handles,
                env=child_environment(os.environ, card),
            )
        worker = self.workers[ours] = _Worker(process, ours, card, self.waiting.popleft(), talk)
        return worker

    def _begin(self, worker: _Worker) -> None:
        _send(worker, Begin(worker.job.job.describe()))

    def _bury(self, worker: _Worker) -> str:
        """Forget a worker that has ended or is to end; return in a few words how it ended."""
        del self.workers[worker.connection]
        worker.connection.close()
        try:
            code = worker.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            code = worker.process.wait()
        with worker.talk as talk:
            talk.seek(0)
            lines = talk.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
        where = f" on card {worker.card}" if worker.card is not None else ""
        return f"its process{where} {how}{f': {last}' if last else ''}"

    def close(self) -> None:
        """End all workers at once."""
        for worker in self.workers.values():
            worker.process.kill()
        for worker in list(self.workers.values()):
            self._bury(worker)


def _send(worker: _Worker, request: Begin | None) -> None:
    with suppress(OSError):  # a worker that has died is noticed when its answer is read
        worker.connection.send_bytes(pack(request))


def select_cards(wanted: str, found: Found) -> tuple[int, ...]:
    """Return the cards that ``--devices`` names.

    Args:
        wanted: their numbers, such as ``0,1``, or ``all``.
        found: facts about the cards of this machine.

    Raises:
        UsageError: there are no such cards, or torch cannot use them.
    """
    option = f"--devices {wanted}"
    there = [card.index for card in found.cards]
    parts = [part.strip() for part in wanted.split(",")]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]  # isdigit alone: digits of any script
    if wanted == "all":
        numbers = there
    elif len(numbers) < len(parts):
        raise UsageError(f"{option}: expected all, or numbers of CUDA devices, like 0,1")
    elif len(set(numbers)) < len(numbers):
        raise UsageError(f"{option}: expected each device once")
    if problem := find_problem(found, numbers):
        alone = " (without --devices)" if "--device " in problem.hint else ""
        raise UsageError(f"{option}: {problem.text}", hint=problem.hint + alone)
    if not set(numbers) <= set(there):
        listed = {1: "is one card, 0", 2: "are 2 cards, 0 and 1"}
        raise UsageError(f"{option}: there {listed.get(len(there), f'are {len(there)} cards, 0 to {len(there) - 1}')}")
    return tuple(numbers)
