"""The style of print figures: one column of a two-column paper, 8 point text, colours that print in grey."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN = 3.35  # inches: a column of an IEEE or ISCA paper is 3.15 to 3.5 inches wide
LINES = 0.9  # points
# The palette of Okabe and Ito, which colour-blind readers tell apart; each colour has a dash and a mark of its own too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MARKS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
# Fonts with the signs of other scripts, of which those that are installed are tried in this order.
FALLBACKS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Thai", "Noto Sans Arabic", "Noto Sans Hebrew")

SETTINGS = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": LINES,
    "lines.markersize": 3,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.4,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    # TrueType, as publishers refuse the Type 3 fonts that matplotlib embeds otherwise.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",  # an SVG looks alike where the font is not installed
    "svg.hashsalt": "sertool",  # equal figures are equal files
    "text.parse_math": False,  # a class may be called "$100"
}


@contextmanager
def print_style() -> Iterator[None]:
    """Draw and save figures in the style of this module; the caller's own settings come back afterwards."""
    import matplotlib  # slow to import, and only needed here
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    families = ["DejaVu Sans", *(name for name in FALLBACKS if name in installed)]
    settings: Any = {**SETTINGS, "font.family": families}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc changes nothing
        matplotlib.rcParams.update(settings)
        yield


def new_figure(height: float, width: float = COLUMN) -> "tuple[Figure, Axes]":
    """Return an empty figure with one plot.

    Args:
        height: height in inches.
        width: width in inches; one column by default.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
