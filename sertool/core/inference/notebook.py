"""Pieces of HTML for notebooks: every text is escaped, and there is no script, style sheet or address in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sertool.core.formatting import FIGURE, printable

BAR = MARK = "#3f82c4"  # readable on white and on black
PALE = "#3f82c466"  # of an interval, below its value


def inline(text: str) -> Markup:
    """Write a text in an element of its own direction, with control signs spelled out.

    >>> print(inline("a < b"))
    <bdi>a &lt; b</bdi>
    """
    return Markup("<bdi>{}</bdi>").format(printable(text))


def line(text: str, *, strong: bool = False) -> Markup:
    """Write a text on a line of its own; nothing for an empty one.

    >>> print(line("a"), line(""), line("b", strong=True))
    <div><bdi>a</bdi></div>  <div><strong><bdi>b</bdi></strong></div>
    """
    if not text:
        return Markup()
    return Markup("<div><strong>{}</strong></div>" if strong else "<div>{}</div>").format(inline(text))


def box(parts: Iterable[Markup]) -> str:
    """Put parts below each other.

    >>> box([line("a"), line("")])
    '<div style="line-height:1.5"><div><bdi>a</bdi></div></div>'
    """
    return str(Markup('<div style="line-height:1.5">{}</div>').format(Markup().join(parts)))


def bars(shares: Mapping[str, float]) -> Markup:
    """Draw a bar for each share, with its name and percent; the longest stands for a share of 1."""
    row = Markup(
        '<tr><td style="text-align:left">{}</td>'
        '<td style="min-width:12em;text-align:left"><div style="width:{:.1f}%;height:0.8em;background:{}"></div></td>'
        '<td style="text-align:right">{:.1f} %</td></tr>'
    )
    rows = [row.format(inline(name), 100 * share, BAR, 100 * share) for name, share in shares.items()]
    return Markup("<table><tbody>{}</tbody></table>").format(Markup().join(rows))


@dataclass(frozen=True)
class Track:
    """A value on its range, with an interval around it.

    Attributes:
        name: name of the value.
        value: the value; one out of range is drawn at the end.
        interval: its interval; the value twice where there is none.
        range: lowest and highest value.
        written: the value in words.
    """

    name: str
    value: float
    interval: tuple[float, float]
    range: tuple[float, float]
    written: str

    @property
    def shares(self) -> tuple[float, float, float]:
        """Places of the interval's lower end, the value and the upper end on the range, from 0 to 1.

        >>> Track("arousal", 2.0, (0.0, 3.0), (1.0, 5.0), "2.00").shares
        (0.0, 0.25, 0.5)
        """
        low, high = self.range
        first, value, last = (
            min(max((one - low) / (high - low), 0.0), 1.0) for one in (self.interval[0], self.value, self.interval[1])
        )
        return first, value, last


def tracks(values: Iterable[Track]) -> Markup:
    """Draw each value as a mark on a line from the lowest to the highest value of its range, over its interval."""
    row = Markup(
        '<tr><td style="text-align:left">{}</td><td style="text-align:right">{:g}</td>'
        '<td style="min-width:12em"><div style="border-bottom:1px solid {}">'
        '<div style="margin-left:{:.1f}%;width:{:.1f}%;min-width:3px;background:{}">'
        '<div style="margin-left:{:.1f}%;width:3px;height:0.8em;background:{}"></div></div></div></td>'
        '<td style="text-align:left">{:g}</td><td style="text-align:left">{}</td></tr>'
    )
    rows = []
    for own in values:
        first, value, last = own.shares
        within = (value - first) / (last - first) if last > first else 0.0
        places = (MARK, 100 * first, 100 * (last - first), PALE, 100 * within, MARK)
        rows.append(row.format(inline(own.name), own.range[0], *places, own.range[1], inline(own.written)))
    return Markup("<table><tbody>{}</tbody></table>").format(Markup().join(rows))


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Write a table of two columns: what, and its value."""
    row = Markup('<tr><th style="text-align:left">{}</th><td style="text-align:left">{}</td></tr>')
    rows = [row.format(what, inline(value)) for what, value in pairs]
    return Markup("<table><tbody>{}</tbody></table>").format(Markup().join(rows))


def table(grid: Sequence[Sequence[str]]) -> Markup:
    """Write a table, header first: figures to the right; words and the first column, which holds names, to the left."""
    header, *rows = grid
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    right = [place > 0 and all(cell[:1] in FIGURE for cell in column if cell) for place, column in enumerate(columns)]

    def written(cells: Sequence[str], cell: str) -> Markup:
        made = (
            Markup(f'<{cell} style="text-align:{"right" if figures else "left"}">{{}}</{cell}>').format(inline(text))
            for text, figures in zip(cells, right, strict=True)
        )
        return Markup("<tr>{}</tr>").format(Markup().join(made))

    return Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(
        written(header, "th"), Markup().join(written(row, "td") for row in rows)
    )
