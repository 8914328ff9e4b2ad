"""The table of a data set and task: published figures, those of the runs, the baseline, and the differences."""

from collections.abc import Mapping, Sequence

from sertool.core.formatting import INTERVAL, plural
from sertool.core.metrics import Estimate
from sertool.core.metrics.classification import metrics_of
from sertool.core.metrics.scores import DIMENSION_METRICS
from sertool.core.reports.contents import (
    DifferenceRow,
    OurRow,
    PublishedRow,
    TaskReport,
)
from sertool.core.reports.text.blocks import Rows, Section, Table, without_empty
from sertool.core.reports.wording import (
    change,
    change_interval,
    figure,
    headline,
    interval,
    metric_name,
    named_baselines,
    p_equals,
    spread,
    utterances_of,
)


def task_section(task: TaskReport, *, full: bool) -> Section:
    """Build the section of a data set and task.

    Args:
        task: the figures.
        full: True for every metric, with the spread over members.
    """
    published = [row.metric for row in task.published]
    first = DIMENSION_METRICS if task.kind == "scores" else metrics_of(task.kind)
    known = dict.fromkeys([*first, *(metric for own in task.ours for metric in own.metrics)])
    # A terminal has no room for more than the main metrics, and those that are published.
    metrics = [metric for metric in known if full or metric in (*headline(task.kind), *published)]
    header = ["", "protocol"]
    for metric in metrics:
        header += [metric_name(metric, task.kind), INTERVAL, *(["mean ± sd"] if full else [])]
    rows, notes = _published(task.published, metrics, full=full)
    for own in task.ours:
        rows.append((own.run, _protocol(own, full=full), *_ours(own, metrics, full=full)))
        stamp = "" if full else own.stamp  # a terminal has no room for all of it in the row
        notes.append(f"{own.run}: {'; '.join(part for part in (_size_of(own), stamp, own.note) if part)}")
    rows += _baseline_rows(task, metrics, full=full)
    # Differences stand below the rows that they compare.
    differing, their_notes = _difference_rows(task, metrics, full=full)
    table = Table(
        header=tuple(header) if rows else (),
        rows=tuple(rows) + differing,
        notes=(*notes, *their_notes, *(f"missing: {line}" for line in task.missing)),
    )
    warnings = tuple(("warning", f"{own.run}: {own.warning} [speakers-unknown]") for own in task.ours if own.warning)
    return Section(f"{task.dataset} · {task.name} · test", "", warnings, (without_empty(table),))


def _published(
    published: Sequence[PublishedRow], metrics: Sequence[str], *, full: bool
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return a row for each source and size of an ensemble, and notes that name the sources."""
    groups: dict[tuple[str, int | None], dict[str, PublishedRow]] = {}
    for own in published:
        groups.setdefault((own.source, own.members), {})[own.metric] = own
    rows, notes = [], []
    for number, ((source, members), figures) in enumerate(groups.items(), start=1):
        name = f"published {number}" if len(groups) > 1 else "published"
        cells = []
        for metric in metrics:
            cells += [figure(figures[metric].value, metric) if metric in figures else "", ""]  # no interval
            cells += [""] if full else []  # no spread was published
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
        cells += _metric_cells(own.metrics, metric)
        cells += [spread(own.spread.get(metric), metric)] if full else []
    return cells


def _metric_cells(figures: Mapping[str, Estimate], metric: str) -> list[str]:
    own = figures.get(metric)
    return ["", ""] if own is None else [figure(own.value, metric), interval(own, metric)]


def _size_of(own: OurRow) -> str:
    parts = [f"k = {own.k}, {plural(own.members, 'member')}"] if own.members else []
    parts += [f"trained on {utterances_of(own.train)}"] if own.train else []
    return ", ".join(parts)


def _baseline_rows(task: TaskReport, metrics: Sequence[str], *, full: bool) -> list[tuple[str, ...]]:
    """Return a row for each baseline."""
    rows = []
    for name, own in named_baselines(task):
        cells = []
        for metric in metrics:
            known = own.metrics.get(metric)
            cells += ["" if known is None else figure(known, metric), "", *([""] if full else [])]
        rows.append((name, "baseline", *cells))
    return rows


def _difference_rows(task: TaskReport, metrics: Sequence[str], *, full: bool) -> tuple[Rows, list[str]]:
    """Return a row for each pair of runs, and notes with p-values and caveats."""
    pairs: dict[tuple[str, str], dict[str, DifferenceRow]] = {}
    for own in task.differences:
        pairs.setdefault((own.paper, own.honest), {})[own.metric] = own
    rows, notes = [], []
    for (paper, honest), figures in pairs.items():
        name = f"{paper} - {honest}"
        cells: list[str] = []
        for metric in metrics:
            row = figures.get(metric)
            if row is None:
                cells += ["", ""]
            else:
                cells += [change(row.difference.value, metric), change_interval(row.difference, metric)]
            cells += [""] if full else []
        rows.append((name, "difference", *cells))
        shown = [figures[metric] for metric in metrics if metric in figures]
        tests = [f"{metric_name(row.metric, task.kind)} {p_equals(row.p)}" for row in shown if row.p is not None]
        notes += [f"{name}: {', '.join(tests)}"] if tests else []
        notes += [f"{name}: {note}" for note in dict.fromkeys(row.note for row in figures.values()) if note]
    return tuple(rows), notes
