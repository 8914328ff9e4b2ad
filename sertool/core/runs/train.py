"""Training of a recipe into a folder, in groups of members; an interrupted training is resumed.

``train_recipe`` yields events, which the command prints. The same recipe in the same folder resumes; another recipe in
it is refused.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sertool.core.compute.device import Precision
from sertool.core.compute.jobs import Job, Launcher, Share, describe_placement
from sertool.core.compute.local import LocalLauncher
from sertool.core.compute.processes import ProcessLauncher
from sertool.core.corpora.fingerprints import seen_by_fold
from sertool.core.corpora.seal import DECISIONS
from sertool.core.errors import SertoolError
from sertool.core.files import artifacts
from sertool.core.files.locks import locked
from sertool.core.metrics.selection import figure_of_score
from sertool.core.models import kernels
from sertool.core.recipe.load import resolved
from sertool.core.runs import checkpoint
from sertool.core.runs.experiment import (
    FoldInputs,
    class_weights_of,
    corpora_notes,
    corpus_note,
    embedding_tables,
    fit_inputs,
    speaker_notes,
    tables_of,
)
from sertool.core.runs.folder import append_log, list_runs, log_reads
from sertool.core.runs.group import GroupTraining, Halved, Saved
from sertool.core.runs.group import Resumed as Resumed
from sertool.core.runs.group_files import GroupFiles, sweep
from sertool.core.runs.members import sizes_of
from sertool.core.runs.plan import Plan, check_fits, parted
from sertool.core.runs.raters import raters_note
from sertool.core.runs.target_statistics import loss_notes
from sertool.core.runs.transfer import prepare_start
from sertool.core.runs.transfer_weights import WEIGHTS, Start, forget_start, write_start
from sertool.core.training.loop import Epoch
from sertool.version import __version__

SAVING_SHARE = 0.05  # of the time, at most, goes into writing states


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


Event = Resumed | Note | Epoch


def train_recipe(plan: Plan, data: Path, precision: Precision, launcher: Launcher | None = None) -> Iterator[Event]:
    """Train the members that have not finished; yields notes and epochs.

    Args:
        plan: members, groups and folder.
        data: folder that holds the corpora.
        precision: device and number format of the training.
        launcher: machines that train the groups. Default: this process.

    Raises:
        SertoolError: another process trains in the same folder, or a file cannot be read or written.
        UsageError: not even one member fits into memory.
    """
    begun = time.time()
    experiment, folder = plan.experiment, plan.folder
    if launcher is None or isinstance(launcher, LocalLauncher | ProcessLauncher):  # other machines may have more
        check_fits(experiment, precision)
    busy = SertoolError(f"{folder}: another process is training there")
    with locked(folder / ".lock", busy), precision.threaded(plan.threads):
        inputs = fit_inputs(experiment)
        weights = class_weights_of(experiment)
        vectors, notes = embedding_tables(experiment, inputs, data) if plan.unfinished else ([], [])
        origin = None
        notes += experiment.map_note.lines if experiment.map_note is not None else []
        notes += [*speaker_notes(experiment), *corpora_notes(experiment)]
        notes += [*loss_notes(experiment.recipe.training, experiment.folds)]
        if plan.source is not None and plan.unfinished:
            origin, start_notes = prepare_start(plan, inputs, data)
            notes += start_notes
        # Nothing is written before recipe, data, vectors and --from are known to fit together, so that a command that
        # is refused leaves the folder as it was.
        _write_description(plan, inputs, origin)
        if plan.unfinished:
            yield from (Note(note) for note in notes)
            training = GroupTraining(
                recipe=experiment.recipe,
                task=experiment.task,
                sizes=sizes_of(experiment, inputs),
                inputs=inputs,
                tables=tables_of(experiment, inputs, torch.device("cpu")),  # a launcher may send them elsewhere
                vectors=vectors,
                class_weights=weights,
                precision=parted(precision, experiment.recipe.training, max(map(len, plan.groups)), plan.threads),
                origin=origin,
                saving_share=SAVING_SHARE,
            )
            yield from _train_groups(plan, training, launcher or LocalLauncher())
        # A training of other seeds may have unfinished groups here, which need the weights to resume.
        if not any((folder / "state").glob("group-*.safetensors")):
            (folder / WEIGHTS).unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or never made
            (folder / "state").rmdir()
    _log(plan, precision, time.time() - begun)


def _write_description(plan: Plan, inputs: Sequence[FoldInputs], origin: Start | None) -> None:
    """Write what describes the run, before its first epoch, and remove what a killed process left."""
    experiment, folder = plan.experiment, plan.folder
    artifacts.write_text(folder / "recipe.yaml", resolved(experiment.recipe))
    seen = seen_by_fold(experiment.corpus, experiment.folds)
    if experiment.selected_on_test and plan.unfinished:
        # Validation on test reads its labels, so the log says so before the first epoch.
        experiment.seal.note("sertool train", "selected the best epoch on them", DECISIONS, len(experiment.tested))
    # --members and --seeds may ask for others than the recipe, and a killed training never comes to its last entry.
    append_log(folder, [{"asked": len(plan.members)}])
    log_reads(folder, experiment.seal)
    raters = {"raters": found} if (found := raters_note(experiment)) else {}
    artifacts.write_json(folder / "corpus.json", {**corpus_note(experiment), **raters, "seen": seen})
    checkpoint.write_inputs(folder, inputs)
    sweep(plan)
    # The weights to start from are copied before the first epoch: the earlier run may change or go afterwards.
    if origin is not None and not origin.stored:
        write_start(folder, origin)
    elif plan.source is None:
        forget_start(folder)


def _train_groups(plan: Plan, training: GroupTraining, launcher: Launcher) -> Iterator[Event]:
    """Train the groups with a launcher, and write the files of each."""
    groups = {number: GroupFiles(plan, number, training) for number in range(len(plan.groups))}
    gpu = training.precision.device.type == "cuda"
    share = Share(plan.workers, plan.threads, gpu=gpu, processes=plan.processes)
    left = [number for number, places in enumerate(plan.groups) if not plan.done.issuperset(places)]
    shown = set(kernels.shown_lines)
    while left:
        jobs = [Job(f"group {number + 1}", groups[number].describe, groups[number].take) for number in left]
        left = []
        for event in launcher.run(training, jobs, share):
            if isinstance(event, Epoch | Resumed):
                for note in event.notes if isinstance(event, Epoch) else ():
                    if note not in shown:  # another group, or the command, may have said the same
                        shown.add(note)
                        yield Note(note)
                yield event
            elif isinstance(event, Halved):
                left.append(event.group)  # its smaller stacks train when the other groups have finished
                yield Note(str(event))
            elif not isinstance(event, Saved):
                yield Note(describe_placement(event))


def _log(plan: Plan, precision: Precision, seconds: float) -> None:
    """Append time, device and versions to the run's log: facts that may differ between runs of the same bytes."""
    entry = {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 1),
        "trained": len(plan.members) - len(plan.done),
        **({"from": plan.source} if plan.source is not None else {}),
        "device": precision.reason,
        "precision": precision.name,
        "sertool": __version__,
        "torch": torch.__version__,
    }
    append_log(plan.folder, [entry])


def training_summary(plan: Plan) -> dict[str, object]:
    """Summarise a training as plain data: each member's best figure on validation, their mean and standard deviation.

    A figure is that of the metric that selects, so an error has no minus as a run's score has.
    """
    experiment, select = plan.experiment, plan.experiment.recipe.training.select
    wanted = {(member.seed, member.fold) for member in plan.members}
    runs = [run for run in list_runs(plan.folder) if (run.seed, run.fold) in wanted]
    figures = [figure_of_score(run.score, select) for run in runs]
    best = figure_of_score(max(run.score for run in runs), select)
    mean = float(np.mean(figures))
    spread = f" (sd {np.std(figures, ddof=1):.3f})" if len(runs) > 1 else ""
    return {
        "name": plan.folder.name,
        "dataset": experiment.corpus.name,
        "task": experiment.task.name,
        "recipe": experiment.recipe.name,
        "from": plan.source,
        "protocol": experiment.recipe.protocol,
        "selected_on_test": experiment.selected_on_test,
        "synthetic": experiment.corpus.synthetic,
        "speakers_note": experiment.corpus.speakers_note,
        "kind": experiment.task.kind,
        "select": select,
        "members_trained": len(runs),
        "mean": mean,
        "text": f"{mean:.3f}{spread}, best {best:.3f}",
        "members": [
            {
                "name": run.folder.name,
                "run": run.folder.name,
                "seed": run.seed,
                "fold": run.fold,
                "score": own,
                "epochs": run.epochs,
            }
            for run, own in zip(runs, figures, strict=True)
        ],
    }
