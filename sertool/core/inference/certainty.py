"""Certainty of the predictions of some members: a temperature for classes, intervals for scores, or why there is none.

Both are fitted on validation by `sertool ensemble` and stored with the run. `sertool predict` and bundles use the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.tasks import Task
from sertool.core.inference.trust import UNSURE
from sertool.core.metrics.calibration import Calibration, probabilities, why_uncalibrated
from sertool.core.metrics.classification import decide
from sertool.core.metrics.conformal import Intervals
from sertool.core.runs.predictions import clipped
from sertool.core.runs.score_intervals import read_intervals
from sertool.core.runs.temperature import read_calibration

NOT_FITTED = "no intervals were fitted for these members"
SHARES = "the model estimates the shares of the raters that choose each class, and no temperature is fitted to shares"


@dataclass(frozen=True)
class Certainty:
    """Certainty of the predictions of some members.

    Attributes:
        calibration: temperature of classes, or why validation cannot tell it; None without one, and for scores.
        intervals: intervals of scores; None without any, and for classes.
        uncalibrated: reason why probabilities are not calibrated, or why no score has an interval; else empty.
    """

    calibration: Calibration | None = None
    intervals: Intervals | None = None
    uncalibrated: str = ""

    @property
    def is_of_shares(self) -> bool:
        """True if probabilities estimate shares of raters, to which no temperature is fitted."""
        return self.uncalibrated == SHARES

    @property
    def words(self) -> str:
        """Words for the utterances that it was fitted on; empty if nothing was."""
        if self.uncalibrated:
            return ""
        if self.intervals is not None:
            level, number = 100 * self.intervals.level, self.intervals.utterances
            return f"intervals of {level:g} % from {number:,} validation utterances"
        return f"calibrated on {self.calibration.utterances} validation utterances" if self.calibration else ""

    @property
    def reasons(self) -> dict[str, str]:
        """Reason why a score has no interval, by the names of such scores, where others have one."""
        own = self.intervals
        if own is None or self.uncalibrated:
            return {}
        return {name: reason for name, reason in zip(own.names, own.reasons, strict=True) if reason}


def certainty_of(
    task: Task, members: Sequence[str], calibration: Calibration | None, intervals: Intervals | None
) -> Certainty:
    """Return the certainty of some members' predictions; what was fitted for other members does not count.

    Args:
        task: task of the members.
        members: names of the members, best first.
        calibration: stored temperature.
        intervals: stored intervals.
    """
    if task.kind == "scores":
        if intervals is None or not intervals.fits(members) or intervals.names != task.classes:
            return Certainty(uncalibrated=NOT_FITTED)
        told = any(half is not None for half in intervals.half)
        return Certainty(
            intervals=intervals, uncalibrated="" if told else "; ".join(dict.fromkeys(filter(None, intervals.reasons)))
        )
    if task.is_soft:
        return Certainty(uncalibrated=SHARES)
    if calibration is not None and not calibration.fits(members):
        calibration = None
    return Certainty(calibration=calibration, uncalibrated=why_uncalibrated(calibration))


def read_certainty(folder: Path, task: Task, members: Sequence[str]) -> Certainty:
    """Read what is stored with a run for some of its members.

    Raises:
        DataError: a file is damaged.
    """
    if task.kind == "scores":
        return certainty_of(task, members, None, read_intervals(folder))
    return certainty_of(task, members, read_calibration(folder), None)


def intervals_around(
    scores: Sequence[float], intervals: Intervals, ranges: Sequence[tuple[float, float]], *, clip: bool
) -> dict[str, tuple[float, float]]:
    """Return the interval of each score of an utterance that has one, cut to its range if the recipe says so.

    Args:
        scores: the predicted scores.
        intervals: half the widths of their intervals.
        ranges: lowest and highest value of each score.
        clip: cut the intervals to the ranges.
    """
    found = {}
    for name, score, half, (low, high) in zip(intervals.names, scores, intervals.half, ranges, strict=True):
        if half is not None:
            ends = score - half, score + half
            found[name] = (max(ends[0], low), min(ends[1], high)) if clip else ends
    return found


def claims(logits: NDArray[np.float32], task: Task, certainty: Certainty, *, clip: bool) -> list[dict[str, Any]]:
    """Return the claims that mean logits make: the fields of predictions about classes, or about scores.

    Args:
        logits: (N, C) mean logits of the members, or mean scores.
        task: task of the members.
        certainty: certainty of the members.
        clip: cut scores to their ranges.
    """
    if task.kind == "scores":
        scores = clipped(logits, task.ranges) if clip else logits
        return [_score_claim(row, task, certainty, clip=clip) for row in scores.tolist()]
    temperature = certainty.calibration.temperature if certainty.calibration else 1.0
    shares, decisions = probabilities(logits, task.kind, temperature), decide(logits, task.kind)
    found = []
    for own, mean, decision in zip(shares, logits, decisions, strict=True):
        best = int(mean.argmax())  # a temperature does not change the order
        labels: tuple[str, ...] = (task.classes[best],)
        if task.kind == "multi":
            labels = tuple(name for name, yes in zip(task.classes, decision, strict=True) if yes)
        each = dict(zip(task.classes, own.tolist(), strict=True))
        found.append(
            {"label": task.classes[best], "labels": labels, "probability": float(own[best]), "probabilities": each}
        )
    return found


def _score_claim(scores: list[float], task: Task, certainty: Certainty, *, clip: bool) -> dict[str, Any]:
    intervals = certainty.intervals
    return {
        "label": "",
        "labels": (),
        "probability": None,
        "probabilities": {},
        "scores": dict(zip(task.classes, scores, strict=True)),
        "intervals": {} if intervals is None else intervals_around(scores, intervals, task.ranges, clip=clip),
        "ranges": dict(zip(task.classes, task.ranges, strict=True)),
    }


def withdrawn(claim: dict[str, Any], *, uninformed: bool, outside: bool) -> dict[str, Any]:
    """Return what is left of a claim about an input that lacks something.

    Args:
        claim: fields from :func:`claims`.
        uninformed: the input holds nothing that the model knows: no class and no score is claimed.
        outside: it lacks something that the inputs of validation had: intervals fitted there do not hold.
    """
    scores = "scores" in claim
    if outside and scores:
        claim = {**claim, "intervals": {}}
    if uninformed:
        claim = {**claim, "label": UNSURE, "labels": (), **({"scores": {}, "intervals": {}} if scores else {})}
    return claim
