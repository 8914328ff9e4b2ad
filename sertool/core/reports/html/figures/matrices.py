"""Figures of counts and shares: confusion matrix, reliability diagram, bars in a table."""

from collections.abc import Sequence

from markupsafe import Markup

from sertool.core.metrics import Estimate
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
    percent,
    polyline,
    shortened,
)

CELL, TOP = 58, 44  # pixels: a cell, the names above
LETTERS = 20  # of a name at the left
DARKEST = 0.62  # opacity of the darkest shade: numbers on it stay readable in both colour schemes
BAR = 84  # pixels


def confusion_matrix(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Markup:
    """Draw a row per label and a column per prediction: the count, its share of the row, and that as a shade."""
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
            share, x = count / total if total else 0.0, head + column * side
            right = row == column
            parts.append(
                element("rect", x=x + 1, y=y + 1, width=side - 2, height=side - 2, rx=3,
                        class_="shade right" if right else "shade", fill_opacity=f"{DARKEST * share:.2f}")
            )  # fmt: skip
            middle, half = x + side / 2, y + side / 2
            parts.append(label(middle, half - 1, f"{count:,}", "count" if count else "none", "middle"))
            if total:
                class_ = "share" if count else "none"
                parts.append(label(middle, half + 14, f"{100 * share:.0f} %", class_, "middle"))
            if count and not right:
                wrong.append((count, f"{name} predicted as {names[column]}: {count:,}"))
    # Screen readers get the five most frequent errors; all counts would be too long to listen to.
    worst = [text for _, text in sorted(wrong, key=lambda one: -one[0])[:5]]
    said = "Most frequent errors: " + "; ".join(worst) if worst else "No errors"
    size = head + len(names) * side + 2, TOP + len(names) * side + 4
    return figure(*size, "Confusion matrix, counts and share of each label", said, parts)


def reliability(bins: Sequence[Bin]) -> Markup:
    """Draw the share of correct predictions against confidence, with intervals; below, the number of predictions."""
    left, right, top, middle, bottom = 44, 384, 26, 336, 406
    x, y = Scale(0, 1, left, right), Scale(0, 1, middle, top)  # pixels count downwards
    most = max((one.count for one in bins), default=1)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    parts = left_axis(y, left, right, "correct, %")
    parts.append(line(left, middle, right, top, "reference"))
    parts.append(polyline([(x(one.confidence), y(one.accuracy)) for one in bins], "curve a"))
    for one in bins:
        across = x(one.confidence)
        tall = 40 * one.count / max(most, 1)
        parts += [
            line(across, y(one.low), across, y(one.high), "interval"),
            element("circle", cx=across, cy=y(one.accuracy), r=4, class_="dot a"),
            element("rect", x=across - 5, y=bottom - tall, width=10, height=tall, class_="bar"),
        ]
    # All counts are in the table below the figure; here only those that do not overlap.
    shown = -100.0  # pixel of the last count, far left at first
    for one in sorted(bins, key=lambda one: one.confidence):
        if x(one.confidence) - shown >= 26:
            shown = x(one.confidence)
            above = bottom - 40 * one.count / max(most, 1) - 4
            parts.append(label(shown, above, f"{one.count:,}", "tick", "middle"))
    parts += bottom_axis(x, bottom, "confidence, %", ticks, [percent(tick) for tick in ticks])
    said = "; ".join(
        f"{one.count:,} at {percent(one.confidence)} % confidence: {percent(one.accuracy)} % correct" for one in bins
    )
    return figure(400, 446, "Reliability: share of correct predictions at each confidence", said, parts)


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
