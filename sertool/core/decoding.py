"""The frames of many recordings, side by side in processes, in order."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait

import torch

from sertool.core.acoustics import Extract, extract_frames
from sertool.core.corpora.rows import Row
from sertool.core.errors import DataError, SertoolError
from sertool.core.feature_cache import FeatureCache
from sertool.core.recipe import Frontend

_EACH = 1000  # recordings; so many are decoded while a process starts and imports torch
_CHUNK = 8  # recordings handed to a process at a time


def default_workers(recordings: int) -> int:
    """One process a core, fewer for few recordings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, recordings // _EACH))


def extracts(
    rows: Sequence[Row], frontend: Frontend, cache: FeatureCache | None = None, workers: int = 1
) -> Iterator[Extract | str]:
    """The frames of each row in order, or why there are none; the same whatever the number of processes.

    Args:
        rows: name the recordings.
        frontend: how they become frames.
        cache: keeps what is done; without one, a killed process starts anew.
        workers: processes; 1 is this one. A script that asks for more needs ``if __name__ == "__main__":``.

    Raises:
        SertoolError: the cache cannot be written, or the system killed a process.
    """
    work = partial(_extract, frontend=frontend, cache=cache)
    if workers == 1:
        with _one_thread():
            yield from map(work, rows)
        return
    # Not by fork: torch and the progress bar have threads. The server imports torch once for all processes.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield from pool.map(work, rows, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise SertoolError(
            "a process was killed while it decoded recordings, perhaps for lack of memory",
            hint="give the same command again, with --workers 1; what was decoded is kept",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _extract(row: Row, frontend: Frontend, cache: FeatureCache | None) -> Extract | str:
    """The frames of one row; depends on nothing else."""
    try:
        return (cache.extract_frames if cache else extract_frames)(row.audio, row.start, row.end, frontend)
    except DataError as error:
        return str(error)


def _begin() -> None:
    """Prepare a process: one thread, Ctrl-C is the parent's to handle, and the parent's end is its own."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: a recording is too short to divide.

    On a machine that others use too, threads that wait for each other made this thirty times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
