"""Jobs on this machine, in threads of this process or in processes of their own."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sertool.core.compute.device import Device, Precision, Wanted, choose
from sertool.core.compute.jobs import Job, Share, Work
from sertool.core.compute.processes import ProcessLauncher


class LocalLauncher:
    """A launcher that runs ``share.workers`` jobs at a time, each in a thread; a single one in the caller's thread.

    On a CPU two members that train side by side with one thread each are faster than one member with two threads,
    because no thread waits for another. The result of a job does not depend on the others.
    """

    def choose(self, device: Device, precision: Wanted, *, graphs: bool = True) -> Precision:
        """Choose device and precision on this machine."""
        return choose(device, precision, graphs=graphs)

    def run(self, work: Work, jobs: Sequence[Job], share: Share) -> Iterator[Any]:
        """Yield the events of all jobs; the error of a job is raised at once, unchanged.

        Args:
            work: the work that all jobs share.
            jobs: the jobs in the order in which they start.
            share: ``workers`` run at a time, in threads or processes; the caller sets the number of threads here.
        """
        if share.processes:
            yield from ProcessLauncher().run(work, jobs, share)
            return
        do = work.open()
        if share.workers == 1:
            for job in jobs:
                yield from _events(do, job)
        else:
            yield from _side_by_side(do, jobs, share.workers)


def _events(do: Callable[[Any], Iterator[Any]], job: Job) -> Iterator[Any]:
    for event in do(job.describe()):
        job.take(event)
        yield event


def _side_by_side(do: Callable[[Any], Iterator[Any]], jobs: Sequence[Job], workers: int) -> Iterator[Any]:
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    done = object()  # the last thing that a thread puts into the queue
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stop = threading.Event()

    def run() -> None:
        try:
            while not stop.is_set():
                for event in _events(do, waiting.get_nowait()):
                    events.put(event)
                    if stop.is_set():
                        return
        except queue.Empty:
            pass
        except BaseException as error:
            events.put(error)
        finally:
            events.put(done)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        running = workers
        while running:
            event = events.get()
            if event is done:
                running -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        stop.set()
        for thread in threads:
            # After an interrupt nobody wants to wait for the end of an epoch; the files on the disk are complete.
            thread.join(timeout=2)
