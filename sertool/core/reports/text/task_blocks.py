"""The table of a data set and task: published, ours as the paper did it, ours honestly, the difference."""

from collections.abc import Mapping, Sequence

from sertool.core.formatting import INTERVAL, plural
from sertool.core.metrics import Estimate
from sertool.core.metrics.classification import METRICS
from sertool.core.reports.contents import DifferenceRow, OurRow, PublishedRow, Report, TaskReport
from sertool.core.reports.text.blocks import Block, Rows, Section
from sertool.core.reports.wording import (
    figure,
    interval,
    metric_name,
    p_equals,
    points,
    points_interval,
    spread,
)

ALWAYS = ("accuracy", "uar")  # in any table; on a terminal others where they are published


def task_section(task: TaskReport, *, full: bool) -> Section:
    """A data set and task.

    Args:
        task: what is known of it.
        full: every metric, with the spread over members.
    """
    published = [row.metric for row in task.published]
    known = dict.fromkeys([*METRICS, *(metric for own in task.ours for metric in own.metrics)])
    metrics = [metric for metric in known if full or metric in ALWAYS or metric in published]
    header = ["", "protocol"]
    for metric in metrics:
        header += [metric_name(metric), INTERVAL, *(["mean ± sd"] if full else [])]
    rows, notes = _published(task.published, metrics, full=full)
    for own in task.ours:
        rows.append((own.run, _protocol(own, full=full), *_ours(own, metrics, full=full)))
        stamp = "" if full else own.stamp  # where the row itself has no room for all of it
        notes.append(f"{own.run}: {'; '.join(part for part in (_size(own), stamp, own.note) if part)}")
    differing, their_notes = _differences(task.differences, metrics, full=full)
    table = Block(
        header=tuple(header) if rows else (),
        rows=tuple(rows) + differing,
        notes=(*notes, *their_notes, *(f"missing: {line}" for line in task.missing)),
    )
    return Section(f"{task.dataset} · {task.task} · test", "", (), (table,))


def problem_section(report: Report) -> Section:
    """What could not be used, a line each."""
    return Section("could not be used", "", (), (Block(notes=report.problems),))


def _published(
    published: Sequence[PublishedRow], metrics: Sequence[str], *, full: bool
) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row for each source and size of an ensemble, and who says so."""
    groups: dict[tuple[str, int | None], dict[str, PublishedRow]] = {}
    for own in published:
        groups.setdefault((own.source, own.members), {})[own.metric] = own
    rows, notes = [], []
    for number, ((source, members), figures) in enumerate(groups.items(), start=1):
        name = f"published {number}" if len(groups) > 1 else "published"
        cells = []
        for metric in metrics:
            cells += [figure(figures[metric].value) if metric in figures else "", ""]
            cells += [""] if full else []
        rows.append((name, "" if members is None else plural(members, "member"), *cells))
        on = next((row.utterances for row in figures.values() if row.utterances), None)
        notes.append(f"{name}: {source}" + (f", on {plural(on, 'utterance')}" if on else ""))
    return rows, notes


def _protocol(own: OurRow, *, full: bool) -> str:
    if not own.stamp:
        return own.protocol
    return own.stamp if full else "selected on test"


def _ours(own: OurRow, metrics: Sequence[str], *, full: bool) -> list[str]:
    cells = []
    for metric in metrics:
        cells += _cells(own.metrics, metric)
        cells += [spread(own.spread.get(metric), metric)] if full else []
    return cells


def _cells(figures: Mapping[str, Estimate], metric: str) -> list[str]:
    own = figures.get(metric)
    return ["", ""] if own is None else [figure(own.value, metric), interval(own, metric)]


def _size(own: OurRow) -> str:
    parts = [f"k = {own.k}, {plural(own.members, 'member')}"]
    parts += [f"trained on {plural(own.train, 'utterance')}"] if own.train else []
    return ", ".join(parts)


def _differences(
    differences: Sequence[DifferenceRow], metrics: Sequence[str], *, full: bool
) -> tuple[Rows, list[str]]:
    """A row for each pair of runs, and what must be known of it."""
    pairs: dict[tuple[str, str], dict[str, DifferenceRow]] = {}
    for own in differences:
        pairs.setdefault((own.paper, own.honest), {})[own.metric] = own
    rows, notes = [], []
    for (paper, honest), figures in pairs.items():
        name, cells = f"{paper} - {honest}", []
        for metric in metrics:
            row = figures.get(metric)
            cells += [points(row.difference.value), points_interval(row.difference)] if row else ["", ""]
            cells += [""] if full else []
        rows.append((name, "difference", *cells))
        shown = [figures[metric] for metric in metrics if metric in figures]
        tests = [f"{metric_name(row.metric)} {p_equals(row.p)}" for row in shown if row.p is not None]
        notes += [f"{name}: {', '.join(tests)}"] if tests else []
        notes += [f"{name}: {note}" for note in dict.fromkeys(row.note for row in figures.values()) if note]
    return tuple(rows), notes
