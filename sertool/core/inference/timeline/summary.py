"""A time line in figures: for each speaker the share of time by class, the changes, and what is unsure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sertool.core.formatting import in_range
from sertool.core.inference.prediction import NONE, percent
from sertool.core.inference.timeline.contents import Stretch, Timeline
from sertool.core.inference.trust import UNSURE


@dataclass(frozen=True)
class SpeakerSummary:
    """Figures of one speaker in a recording.

    Attributes:
        speaker: name; None where nothing tells speakers.
        segments: number of segments.
        seconds: their length in all.
        unsure: share of that time with the answer ``unsure``.
        changes: segments with another answer than the one before, where neither is ``unsure``; segments that are unsure
            are passed over. 0 for scores.
        shares: share of the time by class, also of ``none`` where several classes may be present; empty for scores.
            They and ``unsure`` sum to 1, unless several classes may be present at once.
        means: mean of each score over the time that is not unsure; empty for classes.
    """

    speaker: str | None
    segments: int
    seconds: float
    unsure: float
    changes: int
    shares: dict[str, float] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "speaker": self.speaker,
            "segments": self.segments,
            "seconds": self.seconds,
            "unsure": self.unsure,
            "changes": self.changes,
            "shares": self.shares,
            "means": self.means,
        }


def summarise(timeline: Timeline) -> list[SpeakerSummary]:
    """Return the figures of each speaker, in the order of :attr:`Timeline.speakers`."""
    return [
        _summary(timeline, speaker, [one for one in timeline.stretches if one.speaker == speaker])
        for speaker in timeline.speakers
    ]


def _summary(timeline: Timeline, speaker: str | None, own: Sequence[Stretch]) -> SpeakerSummary:
    seconds = sum(one.seconds for one in own)
    whole = seconds or 1.0
    sure = [one for one in own if not timeline.unsure(one)]
    told = sum(one.seconds for one in sure)
    unsure = sum(one.seconds for one in own if timeline.unsure(one)) / whole
    if timeline.ranges:
        means = {
            name: sum(one.seconds * one.prediction.scores[name] for one in sure) / told
            for name in timeline.classes
            if told > 0 and all(name in one.prediction.scores for one in sure)
        }
        return SpeakerSummary(speaker, len(own), seconds, unsure, 0, means=means)
    times: dict[str, float] = defaultdict(float)
    for one in sure:
        for label in one.prediction.labels or (NONE,):
            times[label] += one.seconds
    names = [*timeline.classes, *([NONE] if NONE in times and NONE not in timeline.classes else [])]
    changes = sum(timeline.answer(before) != timeline.answer(after) for before, after in pairwise(sure))
    return SpeakerSummary(speaker, len(own), seconds, unsure, changes, {name: times[name] / whole for name in names})


def summary_columns(timeline: Timeline, summaries: Sequence[SpeakerSummary]) -> list[list[str]]:
    """Return a header and a row for each speaker, as texts: segments, minutes, share of time by class, changes."""
    named = any(own.speaker for own in summaries)
    columns = [*(["speaker"] if named else []), "segments", "minutes"]
    classes = (
        list(timeline.classes) if timeline.ranges else list(dict.fromkeys(n for own in summaries for n in own.shares))
    )
    columns += [f"mean {name}" if timeline.ranges else f"{name} %" for name in classes]
    columns += [f"{UNSURE} %"] + ([] if timeline.ranges else ["changes"])
    rows = [columns]
    for own in summaries:
        row = [*([own.speaker or ""] if named else []), f"{own.segments:,}", f"{own.seconds / 60:.1f}"]
        if timeline.ranges:
            row += [in_range(own.means[name], *timeline.ranges[name]) if name in own.means else "" for name in classes]
        else:
            row += [percent(own.shares.get(name, 0.0)) for name in classes]
        row += [percent(own.unsure)] + ([] if timeline.ranges else [f"{own.changes:,}"])
        rows.append(row)
    return rows
