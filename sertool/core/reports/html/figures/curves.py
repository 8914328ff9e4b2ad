"""Line figures: a metric against the number of members, risk against coverage, training curves."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sertool.core.formatting import plural
from sertool.core.metrics.reliability import Point
from sertool.core.reports.contents import Size
from sertool.core.reports.html.figures.drawing import (
    Pair,
    Scale,
    bottom_axis,
    counted,
    element,
    figure,
    label,
    left_axis,
    line,
    percent,
    polygon,
    polyline,
    span,
)
from sertool.core.reports.wording import capitalised
from sertool.core.training.history import MemberEpoch

WIDTH, HEIGHT = 460, 270  # of a figure, in pixels
LEFT, RIGHT, TOP, BOTTOM = 44, 444, 26, 226  # edges of the plot, which leave room for ticks and names


def size_curve(sets: Mapping[str, Sequence[Size]], chosen: int, metric: str, name: str) -> Markup:
    """Draw a metric of the first k members on each set; a line and a word mark the chosen k."""
    curves = {
        key: [(size.k, value) for size in sizes if math.isfinite(value := size.metrics.get(metric, math.nan))]
        for key, sizes in sets.items()
    }
    values = [value for points in curves.values() for _, value in points]
    last = max((k for points in curves.values() for k, _ in points), default=1)
    x = Scale(1, max(last, 2), LEFT + 10, RIGHT - 10)
    # At least 4 points high, so that noise of a tenth of a point does not look like a trend.
    y = Scale(*span(values, least=0.04, floor=0.0, ceiling=1.0), BOTTOM, TOP)
    ticks = counted(last)
    parts = left_axis(y, LEFT, RIGHT, f"{name}, %")
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
        parts += _curve(drawn, place, marks=last <= 12)
        parts += _legend(RIGHT - 60 * (len(curves) - place), place, key)
    ends = [f"{key}: {percent(points[0][1])} at k = 1, {percent(points[-1][1])} at k = {points[-1][0]}"
            for key, points in curves.items() if points]  # fmt: skip
    title = f"{name} against the number of members"
    return figure(WIDTH, HEIGHT, title, "; ".join([*ends, f"k = {chosen} was chosen"]), parts)


def _curve(points: Sequence[Pair], place: int, *, marks: bool) -> list[Markup]:
    """Draw a curve: the first solid with dots, the second dashed with squares, for readers who see no colours."""
    kind = "ab"[place % 2]
    parts = [polyline(points, f"curve {kind}")] if len(points) > 1 else []
    if marks or len(points) == 1:
        parts += [_dot(x, y, kind) for x, y in points]
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
    parts += _curve([(x(p.coverage), y(1 - p.accuracy)) for p in points], 0, marks=True)
    said = "; ".join(
        f"{percent(point.coverage)} % answered, {percent(1 - point.accuracy)} % of these wrong"
        for point in points[:: max(1, len(points) // 5)]
    )
    return figure(WIDTH, HEIGHT, "Risk against coverage", said, parts)


def loss_curves(histories: Mapping[str, Sequence[MemberEpoch]]) -> Markup:
    """Draw the training loss of every member over epochs."""
    losses = [epoch.loss for epochs in histories.values() for epoch in epochs if math.isfinite(epoch.loss)]
    top = max(losses, default=1.0)  # a loss that is not finite is not drawn
    scale = Scale(*span([0.0, top], least=1e-3, floor=0.0, ceiling=max(2 * top, 1e-3)), BOTTOM, TOP)
    ends = [epochs[-1].loss for epochs in histories.values() if epochs]
    said = f"ends between {min(ends):.3g} and {max(ends):.3g}" if ends else "no epochs"
    texts = [f"{tick:.3g}" for tick in scale.ticks(5)]
    return _training(histories, "loss", scale, "mean training loss", said, texts)


def score_curves(histories: Mapping[str, Sequence[MemberEpoch]], metric: str) -> Markup:
    """Draw the validation score of every member over epochs, with its best epoch and where the learning rate fell."""
    scores = [epoch.score for epochs in histories.values() for epoch in epochs]
    scale = Scale(*span(scores, least=0.1, floor=0.0, ceiling=1.0), BOTTOM, TOP)
    best = [
        f"{name}: best {percent(found.score)} in epoch {found.epoch}"
        for name, epochs in histories.items()
        if (found := best_epoch(epochs))
    ]
    return _training(histories, "score", scale, f"validation {metric}, %", "; ".join(best), None)


def best_epoch(epochs: Sequence[MemberEpoch]) -> MemberEpoch | None:
    """Return the epoch whose weights were kept: the last that was better than all before it."""
    return next((epoch for epoch in reversed(epochs) if epoch.outcome.startswith("better")), None)


def went_back(epoch: MemberEpoch) -> bool:
    """Check whether the member went back to its best weights after this epoch, with a lower learning rate."""
    return epoch.outcome.startswith("went back")


def _training(
    histories: Mapping[str, Sequence[MemberEpoch]],
    field: str,
    y: Scale,
    name: str,
    said: str,
    texts: Sequence[str] | None,
) -> Markup:
    last = max((epoch.epoch for epochs in histories.values() for epoch in epochs), default=1)
    x = Scale(1, max(last, 2), LEFT + 10, RIGHT - 10)
    ticks = counted(last)
    parts = left_axis(y, LEFT, RIGHT, name, texts)
    parts += bottom_axis(x, BOTTOM, "epoch", ticks, [str(tick) for tick in ticks])
    marks = []
    for epochs in histories.values():
        epochs = [epoch for epoch in epochs if math.isfinite(getattr(epoch, field))]
        points = [(x(epoch.epoch), y(getattr(epoch, field))) for epoch in epochs]
        if len(points) > 1:
            parts.append(polyline(points, "curve member"))
        best = best_epoch(epochs)
        for epoch, (across, up) in zip(epochs, points, strict=True):
            if went_back(epoch):
                corners = [(across - 5, up - 9), (across + 5, up - 9), (across, up - 1)]
                marks.append(polygon(corners, "drop"))
            elif epoch is best or len(points) == 1:
                marks.append(element("circle", cx=across, cy=up, r=4, class_="dot a"))
    title = capitalised(f"{name}, {plural(len(histories), 'member')}")
    return figure(WIDTH, HEIGHT, title, said, [*parts, *marks])  # marks last, above all lines
