"""Intervals below each other: all runs in one figure, or one interval in each row of a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sertool.core.metrics import Estimate
from sertool.core.reports import wording
from sertool.core.reports.html.figures.drawing import (
    Scale,
    Unit,
    bottom_axis,
    cell,
    element,
    figure,
    label,
    line,
    mark,
    polygon,
    shortened,
)

# Pixels. Name and figures of a row stand above its interval, so that the figure is as narrow as a phone.
WIDTH, PLOT, HEAD, ROW, TOP = 460, (12, 448), 24, 42, 4
NAME = 36  # letters of a name beside its figures
CELL, CELL_HEIGHT = 200, 30  # pixels of one interval in a table


@dataclass(frozen=True)
class DrawnInterval:
    """A row of the figure: name, estimate, and whether its mark is open (selected on test) or filled."""

    name: str
    estimate: Estimate
    is_open: bool


@dataclass(frozen=True)
class FigureGroup:
    """Rows of one task, which may be compared, and the published figure."""

    name: str
    published: float | None
    rows: tuple[DrawnInterval, ...]


def forest(groups: Sequence[FigureGroup], metric: str, name: str) -> Markup:
    """Draw one estimate per row, with a dashed line at the published figure and open marks if selected on test.

    Args:
        groups: rows of each task.
        metric: key of the metric, which says its unit.
        name: its name.
    """
    unit = Unit(metric, name)
    values = [value for group in groups for row in group.rows for value in _ends(row.estimate)]
    published = [group.published for group in groups if group.published is not None]
    scale = Scale(*unit.span([*values, *published], least=0.1), *PLOT)
    bottom = TOP + sum(HEAD + ROW * len(group.rows) for group in groups) + 4
    ticks = scale.ticks(6)
    parts = [line(scale(tick), TOP, scale(tick), bottom, "grid") for tick in ticks]
    y = TOP  # the upper edge of the current row
    said = []
    for group in groups:
        parts.append(label(0, y + 16, shortened(group.name, NAME), "strong"))
        if group.published is not None:
            x = scale(group.published)
            parts.append(line(x, y + HEAD, x, y + HEAD + ROW * len(group.rows), "published"))
            said.append(f"{group.name}: published {unit.written(group.published)}")
            parts.append(label(WIDTH, y + 16, f"published {unit.written(group.published)}", "tick", "end"))
        y += HEAD
        for row in group.rows:
            said.append(f"{row.name}{', selected on test' * row.is_open}: {written(row.estimate, metric)}")
            parts += [
                label(0, y + 14, shortened(row.name, NAME)),
                label(WIDTH, y + 14, written(row.estimate, metric), "figures", "end"),
                mark(said[-1], *_mark(row.estimate, scale, y + 28, row.is_open)),
            ]
            y += ROW
    parts += bottom_axis(scale, bottom, unit.axis, ticks, [unit.tick(tick) for tick in ticks])
    return figure(WIDTH, bottom + 40, f"{name} of every run on test", "; ".join(said), parts)


def written(estimate: Estimate, metric: str = "") -> str:
    """Write an estimate, of a share in percent, as ``71.9 [66.2, 77.0]``."""
    unit = Unit(metric, "")
    values = (estimate.value, estimate.low, estimate.high)
    found = [
        (wording.percent(value) if wording.is_share(metric) else unit.written(value))
        for value in values
        if value is not None
    ]
    return found[0] if len(found) < len(values) else "{} [{}, {}]".format(*found)


def shared_scale(estimates: Iterable[Estimate], *others: float, metric: str = "") -> Scale:
    """Return a scale that all intervals of a table share, so that their places can be compared."""
    values = [value for estimate in estimates for value in _ends(estimate)]
    return Scale(*Unit(metric, "").span([*values, *others], least=0.1), 8, CELL - 8)


def interval_cell(estimate: Estimate, scale: Scale, reference: float, *, weak: bool = False) -> Markup:
    """Draw an interval for a cell; its numbers are in the table, and the line is the reference to compare with."""
    mark = _mark(estimate, scale, CELL_HEIGHT / 2, is_open=False, class_="weak" if weak else "interval")
    across = scale(reference)
    return cell(CELL, CELL_HEIGHT, line(across, 0, across, CELL_HEIGHT, "reference"), *mark)


def scale_cell(scale: Scale, metric: str = "") -> Markup:
    """Draw the scale of such cells for the head of the table."""
    ticks, unit = scale.ticks(3), Unit(metric, "")
    # The labels at the ends are anchored there, so that none is cut off.
    anchors = ["start", *["middle"] * (len(ticks) - 2), "end"]
    places = zip(ticks, anchors, strict=False)
    labels = [label(scale(tick), 11, unit.tick(tick), "tick", at) for tick, at in places]
    return cell(CELL, 14, *labels)


def _ends(estimate: Estimate) -> list[float]:
    return [value for value in (estimate.value, estimate.low, estimate.high) if value is not None]


def _mark(estimate: Estimate, scale: Scale, y: float, is_open: bool, class_: str = "interval") -> list[Markup]:
    parts = []
    if estimate.low is not None and estimate.high is not None:
        parts.append(line(scale(estimate.low), y, scale(estimate.high), y, class_))
    if estimate.value == estimate.value:  # not NaN
        x = scale(estimate.value)
        if is_open:
            # Selection on test shows in the form of the mark, not only in its colour.
            parts.append(polygon([(x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6)], "open"))
        else:
            parts.append(element("circle", cx=x, cy=y, r=4.5, class_=f"dot {class_}"))
    return parts
