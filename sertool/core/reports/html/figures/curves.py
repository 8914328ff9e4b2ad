"""Line figures: a metric against the number of members, risk against coverage."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sertool.core.metrics.reliability import Point
from sertool.core.reports.contents import Size
from sertool.core.reports.html.figures.drawing import (
    Pair,
    Scale,
    Unit,
    bottom_axis,
    counted,
    element,
    figure,
    hit,
    label,
    left_axis,
    line,
    mark,
    percent,
    polyline,
    span,
)
from sertool.core.reports.wording import is_share

WIDTH, HEIGHT = 460, 270  # of a figure, in pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 444, 26, 226  # edges of the plot, which leave room for ticks and names


def size_curve(sets: Mapping[str, Sequence[Size]], chosen: int, metric: str, name: str) -> Markup:
    """Draw a metric of the first k members on each set; a line and a word mark the chosen k."""
    unit = Unit(metric, name)
    curves = {
        key: [(size.k, value) for size in sizes if math.isfinite(value := size.metrics.get(metric, math.nan))]
        for key, sizes in sets.items()
    }
    values = [value for points in curves.values() for _, value in points]
    last = max((k for points in curves.values() for k, _ in points), default=1)
    x = Scale(1, max(last, 2), LEFT + 10, RIGHT - 10)
    # At least 4 points high, so that noise of a tenth of a point does not look like a trend.
    y = Scale(*unit.span(values, least=0.04), BOTTOM, TOP)
    ticks = counted(last)
    parts = left_axis(y, LEFT, RIGHT, unit.axis, [unit.tick(tick) for tick in y.ticks(5)])
    parts += bottom_axis(x, BOTTOM, "members averaged (k)", ticks, [str(tick) for tick in ticks])
    # The word is on the side of the line that has room.
    late = x(chosen) > (LEFT + RIGHT) / 2
    parts += [
        line(x(chosen), TOP, x(chosen), BOTTOM, "chosen"),
        label(
            x(chosen) + (-6 if late else 6),
            TOP + 4,
            f"k = {chosen} chosen",
            "strong",
            "end" if late else None,
        ),
    ]
    for place, (key, points) in enumerate(curves.items()):  # dots only up to 12: more would touch each other
        drawn = [(x(k), y(value)) for k, value in points]
        share = " %" * is_share(metric)
        tips = [f"{key}, k = {k}: {unit.written(value)}{share}" for k, value in points]
        parts += _curve(drawn, tips, place, dots=last <= 12)
        parts += _legend(RIGHT - 60 * (len(curves) - place), place, key)
    ends = [f"{key}: {unit.written(points[0][1])} at k = 1, {unit.written(points[-1][1])} at k = {points[-1][0]}"
            for key, points in curves.items() if points]  # fmt: skip
    title = f"{name} against the number of members"
    return figure(WIDTH, HEIGHT, title, "; ".join([*ends, f"k = {chosen} was chosen"]), parts)


def _curve(points: Sequence[Pair], tips: Sequence[str], place: int, *, dots: bool) -> list[Markup]:
    """Draw a curve: the first solid with dots, the second dashed with squares, for readers who see no colours."""
    kind = "ab"[place % 2]
    parts = [polyline(points, f"curve {kind}")] if len(points) > 1 else []
    for (x, y), tip in zip(points, tips, strict=True):
        parts.append(mark(tip, hit(x, y), *([_dot(x, y, kind)] if dots or len(points) == 1 else [])))
    return parts


def _dot(x: float, y: float, kind: str) -> Markup:
    if kind == "a":
        return element("circle", cx=x, cy=y, r=3.5, class_="dot a")
    return element("rect", x=x - 3, y=y - 3, width=6, height=6, class_="dot b")


def _legend(x: float, place: int, name: str) -> list[Markup]:
    kind = "ab"[place % 2]
    stroke = polyline([(x, 8), (x + 20, 8)], f"curve {kind}")
    return [stroke, _dot(x + 10, 8, kind), label(x + 25, 12, name, "tick")]


def risk_curve(points: Sequence[Point]) -> Markup:
    """Draw the share of wrong answers if only the most confident predictions are answered."""
    risks = [1 - point.accuracy for point in points]
    x = Scale(0, 1, LEFT, RIGHT)
    # From 0 upwards, as risks are compared by their ratio.
    y = Scale(0, span(risks, least=0.1, floor=0.0, ceiling=1.0)[1], BOTTOM, TOP)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    parts = left_axis(y, LEFT, RIGHT, "wrong among the answered, %")
    parts += bottom_axis(x, BOTTOM, "answered (coverage), %", ticks, [percent(tick) for tick in ticks])
    tips = [f"{percent(p.coverage)} % answered, {percent(1 - p.accuracy)} % of these wrong" for p in points]
    parts += _curve([(x(p.coverage), y(1 - p.accuracy)) for p in points], tips, 0, dots=True)
    said = "; ".join(tips[:: max(1, len(tips) // 5)])
    return figure(WIDTH, HEIGHT, "Risk against coverage", said, parts)
