"""Parts of figures: SVG elements as text, scales, axes. Colours are classes of the style sheet, light and dark."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from sertool.core.files.page_text import visible
from sertool.core.reports import wording
from sertool.core.reports.scales import nice_step

Pair = tuple[float, float]


def element(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """Write an element; its texts are escaped.

    ``class_`` becomes ``class``, ``stroke_width`` ``stroke-width``; None omits an attribute.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(str(escape(visible(part))) for part in content)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def _value(value: str | float) -> str:
    return str(escape(visible(value))) if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """Write a number with at most one decimal: less than a tenth of a pixel is not seen, and makes the file large."""
    text = f"{value:.1f}".removesuffix(".0")  # "-0.0" must not become "-0"
    return "0" if text == "-0" else text


def label(x: float, y: float, text: str, class_: str | None = None, anchor: str | None = None) -> Markup:
    """Write a text; ``anchor`` is ``middle`` or ``end``, and None for the start."""
    return element("text", text, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Draw a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(points: Iterable[Pair], class_: str) -> Markup:
    """Draw a line through points."""
    return element("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in points), class_=class_)


def mark(tip: str, *parts: Markup, target: str | None = None, **data: str) -> Markup:
    """Group parts that stand for one value, which is shown on hover and focus.

    Args:
        tip: the value in words.
        parts: what is drawn.
        target: anchor to which the mark links; None for no link.
        data: attributes that script.js reads, as ``data_label``.
    """
    href = None if target is None else f"#{target}"
    return element("g" if href is None else "a", element("title", tip), *parts, class_="mark", href=href, **data)


def hit(x: float, y: float) -> Markup:
    """Draw an unseen circle around a point, as a small dot is hard to hit."""
    return element("circle", cx=x, cy=y, r=7, class_="hit")


def figure(
    width: float, height: float, title: str, description: str, parts: Iterable[Markup], *, links: bool = False
) -> Markup:
    """Assemble a figure; screen readers read its title and description, and its links if it has some."""
    size = "narrow" if width <= 480 else "wide"  # two narrow figures stand side by side
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *parts,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="group" if links else "img",  # what is in an image cannot be reached
        class_=f"figure {size}",
    )


def cell(width: float, height: float, *parts: Markup) -> Markup:
    """Assemble a drawing for a cell; it is hidden from screen readers, as its numbers are in the table."""
    box = f"0 0 {number(width)} {number(height)}"
    return element("svg", *parts, viewBox=box, width=width, height=height, class_="cell", aria_hidden="true")


def polygon(corners: Iterable[Pair], class_: str) -> Markup:
    """Draw a filled polygon."""
    return element("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in corners), class_=class_)


@dataclass(frozen=True)
class Scale:
    """A linear scale that maps values from ``low`` to ``high`` to pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values beyond the ends are moved to the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Return about this many round values between the ends."""
        step = nice_step((self.high - self.low) / about)
        # Rounding errors must not lose a tick at an end.
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


def span(values: Iterable[float], *, least: float, floor: float, ceiling: float) -> Pair:
    """Return round ends around the finite values, at least ``least`` apart, between ``floor`` and ``ceiling``."""
    finite = [value for value in values if math.isfinite(value)] or [floor if math.isfinite(floor) else 0.0]
    step = nice_step(max(max(finite) - min(finite), least) / 8)
    # A value next to zero divided by the step is zero, so that the rounded end would leave it out.
    low = max(floor, min(step * math.floor(min(finite) / step), min(finite)))
    high = min(ceiling, max(step * math.ceil(max(finite) / step), max(finite)))
    if high - low < least:  # widen around the middle, then push back inside floor and ceiling
        low = max(floor, (low + high - least) / 2)
        high = min(ceiling, low + least)
        low = max(floor, high - least)
    return low, high


def percent(value: float) -> str:
    """Write a share in percent for a tick, without a decimal zero."""
    return wording.percent(value).removesuffix(".0")


@dataclass(frozen=True)
class Unit:
    """The unit of a metric on an axis: percent of a share, the metric's own unit otherwise.

    Attributes:
        metric: key of the metric.
        name: its name.
    """

    metric: str
    name: str

    def written(self, value: float) -> str:
        """Write a value in full, as in a tip."""
        if wording.is_share(self.metric):
            return percent(value)
        return "not defined" if value != value else f"{value:.3f}".replace("-", "−")

    def tick(self, value: float) -> str:
        """Write a round value for a tick."""
        if wording.is_share(self.metric):
            return percent(value)
        return f"{value:.6g}".replace("-", "−") if round(value, 9) else "0"

    @property
    def axis(self) -> str:
        """Name of the axis, with the unit, and a warning where less is better."""
        if wording.is_share(self.metric):
            return f"{self.name}, %"
        return f"{self.name}, lower is better" if wording.is_error(self.metric) else self.name

    def span(self, values: Iterable[float], least: float) -> Pair:
        """Return round ends around the values, at least ``least`` apart; of an error that share of the largest."""
        finite = [value for value in values if math.isfinite(value)]
        if wording.is_error(self.metric):
            least *= max((abs(value) for value in finite), default=1.0) or 1.0
        low, high = wording.bounds_of(self.metric)
        return span(finite, least=least, floor=low, ceiling=high)


def left_axis(scale: Scale, left: float, right: float, name: str, texts: Sequence[str] | None = None) -> list[Markup]:
    """Draw grid lines across, their values at the left and the name of the axis above."""
    ticks = scale.ticks(5)
    shown = [percent(tick) for tick in ticks] if texts is None else texts
    parts = [label(0, 12, name, "muted")]
    for tick, text in zip(ticks, shown, strict=True):
        parts += [
            line(left, scale(tick), right, scale(tick), "grid"),
            label(left - 6, scale(tick) + 4, text, "tick", "end"),
        ]
    return parts


def bottom_axis(scale: Scale, bottom: float, name: str, ticks: Sequence[float], texts: Sequence[str]) -> list[Markup]:
    """Draw an axis below, with its values and its name."""
    parts = [line(scale.start, bottom, scale.end, bottom, "axis")]
    for tick, text in zip(ticks, texts, strict=True):
        parts += [
            line(scale(tick), bottom, scale(tick), bottom + 4, "axis"),
            label(scale(tick), bottom + 17, text, "tick", "middle"),
        ]
    return [*parts, label((scale.start + scale.end) / 2, bottom + 34, name, "muted", "middle")]


def shortened(text: str, most: int) -> str:
    """Shorten a text to at most ``most`` characters, with the signs spelled out that a browser would obey."""
    text = visible(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def counted(last: int, about: int = 10) -> list[int]:
    """Return about this many whole numbers from 1 to ``last``."""
    step = max(1, round(nice_step(max(1, last / about))))
    return sorted({1, *range(step, last + 1, step)} - ({2} if step > 2 else set()))
