"""Frames of many recordings, computed in parallel by processes or by a cluster, in order."""

import io
import multiprocessing
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from multiprocessing.connection import wait
from pathlib import Path
from typing import TextIO

import torch

from sertool.core.compute.jobs import Job, Launcher, Lost, Share, Waiting, describe_placement
from sertool.core.errors import DataError, SertoolError
from sertool.core.features.audio import Segment
from sertool.core.features.cache import FeatureCache, ShardCache, read_entry, write_entry
from sertool.core.features.encode import default_threads, encoded, one_thread
from sertool.core.features.frontend import ENCODER, UNNAMED, Extract, FrameMaker, extract_frames
from sertool.core.formatting import escaped

_EACH = 1000  # recordings; one process decodes about as many while another starts and imports torch
SHARD = 64  # recordings sent to a worker of a cluster at a time
_CHUNK = 8  # recordings sent to a process at a time


def default_workers(recordings: int, frontend: str = UNNAMED) -> int:
    """Return the default number of processes: one per core, fewer for few recordings; for an encoder, of threads."""
    if frontend == ENCODER:
        return default_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, recordings // _EACH))


def extracts(
    segments: Sequence[Segment], maker: FrameMaker, cache: FeatureCache | None = None, workers: int = 1
) -> Iterator[Extract | str]:
    """Yield the frames of each segment in order, or the reason why there are none.

    The result does not depend on the number of processes.

    Args:
        segments: recordings, or parts of them.
        maker: frontend that computes the frames.
        cache: stores finished frames; without one, an interrupted call starts from the beginning.
        workers: number of processes; 1 means this one. A script that asks for more needs
            ``if __name__ == "__main__":``. For an encoder the number of threads that decode.

    Raises:
        SertoolError: the cache cannot be written, or the system killed a process.
    """
    if maker.name == ENCODER:
        yield from encoded(segments, maker, cache, workers)
        return
    work = partial(_extract, maker=maker, cache=cache)
    if workers == 1:
        with one_thread():
            yield from map(work, segments)
        return
    # No plain fork, because torch and the progress bar have threads. The server imports torch once for all processes.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield from pool.map(work, segments, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise SertoolError(
            "a process was killed while it decoded recordings, perhaps for lack of memory",
            hint="run the command again with --workers 1; it resumes after the recordings that are decoded",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody wants the recordings still in line


def extracts_by(
    launcher: Launcher,
    segments: Sequence[Segment],
    maker: FrameMaker,
    cache: ShardCache,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Extract | str]:
    """Yield the same as :func:`extracts`, computed by a launcher.

    Recordings must be at the same paths on every node.

    Args:
        launcher: runs the jobs that decode recordings.
        segments: recordings, or parts of them.
        maker: frontend that computes the frames.
        cache: stores finished frames. Only this process reads and writes it.
        tell: called with messages about the cluster for the user.

    Raises:
        SertoolError: the cache cannot be written, a node does not see a recording, or workers died.
    """
    shards = [_Shard(segments[first : first + SHARD], maker, cache) for first in range(0, len(segments), SHARD)]
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
        # Shards are completed in any order, and results leave in the order of the recordings.
        while given < len(shards) and shards[given].complete:
            yield from shards[given].results
            given += 1


@dataclass(frozen=True)
class Unseen:
    """Result instead of frames if a node does not have the file."""

    node: str


@dataclass(frozen=True)
class Decoding:
    """Task of a launcher's workers: compute frames; relative paths of recordings start at ``folder``."""

    maker: FrameMaker
    folder: Path

    def open(self) -> Callable[[Sequence[Segment]], Iterator[list[Extract | Unseen | str]]]:
        """Return the function that decodes a list of segments."""

        def do(segments: Sequence[Segment]) -> Iterator[list[Extract | Unseen | str]]:
            there = [replace(segment, path=self.folder / segment.path) for segment in segments]
            seen = [segment.path.is_file() for segment in there]
            found = iter(list(extracts(list(compress(there, seen)), self.maker)))
            yield [
                self._told(next(found), segment) if is_seen else Unseen(platform.node())
                for segment, is_seen in zip(segments, seen, strict=True)
            ]

        return do

    def _told(self, found: Extract | str, segment: Segment) -> Extract | str:
        """Name the path in a reason as the table does, whichever node it comes from."""
        return found.replace(str(self.folder / segment.path), str(segment.path)) if isinstance(found, str) else found


def unseen_error(path: Path, node: str) -> SertoolError:
    """Make the error for a recording that a node does not have, although this process does."""
    return SertoolError(
        f"{path}: not found on node {node}",
        hint="recordings must lie at the same path on every node, on a file system that all of them share",
    )


class _Shard:
    """Segments that a worker decodes together, unless the cache has their frames."""

    def __init__(self, segments: Sequence[Segment], maker: FrameMaker, cache: ShardCache) -> None:
        self.segments, self.maker, self.cache = segments, maker, cache
        self.results: list[Extract | str] = []
        self.complete = False

    def describe(self) -> Sequence[Segment]:
        """Return the segments to decode: all, or none if the cache has them."""
        self.entry = self.cache.entry(self.segments, self.maker)
        self.kept = read_entry(self.entry)
        return [] if self.kept is not None else self.segments

    def take(self, decoded: list[Extract | Unseen | str]) -> None:
        """Take the decoded frames, or those of the cache.

        Raises:
            SertoolError: the node does not see a recording that exists, or the cache cannot be written.
        """
        if self.kept is None:
            self.results = [_seen(segment, one) for segment, one in zip(self.segments, decoded, strict=True)]
            # Another name means that recordings changed in the meantime.
            if self.cache.entry(self.segments, self.maker) == self.entry:
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
    """Compute the frames of one segment; a top-level function, so that processes can be sent it."""
    try:
        return (cache.extract_frames if cache else extract_frames)(segment, maker)
    except DataError as error:
        return str(error)


def _begin() -> None:
    """Prepare a process: one thread, Ctrl-C left to the parent, and an end when the parent ends."""
    torch.set_num_threads(1)  # one process per core, so more threads would wait for each other
    if sys.stderr is not None:
        sys.stderr = _Spelled(sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all processes
    threading.Thread(target=_end_with_parent, daemon=True).start()


class _Spelled(io.TextIOBase):
    """Standard error of a process: what a library warns of, with control signs of a path or a tag spelled out."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(escaped(text))

    def flush(self) -> None:
        self.stream.flush()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # without clean-up, which might wait for the parent that is gone
