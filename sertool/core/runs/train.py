"""Training a recipe into a folder: members in groups, resumed where a killed run left off.

``train_recipe`` yields what happens; the command prints it. The same recipe in the same folder goes on; another
recipe in it is refused.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sertool.core.compute.device import Precision
from sertool.core.compute.jobs import Job, Launcher, Share, describe_placement
from sertool.core.compute.local import LocalLauncher
from sertool.core.corpora.fingerprints import seen_by_fold
from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved
from sertool.core.runs import checkpoint
from sertool.core.runs.experiment import (
    class_weights_of,
    corpus_note,
    embedding_tables,
    fit_inputs,
    tables_of,
)
from sertool.core.runs.folder import append_log, is_done, list_runs, log_reads
from sertool.core.runs.group import Group, GroupTraining, Saved, Stack
from sertool.core.runs.group import Resumed as Resumed
from sertool.core.runs.members import sizes_of
from sertool.core.runs.plan import Plan, parted
from sertool.core.runs.transfer import prepare_start
from sertool.core.runs.transfer_weights import WEIGHTS, forget_start, write_start
from sertool.core.training.loop import Epoch, Member
from sertool.version import __version__

SAVING_SHARE = 0.05  # of the time may go into writing the state


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


Event = Resumed | Note | Epoch


def train_recipe(
    plan: Plan, data: Path, precision: Precision, launcher: Launcher | None = None
) -> Iterator[Event]:
    """Train what is not done yet; yields notes and epochs.

    Args:
        plan: members, groups and folder.
        data: folder that holds the corpora.
        precision: of the device that groups are trained on.
        launcher: where they are; None is this process.

    Raises:
        SertoolError: another process trains in the same folder, or a file cannot be read or written.
    """
    begun = time.time()
    experiment, folder = plan.experiment, plan.folder
    unfinished = len(plan.done) < len(plan.members)
    with _locked(folder), precision.threaded(plan.threads):
        inputs = fit_inputs(experiment)
        weights = class_weights_of(experiment)
        vectors, notes = embedding_tables(experiment, inputs, data) if unfinished else ([], [])
        origin = None
        if plan.source is not None and unfinished:
            origin, told = prepare_start(plan, inputs, data)
            notes += told
        # Nothing is written before recipe, data, vectors and the start are known to go together.
        artifacts.write_text(folder / "recipe.yaml", resolved(experiment.recipe))
        seen = seen_by_fold(experiment.corpus, experiment.folds)
        if experiment.selected_on_test and unfinished:
            experiment.seal.note("sertool train", "selected the best epoch on them", len(experiment.tested))
        log_reads(folder, experiment.seal)
        artifacts.write_json(folder / "corpus.json", {**corpus_note(experiment), "seen": seen})
        checkpoint.write_inputs(folder, inputs)
        _sweep(plan)
        if origin is not None and not origin.stored:
            write_start(folder, origin)
        elif plan.source is None:
            forget_start(folder)
        if unfinished:
            yield from (Note(note) for note in notes)
            training = GroupTraining(
                recipe=experiment.recipe,
                task=experiment.task,
                sizes=sizes_of(experiment, inputs),
                inputs=inputs,
                tables=tables_of(experiment, inputs, torch.device("cpu")),
                vectors=vectors,
                class_weights=weights,
                precision=parted(
                    precision, experiment.recipe.training, max(map(len, plan.groups)), plan.threads
                ),
                origin=origin,
                saving_share=SAVING_SHARE,
            )
            yield from _train_groups(plan, training, launcher or LocalLauncher())
        if not any((folder / "state").glob("group-*.safetensors")):  # other seeds' groups may have begun
            (folder / WEIGHTS).unlink(missing_ok=True)
        with suppress(OSError):
            (folder / "state").rmdir()
    _log(plan, precision, time.time() - begun)


def _train_groups(plan: Plan, training: GroupTraining, launcher: Launcher) -> Iterator[Event]:
    """Let groups be trained, and keep the files of each."""
    keepers = [_Keeper(plan, number, training) for number in range(len(plan.groups))]
    share = Share(plan.workers, plan.threads, gpu=training.precision.device.type == "cuda")
    jobs = [Job(f"group {keeper.number + 1}", keeper.describe, keeper.take) for keeper in keepers]
    for event in launcher.run(training, jobs, share):
        if isinstance(event, Epoch | Resumed):
            yield event
        elif not isinstance(event, Saved):
            yield Note(describe_placement(event))


def _sweep(plan: Plan) -> None:
    """Remove what a process left that was killed while it wrote, or before it removed the state of a group."""
    for part in plan.folder.rglob(".*.part"):
        part.unlink(missing_ok=True)
    done = {(plan.members[place].seed, plan.members[place].fold) for place in plan.done}
    for path in (plan.folder / "state").glob("group-*.safetensors"):
        if set(checkpoint.read_state(path).members) <= done:
            path.unlink()


class _Keeper:
    """Knows from a group's files what is left of it to train, and writes what comes of that."""

    def __init__(self, plan: Plan, number: int, training: GroupTraining) -> None:
        self.plan, self.number, self.training = plan, number, training
        self.path = plan.folder / "state" / f"group-{number}.safetensors"
        self.members = [plan.members[place] for place in plan.groups[number]]

    def describe(self) -> Group:
        """What is left to train, as the folder has it now.

        A member may have been done after the state was saved. It finishes again, in the stack it was in, because the
        dropout of the others depends on who is in the stack.
        """
        todo = [member for member in self.members if not is_done(self._folder(member))]
        stacks = []
        if todo and self.path.is_file():
            packed = checkpoint.read_state(self.path)
            saved, there = set(packed.members), {(member.seed, member.fold) for member in self.members}
            if not saved <= there:
                raise DataError(
                    f"{self.path}: holds the members (seed, fold) {_listed(saved)}; "
                    f"this group has {_listed(there)}",
                    hint="give the same seeds and --group-size, or delete it to train this group from its start",
                )
            stacks.append(Stack([m for m in self.members if (m.seed, m.fold) in saved], packed))
            todo = [member for member in todo if (member.seed, member.fold) not in saved]
        if todo:
            stacks.append(Stack(todo, None))
        return Group(self.number, stacks, self.path)

    def take(self, event: Resumed | Epoch | Saved) -> None:
        """Write finished members, or the state of those that are not."""
        recipe = self.training.recipe
        if isinstance(event, Epoch):
            for finished in event.finished:
                member = finished.member
                rows = self.training.inputs[member.fold].vocabulary.rows
                origin = self.training.origin
                began = origin.record(member.seed) if origin is not None else None
                checkpoint.write_run(self._folder(member), finished, recipe.training.select, rows, began)
            if len(event.finished) == len(event.rows):  # the stack is at its end
                self.path.unlink(missing_ok=True)
        elif isinstance(event, Saved):
            places = {(member.seed, member.fold): member for member in self.members}
            for key, progress in zip(event.state.members, event.state.progress, strict=True):
                checkpoint.write_history(self._folder(places[key]), progress)
            checkpoint.write_state(self.path, event.state)

    def _folder(self, member: Member) -> Path:
        return checkpoint.run_folder(self.plan.folder, member, len(self.plan.experiment.folds))


def _listed(members: set[tuple[int, int]]) -> str:
    return ", ".join(f"({seed}, {fold})" for seed, fold in sorted(members))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise artifacts.write_error(folder, error) from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SertoolError(f"{folder}: another process is training there") from error
        yield


def _log(plan: Plan, precision: Precision, seconds: float) -> None:
    """Append to the run's log what may differ between two runs of the same bytes: time, device, versions."""
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
    """What a training came to, as plain data: each member's best validation score, their mean and spread."""
    experiment = plan.experiment
    wanted = {(member.seed, member.fold) for member in plan.members}
    runs = [run for run in list_runs(plan.folder) if (run.seed, run.fold) in wanted]
    scores = np.array([run.score for run in runs])
    spread = f" (sd {scores.std(ddof=1):.3f})" if len(scores) > 1 else ""
    return {
        "name": plan.folder.name,
        "recipe": experiment.recipe.name,
        "from": plan.source,
        "protocol": experiment.recipe.protocol,
        "selected_on_test": experiment.selected_on_test,
        "synthetic": experiment.corpus.synthetic,
        "select": experiment.recipe.training.select,
        "members_trained": len(runs),
        "mean": float(scores.mean()),
        "text": f"{scores.mean():.3f}{spread}, best {scores.max():.3f}",
        "members": [
            {
                "run": run.folder.name,
                "seed": run.seed,
                "fold": run.fold,
                "score": run.score,
                "epochs": run.epochs,
            }
            for run in runs
        ],
    }
