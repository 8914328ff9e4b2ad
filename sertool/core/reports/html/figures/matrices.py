"""Figures of counts and shares: confusion matrix, reliability diagram, bars in a table."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from sertool.core.metrics import Estimate
from sertool.core.metrics.calibration import BINS, bin_of
from sertool.core.metrics.reliability import Bin
from sertool.core.reports.html.figures.drawing import (
    Scale,
    bottom_axis,
    cell,
    element,
    figure,
    label,
    left_axis,
    line,
    mark,
    percent,
    shortened,
)

CELL, TOP = 58, 44  # pixels: a cell, the names above
LETTERS = 20  # of a name at the left
DARKEST = 0.62  # opacity of the darkest shade: numbers on it stay readable in both colour schemes
BAR = 84  # pixels
FEW = 10  # predictions; a bar of fewer is pale, as its share says little


def confusion_matrix(counts: Sequence[Sequence[int]], names: Sequence[str], target: str | None = None) -> Markup:
    """Draw a row per label and a column per prediction: the count, its share of the row, and that as a shade.

    Args:
        counts: (C, C) counts, a row per label.
        names: C class names.
        target: anchor of the list of utterances, to which cells link; None if there is no list.
    """
    side = CELL if len(names) <= 8 else 46  # many classes get small cells, to fit the page
    letters = 8 if len(names) <= 8 else 6
    head = max(140, 20 + 7 * min(LETTERS, max(map(len, names))))
    parts = [
        label(head - 10, 14, "label ↓   predicted →", "muted", "end"),
        *(
            label(head + (at + 0.5) * side, TOP - 8, shortened(name, letters), "tick", "middle")
            for at, name in enumerate(names)
        ),
    ]
    wrong = []
    for row, (name, values) in enumerate(zip(names, counts, strict=True)):
        total, y = sum(values), TOP + row * side
        parts.append(label(head - 10, y + side / 2 + 4, shortened(name, LETTERS), None, "end"))
        for column, count in enumerate(values):
            drawn = _cell(count, total, head + column * side, y, side, right=row == column)
            tip = f"{name} predicted as {names[column]}: {count:,}"
            pair = {"data_label": name, "data_decision": names[column]}
            # Without utterances there is nothing to list.
            parts.append(mark(tip, *drawn, target=target, **pair) if target and count else mark(tip, *drawn))
            if count and row != column:
                wrong.append((count, tip))
    # Screen readers get the five most frequent errors; all counts would be too long to listen to.
    worst = [text for _, text in sorted(wrong, key=lambda one: -one[0])[:5]]
    said = "Most frequent errors: " + "; ".join(worst) if worst else "No errors"
    size = head + len(names) * side + 2, TOP + len(names) * side + 4
    return figure(*size, "Confusion matrix, counts and share of each label", said, parts, links=target is not None)


def _cell(count: int, total: int, x: float, y: float, side: int, *, right: bool) -> list[Markup]:
    """Draw a cell of the confusion matrix: its shade, the count and the share of the row."""
    share = count / total if total else 0.0
    parts = [
        element("rect", x=x + 1, y=y + 1, width=side - 2, height=side - 2, rx=3,
                class_="shade right" if right else "shade", fill_opacity=f"{DARKEST * share:.2f}")
    ]  # fmt: skip
    middle, half = x + side / 2, y + side / 2
    parts.append(label(middle, half - 1, f"{count:,}", "count" if count else "none", "middle"))
    if total:
        parts.append(label(middle, half + 14, f"{100 * share:.0f} %", "share" if count else "none", "middle"))
    return parts


def reliability(bins: Sequence[Bin]) -> Markup:
    """Draw the share of correct predictions at each confidence as bars with intervals, and their counts above."""
    left, right, top, bottom = 44, 444, 44, 226
    x, y = Scale(0, 1, left, right), Scale(0, 1, bottom, top)  # pixels count downwards
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    parts = left_axis(y, left, right, "correct, %; above the bars: predictions")
    places = bin_of(np.array([one.confidence for one in bins], np.float64)).tolist()
    said = []
    for place, one in zip(places, bins, strict=True):
        start, end = x(place / BINS), x((place + 1) / BINS)
        middle, tall = (start + end) / 2, y(one.accuracy)
        between, whisker = "", []
        if one.low is not None and one.high is not None:
            between = f" ({percent(one.low)} to {percent(one.high)})"
            whisker = [line(middle, y(one.low), middle, y(one.high), "whisker")]
        said.append(
            f"{one.count:,} at {percent(one.confidence)} % confidence: {percent(one.accuracy)} % correct{between}"
        )
        parts.append(
            mark(
                said[-1],
                element("rect", x=start, y=top, width=end - start, height=bottom - top, class_="hit"),
                element("rect", x=start + 1, y=tall, width=end - start - 2, height=bottom - tall,
                        class_="bar" if one.count >= FEW else "bar few"),
                *whisker,
                # All in one row: beside the bars they would run into the whiskers.
                label(middle, top - 8, _short(one.count), "tick", "middle"),
            )
        )  # fmt: skip
    parts.append(line(left, bottom, right, top, "reference"))
    parts += bottom_axis(x, bottom, "confidence, %", ticks, [percent(tick) for tick in ticks])
    title = "Reliability: share of correct predictions at each confidence"
    return figure(460, 270, title, "; ".join(said), parts)


def _short(count: int) -> str:
    """Write a count in at most four signs, as ``1.2k``: all digits are in the table below the figure."""
    if count < 1000:
        return str(count)
    thousands, unit = (count / 1e3, "k") if count < 999_500 else (count / 1e6, "M")
    return f"{thousands:.1f}{unit}" if thousands < 9.95 else f"{thousands:.0f}{unit}"


def bar(estimate: Estimate) -> Markup:
    """Draw a share as a bar with its interval, for a cell; its numbers are in the table."""
    scale = Scale(0, 1, 0, BAR)
    value = 0.0 if estimate.value != estimate.value else estimate.value  # NaN is an empty bar
    parts = [
        element("rect", x=0, y=3, width=BAR, height=8, rx=2, class_="track"),
        element("rect", x=0, y=3, width=scale(value), height=8, rx=2, class_="bar"),
    ]
    if estimate.low is not None and estimate.high is not None:
        parts.append(line(scale(estimate.low), 7, scale(estimate.high), 7, "whisker"))
    return cell(BAR, 14, *parts)
