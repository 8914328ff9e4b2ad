"""The figures of a set by place in the dialogue as a table for a terminal."""

from sertool.core.formatting import INTERVAL
from sertool.core.metrics import Estimate
from sertool.core.reports.contents import SetReport
from sertool.core.reports.dialogue_slices import KINDS
from sertool.core.reports.text.blocks import Table
from sertool.core.reports.wording import figure, headline, interval, metric_name, slice_name


def in_dialogues(own: SetReport) -> list[Table]:
    """Return the table of places in the dialogue, one row each; none for a set without dialogues."""
    metrics = headline(own.kind) if own.kind == "scores" else ("accuracy",)
    rows = []
    for one in own.slices or own.score_slices:
        if one.kind in KINDS:
            figures: list[str] = []
            for name in metrics:
                found: Estimate = getattr(one, name)
                figures += [figure(found.value, name), interval(found, name)]
            rows.append((slice_name(one.kind, one.name), f"{one.size:,}", *figures))
    named = (cell for name in metrics for cell in (metric_name(name, own.kind), INTERVAL))
    return [Table("by place in the dialogue", ("", "utterances", *named), tuple(rows))] if rows else []
