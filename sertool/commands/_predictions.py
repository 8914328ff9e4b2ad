"""How predictions are shown on a terminal and written to files."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sertool.core.formatting import few, printable

if TYPE_CHECKING:
    from sertool.core.inference.clips import Refused
    from sertool.core.inference.predictor import Prediction, Predictor

BAR, SHORT_BAR = 20, 10
LEAST_NAME = 20  # columns that names get before the classes' own columns go
UNSURE, NONE = "unsure", "none"


def show(
    opened: "Predictor", predictions: Sequence["Prediction"], abstain: float | None, width: int | None
) -> list[str]:
    """A bar a class for one prediction, a table for many.

    Args:
        opened: what predicted.
        predictions: at least one.
        abstain: the probability below which the answer is unsure.
        width: of the terminal; None where nothing is cut.
    """
    if len(predictions) == 1:
        return [_title(opened), *_bars(predictions[0], abstain)]
    names = {own.name for own in predictions}
    grid = _grid(opened, predictions, abstain, every=True)
    if width is not None and _total(grid) - max(0, _widths(grid)[0] - LEAST_NAME) > width:
        grid = _grid(opened, predictions, abstain, every=False)
    if len(names) == 1 and _have_times(predictions):
        title = [_title(opened), printable(names.pop())]
        grid = [row[1:] for row in grid]
    else:
        title = [_title(opened)]
        grid = _cut_names(grid, width)
    counts = Counter(_answer(own, abstain) for own in predictions).most_common()
    summary = " · ".join(f"{name} {count}" for name, count in counts)
    return [*title, "", *_aligned(grid), "", f"{len(predictions)} predictions: {summary}"]


def _title(opened: "Predictor") -> str:
    trained, calibration = opened.trained, opened.calibration
    members = len(opened.members)
    parts = [
        trained.name,
        *(["synthetic speech"] if trained.synthetic else []),
        *(["machine-made transcripts"] if trained.machine_text else []),
        f"{members} member{'s' * (members > 1)}",
        f"calibrated on {calibration.utterances} validation utterances" if calibration else "not calibrated",
    ]
    return " · ".join(parts)


def _answer(own: "Prediction", abstain: float | None) -> str:
    return UNSURE if own.unsure(abstain) else ", ".join(own.labels) or NONE


def _bars(own: "Prediction", abstain: float | None) -> list[str]:
    times = f" · {own.start or 0:g} s to {'the end' if own.end is None else f'{own.end:g} s'}"
    lines = [printable(own.name) + times * (own.start is not None or own.end is not None)]
    if own.text:
        lines.append(printable(own.text))
    name_width = max(map(len, own.probabilities))
    ordered = sorted(own.probabilities.items(), key=lambda item: -item[1])
    lines += ["", *(f"{name:<{name_width}}  {p:.2f}  {_bar(p, BAR)}".rstrip() for name, p in ordered), ""]
    answer = _answer(own, abstain)
    if answer == UNSURE:
        return [*lines, f"{UNSURE}: {own.label} has {own.probability:.2f}, below {abstain:g}"]
    if answer == NONE:
        return [*lines, f"{NONE} of the classes is present"]
    return [*lines, f"{answer}, probability {own.probability:.2f}" if len(own.labels) == 1 else answer]


def _bar(probability: float, width: int) -> str:
    return "━" * round(probability * width)


def _have_times(predictions: Sequence["Prediction"]) -> bool:
    return any(own.start is not None or own.end is not None for own in predictions)


def _grid(
    opened: "Predictor", predictions: Sequence["Prediction"], abstain: float | None, *, every: bool
) -> list[list[str]]:
    """Header and rows; with the probabilities of every class, or a bar and the second most probable one."""
    times = _have_times(predictions)
    header = ["recording", *(["from s", "to s"] if times else []), "class", "p"]
    rows = [[*header, *(opened.classes if every else ["", "second"])]]
    for own in predictions:
        ends = [f"{own.start or 0:.2f}", "" if own.end is None else f"{own.end:.2f}"] if times else []
        row = [printable(own.name), *ends, _answer(own, abstain), f"{own.probability:.2f}"]
        ordered = sorted(own.probabilities.items(), key=lambda item: -item[1])
        second = " ".join(f"{name} {p:.2f}" for name, p in ordered[1:2])
        shares = [f"{p:.2f}" for p in own.probabilities.values()]
        rows.append(row + (shares if every else [_bar(own.probability, SHORT_BAR), second]))
    return rows


def _widths(grid: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*grid, strict=True)]


def _total(grid: list[list[str]]) -> int:
    widths = _widths(grid)
    return sum(widths) + 2 * (len(widths) - 1)


def _cut_names(grid: list[list[str]], width: int | None) -> list[list[str]]:
    """The grid with the beginnings of long names cut, so that it fits; their ends tell them apart."""
    if width is None or _total(grid) <= width:
        return grid
    longest = max(LEAST_NAME // 2, _widths(grid)[0] - (_total(grid) - width))
    return [
        [name if len(name) <= longest else "…" + name[len(name) - longest + 1 :], *rest]
        for name, *rest in grid
    ]


def _aligned(grid: list[list[str]]) -> list[str]:
    """Numbers to the right, words to the left."""
    widths = _widths(grid)
    right = [all(not cell or cell[0].isdigit() for cell in column[1:]) for column in zip(*grid, strict=True)]
    right[0] = right[0] and grid[0][0] != "recording"
    return [
        "  ".join(
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in grid
    ]


def left_out(refused: Sequence["Refused"]) -> list[str]:
    """What --skip-bad went on without."""
    if not refused:
        return []
    return [f"left out {len(refused)}:", *(f"  {line}" for line in few([item.reason for item in refused]))]


def predictions_csv(opened: "Predictor", predictions: Sequence["Prediction"], abstain: float | None) -> str:
    """A row a prediction: id, start, end, class (or unsure), its probability, and that of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shares = [f"probability_{name}" for name in opened.classes]
    writer.writerow(["id", "start", "end", "class", "probability", *shares])
    for own in predictions:
        ends = ["" if value is None else repr(value) for value in (own.start, own.end)]
        answer = UNSURE if own.unsure(abstain) else "|".join(own.labels)
        values = [repr(value) for value in (own.probability, *own.probabilities.values())]
        writer.writerow([printable(own.name), *ends, answer, *values])
    return text.getvalue()


def predictions_table(
    opened: "Predictor",
    predictions: Sequence["Prediction"],
    abstain: float | None,
    refused: Sequence["Refused"],
) -> dict[str, Any]:
    """Everything as plain data; the most probable class stands there also where the answer is unsure."""
    calibration = opened.calibration
    return {
        "name": opened.trained.name,
        "dataset": opened.trained.corpus,
        "synthetic": opened.trained.synthetic,
        "machine_text": opened.trained.machine_text,
        "task": opened.trained.task.name,
        "classes": list(opened.classes),
        "members": list(opened.members),
        "temperature": None if calibration is None else calibration.temperature,
        "abstain": abstain,
        "predictions": [_entry(own, abstain) for own in predictions],
        "left_out": [{"id": item.name, "reason": item.reason} for item in refused],
    }


def _entry(own: "Prediction", abstain: float | None) -> dict[str, Any]:
    fields = asdict(own)
    return {"id": fields.pop("name"), "unsure": own.unsure(abstain), **fields}
