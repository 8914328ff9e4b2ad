"""The contents of a report in the order and groups in which the templates of the page show them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sertool.core.formatting import plural
from sertool.core.reports.contents import (
    IMPORTED,
    DifferenceRow,
    OurRow,
    Report,
    ReportFinding,
    ReportUtterance,
    RunReport,
    SetReport,
    SliceRow,
    TaskReport,
)
from sertool.core.reports.html import figures
from sertool.core.reports.html.browser import PAGE, PRINTED, Pool, browser_data
from sertool.core.reports.html.figures import DrawnInterval, FigureGroup
from sertool.core.reports.html.score_browser import score_browser_data
from sertool.core.reports.label_reads import LabelRead
from sertool.core.reports.score_contents import ScoredUtterance, ScoreSlice
from sertool.core.reports.wording import ALL_METRICS, headline, in_percent, metric_name

SETS = ("test", "valid")  # shown in this order; others follow
SEVERITIES = {
    "error": "Errors: figures that are not what they seem",
    "warning": "Warnings: figures that are optimistic or misleading",
    "note": "Notes",
}
# Kind -> heading, in this order: speakers last, as they are many.
SLICES = {
    "corpus": "corpus",
    "gender": "gender",
    "words": "length in words",
    "seconds": "length in seconds",
    "modality": "available modalities",
    "turn": "position in the dialogue",
    "speaker before": "speaker of the utterance before",
    "change": "label of the utterance before",
    "class": "label",
    "speaker": "speaker",
}
AnySlice = SliceRow | ScoreSlice
Kinds = list[tuple[str, list[AnySlice]]]
SHOWN = 12  # slices of a kind that are shown at once; if there are more, the kind is folded away


@dataclass(frozen=True)
class SetView:
    """A set of a run: the first rows of its error browser, of scores those of ``scored``, and all rows as JSON."""

    own: SetReport
    place: str  # anchor in the page
    rows: tuple[ReportUtterance, ...]
    scored: tuple[ScoredUtterance, ...]
    data: Markup
    players: bool

    @property
    def listed(self) -> int:
        """Number of utterances in the error browser."""
        return len(self.own.rows) + len(self.own.scored)


@dataclass(frozen=True)
class RunView:
    """A run with its anchor in the page, and its sets in the order to show them."""

    own: RunReport
    place: str
    sets: tuple[SetView, ...]


def run_views(report: Report, pool: Pool) -> list[RunView]:
    """Return the views of all runs, and add their utterances to the pool."""
    views = []
    # Anchors are numbered: the names of runs may hold characters that an anchor may not.
    for number, run in enumerate(report.runs, start=1):
        recordings = report.recordings.get(run.name, {})
        names = sorted(run.sets, key=lambda name: (name not in SETS, SETS.index(name) if name in SETS else 0))
        sets = (_set_view(run, run.sets[name], f"run-{number}-{name}", pool, recordings) for name in names)
        views.append(RunView(run, f"run-{number}", tuple(sets)))
    return views


def _set_view(run: RunReport, own: SetReport, place: str, pool: Pool, recordings: Mapping[str, str]) -> SetView:
    if own.kind == "scores":
        scored = sorted(own.scored, key=lambda row: row.order)
        data = score_browser_data(scored, own.dimensions, pool, recordings)
        return SetView(own, place, (), tuple(scored[:PAGE]), data, any(row.id in recordings for row in scored))
    rows = sorted(own.rows, key=lambda row: row.order)
    data = browser_data(rows, run.class_names, len(own.sizes), pool, recordings)
    return SetView(own, place, tuple(rows[:PAGE]), (), data, any(row.id in recordings for row in rows))


def findings_by_severity(
    views: Sequence[RunView],
) -> list[tuple[str, str, list[tuple[list[RunView], ReportFinding]]]]:
    """Return severity, heading, and each finding once with its runs; most severe first, without empty severities."""
    runs: dict[ReportFinding, list[RunView]] = {}
    for view in views:
        for finding in view.own.findings:
            runs.setdefault(finding, []).append(view)
    by = {name: [(own, one) for one, own in runs.items() if one.severity == name] for name in SEVERITIES}
    return [(name, text, by[name]) for name, text in SEVERITIES.items() if by[name]]


def metrics_of(task: TaskReport) -> list[str]:
    """Return the metrics of a task's table in the order of every table."""
    there = {row.metric for row in task.published} | {row.metric for row in task.differences}
    there |= {metric for row in task.ours for metric in row.metrics}
    return [*(name for name in ALL_METRICS if name in there), *sorted(there - set(ALL_METRICS))]


def published_rows(task: TaskReport) -> list[tuple[str, str, dict[str, float]]]:
    """Return the source, what it was measured on, and the figures by metric."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for row in task.published:
        counts = {"member": row.members, "utterance": row.utterances}
        of = " · ".join(plural(count, name) for name, count in counts.items() if count is not None)
        rows.setdefault((row.source, of), {})[row.metric] = row.value
    return [(source, of, values) for (source, of), values in rows.items()]


def by_protocol(task: TaskReport) -> list[tuple[str, list[OurRow]]]:
    """Group the rows of our runs by protocol, with a heading each."""
    paper = [row for row in task.ours if row.protocol == "paper"]
    imported = [row for row in task.ours if row.protocol == IMPORTED]
    honest = [row for row in task.ours if row.protocol not in ("paper", IMPORTED)]
    groups = [
        ("Our runs, paper’s protocol", paper),
        ("Our runs, honest protocol", honest),
        ("Predictions from elsewhere", imported),
    ]
    return [group for group in groups if group[1]]


def difference_rows(task: TaskReport) -> list[tuple[str, str, dict[str, DifferenceRow], list[str]]]:
    """Return the names of the two runs, their differences by metric, and the notes."""
    rows: dict[tuple[str, str], dict[str, DifferenceRow]] = {}
    for row in task.differences:
        rows.setdefault((row.paper, row.honest), {})[row.metric] = row
    return [
        (paper, honest, own, list(dict.fromkeys(row.note for row in own.values() if row.note)))
        for (paper, honest), own in rows.items()
    ]


def forest_of(report: Report, metric: str) -> Markup | None:
    """Draw the intervals of all runs on test, task by task; None if no run has the metric."""
    groups = []  # tasks without a run on test have no place in the figure
    for task in report.tasks:
        rows = tuple(
            DrawnInterval(row.run, row.metrics[metric], is_open=bool(row.stamp))
            for row in task.ours
            if metric in row.metrics
        )
        # Of several published figures the first one, which is the recipe's main source.
        published = next((row.value for row in task.published if row.metric == metric), None)
        if rows:
            groups.append(FigureGroup(f"{task.dataset} · {task.name}", published, rows))
    return figures.forest(groups, metric, title_of(report, metric)) if groups else None


def drawn_metrics(report: Report) -> tuple[str, ...]:
    """Return the metrics whose intervals are drawn for all runs: the main ones of each kind of task that has a run."""
    kinds = [task.kind for task in report.tasks if task.ours]
    return tuple(dict.fromkeys(metric for kind in sorted(kinds, key="scores".__eq__) for metric in headline(kind)))


def has_shares(report: Report) -> bool:
    """Check whether a report has figures that are written in percent, beside those of scores."""
    return any(in_percent(task.kind) for task in report.tasks)


def has_scores(report: Report) -> bool:
    """Check whether a report has figures of predicted scores."""
    return any(not in_percent(task.kind) for task in report.tasks)


def title_of(report: Report, metric: str) -> str:
    """Name a metric of all tasks together; with tasks of both kinds by its name for single labels."""
    kinds = {task.kind for task in report.tasks}
    return metric_name(metric, "multi" if kinds == {"multi"} else "single")


def slices_by_kind(rows: Sequence[AnySlice]) -> tuple[Kinds, Kinds]:
    """Group slices by kind. Return the kinds to show at once, and those with so many slices that they are folded."""
    kinds = [*SLICES, *dict.fromkeys(row.kind for row in rows if row.kind not in SLICES)]
    groups = [(SLICES.get(kind, kind), [row for row in rows if row.kind == kind]) for kind in kinds]
    short = [group for group in groups if 0 < len(group[1]) <= SHOWN]
    return short, [group for group in groups if len(group[1]) > SHOWN]


def likeliest(row: ReportUtterance, classes: Sequence[str]) -> list[tuple[str, float]]:
    """Return the four most probable classes, as script.js does."""
    if not row.probabilities:  # of labels alone
        return []
    return sorted(zip(classes, row.probabilities, strict=True), key=lambda pair: -pair[1])[:4]


def pairs_of(own: SetReport, place: int) -> list[tuple[float, float]]:
    """Return true and predicted score of each utterance that has both, of one of the scores of a set."""
    return [(true, row.predicted[place]) for row in own.scored if (true := row.true[place]) is not None]


def alike(reads: Sequence[LabelRead]) -> list[tuple[LabelRead, int, LabelRead]]:
    """Return the first of the accesses that are alike, their number, and the last, in the order of the first ones."""
    groups: dict[tuple[str, str, str, int], list[LabelRead]] = {}
    for read in reads:
        groups.setdefault((read.by, read.use, read.purpose, read.utterances), []).append(read)
    return [(group[0], len(group), group[-1]) for group in groups.values()]


def printed(count: int) -> str:
    """Say on paper which utterances of a list are printed, as script.js does; empty if all are."""
    return f"1 to {PRINTED} of {count:,} are printed; the HTML file lists all." if count > PRINTED else ""


def columns_of(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Return the metrics that occur in the rows, in the order of every table."""
    there = {metric for row in rows for metric in row}
    return [name for name in ALL_METRICS if name in there]
