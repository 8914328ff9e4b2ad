"""A prediction of classes or of scores, as people read it: in words and in a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sertool.core.errors import UsageError
from sertool.core.formatting import in_range, printable
from sertool.core.inference.notebook import Track, bars, box, line, tracks
from sertool.core.inference.trust import UNSURE, in_words

NONE = "none"  # the answer of a multi-label task in which no class is present

Range = tuple[float, float]


@dataclass(frozen=True)
class Prediction:
    """Prediction of an ensemble for a recording, a window of one, or a text: classes, or scores.

    Attributes:
        name: path of the recording, or its name in a table.
        label: the most probable class; ``unsure`` if the prediction is ``uninformed``; empty for scores.
        labels: predicted classes: one, or in a multi-label task all that are present; none if ``uninformed``.
        probability: probability of the most probable class; None for scores.
        probabilities: probability of each class; they sum to 1 unless the task is multi-label.
        calibrated: the probabilities are calibrated on validation, or there are intervals, for inputs such as this one.
        logits: mean logit of each class over members, before any temperature; mean of each score, before it is clipped.
        text: text as the user gave it.
        start, end: seconds into the recording, of a segment or a window; None for a whole recording.
        modalities: ``text`` and ``audio``, if the model used them.
        cut: modalities that were longer than the model's longest input.
        silent: the recording contains no sound.
        remark: fault of the file that did not keep it from being read, such as a wrong length in its header.
        unknown_words: words of the text that were not in the training set.
        uncalibrated: reason why the probabilities are not calibrated, or why there is no interval; else empty.
        lacking: parts of its usual input that the model did not get, as ``no audio`` or ``most words unknown``.
        uninformed: the input holds nothing that the model knows, so no class and no score is claimed.
        speaker: name of the speaker over whose recordings its audio was standardised; None where it was not so.
        scores: each predicted score, in its own unit; none if ``uninformed``, and for classes.
        intervals: lower and upper end of the interval of each score that has one.
        ranges: lowest and highest value of each score; empty for classes.
    """

    name: str
    label: str
    labels: tuple[str, ...]
    probability: float | None
    probabilities: dict[str, float]
    calibrated: bool
    logits: tuple[float, ...]
    text: str = ""
    start: float | None = None
    end: float | None = None
    modalities: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    silent: bool = False
    remark: str = ""
    unknown_words: tuple[str, ...] = ()
    uncalibrated: str = ""
    lacking: tuple[str, ...] = ()
    uninformed: bool = False
    speaker: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Range] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)

    def unsure(self, abstain: float | None = None) -> bool:
        """Check whether the input says nothing, or the predicted class is less probable than ``abstain``.

        Raises:
            UsageError: ``abstain`` is given, and the model predicts scores.
        """
        check_abstaining(abstain, self.ranges)
        if self.uninformed:
            return True
        return abstain is not None and bool(self.labels) and self._share < abstain

    def answer(self, abstain: float | None = None) -> str:
        """Return the predicted classes, ``none`` if there are none, the scores, or ``unsure``."""
        if self.unsure(abstain):
            return UNSURE
        if self.ranges:
            return ", ".join(f"{name} {self.written(name)}" for name in self.scores)
        return ", ".join(self.labels) or NONE

    def sentence(self, abstain: float | None = None) -> str:
        """Say the answer as `sertool predict` does, with its probability in percent, or scores with their intervals."""
        check_abstaining(abstain, self.ranges)
        if self.uninformed:
            what = "score" if self.ranges else "class"
            return f"{UNSURE}: {in_words(self.lacking)}, so any {what} would be a guess"
        if self.ranges:
            each = ", ".join(f"{name} {self.written_with_interval(name)}" for name in self.scores)
            return each if self.intervals else f"{each}, without intervals"
        if self.unsure(abstain):
            return f"{UNSURE}: {self.label} has {percent(self._share)} %, below {100 * (abstain or 0):g} %"
        if not self.labels:
            return f"{NONE} of the classes is present"
        if len(self.labels) > 1:
            return self.answer()
        uncalibrated = "" if self.calibrated else ", uncalibrated"
        return f"{self.answer()}, probability {percent(self._share)} %{uncalibrated}"

    @property
    def _share(self) -> float:
        """Probability of the most probable class, which only predictions of classes have."""
        assert self.probability is not None
        return self.probability

    def written(self, score: str) -> str:
        """Write a score with as many decimals as its range asks for."""
        return in_range(self.scores[score], *self.ranges[score])

    def written_interval(self, score: str) -> str:
        """Write the interval of a score, as in "2.10 to 4.74"; empty where there is none."""
        if score not in self.intervals:
            return ""
        low, high = (in_range(end, *self.ranges[score]) for end in self.intervals[score])
        return f"{low} to {high}"

    def written_with_interval(self, score: str) -> str:
        """Write a score with its interval where there is one, as in "3.42 (2.10 to 4.74)"."""
        interval = self.written_interval(score)
        return self.written(score) + f" ({interval})" * bool(interval)

    @property
    def title(self) -> str:
        """The name on one line, with the times of a segment or a window."""
        if self.start is None and self.end is None:
            return printable(self.name)
        # A segment without a start begins with the file; one without an end lasts as long as the file.
        end = "the end" if self.end is None else f"{self.end:g} s"
        return f"{printable(self.name)} · {self.start or 0:g} s to {end}"

    @property
    def ranking(self) -> dict[str, float]:
        """Probability of each class, the most probable first."""
        return dict(sorted(self.probabilities.items(), key=lambda item: -item[1]))

    def __repr__(self) -> str:
        return f"<Prediction {self.title}: {printable(self.sentence())}>"

    def _repr_html_(self) -> str:
        """Draw the probabilities, or the scores, for a notebook; none where they say nothing."""
        parts = [line(self.title, strong=True), line(self.text)]
        if not self.uninformed:
            parts.append(tracks(map(self._track, self.scores)) if self.ranges else bars(self.ranking))
        if self.uninformed or not self.ranges:  # the scores stand beside their tracks
            parts.append(line(self.sentence()))
        if self.uncalibrated and not self.uninformed:
            parts.append(line(f"{lacks_what(self.ranges)}: {self.uncalibrated}"))
        return box(parts)

    def _track(self, score: str) -> Track:
        low, high = self.ranges[score]
        value = self.scores[score]
        written = self.written_with_interval(score)
        return Track(score, value, self.intervals.get(score, (value, value)), (low, high), written)


def percent(probability: float) -> str:
    """Format a probability in percent, as reports do; files and Python keep it from 0 to 1.

    >>> percent(0.9371)
    '93.7'
    """
    return f"{100 * probability:.1f}"


def lacks_what(ranges: Mapping[str, Range]) -> str:
    """Name what a prediction that is not calibrated lacks: of scores, which have ranges, it is the intervals."""
    return "without intervals" if ranges else "uncalibrated"


def check_abstaining(abstain: float | None, ranges: Mapping[str, Range], option: str = "abstain") -> None:
    """Refuse a least probability for scores, which have ranges and no probability.

    Args:
        abstain: the least probability; None: not given.
        ranges: range of each score; empty for classes.
        option: name of the option in the message.

    Raises:
        UsageError: both are given.
    """
    if abstain is not None and ranges:
        names = ", ".join(map(printable, ranges))
        raise UsageError(
            f"{option} {abstain:g}: the model predicts scores ({names}), and a score has no probability",
            hint=f"leave {option} out; an interval says how far a score may be off",
        )
