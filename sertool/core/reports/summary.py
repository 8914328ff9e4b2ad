"""Three sentences on top of a report: what was trained, what it scores, and what to worry about."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from sertool.core.formatting import first_few, plural
from sertool.core.metrics import Estimate
from sertool.core.recipe.schema import ARCHITECTURES
from sertool.core.reports.contents import PublishedRow, Report, ReportFinding, RunReport, TaskReport
from sertool.core.reports.wording import (
    capitalised,
    figure,
    goal,
    headline,
    interval,
    is_share,
    listed,
    metric_name,
    named_baselines,
    utterances_of,
)

MANY = 20  # runs that a sentence names
FEW = 2  # findings that a sentence quotes
SEVERITIES = ("error", "warning", "note")
NOTHING = "Nothing is known that makes these figures misleading"


def summary(report: Report) -> tuple[str, ...]:
    """Summarise a report in three sentences, and one on a linear probe; without runs there is nothing to say."""
    if len(report.runs) == 1:
        run = report.runs[0]
        task = _task_of(run, report.tasks)
        linear = [f"{capitalised(run.linear.sentence)}."] if run.linear is not None else []
        return _trained(run, task), _score(run, task), *linear, _worry(run.findings)
    return (_runs(report.runs), _scores(report), _worries(report)) if report.runs else ()


def _task_of(run: RunReport, tasks: Iterable[TaskReport]) -> TaskReport | None:
    return next((one for one in tasks if one.holds(run)), None)


def _trained(run: RunReport, task: TaskReport | None) -> str:
    if run.imported is not None:
        data = f"{run.dataset} ({run.caveats})" if run.caveats else run.dataset
        return (
            f"{run.name} holds predictions of {run.imported.source} for {goal(run)} on {data}; {run.imported.stated}."
        )
    title = ARCHITECTURES[run.architecture]
    model = title if run.architecture == "linear" else f"{title} model"
    folds = f" in {run.folds} folds" if run.folds > 1 else ""
    many = f"an ensemble of {plural(run.members, model)}{folds}" if run.members > 1 else f"a single {model}"
    known = [row.train for row in task.ours if row.run == run.name and row.train] if task else []
    number = f"{utterances_of(known[0])} of " if known else ""
    data = f"{run.dataset} ({run.caveats})" if run.caveats else run.dataset
    named = [name + (f" ({run.encoders[name]})" if name in run.encoders else "") for name in run.modalities]
    named += [f"up to {run.context}"] if run.context else []
    inputs = f", from {listed(named)}" if named else ""
    return f"{run.name} is {many}, trained on {number}{data} for {goal(run)}{inputs}."


def _score(run: RunReport, task: TaskReport | None) -> str:
    test = run.sets.get("test")
    if test is None:
        return "It has not been evaluated on test."
    published = _published(task)
    figures: Mapping[str, Estimate] = {**test.metrics, **test.scores}
    known = {name: own for name, own in figures.items() if own.value == own.value}  # without what is not defined
    names = [name for name in dict.fromkeys([*headline(run.kind), *published]) if name in known]
    reached = listed([_reached(name, figures[name], published.get(name), run.kind) for name in names])
    means = f", means over {plural(len(test.dimensions), 'score')}" if len(test.dimensions) > 1 else ""
    stamp = f"; {run.stamp}" if run.stamp else ""
    constant = listed(
        [_reached(name, Estimate(test.baseline.metrics[name]), None, run.kind) for name in headline(run.kind)]
    )
    baseline = f"; {test.baseline.name} reaches {constant}"
    nothing = "" if any(name in known for name in published) else "; no figure is published for comparison"
    judged = "utterance" if run.imported is not None and run.imported.no_test_split else "test utterance"
    return f"On {plural(test.utterances, judged)} it reaches {reached}{means}{stamp}{baseline}{nothing}."


def _reached(name: str, own: Estimate, published: float | None, kind: str) -> str:
    """Write a figure with its interval and the published one, as in ``72.10 % accuracy (published: 72.53 %)``."""
    beside = [] if own.low is None else [f"95 % interval {interval(own, name)}"]
    beside += [] if published is None else [f"published: {_with_unit(published, name)}"]
    return f"{_with_unit(own.value, name)} {metric_name(name, kind)}" + (f" ({'; '.join(beside)})" if beside else "")


def _with_unit(value: float, metric: str) -> str:
    return figure(value, metric) + " %" * is_share(metric)


def _published(task: TaskReport | None) -> dict[str, float]:
    """Return the first published figure of each metric: that of the recipe's main source."""
    rows: Sequence[PublishedRow] = () if task is None else task.published
    return {row.metric: row.value for row in reversed(rows)}


def _worry(findings: Sequence[ReportFinding]) -> str:
    severe = [one for one in findings if one.severity != "note"]
    if not severe:
        return NOTHING + (f"; {counted(findings)} below." if findings else ".")
    quoted = "; ".join(one.text for one in severe[:FEW])
    more = counted([one for one in findings if one not in severe[:FEW]])
    return f"To worry about: {quoted}" + (f"; {more} more below." if more else ".")


def counted(findings: Sequence[ReportFinding]) -> str:
    """Count findings by severity, as in ``1 warning and 2 notes``; empty if there are none."""
    counts = {name: sum(one.severity == name for one in findings) for name in SEVERITIES}
    return listed([plural(count, name) for name, count in counts.items() if count])


def _runs(runs: Sequence[RunReport]) -> str:
    groups = groupby(runs[:MANY], key=lambda run: f"{run.dataset} · {run.task}")
    named = "; ".join(f"{', '.join(run.name for run in own)} ({data})" for data, own in groups)
    more = f" and {len(runs) - MANY} more" if len(runs) > MANY else ""
    return f"{plural(len(runs), 'run')}: {named}{more}."


def _scores(report: Report) -> str:
    parts = []
    for task in report.tasks:
        runs = [run for run in report.runs if "test" in run.sets and _task_of(run, [task])]
        if runs:
            metric = headline(task.kind)[0]
            name = metric_name(metric, task.kind)
            parts.append(f"{task.dataset} · {task.name}, {name}: {', '.join(_main_figures(task, runs, metric))}")
    return f"On test: {'; '.join(parts)}." if parts else "None of them has been evaluated on test."


def _main_figures(task: TaskReport, runs: Sequence[RunReport], metric: str) -> list[str]:
    """Write the main figure of every run, that of always the same answer, and the published one."""
    own = [
        f"{run.name} {_with_unit(run.sets['test'].metrics[metric].value, metric)}"
        + (f" ({run.stamp})" if run.stamp else "")
        for run in runs
    ]
    constants = [f"{name} {_with_unit(one.metrics[metric], metric)}" for name, one in named_baselines(task)]
    published = _published(task).get(metric)
    return [
        first_few(own, MANY),
        *constants,
        *([f"published {_with_unit(published, metric)}"] if published is not None else []),
    ]


def _worries(report: Report) -> str:
    parts = []
    for severity in SEVERITIES[:2]:
        counts = {run.name: sum(one.severity == severity for one in run.findings) for run in report.runs}
        if number := sum(counts.values()):
            parts.append(f"{plural(number, severity)} ({first_few([name for name in counts if counts[name]], MANY)})")
    if report.problems:
        parts.append(f"{plural(len(report.problems), 'run or file', 'runs or files')} left out of this report")
    return f"To worry about: {'; '.join(parts)}." if parts else f"{NOTHING}."
