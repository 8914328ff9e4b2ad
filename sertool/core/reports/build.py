"""A whole report on the runs in a folder."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import plural
from sertool.core.reports.contents import Report
from sertool.core.reports.expected import expected_recipes, missing
from sertool.core.reports.linear_probe import linear_beside, linear_named
from sertool.core.reports.load import as_sentence, noting
from sertool.core.reports.run import Reported, report_run
from sertool.core.reports.summary import summary
from sertool.core.reports.tasks import task_reports
from sertool.core.reports.units import check_unit
from sertool.core.runs.folder import runs_below
from sertool.core.runs.prediction_files import stored_sets
from sertool.version import __version__


def build_report(
    names: Sequence[str],
    output: Path,
    data: Path,
    *,
    expect: Sequence[str] = (),
    linear: str | None = None,
    title: str | None = None,
    command: str = "",
    by: str | None = None,
) -> Report:
    """Report on runs from their stored predictions. Runs that cannot be used are listed as problems.

    Args:
        names: names of the runs, folders in ``output``.
        output: the folder of all runs.
        data: the folder of the corpora; it is only looked at to explain a missing result.
        expect: recipes that should have a result, or ``published`` for those of the published data sets. Their runs
            are reported without being named; if there is none, the table says why.
        linear: name of the linear probe of the only run in ``names``. Default: a run is shown beside the one that is
            called as it is with ``-linear`` behind, if there is one.
        title: title of the report; default: the name of the run, or the number of runs.
        command: the command that makes this report again.
        by: unit of the intervals, see :mod:`~sertool.core.reports.units`; None for the usual one.

    Raises:
        UsageError: there is no such unit, none of the names is a folder, an expected recipe does not exist, or the
            linear probe is none.
        DataError: the linear probe has no usable predictions, or those of other utterances.
    """
    check_unit(by)
    expected = expected_recipes(expect)
    _check_names(names, output)
    if linear is not None and (len(names) != 1 or expect):
        raise UsageError(
            f"--linear {linear}: is the linear probe of one run, expected one --name",
            hint="runs called NAME-linear are found by themselves",
        )
    evaluated = [name for name in expected if stored_sets(output / name)]
    runs, problems = [], []
    for name in dict.fromkeys([*names, *evaluated]):  # each run once
        try:
            runs.append(_report(name, output, data, command, by))
        except DataError as error:  # one bad run must not cost the report on the others
            problems.append(as_sentence(error))
    lacking = missing(expected, [run.report.name for run in runs if "test" in run.report.sets], output, data)
    runs = [_beside_linear(run, linear, problems) for run in runs]
    tasks = task_reports(runs, lacking)
    # Runs come in the order of the tables, those without a result on test last.
    order = {row.run: place for place, row in enumerate(row for task in tasks for row in task.ours)}
    runs.sort(key=lambda run: order.get(run.report.name, len(order)))
    report = Report(
        title=title or _title([run.report.name for run in runs]),
        made=f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())} by sertool {__version__}",
        tasks=tasks,
        runs=tuple(run.report for run in runs),
        problems=(*problems, *(problem for run in runs for problem in run.loaded.problems)),
        command=command,
    )
    return replace(report, summary=summary(report))


def _report(name: str, output: Path, data: Path, command: str, by: str | None) -> Reported:
    folder = output / name
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder{did_you_mean(name, runs_below(output))}")
    return report_run(folder, data, command, by)


def _beside_linear(run: Reported, named: str | None, problems: list[str]) -> Reported:
    """Add the linear probe that is named, or the one that lies beside; say why the latter cannot be used."""
    row = None
    if named is not None:
        row = linear_named(run.loaded, named)
    else:
        with noting(problems):
            row = linear_beside(run.loaded)
    return replace(run, report=replace(run.report, linear=row))


def _check_names(names: Sequence[str], output: Path) -> None:
    """Refuse the names if none of them exists: most likely they are mistyped, or the folder is the wrong one."""
    if not names or any((output / name).is_dir() for name in names):
        return
    there = runs_below(output)
    held = f"holds: {', '.join(there)}" if there else "holds no runs; `sertool train` makes one"
    near = did_you_mean(names[0], there)
    raise UsageError(f"{output / names[0]}: no such folder{near}", hint=f"{output} {held}")


def _title(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else plural(len(names), "run")
