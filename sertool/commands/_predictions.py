"""Predictions shown on a terminal and written to files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from sertool.core.formatting import LINES, cut, first_lines, padded, printable, total_width
from sertool.core.inference.notebook import Track
from sertool.core.inference.prediction import Prediction, percent
from sertool.core.inference.results import (
    NAMES,
    answer_columns,
    count_answers,
    have_times,
    how_calibrated,
    score_columns,
    share_columns,
)

if TYPE_CHECKING:
    from sertool.core.inference.clips import RefusedClip
    from sertool.core.inference.prediction import Range
    from sertool.core.inference.predictor import Predictor
    from sertool.core.metrics.conformal import Intervals

BAR, SHORT_BAR = 20, 10  # columns of a bar for probability 1
TRACK = 25  # columns of the range of a score
LEAST_NAME = 20  # columns that names get before the classes' own columns go


class Shown(Protocol):
    """A model whose predictions are shown: a trained ensemble, or a ready model."""

    @property
    def title(self) -> str:
        """Name of the model and its size."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the scores."""

    @property
    def ranges(self) -> "dict[str, Range]":
        """Lowest and highest value of each score; empty for classes."""

    @property
    def calibrated_on(self) -> str:
        """Words for the utterances that predictions are calibrated on; empty if none is calibrated."""


def show(
    opened: Shown,
    predictions: Sequence[Prediction],
    abstain: float | None,
    width: int | None,
    places: Sequence[str] = (),
) -> list[str]:
    """Format predictions as lines: bars of all classes or scores for one prediction, a table for several.

    Args:
        opened: the model that made them.
        predictions: at least one.
        abstain: probability below which the answer is unsure; None: never.
        width: width of the terminal in columns; None: nothing is cut. A terminal shows the first rows of a long job.
        places: names of the files that hold all predictions.
    """
    from sertool.core.inference.predictor import SHARD

    if len(predictions) == 1:
        return [title(opened, predictions), *_bars(predictions[0], abstain)]
    limit = LINES if width is not None and len(predictions) > SHARD else None
    names = {own.name for own in predictions}
    # All classes if they fit beside a name of readable length, else the two most probable ones; or all intervals.
    grid = _grid(opened, predictions, abstain, limit, every=True)
    if width is not None and _least_width(grid) > width:
        grid = _grid(opened, predictions, abstain, limit, every=False)
    if len(names) == 1 and have_times(predictions):  # windows of one recording: its name once, above
        head = [title(opened, predictions), printable(names.pop())]
        grid = [row[1:] for row in grid]
    else:
        head = [title(opened, predictions)]
        grid = _cut_names(grid, width)
    rest = [] if limit is None else [_others(len(predictions) - limit, places)]
    counts = count_answers(predictions, abstain)
    return [*head, "", *padded(_columns(grid), named=grid[0][0] == NAMES), *rest, "", counts]


def _others(number: int, places: Sequence[str]) -> str:
    """Say how many predictions are not shown, and where they are."""
    where = f", in {', '.join(places)}" if places else "; --csv FILE writes all of them"
    return printable(f"... and {number:,} more{where}")


def title(opened: Shown, predictions: Sequence[Prediction]) -> str:
    """Name the model, and say whether its predictions are calibrated."""
    return f"{opened.title} · {how_calibrated(predictions, opened.calibrated_on)}"


def _bars(own: Prediction, abstain: float | None) -> list[str]:
    lines = [own.title, *([printable(own.text)] if own.text else []), ""]
    if own.ranges and not own.uninformed:
        return [*lines, *_tracks(own)]
    if not own.uninformed:
        width = max(map(len, own.probabilities))
        lines += [f"{name:<{width}}  {percent(p):>5} %  {_bar(p, BAR)}".rstrip() for name, p in own.ranking.items()]
        lines.append("")
    return [*lines, own.sentence(abstain)]


def _tracks(own: Prediction) -> list[str]:
    """Draw each score on its range, with its interval."""
    columns: list[list[str]] = [[], [], [], []]
    for name, value in own.scores.items():
        low, high = own.ranges[name]
        track = _track(Track(name, value, own.intervals.get(name, (value, value)), (low, high), ""))
        cells = (printable(name), own.written(name), own.written_interval(name), f"{low:g} {track} {high:g}")
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    begins = [cell.index(" ") for cell in columns[3]]
    columns[3] = [" " * (max(begins) - begin) + cell for begin, cell in zip(begins, columns[3], strict=True)]
    # padded() takes the first row for a header.
    return padded([["", *column] for column in columns if any(column)])[1:]


def _track(own: Track) -> str:
    first, value, last = (round(share * (TRACK - 1)) for share in own.shares)
    line = ["━" if first <= place <= last else "─" for place in range(TRACK)]
    line[value] = "●"
    return "".join(line)


def _bar(probability: float, width: int) -> str:
    return "━" * round(probability * width)


def _grid(
    opened: Shown, predictions: Sequence[Prediction], abstain: float | None, limit: int | None, *, every: bool
) -> list[list[str]]:
    """Build header and rows: with the probability of every class, or with a bar and the second most probable class.

    Of scores with their intervals, or without.
    """
    if opened.ranges:
        return score_columns(opened.classes, predictions, limit, intervals=every)
    answers = answer_columns(predictions, abstain, limit)
    if every:
        others = share_columns(opened.classes, predictions, limit)
    else:
        others = [["", "second"], *(_bar_and_second(own) for own in predictions[:limit])]
    return [left + right for left, right in zip(answers, others, strict=True)]


def _bar_and_second(own: Prediction) -> list[str]:
    if own.uninformed:
        return ["", ""]
    second = " ".join(f"{name} {percent(p)}" for name, p in [*own.ranking.items()][1:2])
    return [_bar(own.probability or 0.0, SHORT_BAR), second]


def _columns(grid: list[list[str]]) -> list[list[str]]:
    return [list(column) for column in zip(*grid, strict=True)]


def _least_width(grid: list[list[str]]) -> int:
    """Return the width of the grid with its names cut to LEAST_NAME."""
    names, *rest = _columns(grid)
    return total_width([[cut(name, LEAST_NAME) for name in names], *rest])


def _cut_names(grid: list[list[str]], width: int | None) -> list[list[str]]:
    """Cut the beginnings of long names, so that the grid fits; their ends tell them apart."""
    if width is None:
        return grid
    _, *rest = _columns(grid)
    # Names shorter than this could not be told apart; the table is then wider than the terminal.
    longest = max(LEAST_NAME // 2, width - total_width([[""], *rest]))
    return [[cut(name, longest, keep_end=True), *cells] for name, *cells in grid]


def left_out(refused: Sequence["RefusedClip"]) -> list[str]:
    """List the inputs that --skip-bad left out, with the reasons."""
    if not refused:
        return []
    return [
        f"left out {len(refused)}:",
        *(f"  {line}" for line in first_lines([item.reason for item in refused])),
    ]


def predictions_table(
    opened: "Predictor",
    predictions: Sequence[Prediction],
    abstain: float | None,
    refused: Sequence["RefusedClip"],
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return everything as plain data; the predicted class is included even if the answer is unsure.

    Args:
        opened: the model that made them.
        predictions: the predictions.
        abstain: probability below which the answer is unsure; None: never.
        refused: inputs that were left out.
        more: further fields of predictions, by their names.
    """
    calibration, intervals = opened.calibration, opened.intervals
    return {
        "name": opened.trained.name,
        "dataset": opened.trained.corpus,
        "synthetic": opened.trained.synthetic,
        "machine_text": opened.trained.machine_text,
        "task": opened.trained.task.name,
        "kind": opened.trained.task.kind,
        "classes": list(opened.classes),
        "ranges": {name: list(ends) for name, ends in opened.ranges.items()} or None,
        "members": list(opened.members),
        "size": opened.size.table,
        "calibrated": not opened.uncalibrated,
        "uncalibrated": opened.uncalibrated,
        "temperature": None if calibration is None else calibration.temperature,
        "intervals": None if intervals is None else _intervals_table(intervals),
        "abstain": abstain,
        "predictions": [prediction_entry(own, abstain, more) for own in predictions],
        "left_out": [{"id": item.name, "reason": item.reason} for item in refused],
    }


def _intervals_table(own: "Intervals") -> dict[str, Any]:
    """Return the intervals of scores as plain data: how wide they are, and what they were fitted on."""
    return {
        "level": own.level,
        "half_widths": dict(zip(own.names, own.half, strict=True)),
        "utterances": own.utterances,
        "reasons": {name: reason for name, reason in zip(own.names, own.reasons, strict=True) if reason},
        "note": own.note,
    }


def json_lines(
    predictions: Sequence[Prediction], abstain: float | None, more: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """Write a line of JSON for each prediction, with the fields that it has in ``predictions`` of the whole result.

    Args:
        predictions: the predictions.
        abstain: probability below which the answer is unsure; None: never.
        more: further fields, by the name of the prediction.
    """
    entries = (
        json.dumps(prediction_entry(own, abstain, more), ensure_ascii=False, allow_nan=False) for own in predictions
    )
    return "".join(f"{entry}\n" for entry in entries)


def prediction_entry(
    own: Prediction, abstain: float | None, more: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Return a prediction as plain data, with further fields by its name."""
    fields = asdict(own)
    del fields["ranges"]  # the same for all
    return {"id": fields.pop("name"), "unsure": own.unsure(abstain), **fields, **(more or {}).get(own.name, {})}
