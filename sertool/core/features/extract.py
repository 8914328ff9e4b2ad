"""The frames of many recordings, side by side in processes, in order."""

import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

import torch

from sertool.core.compute.jobs import Job, Launcher, Lost, Share, Waiting, describe_placement
from sertool.core.errors import DataError, SertoolError
from sertool.core.features.audio import Segment
from sertool.core.features.cache import FeatureCache, ShardCache, read_entry, write_entry
from sertool.core.features.frontend import Extract, FrameMaker, extract_frames

_EACH = 1000  # recordings; so many are decoded while a process starts and imports torch
SHARD = 64  # recordings handed to a worker of a cluster at a time
_CHUNK = 8  # recordings handed to a process at a time


def default_workers(recordings: int) -> int:
    """One process a core, fewer for few recordings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, recordings // _EACH))


def extracts(
    segments: Sequence[Segment], maker: FrameMaker, cache: FeatureCache | None = None, workers: int = 1
) -> Iterator[Extract | str]:
    """The frames of each segment in order, or why there are none; the same whatever the number of processes.

    Args:
        segments: name the recordings.
        maker: the frontend that makes their frames.
        cache: keeps what is done; without one, a killed process starts anew.
        workers: processes; 1 is this one. A script that asks for more needs ``if __name__ == "__main__":``.

    Raises:
        SertoolError: the cache cannot be written, or the system killed a process.
    """
    work = partial(_extract, maker=maker, cache=cache)
    if workers == 1:
        with _one_thread():
            yield from map(work, segments)
        return
    # Not by fork: torch and the progress bar have threads. The server imports torch once for all processes.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield from pool.map(work, segments, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise SertoolError(
            "a process was killed while it decoded recordings, perhaps for lack of memory",
            hint="give the same command again, with --workers 1; what was decoded is kept",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def extracts_by(
    launcher: Launcher,
    segments: Sequence[Segment],
    maker: FrameMaker,
    cache: ShardCache,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Extract | str]:
    """The same as :func:`extracts` by a launcher; the recordings must lie at the same paths on every node.

    Args:
        launcher: where recordings are decoded.
        segments: name the recordings.
        maker: the frontend that makes their frames.
        cache: keeps what is done. Only this process reads and writes it.
        tell: called with what a user should know of the cluster.

    Raises:
        SertoolError: the cache cannot be written, a node does not see a recording, or workers died.
    """
    shards = [
        _Shard(segments[first : first + SHARD], maker, cache) for first in range(0, len(segments), SHARD)
    ]
    jobs = [
        Job(
            f"recordings {number * SHARD + 1} to {number * SHARD + len(shard.segments)}",
            shard.describe,
            shard.take,
        )
        for number, shard in enumerate(shards)
    ]
    given = 0
    for event in launcher.run(Decoding(maker, Path.cwd()), jobs, Share()):
        if isinstance(event, Lost | Waiting):
            tell(describe_placement(event))
        while given < len(shards) and shards[given].complete:
            yield from shards[given].results
            given += 1


@dataclass(frozen=True)
class Unseen:
    """In the place of frames: there is no such file on a node."""

    node: str


@dataclass(frozen=True)
class Decoding:
    """What workers of a launcher do: frames of recordings, whose relative paths start at ``folder``."""

    maker: FrameMaker
    folder: Path

    def open(self) -> Callable[[Sequence[Segment]], Iterator[list[Extract | Unseen | str]]]:
        """What decodes a list of segments, and gives the frames of each or why there are none."""

        def do(segments: Sequence[Segment]) -> Iterator[list[Extract | Unseen | str]]:
            yield [self._extract(segment) for segment in segments]

        return do

    def _extract(self, segment: Segment) -> Extract | Unseen | str:
        there = self.folder / segment.path
        if not there.is_file():
            return Unseen(platform.node())
        found = _extract(replace(segment, path=there), self.maker, None)
        return found.replace(str(there), str(segment.path)) if isinstance(found, str) else found


def unseen_error(path: Path, node: str) -> SertoolError:
    """The message for a recording that a node does not see, and the driver does."""
    return SertoolError(
        f"{path}: not there on node {node}",
        hint="recordings must lie at the same path on every node, on a file system that all of them share",
    )


class _Shard:
    """Segments that a worker decodes at a time, unless the cache has their frames."""

    def __init__(self, segments: Sequence[Segment], maker: FrameMaker, cache: ShardCache) -> None:
        self.segments, self.maker, self.cache = segments, maker, cache
        self.results: list[Extract | str] = []
        self.complete = False

    def describe(self) -> Sequence[Segment]:
        """The segments to be decoded: all or none."""
        self.entry = self.cache.entry(self.segments, self.maker)
        self.kept = read_entry(self.entry)
        return [] if self.kept is not None else self.segments

    def take(self, decoded: list[Extract | Unseen | str]) -> None:
        """What came, or what was there.

        Raises:
            SertoolError: the node does not see a recording that is there, or the cache cannot be written.
        """
        if self.kept is None:
            self.results = [_seen(segment, one) for segment, one in zip(self.segments, decoded, strict=True)]
            if (
                self.cache.entry(self.segments, self.maker) == self.entry
            ):  # or recordings have changed meanwhile
                write_entry(self.entry, self.results)
        else:
            self.results = self.kept
        self.complete = True


def _seen(segment: Segment, one: Extract | Unseen | str) -> Extract | str:
    if not isinstance(one, Unseen):
        return one
    if segment.path.is_file():
        raise unseen_error(segment.path, one.node)
    return f"{segment.path}: no such file"


def _extract(segment: Segment, maker: FrameMaker, cache: FeatureCache | None) -> Extract | str:
    """The frames of one segment; depends on nothing else."""
    try:
        return (cache.extract_frames if cache else extract_frames)(segment, maker)
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
