"""The figures of each corpus that was joined with others, as a table for a terminal and for files."""

from sertool.core.formatting import INTERVAL
from sertool.core.metrics import Estimate
from sertool.core.reports.contents import SetReport, SliceRow
from sertool.core.reports.corpus_figures import CORPUS
from sertool.core.reports.score_contents import ScoreSlice
from sertool.core.reports.text.blocks import Table
from sertool.core.reports.wording import figure, headline, interval, metric_name


def by_corpus(own: SetReport) -> list[Table]:
    """Return the table of corpora, one row each; none for a set of one corpus."""
    found = [one for one in own.slices or own.score_slices if one.kind == CORPUS]
    if not found:
        return []
    metrics = [name for name in headline(own.kind) if getattr(found[0], name, None) is not None]
    rows = []
    for one in found:
        figures = [cell for name in metrics for cell in _cells(one, name)]
        rows.append((one.name, f"{one.size:,}", f"{one.clusters:,}", *figures))
    named = (cell for name in metrics for cell in (metric_name(name, own.kind), INTERVAL))
    return [Table("by corpus", ("corpus", "utterances", f"{own.unit}s", *named), tuple(rows))]


def _cells(one: SliceRow | ScoreSlice, name: str) -> tuple[str, str]:
    found: Estimate = getattr(one, name)
    return figure(found.value, name), interval(found, name)
