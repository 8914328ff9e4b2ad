"""Several predictions as people and programs read them: a list, rows of a table, and a table in a notebook."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, SupportsIndex, overload

from sertool.core.errors import UsageError
from sertool.core.formatting import LINES, in_range, plural, printable
from sertool.core.inference.notebook import box, line, table
from sertool.core.inference.prediction import Prediction, Range, check_abstaining, lacks_what, percent
from sertool.core.inference.trust import UNSURE

if TYPE_CHECKING:
    from pandas import DataFrame

OUTSIDE = "*"  # marks the figures of inputs outside what was calibrated
NAMES = "recording"  # header of the column of names

Cells = list[str | float | None]


class PredictionList(list[Prediction]):
    """A list of predictions that a notebook shows as a table.

    Attributes:
        classes: names of the classes, or of the scores, which an empty list has, too.
        ranges: lowest and highest value of each score; empty for classes.
    """

    def __init__(
        self, predictions: Sequence[Prediction], classes: Sequence[str], ranges: Mapping[str, Range] | None = None
    ) -> None:
        super().__init__(predictions)
        self.classes = tuple(classes)
        self.ranges = dict(ranges or {})

    @overload
    def __getitem__(self, place: SupportsIndex) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> "PredictionList": ...

    def __getitem__(self, place: SupportsIndex | slice) -> "Prediction | PredictionList":
        if isinstance(place, slice):
            return PredictionList(super().__getitem__(place), self.classes, self.ranges)
        return super().__getitem__(place)

    def to_pandas(self, abstain: float | None = None) -> "DataFrame":
        """Return a data frame with one row per prediction and the columns of `sertool predict --csv`.

        Args:
            abstain: probability below which ``class`` is ``unsure``; None: never.

        Raises:
            UsageError: pandas is not installed, or ``abstain`` is given and the predictions are scores.
        """
        check_abstaining(abstain, self.ranges)
        try:
            from pandas import DataFrame  # no dependency of this package
        except ImportError:
            message = "to_pandas: pandas is needed and not installed"
            raise UsageError(message, hint="pip install pandas") from None
        header, *rows = prediction_rows(self.classes, self, abstain, scores=bool(self.ranges))
        # Without a time or a score None would make a column of objects.
        numbers = ["start", "end", *(header[header.index("calibrated") + 1 :] if self.ranges else [])]
        return DataFrame(rows, columns=header).astype(dict.fromkeys(numbers, float))

    def __repr__(self) -> str:
        more = [f"... and {len(self) - LINES:,} more"] if len(self) > LINES else []
        return "[" + ",\n ".join([*map(repr, self[:LINES]), *more]) + "]"

    def _repr_html_(self) -> str:
        """Write the first rows as a table for a notebook, and the number of the others."""
        if self.ranges:
            grid = score_columns(self.classes, self, limit=LINES)
        else:
            answers, shares = answer_columns(self, limit=LINES), share_columns(self.classes, self, limit=LINES)
            grid = [left + right for left, right in zip(answers, shares, strict=True)]
        more = f"... and {len(self) - LINES:,} more" if len(self) > LINES else ""
        return box([line(how_calibrated(self)), table(grid), line(more), line(count_answers(self))])


def prediction_rows(
    names: Sequence[str], predictions: Sequence[Prediction], abstain: float | None, *, scores: bool = False
) -> list[Cells]:
    """Return a header and one row per prediction: id, times, answer, calibrated or not.

    Of classes: the class or ``unsure``, its probability, and the probability of every class. Of scores: each score with
    the ends of its interval, empty where there is none.

    Args:
        names: names of the classes, or of the scores.
        predictions: the predictions.
        abstain: probability below which the answer is unsure; None: never.
        scores: they are predictions of scores.
    """
    return _score_rows(names, predictions) if scores else _class_rows(names, predictions, abstain)


def _class_rows(names: Sequence[str], predictions: Sequence[Prediction], abstain: float | None) -> list[Cells]:
    columns = ["id", "start", "end", "class", "probability", "calibrated"]
    rows: list[Cells] = [[*columns, *(f"probability_{name}" for name in names)]]
    for own in predictions:
        answer = UNSURE if own.unsure(abstain) else "|".join(own.labels)
        calibrated = "yes" if own.calibrated else "no"
        rows.append([own.name, own.start, own.end, answer, own.probability, calibrated, *own.probabilities.values()])
    return rows


def _score_rows(names: Sequence[str], predictions: Sequence[Prediction]) -> list[Cells]:
    rows: list[Cells] = [["id", "start", "end", "calibrated"]]
    rows[0] += [column for name in names for column in (name, f"{name}_low", f"{name}_high")]
    for own in predictions:
        rows.append([own.name, own.start, own.end, "yes" if own.calibrated else "no"])
        for name in names:
            rows[-1] += [own.scores.get(name), *own.intervals.get(name, (None, None))]
    return rows


def how_calibrated(predictions: Sequence[Prediction], calibrated: str = "") -> str:
    """Say whether predictions are calibrated, in the words ``calibrated``, and how many of them are not.

    Args:
        predictions: the predictions; those of scores are calibrated if they have intervals.
        calibrated: words for those that are. Default: ``calibrated``, or ``with intervals``.
    """
    ranges = predictions[0].ranges if predictions else {}
    if not any(own.calibrated for own in predictions):
        return lacks_what(ranges) if predictions else ""
    outside = sum(not own.calibrated and not own.uninformed for own in predictions)
    words = calibrated or ("with intervals" if ranges else "calibrated")
    return words + f", but for the {outside} marked {OUTSIDE}" * bool(outside)


def count_answers(predictions: Sequence[Prediction], abstain: float | None = None) -> str:
    """Count the answers, the most frequent first; of scores give the means."""
    if any(own.ranges for own in predictions):
        summary = _means(predictions)
    else:
        counts = Counter(own.answer(abstain) for own in predictions).most_common()
        summary = " · ".join(f"{name} {count:,}" for name, count in counts)
    return plural(len(predictions), "prediction") + f": {summary}" * bool(summary)


def _means(predictions: Sequence[Prediction]) -> str:
    told = [own for own in predictions if not own.uninformed]
    parts = []
    if told:
        means = {name: fmean(own.scores[name] for own in told) for name in told[0].scores}
        each = ", ".join(f"{name} {in_range(value, *told[0].ranges[name])}" for name, value in means.items())
        parts = [f"mean {each}" if len(told) > 1 else each]
    return " · ".join(
        [*parts, *([f"{UNSURE} {len(predictions) - len(told):,}"] if len(told) < len(predictions) else [])]
    )


def have_times(predictions: Sequence[Prediction]) -> bool:
    """Check whether any prediction is for a part of a recording."""
    return any(own.start is not None or own.end is not None for own in predictions)


def answer_columns(
    predictions: Sequence[Prediction], abstain: float | None = None, limit: int | None = None
) -> list[list[str]]:
    """Return a header and one row for each of the first ``limit`` predictions: name, times, class and its percent."""
    rows = _name_columns(predictions, limit)
    marks = _marks(predictions, limit)
    rows[0] += ["class", "percent"]
    for row, own, mark in zip(rows[1:], predictions, marks, strict=False):
        share = "" if own.uninformed or own.probability is None else percent(own.probability) + mark
        row += [own.answer(abstain), share]
    return rows


def score_columns(
    names: Sequence[str], predictions: Sequence[Prediction], limit: int | None = None, *, intervals: bool = True
) -> list[list[str]]:
    """Return a header and one row for each of the first ``limit`` predictions: name, times, scores, intervals.

    Args:
        names: names of the scores.
        predictions: the predictions.
        limit: number of rows; None: all.
        intervals: with the intervals, if there are any.
    """
    rows = _name_columns(predictions, limit)
    marks = _marks(predictions, limit)
    unsure = any(own.uninformed for own in predictions[:limit])
    with_interval = [name for name in names if intervals and any(name in own.intervals for own in predictions)]
    rows[0] += [""] * unsure
    for name in names:
        rows[0] += [name, *(["interval"] if name in with_interval else [])]
    for row, own, mark in zip(rows[1:], predictions, marks, strict=False):
        row += [UNSURE if own.uninformed else ""] * unsure
        for name in names:
            row.append(own.written(name) + mark if name in own.scores else "")
            row += [own.written_interval(name)] if name in with_interval else []
    return rows


def _name_columns(predictions: Sequence[Prediction], limit: int | None) -> list[list[str]]:
    """Return a header and one row for each of the first ``limit`` predictions: name, and times if there are any."""
    times = have_times(predictions)
    rows = [[NAMES, *(["from s", "to s"] if times else [])]]
    for own in predictions[:limit]:
        ends = [f"{own.start or 0:.2f}", "" if own.end is None else f"{own.end:.2f}"] if times else []
        rows.append([printable(own.name), *ends])
    return rows


def _marks(predictions: Sequence[Prediction], limit: int | None) -> list[str]:
    """Return what follows the figures of each prediction; nothing where all are calibrated, or none is."""
    marks = len({own.calibrated for own in predictions if not own.uninformed}) > 1
    return [OUTSIDE if marks and not own.calibrated else " " * marks for own in predictions[:limit]]


def share_columns(
    classes: Sequence[str], predictions: Sequence[Prediction], limit: int | None = None
) -> list[list[str]]:
    """Return a header and one row for each of the first ``limit`` predictions: the percent of every class."""
    shares = (["" if own.uninformed else percent(p) for p in own.probabilities.values()] for own in predictions[:limit])
    return [list(classes), *shares]
