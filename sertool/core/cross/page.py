"""A matrix as one HTML file that opens with no network and runs no script, in the style of a report."""

from pathlib import Path

from sertool.core.cross.contents import Cell, Matrix
from sertool.core.cross.terminal import drop_interval, drop_title, drop_value, headings, legend
from sertool.core.files import page_text
from sertool.core.files.page_text import policy_hash
from sertool.core.reports.html.page import TEMPLATES as REPORT
from sertool.core.reports.wording import NONE, figure, interval

TEMPLATES = Path(__file__).parent / "templates"
SHADES = 5  # steps above the figure of always the same answer


def render(matrix: Matrix) -> str:
    """Return the page: a table with shaded cells, intervals, drops, and the notes. All texts are escaped."""
    metric = matrix.metric
    style = (REPORT / "style.css").read_text(encoding="utf-8") + (TEMPLATES / "cross.css").read_text(encoding="utf-8")
    environment = page_text.environment_of(TEMPLATES)
    environment.filters |= {"name": page_text.name, "sentence": page_text.sentence}
    return environment.get_template("cross.html").render(
        matrix=matrix,
        headings=headings(matrix),
        legend=legend(matrix),
        drop_title=drop_title(matrix),
        constant=[_typeset(figure(one, metric)) for one in matrix.constant],
        figure=lambda cell: _typeset(figure(cell.figure.value, metric)),
        interval=lambda cell: _typeset(interval(cell.figure, metric)),
        drop=lambda cell: _typeset(drop_value(cell, metric)),
        drop_interval=lambda cell: _typeset(drop_interval(cell, metric)),
        mean=lambda row: _typeset(figure(row.elsewhere, metric)),
        shade=lambda cell: shade(cell, matrix),
        style=style,
        policy=(
            f"default-src 'none'; style-src {policy_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'"
        ),
    )


def shade(cell: Cell, matrix: Matrix) -> int:
    """Return how dark a cell is, from 0 at the figure of always the same answer to 5 for a perfect one."""
    constant = matrix.constant[matrix.names.index(cell.judged_on)]
    value = cell.figure.value
    if value != value or constant >= 1:
        return 0
    return min(SHADES, max(0, round(SHADES * (value - constant) / (1 - constant))))


def _typeset(text: str) -> str:
    """Write numbers with a true minus sign and en dash."""
    return "–" if text == NONE else text.replace(" - ", "–").replace("-", "−")
