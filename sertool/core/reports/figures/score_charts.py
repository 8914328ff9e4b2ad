"""Figures of predicted scores as matplotlib figures: true against predicted, residuals by range and by speaker."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sertool.core.metrics import Estimate
from sertool.core.reports.figures.style import COLOURS, GREY, MARKS, new_figure
from sertool.core.reports.score_contents import DimensionRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.14  # inches: a speaker
SPEAKERS = 60  # in a figure; of more, their names would be too small to read, and only the intervals are drawn


def scatter_chart(own: DimensionRow, pairs: Sequence[tuple[float, float]]) -> "Figure":
    """Draw predicted against true scores, the line where both are equal, and the line of least squares.

    Args:
        own: the score.
        pairs: true and predicted score of each utterance that has both.
    """
    plot, axes = new_figure(3.1)
    ends = [own.low, own.high, *(said for _, said in pairs)]
    low, high = min(ends), max(ends)
    # As an image: thousands of points would make a PDF that no printer likes.
    dots: dict[str, Any] = {"markersize": 1.6, "alpha": 0.5, "markeredgewidth": 0, "rasterized": len(pairs) > 2000}
    axes.plot(*zip(*pairs, strict=True), MARKS[0], color=COLOURS[0], linestyle="none", **dots)
    axes.plot([low, high], [low, high], color=GREY, linestyle=":", label="equal")
    if own.true.sd > 0:
        slope = own.metrics["pearson"].value * own.predicted.sd / own.true.sd
        fitted = [own.predicted.mean + slope * (at - own.true.mean) for at in (own.low, own.high)]
        if slope == slope:  # no line without a correlation
            axes.plot([own.low, own.high], fitted, color=COLOURS[1], linestyle="--", label="least squares")
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=f"true {own.name}", ylabel=f"predicted {own.name}")
    axes.set_aspect("equal")
    axes.legend(loc="upper left")
    return plot


def range_chart(own: DimensionRow) -> "Figure":
    """Draw the mean residual of each part of the range of the true score, with its interval."""
    plot, axes = new_figure(2.2)
    axes.axhline(0, color=GREY, linestyle=":")
    for part in own.bins:
        across = (part.low + part.high) / 2
        if part.residual.low is not None and part.residual.high is not None:
            axes.plot([across, across], [part.residual.low, part.residual.high], color=COLOURS[0], linewidth=1)
        axes.plot(across, part.residual.value, MARKS[0], color=COLOURS[0])
    axes.set(xlim=(own.low, own.high), xlabel=f"true {own.name}", ylabel="predicted - true")
    axes.grid(visible=True, axis="y")
    return plot


def speaker_chart(own: DimensionRow) -> "Figure":
    """Draw the mean residual of each speaker, in order, with its interval and a stroke at the median."""
    named = len(own.speakers) <= SPEAKERS
    plot, axes = new_figure(0.7 + ROW * len(own.speakers) if named else 4.0)
    axes.axvline(0, color=GREY, linestyle=":")
    for row, one in enumerate(own.speakers):
        _residual(axes, row, one.mean, COLOURS[1] if one.biased else COLOURS[0])
        if named:
            axes.plot(one.median, row, "|", color="black", markersize=5)
    if named:
        axes.set_yticks(range(len(own.speakers)), [one.name for one in own.speakers], fontsize=6)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(own.speakers)} speakers")
    axes.set_ylim(len(own.speakers) - 0.5, -0.5)
    axes.set_xlabel(f"{own.name}: predicted - true")
    axes.grid(visible=True, axis="x")
    return plot


def _residual(axes: "Axes", row: int, mean: Estimate, colour: str) -> None:
    if mean.low is not None and mean.high is not None:
        axes.plot([mean.low, mean.high], [row, row], color=colour, linewidth=1)
    axes.plot(mean.value, row, MARKS[0], color=colour, markersize=2.5)
