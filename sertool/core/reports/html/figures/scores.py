"""Figures of predicted scores: true against predicted, residuals by range of the true score and by speaker."""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from sertool.core.formatting import plural
from sertool.core.reports.html.figures.drawing import (
    Pair,
    Scale,
    bottom_axis,
    element,
    figure,
    hit,
    label,
    left_axis,
    line,
    mark,
    number,
    polyline,
    shortened,
    span,
)
from sertool.core.reports.score_contents import DimensionRow, SpeakerResidual
from sertool.core.reports.wording import change, change_interval, speakers_at_ends

MOST = 2000  # points of a scatter: more would make the page large, and would cover each other
FEW_POINTS = 400  # fewer of them hardly cover each other, and are drawn darker
WIDTH = 460  # of a figure, in pixels
LEFT, RIGHT, TOP = 44, 444, 26  # edges of the plot, which leave room for ticks and names
SIDE = RIGHT - LEFT  # a scatter is square, as both axes are the same scale
LOW = 226  # lower edge of a plot that is not square
SPEAKERS = 40  # rows of the figure by speaker: those at both ends
NAME = 20  # letters of a speaker's name
ROW = 18  # pixels of a speaker


def drawn_of(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return the pairs that are drawn: all, or ``MOST`` that are spread evenly over the order of the true scores."""
    if len(pairs) <= MOST:
        return pairs
    order = sorted(pairs)
    return [order[int(place)] for place in np.linspace(0, len(order) - 1, MOST).round()]


def scatter(own: DimensionRow, pairs: Sequence[Pair]) -> Markup:
    """Draw predicted against true scores with the line where both are equal, and the line of least squares.

    Args:
        own: the score.
        pairs: true and predicted score of each utterance that has both.
    """
    drawn = drawn_of(pairs)
    ends = [own.low, own.high, *(said for _, said in drawn)]
    low, high = min(ends), max(ends)
    x, y = Scale(low, high, LEFT, RIGHT), Scale(low, high, TOP + SIDE, TOP)
    ticks = x.ticks(6)
    texts = [f"{tick:g}" for tick in ticks]
    parts = left_axis(y, LEFT, RIGHT, "predicted", [f"{tick:g}" for tick in y.ticks(5)])
    parts += bottom_axis(x, TOP + SIDE, f"true {shortened(own.name, NAME)}", ticks, texts)
    points = "".join(f"M{number(x(true))} {number(y(said))}h0" for true, said in drawn)
    dots = "points few" if len(drawn) < FEW_POINTS else "points"
    parts += [element("path", d=points, class_=dots), line(x(low), y(low), x(high), y(high), "identity")]
    pearson = own.metrics["pearson"].value
    slope = pearson * own.predicted.sd / own.true.sd if own.true.sd > 0 and math.isfinite(pearson) else math.nan
    if math.isfinite(slope):
        across = [max(own.low, low), min(own.high, high)]
        fitted = [own.predicted.mean + slope * (true - own.true.mean) for true in across]
        parts.append(polyline([(x(at), y(said)) for at, said in zip(across, fitted, strict=True)], "curve b"))
    said = (
        f"{plural(len(drawn), 'utterance')}; true scores {own.true.mean:.2f} ± {own.true.sd:.2f}, predicted "
        f"{own.predicted.mean:.2f} ± {own.predicted.sd:.2f}"
    )
    said += f"; slope of the line of least squares {slope:.2f}, 1 on the line of equal scores" * math.isfinite(slope)
    return figure(WIDTH, TOP + SIDE + 40, f"Predicted against true {own.name}", said, parts)


def range_residuals(own: DimensionRow) -> Markup:
    """Draw the mean residual of each part of the range of the true score, with its interval."""
    ends = [end for part in own.bins for end in (part.residual.value, part.residual.low, part.residual.high)]
    x = Scale(own.low, own.high, LEFT + 10, RIGHT - 10)
    y = Scale(*_around_zero(ends, own), LOW, TOP)
    edges = [own.bins[0].low, *(part.high for part in own.bins)] if own.bins else [own.low, own.high]
    step = math.ceil(len(edges) / 9)  # more numbers than that would touch each other
    ticks = edges[::step]
    parts = left_axis(y, LEFT, RIGHT, "predicted − true, mean", [_signed(tick) for tick in y.ticks(5)])
    parts += bottom_axis(x, LOW, f"true {shortened(own.name, NAME)}", ticks, [f"{tick:g}" for tick in ticks])
    parts.append(line(LEFT, y(0), RIGHT, y(0), "identity"))
    tips = []
    for part in own.bins:
        across, up = x((part.low + part.high) / 2), y(part.residual.value)
        between = "" if part.residual.low is None else f" ({change_interval(part.residual, 'mae')})"
        of = plural(part.utterances, "utterance")
        tips.append(f"{part.low:g} to {part.high:g}: {change(part.residual.value, 'mae')}{between}, {of}")
        whisker = []
        if part.residual.low is not None and part.residual.high is not None:
            whisker = [line(across, y(part.residual.low), across, y(part.residual.high), "interval")]
        dot = element("circle", cx=across, cy=up, r=4, class_="dot interval")
        parts.append(mark(tips[-1], hit(across, up), *whisker, dot))
    return figure(WIDTH, 270, f"Residuals by range of true {own.name}", "; ".join(tips), parts)


def speaker_residuals(own: DimensionRow) -> Markup:
    """Draw the mean residual of each speaker with its interval and median, in order; of many those at both ends."""
    shown, between = speakers_at_ends(own.speakers, SPEAKERS)
    ends = [end for one in shown for end in (one.mean.value, one.mean.low, one.mean.high, one.median)]
    left = 30 + 7 * max((len(shortened(one.name, NAME)) for one in shown), default=0)
    x = Scale(*_around_zero(ends, own), left, RIGHT)
    bottom = TOP + ROW * (len(shown) + bool(between))
    ticks = x.ticks(5)
    parts = [line(x(tick), TOP - 6, x(tick), bottom, "grid") for tick in ticks]
    parts.append(line(x(0), TOP - 6, x(0), bottom, "identity"))
    tips, y = [], TOP + ROW / 2
    for place, one in enumerate(shown):
        if between and place == SPEAKERS // 2:
            parts.append(label(left, y + 4, f"… {plural(between, 'more speaker')} …", "muted"))
            y += ROW
        tips.append(_told(one))
        parts += [label(left - 10, y + 4, shortened(one.name, NAME), "tick", "end"), mark(tips[-1], *_row(one, x, y))]
        y += ROW
    parts += bottom_axis(x, bottom, "predicted − true", ticks, [_signed(tick) for tick in ticks])
    biased = [tip for one, tip in zip(shown, tips, strict=True) if one.biased]
    said = "; ".join(biased or [tips[0], tips[-1]]) if tips else "no speakers"
    return figure(WIDTH, bottom + 40, f"Residuals of {own.name} by speaker", said, parts)


def _row(one: SpeakerResidual, x: Scale, y: float) -> list[Markup]:
    """Draw the interval, the mean as a dot and the median as a stroke."""
    style = "weak" if one.biased else "interval"
    parts = [element("rect", x=x.start, y=y - ROW / 2, width=x.end - x.start, height=ROW, class_="hit")]
    if one.mean.low is not None and one.mean.high is not None:
        parts.append(line(x(one.mean.low), y, x(one.mean.high), y, style))
    parts.append(line(x(one.median), y - 5, x(one.median), y + 5, "whisker"))
    return [*parts, element("circle", cx=x(one.mean.value), cy=y, r=3.5, class_=f"dot {style}")]


def _told(one: SpeakerResidual) -> str:
    between = "" if one.mean.low is None else f" ({change_interval(one.mean, 'mae')})"
    return (
        f"{one.name}: mean {change(one.mean.value, 'mae')}{between}, median {change(one.median, 'mae')}, "
        f"{plural(one.utterances, 'utterance')}"
    )


def _around_zero(values: Sequence[float | None], own: DimensionRow) -> Pair:
    """Return ends that are as far below 0 as above it, around the values; at least a tenth of the range."""
    most = max((abs(one) for one in values if one is not None and math.isfinite(one)), default=0.0)
    least = (own.high - own.low) / 20
    high = span([0.0, max(most, least)], least=least, floor=0.0, ceiling=math.inf)[1]
    return -high, high


def _signed(tick: float) -> str:
    return f"{tick:+g}".replace("-", "−") if round(tick, 9) else "0"
