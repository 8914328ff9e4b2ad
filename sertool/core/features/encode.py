"""Frames of many recordings or texts by a pretrained encoder, in batches of similar length.

Threads decode the next recordings while batches are computed. Recordings are sorted by length within a window, so
memory is bounded whatever their number. The batches depend on the list of recordings alone: a call that was killed and
is repeated computes in the same batches and gives the same bytes.

On a CPU a batch is one recording, and several are computed at a time, each by one thread: a recording is too short to
share among cores, whose threads would wait for each other.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.errors import DataError, SertoolError
from sertool.core.features.audio import Recording, Segment, read_recording
from sertool.core.features.cache import FeatureCache, Slot, read_entry, text_entry, write_entry
from sertool.core.features.frontend import Extract, FrameMaker, TextFrameMaker, is_on_cuda, is_quiet
from sertool.core.features.sound_fingerprint import fingerprint

WINDOW, WINDOW_SECONDS = 128, 1200.0  # a window ends after so many recordings, or after so much sound
AHEAD, AHEAD_BYTES = 64, 64 << 20  # recordings decoded before they are needed, and their bytes on the disk
TEXTS = 256  # texts in an entry of the cache
_BYTES_PER_SECOND = 32_000  # of a segment in a longer file: 16,000 samples of 16 bits


@dataclass(frozen=True)
class _Batches:
    """Sizes of a batch: its recordings, and the seconds of the longest times their number."""

    recordings: int
    seconds: float


# On a CPU larger batches gain nothing, and single recordings share the cores evenly; a card is idle with small batches.
_CPU, _CUDA = _Batches(1, math.inf), _Batches(64, 1200.0)


@dataclass(frozen=True)
class _Item:
    """A recording of a window.

    Attributes:
        slot: its place in the cache.
        kept: its frames in the cache.
        recording: its samples, where there are no frames.
        reason: why there are neither.
        samples: its length.
    """

    segment: Segment
    slot: Slot | None = None
    kept: Extract | None = None
    recording: Recording | None = None
    reason: str = ""
    samples: int = 0


def default_threads() -> int:
    """Return the default number of threads that decode: they are fast, and the encoder needs the other cores."""
    return max(1, min(4, os.cpu_count() or 1))


def encoded(
    segments: Sequence[Segment], maker: FrameMaker, cache: FeatureCache | None = None, threads: int = 1
) -> Iterator[Extract | str]:
    """Yield the frames of each segment in order, or the reason why there are none.

    Args:
        segments: recordings, or parts of them.
        maker: the encoder.
        cache: stores finished frames; without one, an interrupted call starts from the beginning.
        threads: number of threads that decode; the result does not depend on it.

    Raises:
        SertoolError: the cache cannot be written, or the device has too little memory.
    """
    # The second pool is used by none but the encoders of a CPU, whose threads all begin with one thread of torch each.
    decoders, cores = ThreadPoolExecutor(threads), ThreadPoolExecutor(torch.get_num_threads())
    try:
        look = partial(_look, maker=maker, cache=cache)
        compute = _Computing(maker, cores)
        for window in _windows(_ahead(decoders, look, segments), maker.sample_rate):
            yield from _encode(window, maker, compute)
    finally:
        for pool in (decoders, cores):
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody wants the recordings still in line


class _Computing:
    """Batches computed by an encoder: on a CPU side by side, else one after the other."""

    def __init__(self, maker: FrameMaker, pool: ThreadPoolExecutor) -> None:
        self.maker, self.pool, self.begun = maker, pool, False

    def __call__(self, batches: Sequence[Sequence[Recording]]) -> Iterator[list[NDArray[np.float32]]]:
        """Yield the frames of each batch in order."""
        compute = partial(_frames, maker=self.maker)
        alone = len(batches) if is_on_cuda(self.maker) or len(batches) == 1 else int(not self.begun)
        for batch in batches[:alone]:  # the very first loads the model, which is not to be loaded twice
            self.begun = True
            yield compute(batch)
        if batches[alone:]:
            with one_thread():
                yield from self.pool.map(compute, batches[alone:])


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread, because a recording is too short to divide.

    On a shared machine, threads that wait for each other made this thirty times slower.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _look(segment: Segment, maker: FrameMaker, cache: FeatureCache | None) -> _Item:
    """Look for a segment's frames in the cache, and else decode it."""
    try:
        slot = cache.slot(segment, maker) if cache else None
        if slot is not None and (kept := slot.read()) is not None:
            return _Item(segment, slot, kept, samples=round(kept.seconds * maker.sample_rate))
        recording = read_recording(segment, maker.sample_rate)
    except DataError as error:
        return _Item(segment, reason=str(error))
    return _Item(segment, slot, recording=recording, samples=len(recording.samples))


def _ahead(pool: ThreadPoolExecutor, look: Callable[[Segment], _Item], segments: Sequence[Segment]) -> Iterator[_Item]:
    """Yield the items of segments in order, while threads look up and decode the next ones."""
    pending: deque[tuple[Future[_Item], int]] = deque()
    upcoming = deque(segments)
    while upcoming or pending:
        while upcoming and len(pending) < AHEAD and sum(size for _, size in pending) < AHEAD_BYTES:
            pending.append((pool.submit(look, upcoming[0]), _size(upcoming.popleft())))
        yield pending.popleft()[0].result()


def _size(segment: Segment) -> int:
    """Estimate the bytes of a segment on the disk."""
    if segment.end is not None:
        return int((segment.end - (segment.start or 0.0)) * _BYTES_PER_SECOND)
    try:
        return segment.path.stat().st_size
    except OSError:  # whoever reads it says so
        return 0


def _windows(items: Iterable[_Item], rate: int) -> Iterator[list[_Item]]:
    window: list[_Item] = []
    for item in items:
        window.append(item)
        if len(window) == WINDOW or sum(one.samples for one in window) >= WINDOW_SECONDS * rate:
            yield window
            window = []
    if window:
        yield window


def _encode(window: Sequence[_Item], maker: FrameMaker, compute: _Computing) -> list[Extract | str]:
    """Compute the frames of a window that the cache does not have, and store them."""
    rate = maker.sample_rate
    results: list[Extract | str] = [item.kept or item.reason for item in window]
    order = sorted((place for place, item in enumerate(window) if item.samples), key=lambda at: window[at].samples)
    batches = list(_batches(order, [item.samples / rate for item in window], _CUDA if is_on_cuda(maker) else _CPU))
    batches = [places for places in batches if not all(window[place].kept for place in places)]
    # Frames may depend on the rest of the batch by a rounding, so it is computed as if nothing of it were there.
    recordings = [
        [item.recording or read_recording(item.segment, rate) for item in map(window.__getitem__, places)]
        for places in batches
    ]
    for places, batch, made in zip(batches, recordings, compute(recordings), strict=True):
        for place, recording, frames in zip(places, batch, made, strict=True):
            item = window[place]
            if item.kept is not None:
                continue
            if not np.isfinite(frames).all():
                results[place] = f"{item.segment.path}: the encoder gives NaN or infinite values"
                continue
            seconds = len(recording.samples) / rate
            quiet, codes = is_quiet(recording.samples), fingerprint(recording.samples, rate)
            found = Extract(stored(frames), seconds, recording.remark, quiet, codes)
            results[place] = found
            if item.slot is not None:
                item.slot.write(found)
    return results


def _batches(order: Sequence[int], seconds: Sequence[float], limits: _Batches) -> Iterator[list[int]]:
    """Divide places, sorted by length, into batches."""
    batch: list[int] = []
    for place in order:
        if batch and (len(batch) == limits.recordings or seconds[place] * (len(batch) + 1) > limits.seconds):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _frames(recordings: Sequence[Recording], maker: FrameMaker) -> list[NDArray[np.float32]]:
    try:
        return [frames.numpy() for frames in maker.frames([recording.samples for recording in recordings])]
    except torch.OutOfMemoryError as error:
        longest = max(len(recording.samples) for recording in recordings) / maker.sample_rate
        raise SertoolError(
            f"recordings of up to {longest:.1f} s do not fit into the memory of the device",
            hint="run the command again with --device cpu",
        ) from error


def stored(frames: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return frames as a corpus holds them: float16, or float32 if a value is too large for that."""
    with np.errstate(over="ignore"):
        small = frames.astype(np.float16)
    return small if np.isfinite(small).all() else frames


def encoded_texts(
    texts: Sequence[str],
    maker: TextFrameMaker,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[NDArray[np.floating]]:
    """Return the frames (T, D) of each text, as :func:`stored`; a text that occurs again is computed once.

    Args:
        texts: the texts.
        maker: the encoder.
        cache: folder for finished frames, so that the same call resumes after an interruption.
        progress: called with the number of different texts done and their total number.

    Raises:
        SertoolError: the cache cannot be written.
        DataError: the encoder gives NaN or infinite values.
    """
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    found: dict[str, NDArray[np.floating]] = {}
    for first in range(0, len(distinct), TEXTS):
        shard = distinct[first : first + TEXTS]
        entry = None if cache is None else text_entry(cache, shard, maker)
        kept = None if entry is None else read_entry(entry)
        if kept is None:
            made = [frames.numpy() for frames in maker.frames(shard)]
            if bad := [text for text, frames in zip(shard, made, strict=True) if not np.isfinite(frames).all()]:
                raise DataError(f"the text encoder gives NaN or infinite values for {bad[0]!r:.200}")
            kept = [Extract(stored(frames), 0.0) for frames in made]
            if entry is not None:
                write_entry(entry, kept)
        found |= {text: one.frames for text, one in zip(shard, kept, strict=True) if isinstance(one, Extract)}
        if progress is not None:
            progress(len(found), len(distinct))
    return [found[text] for text in texts]
