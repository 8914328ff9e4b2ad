"""Problems found in a table, grouped by kind, with the rows that have them."""

from sertool.core.formatting import cut, first_few, row_numbers

_LONGEST = 1000  # characters of a line: a cell may hold a whole book


class Findings:
    """Problems of a table, grouped by kind, with the rows they were found in."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[list[int], dict[str, None]]] = {}

    def add(self, kind: str, row: int | None = None, example: str | None = None) -> None:
        """Add a problem; all of one kind become one line."""
        rows, examples = self._found.setdefault(kind, ([], {}))
        if row is not None:
            rows.append(row)
        if example is not None:
            examples[example] = None

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> list[str]:
        """Return one line per kind: rows, kind, examples."""
        lines = []
        for kind, (rows, examples) in self._found.items():
            where = f"{row_numbers(rows)}: " if rows else ""
            shown = f": {first_few(examples)}" if examples else ""
            lines.append(cut(where + kind + shown, _LONGEST))
        return lines
