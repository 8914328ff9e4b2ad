"""Tables and sections of a report before they become text, the same for a terminal and for Markdown."""

from dataclasses import dataclass, replace

from sertool.core.formatting import INTERVAL
from sertool.core.reports.wording import NONE

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table with a title above and sentences below; sentences alone if there is no header.

    Attributes:
        title: a line above; may be empty.
        header: one name per column; empty if there are only sentences.
        rows: as many cells as the header, each row.
        notes: sentences below.
    """

    title: str = ""
    header: tuple[str, ...] = ()
    rows: Rows = ()
    notes: tuple[str, ...] = ()


OPTIONAL = (INTERVAL, "p", "weak", "members, mean ± sd")  # columns that are left out where they would be empty


def without_empty(table: Table) -> Table:
    """Leave out columns of intervals and p-values that hold nothing, as where speakers are too few for any.

    >>> without_empty(Table("", ("", "UAR", "95 %"), (("a", "72.10", "-"), ("b", "68.90", ""))))
    Table(title='', header=('', 'UAR'), rows=(('a', '72.10'), ('b', '68.90')), notes=())
    """
    kept = [
        place
        for place, name in enumerate(table.header)
        if name not in OPTIONAL or any(row[place] not in ("", NONE) for row in table.rows)
    ]
    header, *rows = (tuple(row[place] for place in kept) for row in (table.header, *table.rows))
    return replace(table, header=header, rows=tuple(rows))


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading: findings first, then tables.

    Attributes:
        title: the heading.
        stamp: ``selected on test: `` and what was, repeated at every table; empty if nothing was.
        findings: severity and sentence of each finding.
        tables: the tables, in order.
    """

    title: str
    stamp: str
    findings: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]

    def titled(self, table: Table) -> str:
        """Return the title of a table with the stamp; without it if there are only sentences."""
        return " · ".join(part for part in (table.title, self.stamp if table.header else "") if part)
