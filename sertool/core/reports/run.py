"""The report of one run, from the files in its folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sertool.core.corpora.tasks import ANY
from sertool.core.metrics.selection import figure_of_score
from sertool.core.reports.calibration import find_scaling
from sertool.core.reports.choose import choose_size, stamp
from sertool.core.reports.contents import RunReport, SetReport
from sertool.core.reports.findings import findings_of
from sertool.core.reports.imported import imported_provenance
from sertool.core.reports.load import Loaded, load_run
from sertool.core.reports.provenance import caveats, commands, provenance
from sertool.core.reports.score_intervals import find_intervals
from sertool.core.reports.score_sets import score_set_report
from sertool.core.reports.sets import set_report
from sertool.core.reports.units import check_known
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.training.history import MemberEpoch


@dataclass(frozen=True)
class Reported:
    """A run as loaded, its chosen size, and its report."""

    loaded: Loaded
    choice: EnsembleSize
    report: RunReport


def report_run(folder: Path, data: Path, command: str = "", by: str | None = None) -> Reported:
    """Report on the run in a folder.

    Args:
        folder: folder of the run.
        data: folder of the corpora, for the commands that are shown.
        command: the command that makes the whole report; empty: a report on this run alone.
        by: unit of the intervals; None for the usual one.

    Raises:
        DataError: there is nothing to report, or the run does not know the unit.
    """
    run = replace(load_run(folder), by=by)
    if by is not None:
        check_known(run.name, run.sets, by)
    choice = choose_size(run)
    origin, own = run.origin, run.main.predictions
    sets, calibration = _sets(run, choice.k)
    report = RunReport(
        name=run.name,
        recipe=origin.recipe_name,
        dataset=origin.dataset,
        task=task_name(run),
        kind=own.kind,
        class_names=own.classes,
        architecture="" if run.imported else run.recipe.model.architecture,
        protocol="" if run.imported else origin.protocol,
        stamp=stamp(run, choice),
        caveats=caveats(run.main),
        members=0 if run.imported else len(own.members),
        expected_members=0 if run.imported else run.expected,
        folds=origin.folds,
        select=run.recipe.training.select,
        chosen_by=choice.chosen_by,
        sets=sets,
        findings=findings_of(run, sets, choice),
        histories={name: _in_figures(epochs, run) for name, epochs in run.histories.items()},
        reads=run.reads,
        data_hash=origin.data_hash,
        provenance=imported_provenance(run, calibration) if run.imported else provenance(run, calibration, choice),
        commands=commands(run, choice, folder.parent, data, command),
        modalities=() if run.imported else tuple(run.recipe.dataset.modalities),
        encoders={} if run.imported else run.recipe.encoders,
        context=run.recipe.context.title if run.recipe.context else "",
        imported=run.imported,
    )
    return Reported(run, choice, report)


def _sets(run: Loaded, k: int) -> tuple[dict[str, SetReport], dict[str, str]]:
    """Return the figures of each set, and for the provenance what makes sure of the predictions, by name.

    Temperature and intervals depend on k: they are fitted for the average of exactly these members.
    """
    if run.main.predictions.kind == "scores":
        intervals = find_intervals(run, k)
        none = "" if intervals.fitted else "none: "
        sets = {name: _without_members(run, score_set_report(run, name, k, intervals)) for name in run.sets}
        return sets, {
            "scores": _ranges(run),
            "intervals": f"{none}{intervals.note}",
        }
    scaling = find_scaling(run, k)
    sets = {name: _without_members(run, set_report(run, name, k, scaling)) for name in run.sets}
    return sets, {"calibration": scaling.note if scaling.temperature else f"uncalibrated: {scaling.note}"}


def _without_members(run: Loaded, own: SetReport) -> SetReport:
    """Return the figures of a set; those of imported predictions know no members."""
    return own if run.imported is None else replace(own, members=(), spread={}, sizes=())


def _ranges(run: Loaded) -> str:
    own = run.main.predictions
    named = [f"{name} from {low:g} to {high:g}" for name, (low, high) in zip(own.classes, own.ranges, strict=True)]
    return ", ".join(named) + "; predictions are cut to these ranges" * own.clip


def _in_figures(epochs: Sequence[MemberEpoch], run: Loaded) -> tuple[MemberEpoch, ...]:
    """Return epochs whose score is the figure that it stands for: that of an error has a minus in the files."""
    select = run.recipe.training.select
    return tuple(replace(one, score=figure_of_score(one.score, select)) for one in epochs)


def task_name(run: Loaded) -> str:
    """Return the task, with the number of classes if the recipe sets it: ``emotion``, ``sentiment, 7 classes``.

    Several labels, all that any rater chose, are another task than the one that most chose.
    """
    if run.origin.rule == ANY:
        return f"{run.origin.task}, any rater"
    number = run.recipe.dataset.num_classes
    return run.origin.task if number is None else f"{run.origin.task}, {number} classes"
