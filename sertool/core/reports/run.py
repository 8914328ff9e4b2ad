"""The report of one run, from the files in its folder."""

from dataclasses import dataclass
from pathlib import Path

from sertool.core.reports.calibration import find_scaling
from sertool.core.reports.choose import choose_size, stamp
from sertool.core.reports.contents import RunReport
from sertool.core.reports.findings import findings_of
from sertool.core.reports.load import Loaded, load_run
from sertool.core.reports.provenance import caveats, commands, provenance
from sertool.core.reports.sets import set_report
from sertool.core.runs.ensemble_size import EnsembleSize


@dataclass(frozen=True)
class Reported:
    """A run as loaded, its chosen size, and its report."""

    loaded: Loaded
    choice: EnsembleSize
    report: RunReport


def report_run(folder: Path, data: Path, command: str = "") -> Reported:
    """Report on the run in a folder.

    Args:
        folder: folder of the run.
        data: folder of the corpora, for the commands that are shown.
        command: the command that makes the whole report; empty: a report on this run alone.

    Raises:
        DataError: there is nothing to report.
    """
    run = load_run(folder)
    choice = choose_size(run)
    # Calibration depends on k: a temperature is fitted for the average of exactly these members.
    scaling = find_scaling(run, choice.k)
    sets = {name: set_report(run, name, choice.k, scaling) for name in run.sets}
    calibration = scaling.note if scaling.temperature else f"uncalibrated: {scaling.note}"
    origin, own = run.origin, run.main.predictions
    # How many checkpoints of the reference there should be is not known.
    expected = len(own.members) if run.is_reference else run.recipe.training.runs * origin.folds
    report = RunReport(
        name=run.name,
        recipe=origin.recipe_name,
        dataset=origin.dataset,
        task=task_name(run),
        kind=own.kind,
        class_names=own.classes,
        architecture=run.recipe.model.architecture,
        protocol=origin.protocol,
        stamp=stamp(run, choice),
        caveats=caveats(run.main),
        members=len(own.members),
        expected_members=expected,
        folds=origin.folds,
        select=run.recipe.training.select,
        chosen_by=choice.chosen_by,
        sets=sets,
        findings=findings_of(run, sets, choice, expected),
        histories=run.histories,
        reads=run.reads,
        data_hash=origin.data_hash,
        provenance=provenance(run, calibration, choice),
        commands=commands(run, choice, folder.parent, data, command),
        modalities=tuple(run.recipe.dataset.modalities),
        encoders=run.recipe.encoders,
    )
    return Reported(run, choice, report)


def task_name(run: Loaded) -> str:
    """Return the task, with the number of classes if the recipe sets it: ``emotion``, ``sentiment, 7 classes``."""
    number = run.recipe.dataset.num_classes
    return run.origin.task if number is None else f"{run.origin.task}, {number} classes"
