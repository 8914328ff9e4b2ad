"""Runs of one task side by side: a column per run, a row per figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sertool.core.metrics import Estimate
from sertool.core.reports.contents import RunReport, SetReport, TaskReport
from sertool.core.reports.dialogue_slices import KINDS
from sertool.core.reports.html.views import RunView, SetView, columns_of
from sertool.core.reports.probes import judged_metric
from sertool.core.reports.wording import (
    NONE,
    capitalised,
    change,
    change_interval,
    figure,
    headline,
    in_percent,
    interval,
    metric_name,
    percent,
    slice_name,
)

Cell = tuple[str, str]  # a figure and what is written small below it
Row = tuple[str, tuple[Cell, ...]]
EMPTY: Cell = (NONE, "")


@dataclass(frozen=True)
class SideBySide:
    """Runs with their test sets, and the rows of their table by group; a row has a cell for each run."""

    runs: tuple[tuple[RunView, SetView], ...]
    groups: tuple[tuple[str, tuple[Row, ...]], ...]


def side_by_side(views: Sequence[RunView], task: TaskReport) -> SideBySide | None:
    """Set the runs of a task beside each other; None if fewer than two have been evaluated on test."""
    runs = tuple((view, own) for view in views if task.holds(view.own) for own in view.sets if own.own.set == "test")
    if len(runs) < 2:
        return None
    in_points = ", in points" * in_percent(task.kind)
    reports, tests = [view.own for view, _ in runs], [view.own for _, view in runs]
    groups = {
        "Figures": _figures(tests, task.kind),
        "Recall by class": _recall(reports, tests),
        "Each score": _scores(tests),
        f"{capitalised(metric_name(judged_metric(task.kind), task.kind))} falls by{in_points}": _falls(tests),
        "Probabilities": [("calibration error", tuple(map(_calibration, tests)))],
        f"{capitalised(metric_name(headline(task.kind)[0], task.kind))} by place in the dialogue": _in_dialogues(tests),
        "Slices": [("weak slices", tuple(map(_weak, tests)))],
    }
    shown = (
        (name, tuple(row for row in rows if any(cell != EMPTY for cell in row[1]))) for name, rows in groups.items()
    )
    return SideBySide(runs, tuple((name, rows) for name, rows in shown if rows))


def _estimated(own: Estimate | None, metric: str) -> Cell:
    if own is None:
        return EMPTY
    return figure(own.value, metric), "" if own.low is None else interval(own, metric)


def _figures(tests: Sequence[SetReport], kind: str) -> list[Row]:
    own: list[Mapping[str, Estimate]] = [{**test.metrics, **test.scores} for test in tests]
    rows = [
        (metric_name(name, kind), tuple(_estimated(one.get(name), name) for one in own)) for name in columns_of(own)
    ]
    members = tuple((f"{test.k}", f"of {len(test.sizes)}") if test.sizes else EMPTY for test in tests)
    return [*rows, ("members averaged", members)]


def _recall(reports: Sequence[RunReport], tests: Sequence[SetReport]) -> list[Row]:
    """Return a row for each class of any run, in the order of the first run that has it."""
    names = dict.fromkeys(name for report in reports for name in report.class_names)
    found = [{row.name: row.recall for row in test.classes} for test in tests]
    return [(name, tuple(_recalled(own.get(name)) for own in found)) for name in names]


def _recalled(own: Estimate | None) -> Cell:
    if own is None:
        return EMPTY
    return percent(own.value), "" if own.low is None else interval(own)


def _scores(tests: Sequence[SetReport]) -> list[Row]:
    """Return rows with CCC and MAE of each score of any run, in the order of the first run that has it."""
    found = [{one.name: one.metrics for one in test.dimensions} for test in tests]
    names = dict.fromkeys(name for own in found for name in own)
    return [
        (
            f"{name}, {metric_name(metric, 'scores')}",
            tuple(_estimated(own[name][metric], metric) if name in own else EMPTY for own in found),
        )
        for name in names
        for metric in headline("scores")
    ]


def _falls(tests: Sequence[SetReport]) -> list[Row]:
    falls = [{row.name: _fall(row.drop, judged_metric(test.kind)) for row in test.probes} for test in tests]
    names = dict.fromkeys(name for own in falls for name in own)
    return [(name, tuple(own.get(name, EMPTY) for own in falls)) for name in names]


def _in_dialogues(tests: Sequence[SetReport]) -> list[Row]:
    """Return a row for each place in the dialogue that a run has figures of: the accuracy, or the CCC of scores."""
    found = []
    for test in tests:
        figures = [(row.kind, row.name, row.accuracy, "accuracy") for row in test.slices]
        figures += [(row.kind, row.name, row.ccc, "ccc") for row in test.score_slices]
        shown = (own for own in figures if own[0] in KINDS)
        found.append({slice_name(kind, name): _estimated(own, metric) for kind, name, own, metric in shown})
    names = dict.fromkeys(name for own in found for name in own)
    return [(name, tuple(own.get(name, EMPTY) for own in found)) for name in names]


def _fall(drop: Estimate, metric: str) -> Cell:
    return change(drop.value, metric, 1), "" if drop.low is None else change_interval(drop, metric)


def _calibration(test: SetReport) -> Cell:
    if test.calibration is None:
        return EMPTY
    return f"{percent(test.calibration.ece.value)} %", f"{percent(test.calibration.ece_expected)} % by chance"


def _weak(test: SetReport) -> Cell:
    weak = [row.weak for row in test.slices] or [row.weak for row in test.score_slices]
    return (f"{sum(weak)}", f"of {len(weak)}") if weak else EMPTY
