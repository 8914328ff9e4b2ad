"""Predictions shown on a terminal and written to files."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sertool.core.formatting import cut, first_lines, padded, printable, total_width
from sertool.core.inference.trust import UNSURE, in_words

if TYPE_CHECKING:
    from sertool.core.inference.clips import RefusedClip
    from sertool.core.inference.predictor import Prediction, Predictor

BAR, SHORT_BAR = 20, 10  # columns of a bar for probability 1
LEAST_NAME = 20  # columns that names get before the classes' own columns go
NONE = "none"
OUTSIDE = "*"  # marks the probabilities of inputs outside what was calibrated
NAMES = "recording"  # header of the column of names


def show(
    opened: "Predictor", predictions: Sequence["Prediction"], abstain: float | None, width: int | None
) -> list[str]:
    """Format predictions as lines: bars of all classes for one prediction, a table for several.

    Args:
        opened: the model that made them.
        predictions: at least one.
        abstain: probability below which the answer is unsure; None: never.
        width: width of the terminal in columns; None: nothing is cut.
    """
    if len(predictions) == 1:
        return [_title(opened, predictions), *_bars(predictions[0], abstain)]
    names = {own.name for own in predictions}
    # All classes if they fit beside a name of readable length, else the two most probable ones.
    grid = _grid(opened, predictions, abstain, every=True)
    if width is not None and _least_width(grid) > width:
        grid = _grid(opened, predictions, abstain, every=False)
    if len(names) == 1 and _have_times(predictions):  # windows of one recording: its name once, above
        title = [_title(opened, predictions), printable(names.pop())]
        grid = [row[1:] for row in grid]
    else:
        title = [_title(opened, predictions)]
        grid = _cut_names(grid, width)
    counts = Counter(_answer(own, abstain) for own in predictions).most_common()
    summary = " · ".join(f"{name} {count}" for name, count in counts)
    return [
        *title,
        "",
        *padded(_columns(grid), named=grid[0][0] == NAMES),
        "",
        f"{len(predictions)} predictions: {summary}",
    ]


def _title(opened: "Predictor", predictions: Sequence["Prediction"]) -> str:
    trained, calibration = opened.trained, opened.calibration
    outside = sum(not own.calibrated and not own.uninformed for own in predictions)
    calibrated = "uncalibrated"
    if calibration and any(own.calibrated for own in predictions):
        calibrated = f"calibrated on {calibration.utterances} validation utterances"
        calibrated += f", but for the {outside} marked {OUTSIDE}" * bool(outside)
    parts = [
        trained.name,
        *(["synthetic speech"] if trained.synthetic else []),
        *(["machine-made transcripts"] if trained.machine_text else []),
        str(opened.size),
        calibrated,
    ]
    return " · ".join(parts)


def _answer(own: "Prediction", abstain: float | None) -> str:
    return UNSURE if own.unsure(abstain) else ", ".join(own.labels) or NONE


def _bars(own: "Prediction", abstain: float | None) -> list[str]:
    times = f" · {own.start or 0:g} s to {'the end' if own.end is None else f'{own.end:g} s'}"
    lines = [printable(own.name) + times * (own.start is not None or own.end is not None)]
    if own.text:
        lines.append(printable(own.text))
    if own.uninformed:
        return [*lines, "", f"{UNSURE}: {in_words(own.lacking)}, so any class would be a guess"]
    name_width = max(map(len, own.probabilities))
    ordered = sorted(own.probabilities.items(), key=lambda item: -item[1])  # most probable first
    lines += [
        "",
        *(f"{name:<{name_width}}  {_percent(p):>5} %  {_bar(p, BAR)}".rstrip() for name, p in ordered),
        "",
    ]
    answer = _answer(own, abstain)
    if answer == UNSURE:
        return [
            *lines,
            f"{UNSURE}: {own.label} has {_percent(own.probability)} %, below {100 * (abstain or 0):g} %",
        ]
    if answer == NONE:
        return [*lines, f"{NONE} of the classes is present"]
    calibrated = "" if own.calibrated else ", uncalibrated"
    return [
        *lines,
        f"{answer}, probability {_percent(own.probability)} %{calibrated}" if len(own.labels) == 1 else answer,
    ]


def _percent(probability: float) -> str:
    """Format a probability in percent, as reports do; files and Python keep it from 0 to 1."""
    return f"{100 * probability:.1f}"


def _bar(probability: float, width: int) -> str:
    return "━" * round(probability * width)


def _have_times(predictions: Sequence["Prediction"]) -> bool:
    return any(own.start is not None or own.end is not None for own in predictions)


def _grid(
    opened: "Predictor", predictions: Sequence["Prediction"], abstain: float | None, *, every: bool
) -> list[list[str]]:
    """Build header and rows: with the probability of every class, or with a bar and the second most probable class."""
    times = _have_times(predictions)
    marks = len({own.calibrated for own in predictions if not own.uninformed}) > 1
    header = [NAMES, *(["from s", "to s"] if times else []), "class", "percent"]
    rows = [[*header, *(opened.classes if every else ["", "second"])]]
    for own in predictions:
        # A segment without a start begins with the file; one without an end lasts as long as the file.
        ends = [f"{own.start or 0:.2f}", "" if own.end is None else f"{own.end:.2f}"] if times else []
        answer = _answer(own, abstain)
        if own.uninformed:
            rows.append([printable(own.name), *ends, answer, *[""] * (len(rows[0]) - len(ends) - 2)])
            continue
        mark = OUTSIDE if marks and not own.calibrated else " " * marks
        row = [printable(own.name), *ends, answer, _percent(own.probability) + mark]
        ordered = sorted(own.probabilities.items(), key=lambda item: -item[1])
        second = " ".join(f"{name} {_percent(p)}" for name, p in ordered[1:2])
        shares = [_percent(p) for p in own.probabilities.values()]
        rows.append(row + (shares if every else [_bar(own.probability, SHORT_BAR), second]))
    return rows


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


def prediction_rows(
    opened: "Predictor", predictions: Sequence["Prediction"], abstain: float | None
) -> list[list[str | float | None]]:
    """Return a header and one row per prediction: id, times, class or unsure, calibrated or not, probabilities."""
    columns = ["id", "start", "end", "class", "probability", "calibrated"]
    rows: list[list[str | float | None]] = [[*columns, *(f"probability_{name}" for name in opened.classes)]]
    for own in predictions:
        answer = UNSURE if own.unsure(abstain) else "|".join(own.labels)
        calibrated = "yes" if own.calibrated else "no"
        rows.append([own.name, own.start, own.end, answer, own.probability, calibrated, *own.probabilities.values()])
    return rows


def predictions_table(
    opened: "Predictor",
    predictions: Sequence["Prediction"],
    abstain: float | None,
    refused: Sequence["RefusedClip"],
) -> dict[str, Any]:
    """Return everything as plain data; the predicted class is included even if the answer is unsure."""
    calibration = opened.calibration
    return {
        "name": opened.trained.name,
        "dataset": opened.trained.corpus,
        "synthetic": opened.trained.synthetic,
        "machine_text": opened.trained.machine_text,
        "task": opened.trained.task.name,
        "classes": list(opened.classes),
        "members": list(opened.members),
        "size": opened.size.table,
        "calibrated": not opened.uncalibrated,
        "uncalibrated": opened.uncalibrated,
        "temperature": None if calibration is None else calibration.temperature,
        "abstain": abstain,
        "predictions": [_entry(own, abstain) for own in predictions],
        "left_out": [{"id": item.name, "reason": item.reason} for item in refused],
    }


def json_lines(predictions: Sequence["Prediction"], abstain: float | None) -> str:
    """Write a line of JSON for each prediction, with the fields that it has in ``predictions`` of the whole result."""
    entries = (json.dumps(_entry(own, abstain), ensure_ascii=False, allow_nan=False) for own in predictions)
    return "".join(f"{entry}\n" for entry in entries)


def _entry(own: "Prediction", abstain: float | None) -> dict[str, Any]:
    fields = asdict(own)
    return {"id": fields.pop("name"), "unsure": own.unsure(abstain), **fields}
