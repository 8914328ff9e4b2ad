"""A time line: the segments of a recording in their order, with what was predicted of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sertool.core.inference.prediction import Prediction, Range, percent


@dataclass(frozen=True)
class Stretch:
    """A segment of a recording with its prediction.

    Attributes:
        start, end: seconds into the recording.
        prediction: the prediction.
        speaker: name of the speaker, such as ``channel 1``; None where nothing tells speakers.
        channel: number of the channel, from 1; None is the mean of all.
    """

    start: float
    end: float
    prediction: Prediction
    speaker: str | None = None
    channel: int | None = None

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return max(self.end - self.start, 0.0)

    def caption(self, abstain: float | None) -> str:
        """Return the answer with its probability, as in ``happy 87.1 %``; the scores, or ``unsure``.

        Args:
            abstain: probability below which the answer is unsure; None: never.
        """
        own = self.prediction
        answer = own.answer(abstain)
        if own.probability is None or own.unsure(abstain) or not own.labels:
            return answer
        return f"{answer} {percent(own.probability)} %"


@dataclass(frozen=True)
class Timeline:
    """The segments of a recording.

    Attributes:
        name: name of the recording, as the user gave it.
        path: its file.
        stretches: its segments, by start and channel.
        classes: names of the classes, or of the scores.
        ranges: lowest and highest value of each score; empty for classes.
        abstain: probability below which an answer is unsure; None: never.
    """

    name: str
    path: Path
    stretches: tuple[Stretch, ...]
    classes: tuple[str, ...]
    ranges: Mapping[str, Range] = field(default_factory=dict)
    abstain: float | None = None

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """The speakers in the order of their channels and names; None alone where nothing tells them."""
        known = {one.speaker: one.channel or 0 for one in self.stretches}
        return tuple(sorted(known, key=lambda name: (known[name], name or "")))

    def answer(self, stretch: Stretch) -> str:
        """Return the answer of a segment, or ``unsure``."""
        return stretch.prediction.answer(self.abstain)

    def unsure(self, stretch: Stretch) -> bool:
        """Check whether the answer of a segment is ``unsure``."""
        return stretch.prediction.unsure(self.abstain)


def clock(seconds: float, decimals: int = 1) -> str:
    """Write a time as people read it on a player.

    >>> clock(75.25), clock(3671.5, 0)
    ('1:15.2', '1:01:12')
    """
    units = 10**decimals
    ticks = round(max(seconds, 0.0) * units)
    whole, part = divmod(ticks, units)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f".{part:0{decimals}}" if decimals else ""
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{rest:02}{tail}"
