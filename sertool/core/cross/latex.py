r"""A matrix as a table for a paper, with booktabs rules, as those of a report: see ``reports/latex.py``."""

from sertool.core.cross.contents import Cell, Matrix
from sertool.core.cross.terminal import ALL_OTHERS, ELSEWHERE, drop_interval, drop_value, headings
from sertool.core.formatting import file_name
from sertool.core.reports.latex import float_of, in_latex, line_of
from sertool.core.reports.wording import NONE, figure, interval, is_share


def latex_table(matrix: Matrix) -> str:
    """Return the matrix as a float: each figure with its interval and its drop, the diagonal in bold."""
    names, metric = matrix.names, matrix.metric
    head = [in_latex(one) for one in ("trained on", *names, ELSEWHERE)]
    rows = []
    for row in matrix.rows:
        figures = [_figure(cell, matrix) for cell in row.cells]
        rows.append(line_of([in_latex(row.trained_on), *figures, in_latex(figure(row.elsewhere, metric))]))
        rows += _below(row.cells, matrix)
    if matrix.left_out:
        rows.append(r"\midrule")
        figures = [_figure(cell, matrix) for cell in matrix.left_out]
        rows.append(line_of([ALL_OTHERS, *figures, ""]))
        rows += _below(matrix.left_out, matrix)
    rows.append(r"\midrule")
    rows.append(line_of(["same answer", *(in_latex(figure(one, metric)) for one in matrix.constant), ""]))
    rows.append(line_of(["utterances", *(in_latex(f"{one.utterances:,}") for one in matrix.diagonal), ""]))
    label = file_name(matrix.setting.name)
    return float_of(head, rows, caption=_caption(matrix), label=label, command=matrix.command)


def _caption(matrix: Matrix) -> str:
    parts = [
        *headings(matrix),
        "below each figure its 95 % interval and the drop from the diagonal with its paired interval"
        + (" in points" if is_share(matrix.metric) else ""),
        f"* a difference that is shown after Holm's correction over {matrix.tests} cells",
        *matrix.notes,
        *([f"made on {matrix.made}"] if matrix.made else []),
    ]
    return "Matrix " + "; ".join(parts)


def _figure(cell: Cell, matrix: Matrix) -> str:
    written = in_latex(figure(cell.figure.value, matrix.metric))
    return written if cell.drop is not None else rf"\textbf{{{written}}}"


def _below(cells: tuple[Cell, ...], matrix: Matrix) -> list[str]:
    """Return the lines below the figures: intervals, and drops with theirs."""
    metric = matrix.metric
    intervals = [_small(interval(cell.figure, metric).replace(" - ", "–")) for cell in cells]
    drops = ["" if cell.drop is None else _small(drop_value(cell, metric)) for cell in cells]
    falls = ["" if cell.drop is None else _small(drop_interval(cell, metric)) for cell in cells]
    return [line_of(["", *written, ""]) for written in (intervals, drops, falls)]


def _small(text: str) -> str:
    if text == NONE:
        return r"{\scriptsize --}"
    return rf"{{\scriptsize {in_latex(text).replace('{-}', '$-$')}}}"
