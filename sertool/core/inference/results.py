"""Predictions as people and programs read them: in words, as rows of a table, and in a notebook."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex, overload

from sertool.core.errors import UsageError
from sertool.core.formatting import LINES, plural, printable
from sertool.core.inference.notebook import bars, box, line, table
from sertool.core.inference.trust import UNSURE, in_words

if TYPE_CHECKING:
    from pandas import DataFrame

NONE = "none"  # the answer of a multi-label task in which no class is present
OUTSIDE = "*"  # marks the probabilities of inputs outside what was calibrated
NAMES = "recording"  # header of the column of names


@dataclass(frozen=True)
class Prediction:
    """Prediction of an ensemble for a recording, a window of one, or a text.

    Attributes:
        name: path of the recording, or its name in a table.
        label: the most probable class; ``unsure`` if the prediction is ``uninformed``.
        labels: predicted classes: one, or in a multi-label task all that are present; none if ``uninformed``.
        probability: probability of the most probable class.
        probabilities: probability of each class; they sum to 1 unless the task is multi-label.
        calibrated: the probabilities are calibrated on validation, with inputs such as this one.
        logits: mean logit of each class over members, before any temperature.
        text: text as the user gave it.
        start, end: seconds into the recording, of a segment or a window; None for a whole recording.
        modalities: ``text`` and ``audio``, if the model used them.
        cut: modalities that were longer than the model's longest input.
        silent: the recording contains no sound.
        remark: fault of the file that did not keep it from being read, such as a wrong length in its header.
        unknown_words: words of the text that were not in the training set.
        uncalibrated: reason why the probabilities are not calibrated; empty if they are.
        lacking: parts of its usual input that the model did not get, as ``no audio`` or ``most words unknown``.
        uninformed: the input holds nothing that the model knows, so no class is claimed.
        speaker: name of the speaker over whose recordings its audio was standardised; None where it was not so.
    """

    name: str
    label: str
    labels: tuple[str, ...]
    probability: float
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

    def unsure(self, abstain: float | None = None) -> bool:
        """Check whether the input says nothing, or the predicted class is less probable than ``abstain``."""
        if self.uninformed:
            return True
        return abstain is not None and bool(self.labels) and self.probability < abstain

    def answer(self, abstain: float | None = None) -> str:
        """Return the predicted classes, ``none`` if there are none, or ``unsure``."""
        return UNSURE if self.unsure(abstain) else ", ".join(self.labels) or NONE

    def sentence(self, abstain: float | None = None) -> str:
        """Say the answer as `sertool predict` does, with its probability in percent."""
        if self.uninformed:
            return f"{UNSURE}: {in_words(self.lacking)}, so any class would be a guess"
        if self.unsure(abstain):
            return f"{UNSURE}: {self.label} has {percent(self.probability)} %, below {100 * (abstain or 0):g} %"
        if not self.labels:
            return f"{NONE} of the classes is present"
        if len(self.labels) > 1:
            return self.answer()
        uncalibrated = "" if self.calibrated else ", uncalibrated"
        return f"{self.answer()}, probability {percent(self.probability)} %{uncalibrated}"

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
        """Draw the probabilities for a notebook; none where they say nothing."""
        parts = [line(self.title, strong=True), line(self.text)]
        if not self.uninformed:
            parts.append(bars(self.ranking))
        parts.append(line(self.sentence()))
        if self.uncalibrated and not self.uninformed:
            parts.append(line(f"uncalibrated: {self.uncalibrated}"))
        return box(parts)


class PredictionList(list[Prediction]):
    """A list of predictions that a notebook shows as a table.

    Attributes:
        classes: names of the classes, which an empty list has, too.
    """

    def __init__(self, predictions: Sequence[Prediction], classes: Sequence[str]) -> None:
        super().__init__(predictions)
        self.classes = tuple(classes)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> "PredictionList": ...

    def __getitem__(self, place: SupportsIndex | slice) -> "Prediction | PredictionList":
        if isinstance(place, slice):
            return PredictionList(super().__getitem__(place), self.classes)
        return super().__getitem__(place)

    def to_pandas(self, abstain: float | None = None) -> "DataFrame":
        """Return a data frame with one row per prediction and the columns of `sertool predict --csv`.

        Args:
            abstain: probability below which ``class`` is ``unsure``; None: never.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            from pandas import DataFrame  # no dependency of this package
        except ImportError:
            message = "to_pandas: pandas is needed and not installed"
            raise UsageError(message, hint="pip install pandas") from None
        header, *rows = prediction_rows(self.classes, self, abstain)
        # Without a time None would make a column of objects.
        return DataFrame(rows, columns=header).astype({"start": float, "end": float})

    def __repr__(self) -> str:
        more = [f"... and {len(self) - LINES:,} more"] if len(self) > LINES else []
        return "[" + ",\n ".join([*map(repr, self[:LINES]), *more]) + "]"

    def _repr_html_(self) -> str:
        """Write the first rows as a table for a notebook, and the number of the others."""
        answers, shares = answer_columns(self, limit=LINES), share_columns(self.classes, self, limit=LINES)
        grid = [left + right for left, right in zip(answers, shares, strict=True)]
        more = f"... and {len(self) - LINES:,} more" if len(self) > LINES else ""
        return box([line(how_calibrated(self)), table(grid), line(more), line(count_answers(self))])


def percent(probability: float) -> str:
    """Format a probability in percent, as reports do; files and Python keep it from 0 to 1.

    >>> percent(0.9371)
    '93.7'
    """
    return f"{100 * probability:.1f}"


def prediction_rows(
    classes: Sequence[str], predictions: Sequence[Prediction], abstain: float | None
) -> list[list[str | float | None]]:
    """Return a header and one row per prediction: id, times, class or unsure, calibrated or not, probabilities."""
    columns = ["id", "start", "end", "class", "probability", "calibrated"]
    rows: list[list[str | float | None]] = [[*columns, *(f"probability_{name}" for name in classes)]]
    for own in predictions:
        answer = UNSURE if own.unsure(abstain) else "|".join(own.labels)
        calibrated = "yes" if own.calibrated else "no"
        rows.append([own.name, own.start, own.end, answer, own.probability, calibrated, *own.probabilities.values()])
    return rows


def how_calibrated(predictions: Sequence[Prediction], calibrated: str = "calibrated") -> str:
    """Say whether predictions are calibrated, in the words ``calibrated``, and how many of them are not."""
    if not any(own.calibrated for own in predictions):
        return "uncalibrated" if predictions else ""
    outside = sum(not own.calibrated and not own.uninformed for own in predictions)
    return calibrated + f", but for the {outside} marked {OUTSIDE}" * bool(outside)


def count_answers(predictions: Sequence[Prediction], abstain: float | None = None) -> str:
    """Count the answers, the most frequent first."""
    counts = Counter(own.answer(abstain) for own in predictions).most_common()
    summary = " · ".join(f"{name} {count:,}" for name, count in counts)
    return plural(len(predictions), "prediction") + f": {summary}" * bool(summary)


def have_times(predictions: Sequence[Prediction]) -> bool:
    """Check whether any prediction is for a part of a recording."""
    return any(own.start is not None or own.end is not None for own in predictions)


def answer_columns(
    predictions: Sequence[Prediction], abstain: float | None = None, limit: int | None = None
) -> list[list[str]]:
    """Return a header and one row for each of the first ``limit`` predictions: name, times, class and its percent."""
    times = have_times(predictions)
    marks = len({own.calibrated for own in predictions if not own.uninformed}) > 1
    rows = [[NAMES, *(["from s", "to s"] if times else []), "class", "percent"]]
    for own in predictions[:limit]:
        ends = [f"{own.start or 0:.2f}", "" if own.end is None else f"{own.end:.2f}"] if times else []
        mark = OUTSIDE if marks and not own.calibrated else " " * marks
        share = "" if own.uninformed else percent(own.probability) + mark
        rows.append([printable(own.name), *ends, own.answer(abstain), share])
    return rows


def share_columns(
    classes: Sequence[str], predictions: Sequence[Prediction], limit: int | None = None
) -> list[list[str]]:
    """Return a header and one row for each of the first ``limit`` predictions: the percent of every class."""
    shares = (["" if own.uninformed else percent(p) for p in own.probabilities.values()] for own in predictions[:limit])
    return [list(classes), *shares]
