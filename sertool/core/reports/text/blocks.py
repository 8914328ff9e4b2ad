"""What a report shows as text, the same on a terminal and in Markdown: tables, a title above, sentences below."""

from dataclasses import dataclass

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table, or sentences.

    Attributes:
        title: a line above; empty where there is none.
        header: a name a column; none where there is no table.
        rows: as many cells each.
        notes: sentences below.
    """

    title: str = ""
    header: tuple[str, ...] = ()
    rows: Rows = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading: what a reader must know first, then blocks.

    Attributes:
        title: of the part.
        stamp: ``selected on test`` and what was, which every table says; empty where nothing was.
        findings: severity and sentence each.
        blocks: in order.
    """

    title: str
    stamp: str
    findings: tuple[tuple[str, str], ...]
    blocks: tuple[Table, ...]

    def titled(self, block: Table) -> str:
        """A table's title with the stamp; sentences have none."""
        return " · ".join(part for part in (block.title, self.stamp if block.header else "") if part)
