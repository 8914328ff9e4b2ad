"""Each figure of a set, a run or a task as a matplotlib figure. Axes of shares are in percent, as papers write them."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sertool.core.metrics import Estimate
from sertool.core.metrics.reliability import Bin, Point
from sertool.core.reports.contents import ClassRow, Size, TaskReport
from sertool.core.reports.figures.style import COLOURS, COLUMN, DASHES, GREY, MARKS, new_figure
from sertool.core.reports.wording import capitalised, figure, is_error, is_share, metric_name
from sertool.core.training.history import MemberEpoch, best_epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.36  # inches: a cell of the confusion matrix
ROW = 0.2  # inches: a row of a list of intervals
TOLD_APART = len(COLOURS)  # curves in one plot; of more, only the range and the mean are drawn


def confusion_chart(counts: Sequence[Sequence[int]], names: Sequence[str]) -> "Figure":
    """Draw a row per label and a column per prediction: the share of the row in percent, and below it the count."""
    table = np.array(counts, np.float64)
    totals = table.sum(1, keepdims=True)
    shares = np.divide(table, totals, out=np.zeros_like(table), where=totals > 0)
    side = CELL * len(names) + 1.1
    plot, axes = new_figure(height=side, width=max(side + 0.2, 2.2))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(table.shape):
        text = f"{100 * shares[row, column]:.0f}\n({int(table[row, column]):,})"
        dark = shares[row, column] > 0.55
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if dark else "black")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("predicted, % of the label (utterances)")
    axes.set_ylabel("label")
    return plot


def reliability_chart(bins: Sequence[Bin]) -> "Figure":
    """Draw the share of right decisions as a bar in each bin of confidence, above the number of its decisions."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    plot = Figure(figsize=(COLUMN, 2.9), layout="constrained")
    upper, lower = plot.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    places = [100 * one.confidence for one in bins]
    width = 100 / 15 * 0.8
    right = [100 * one.accuracy for one in bins]
    known = [(one.confidence, one.accuracy, one.low, one.high) for one in bins if None not in (one.low, one.high)]
    across, middle, low, high = 100 * np.array(known, np.float64).reshape(-1, 4).T
    upper.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=0.7)
    upper.bar(places, right, width, color=COLOURS[5], edgecolor=COLOURS[0], linewidth=0.6)
    ends = np.clip([middle - low, high - middle], 0, None)
    upper.errorbar(across, middle, ends, fmt="none", ecolor="black", elinewidth=0.7, capsize=1.5)
    upper.set(ylim=(0, 102), ylabel="correct, %")
    lower.bar(places, [one.count for one in bins], width, color=GREY)
    lower.set(xlim=(0, 102), xlabel="confidence, %", ylabel="decisions")
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    return plot


def risk_chart(points: Sequence[Point]) -> "Figure":
    """Draw the share of wrong decisions if only the most confident ones are answered."""
    plot, axes = new_figure(2.2)
    axes.plot(
        [100 * one.coverage for one in points],
        [100 * (1 - one.accuracy) for one in points],
        color=COLOURS[0],
        marker=MARKS[0],
    )
    axes.set(xlim=(0, 102), xlabel="answered, %", ylabel="wrong answers, %")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True)
    return plot


def sizes_chart(sets: Mapping[str, Sequence[Size]], chosen: int, metric: str, kind: str) -> "Figure":
    """Draw a metric of the average of the first k members on each set, and mark the chosen k."""
    from matplotlib.ticker import MaxNLocator

    plot, axes = new_figure(2.2)
    for place, (name, sizes) in enumerate(sets.items()):
        known = [(one.k, _percent(one.metrics[metric], metric)) for one in sizes if metric in one.metrics]
        axes.plot(*zip(*known, strict=True), label=name, **_look(place))
    axes.axvline(chosen, color=GREY, linestyle=":", label=f"k = {chosen}, reported")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="members averaged, k", ylabel=unit_of(metric, kind))
    axes.grid(visible=True, axis="y")
    axes.legend()
    return plot


def training_chart(histories: Mapping[str, Sequence[MemberEpoch]], field: str, name: str, scale: float = 1) -> "Figure":
    """Draw a value of each member over epochs, with a mark at the epoch whose weights were kept.

    Args:
        histories: epochs by member.
        field: attribute of an epoch: ``loss`` or ``score``.
        name: name of the axis.
        scale: factor of the values, 100 for percent.
    """
    from matplotlib.ticker import MaxNLocator

    plot, axes = new_figure(2.4)
    few = len(histories) <= TOLD_APART
    for place, (member, epochs) in enumerate(histories.items()):
        look = _look(place) if few else {"color": COLOURS[0], "alpha": 0.3}
        look.pop("marker", None)
        known = [(one.epoch, scale * getattr(one, field)) for one in epochs if math.isfinite(getattr(one, field))]
        if known:
            axes.plot(*zip(*known, strict=True), label=member if few else None, **look)
        if (best := best_epoch(epochs)) is not None:
            axes.plot(best.epoch, scale * getattr(best, field), color=look["color"], marker="o", linestyle="none")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel=name)
    axes.grid(visible=True, axis="y")
    if few and len(histories) > 1:
        axes.legend(ncols=2)
    return plot


def classes_chart(classes: Sequence[ClassRow]) -> "Figure":
    """Draw precision, recall and F1 of each class with their intervals, a group of marks per class."""
    plot, axes = new_figure(0.7 + 3 * 0.16 * len(classes))
    for place, name in enumerate(("precision", "recall", "F1")):
        found: list[Estimate] = [getattr(row, name.lower()) for row in classes]
        rows = [number + 0.22 * (place - 1) for number in range(len(classes))]
        _intervals(axes, rows, found, place, label=name)
    axes.set_yticks(range(len(classes)), [row.name for row in classes])
    axes.invert_yaxis()
    axes.set(xlim=(-2, 102), xlabel="%")
    axes.grid(visible=True, axis="x")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.5 / (1 + len(classes))), ncols=3)
    return plot


def forest_chart(task: TaskReport, metric: str) -> "Figure":
    """Draw a metric of every run of a task with its interval; open marks were selected on test, a line is published."""
    rows = [row for row in task.ours if metric in row.metrics]
    plot, axes = new_figure(0.75 + ROW * len(rows))
    for number, row in enumerate(rows):
        _intervals(axes, [number], [row.metrics[metric]], 0, metric=metric, is_open=bool(row.stamp))
    published = next((row.value for row in task.published if row.metric == metric), None)
    if published is not None:
        axes.axvline(_percent(published, metric), color=GREY, linestyle="--")
        axes.set_title(f"dashed: published, {figure(published, metric)}", loc="right", fontsize=6, color=GREY)
    axes.set_yticks(range(len(rows)), [row.run for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(unit_of(metric, task.kind))
    axes.grid(visible=True, axis="x")
    return plot


def _intervals(
    axes: "Axes",
    rows: Sequence[float],
    found: Sequence[Estimate],
    place: int,
    *,
    metric: str = "",
    label: str | None = None,
    is_open: bool = False,
) -> None:
    """Draw estimates as marks with a line from end to end; without an interval a mark alone."""
    for row, own in zip(rows, found, strict=True):
        if own.low is not None and own.high is not None:
            ends = [_percent(own.low, metric), _percent(own.high, metric)]
            axes.plot(ends, [row, row], color=COLOURS[place], linewidth=1)
    values = [_percent(own.value, metric) for own in found]
    face = "white" if is_open else COLOURS[place]
    mark = MARKS[place]
    axes.plot(values, rows, mark, color=COLOURS[place], markerfacecolor=face, linestyle="none", label=label)


def _look(place: int) -> dict[str, Any]:
    """Return colour, dash and mark of a curve, so that two curves differ without colour too."""
    return {
        "color": COLOURS[place % TOLD_APART],
        "linestyle": DASHES[place % TOLD_APART],
        "marker": MARKS[place % TOLD_APART],
    }


def _percent(value: float, metric: str) -> float:
    """Return a share in percent; a metric with a unit of its own as it is."""
    return 100 * value if is_share(metric) else value


def unit_of(metric: str, kind: str, before: str = "") -> str:
    """Name an axis: the metric, percent where it is a share, and a warning where less is better."""
    lower = ", lower is better" if is_error(metric) else ""
    name = f"{before}{metric_name(metric, kind)}" if before else capitalised(metric_name(metric, kind))
    return name + (", %" if is_share(metric) else lower)
