"""Rows whose recordings cannot be used, named with the reasons."""

from collections.abc import Sequence

from sertool.core.errors import DataError
from sertool.core.prepare.rows import Row


def place_of(row: Row) -> str:
    """Return a row's number for messages, such as ``row 3: ``; empty without a table."""
    return "" if row.number is None else f"row {row.number}: "


def refusal(which: str, bad: Sequence[tuple[Row, str]]) -> DataError:
    """Return the error that names rows which cannot be used.

    Args:
        which: beginning of the message, such as ``t.csv: 2 of 9 recordings``.
        bad: rows with the reasons.
    """
    lines = sorted(
        ((row.number or 0, f"{place_of(row)}{row.id}: {reason}") for row, reason in bad),
        key=lambda line: line[0],  # the file's order, while rows are sorted by split
    )
    return DataError(
        "\n  ".join([f"{which} cannot be used", *(line for _, line in lines)]),
        hint="correct them and run the command again to resume, or leave them out with --skip-bad",
    )
