"""Training curves: loss and validation score of every member over epochs."""

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from sertool.core.formatting import plural
from sertool.core.reports.html.figures.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from sertool.core.reports.html.figures.drawing import (
    Scale,
    Unit,
    bottom_axis,
    counted,
    element,
    figure,
    hit,
    label,
    left_axis,
    mark,
    polygon,
    polyline,
    shortened,
    span,
)
from sertool.core.reports.wording import capitalised
from sertool.core.training.history import MemberEpoch, best_epoch, went_back

Histories = Mapping[str, Sequence[MemberEpoch]]
NAMED = 10  # members with a line style of their own, which a legend names; of more members the lines are alike
LETTERS = 18  # of a name in the legend
ROW = 16  # pixels of a row of the legend


def loss_curves(histories: Histories) -> Markup:
    """Draw the training loss of every member over epochs."""
    losses = [epoch.loss for epochs in histories.values() for epoch in epochs if math.isfinite(epoch.loss)]
    top = max(losses, default=1.0)  # a loss that is not finite is not drawn
    scale = Scale(*span([0.0, top], least=1e-3, floor=0.0, ceiling=max(2 * top, 1e-3)), BOTTOM, TOP)
    ends = [epochs[-1].loss for epochs in histories.values() if epochs]
    said = f"ends between {min(ends):.3g} and {max(ends):.3g}" if ends else "no epochs"
    return _training(histories, "loss", scale, "mean training loss", said, lambda loss: f"{loss:.3g}")


def score_curves(histories: Histories, metric: str, name: str) -> Markup:
    """Draw the validation figure of every member over epochs, with its best epoch and where the learning rate fell."""
    scores = [epoch.score for epochs in histories.values() for epoch in epochs]
    unit = Unit(metric, f"validation {name}")
    scale = Scale(*unit.span(scores, least=0.1), BOTTOM, TOP)
    best = [
        f"{name}: best {unit.written(found.score)} in epoch {found.epoch}"
        for name, epochs in histories.items()
        if (found := best_epoch(epochs))
    ]
    return _training(histories, "score", scale, unit.axis, "; ".join(best), unit.written, unit.tick)


def _training(
    histories: Histories,
    field: str,
    y: Scale,
    name: str,
    said: str,
    written: Callable[[float], str],
    tick: Callable[[float], str] | None = None,
) -> Markup:
    last = max((epoch.epoch for epochs in histories.values() for epoch in epochs), default=1)
    x = Scale(1, max(last, 2), LEFT + 10, RIGHT - 10)
    ticks = counted(last)
    parts = left_axis(y, LEFT, RIGHT, name, [(tick or written)(at) for at in y.ticks(5)])
    parts += bottom_axis(x, BOTTOM, "epoch", ticks, [str(at) for at in ticks])
    marks, named = [], len(histories) <= NAMED
    for place, (member, every) in enumerate(histories.items()):
        epochs = [epoch for epoch in every if math.isfinite(getattr(epoch, field))]
        points = [(x(epoch.epoch), y(getattr(epoch, field))) for epoch in epochs]
        style = f"m{place}" if named else "quiet"
        if len(points) > 1:
            parts.append(polyline(points, f"curve member {style}"))
        best = best_epoch(epochs)
        for epoch, (across, up) in zip(epochs, points, strict=True):
            kept = epoch is best or len(points) == 1
            # The marks of many members would make the page large, so only those remain that are drawn.
            if not (named or kept or went_back(epoch)):
                continue
            tip = f"{member}, epoch {epoch.epoch}: {written(getattr(epoch, field))}"
            marks.append(mark(tip, hit(across, up), *_outcome(epoch, across, up, style, kept=kept)))
    rows = _legend(list(histories)) if named else []
    title = capitalised(f"{name}, {plural(len(histories), 'member')}")
    height = HEIGHT + ROW * len(rows)
    # Marks last, above all lines.
    return figure(WIDTH, height, title, said, [*parts, *marks, *(part for row in rows for part in row)])


def _outcome(epoch: MemberEpoch, x: float, y: float, style: str, *, kept: bool) -> list[Markup]:
    """Draw a triangle where the learning rate fell, a dot at the epoch whose weights were kept."""
    if went_back(epoch):
        return [polygon([(x - 5, y - 9), (x + 5, y - 9), (x, y - 1)], "drop")]
    return [element("circle", cx=x, cy=y, r=4, class_=f"dot {style}")] if kept else []


def _legend(names: Sequence[str]) -> list[list[Markup]]:
    """Draw rows below the axis that name the lines."""
    if not names:
        return []
    texts = [shortened(name, LETTERS) for name in names]
    wide = 36 + 7 * max(map(len, texts))  # pixels of an entry
    columns = max(1, (RIGHT - LEFT) // wide)
    rows: list[list[Markup]] = []
    for place, text in enumerate(texts):
        if place % columns == 0:
            rows.append([])
        x, y = LEFT + wide * (place % columns), HEIGHT + 4 + ROW * (len(rows) - 1)
        rows[-1] += [polyline([(x, y), (x + 22, y)], f"curve member m{place}"), label(x + 27, y + 4, text, "tick")]
    return rows
