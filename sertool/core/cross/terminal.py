"""A matrix as lines of text for a terminal: figures, drops from the diagonal, and what a reader should know."""

from collections.abc import Callable, Sequence

from sertool.core.cross.contents import NO_INTERVAL, NOT_SHOWN, Cell, Matrix
from sertool.core.formatting import aligned, names_of, plural, printable, wrapped
from sertool.core.reports.wording import (
    NONE,
    change,
    change_interval,
    figure,
    interval,
    is_share,
    metric_name,
)

SHOWN = "*"  # behind a drop that is shown
ALL_OTHERS = "all others"
ELSEWHERE = "elsewhere"


def show(matrix: Matrix, width: int | None) -> list[str]:
    """Show the matrix.

    Args:
        matrix: the matrix.
        width: columns of the terminal; None: nothing is wrapped or divided.
    """
    lines = []
    for told in headings(matrix):
        lines += wrapped(printable(told), width)
    lines += ["", *aligned(*figure_table(matrix), width)]
    lines += ["", *wrapped(drop_title(matrix), width), *aligned(*drop_table(matrix), width), ""]
    for told in [*legend(matrix), *(f"note: {one}" for one in matrix.notes)]:
        lines += wrapped(printable(told), width)
    return lines


def headings(matrix: Matrix) -> list[str]:
    """Return the lines above the tables: recipe, protocol, task, map, and how to read rows and columns."""
    setting = matrix.setting
    first = matrix.rows[0].cells[0]
    scores = matrix.kind == "scores"
    task = f"scores: {names_of(first.classes)}" if scores else matrix.task
    parts = [
        setting.name,
        f"recipe {setting.recipe}" + "".join(f" {one}" for one in setting.changes),
        f"{setting.protocol} protocol",
        task,
        f"label map {setting.map}" if setting.map else "no label map",
    ]
    return [" · ".join(parts), f"{shown_name(matrix)}: a row is the corpus of the training, a column the judged corpus"]


def shown_name(matrix: Matrix) -> str:
    """Name the figure with its unit: ``UAR in percent``, ``mean CCC of 2 scores``."""
    name = metric_name(matrix.metric, matrix.kind)
    if matrix.kind != "scores":
        return f"{name} in percent"
    number = len(matrix.rows[0].cells[0].classes)
    return name if number == 1 else f"mean {name} of {number} scores"


def drop_title(matrix: Matrix) -> str:
    """Return the title of the table of drops."""
    unit = "points" if is_share(matrix.metric) else metric_name(matrix.metric, matrix.kind)
    return f"drop from the diagonal, in {unit}: the model of the column's own corpus less that of the row"


def figure_table(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the figures: below each its interval; then constant answers and utterances."""
    metric, names = matrix.metric, matrix.names
    header = ["trained on", *names, ELSEWHERE]
    rows = []
    for row in matrix.rows:
        rows.append([row.trained_on, *(figure(one.figure.value, metric) for one in row.cells),
                     figure(row.elsewhere, metric)])  # fmt: skip
        rows.append(["", *(interval(one.figure, metric) for one in row.cells), ""])
    if matrix.left_out:
        rows.append([ALL_OTHERS, *(figure(one.figure.value, metric) for one in matrix.left_out), ""])
        rows.append(["", *(interval(one.figure, metric) for one in matrix.left_out), ""])
    rows.append(["same answer", *(figure(one, metric) for one in matrix.constant), ""])
    rows.append(["utterances", *(f"{one.utterances:,}" for one in matrix.diagonal), ""])
    units = {one.unit for one in matrix.diagonal}
    unit = units.pop() if len(units) == 1 else "cluster"
    rows.append([f"{unit}s", *(f"{one.clusters:,}" for one in matrix.diagonal), ""])
    return header, rows


def drop_table(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the drops: below each its interval."""
    header = ["trained on", *matrix.names]
    lines = [(row.trained_on, row.cells) for row in matrix.rows]
    lines += [(ALL_OTHERS, matrix.left_out)] if matrix.left_out else []
    rows = []
    for name, cells in lines:
        rows.append([name, *(_each(cells, lambda cell: drop_value(cell, matrix.metric)))])
        rows.append(["", *(_each(cells, lambda cell: drop_interval(cell, matrix.metric)))])
    return header, rows


def drop_value(cell: Cell, metric: str) -> str:
    """Write a drop, with a star where it is shown; a dash on the diagonal."""
    if cell.drop is None:
        return NONE
    digits = 1 if is_share(metric) else 2
    shown = cell.drop.verdict not in (NOT_SHOWN, NO_INTERVAL)
    return change(cell.drop.difference.value, metric, digits) + SHOWN * shown


def drop_interval(cell: Cell, metric: str) -> str:
    """Write the interval of a drop; empty on the diagonal."""
    return "" if cell.drop is None else change_interval(cell.drop.difference, metric)


def legend(matrix: Matrix) -> list[str]:
    """Return the sentences that explain the tables."""
    told = [
        f"{ELSEWHERE}: mean of the figures beside the diagonal; below each figure stands its 95 % interval over "
        "the judged speakers, or the unit that is named",
        "same answer: always the same class or score, for the judged corpus",
    ]
    cells = [cell for row in matrix.rows for cell in row.cells] + list(matrix.left_out)
    if any(cell.figure.low is None for cell in cells):
        told.append(f"{NONE}: no interval, for fewer than five speakers or a figure that does not vary over them")
    if matrix.left_out:
        told.append(f"{ALL_OTHERS}: trained on all corpora but that of the column")
    tests = plural(matrix.tests, "cell")
    told.append(
        f"{SHOWN} the difference is shown: its interval excludes 0, and p is below 0.05 after Holm's correction over "
        f"{tests}"
        if matrix.tests
        else "no drop can be tested: too few speakers"
    )
    return told


def _each(cells: Sequence[Cell], written: Callable[[Cell], str]) -> list[str]:
    return [written(cell) for cell in cells]
