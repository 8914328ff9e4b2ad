"""A matrix as CSV, a row for each cell, and as plain data for JSON. Figures are fractions."""

from collections.abc import Iterator
from typing import Any

from sertool.core.cross.contents import Cell, Matrix
from sertool.core.cross.matrix import joined_name
from sertool.core.reports.data_files import plain

HEADER = (
    "trained_on", "judged_on", "left_out", "run", "protocol", "selected_on_test", "map", "classes", "utterances",
    "metric", "value", "low", "high", "unit", "clusters", "diagonal", "drop", "drop_low", "drop_high", "p", "holm",
    "verdict",
)  # fmt: skip


def matrix_rows(matrix: Matrix) -> Iterator[tuple[str | float | int | None, ...]]:
    """Yield a header and a row for each cell: those of the matrix, then the models of all other corpora."""
    yield HEADER
    for row in matrix.rows:
        for cell in row.cells:
            yield _written(matrix, cell, left_out=False)
    for cell in matrix.left_out:
        yield _written(matrix, cell, left_out=True)


def _written(matrix: Matrix, cell: Cell, *, left_out: bool) -> tuple[str | float | int | None, ...]:
    own, drop = cell.figure, cell.drop
    fall = None if drop is None else drop.difference
    return (
        *(joined_name(cell.trained_on), cell.judged_on, "yes" if left_out else "no", cell.run),
        *(matrix.setting.protocol, "yes" if cell.selected_on_test else "no", matrix.setting.map),
        *("|".join(cell.classes), cell.utterances, matrix.metric, own.value, own.low, own.high),
        *(cell.unit, cell.clusters, None if drop is None else drop.diagonal),
        *((None,) * 4 if fall is None else (fall.value, fall.low, fall.high, fall.p)),
        *((None, None) if drop is None else (drop.holm, drop.verdict)),
    )


def to_json(matrix: Matrix) -> dict[str, Any]:
    """Return the whole matrix as plain data."""
    table: dict[str, Any] = plain(matrix)
    setting = table.pop("setting")
    return {**setting, **table}
