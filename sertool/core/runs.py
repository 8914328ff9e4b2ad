"""Training a recipe into a folder: members in groups, resumed where a killed run left off.

``train_recipe`` yields what happens; the command prints it. The same recipe in the same folder goes on; another
recipe in it is refused.
"""

import fcntl
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sertool import __version__
from sertool.core import artifacts, checkpoint
from sertool.core.batches import Tables
from sertool.core.errors import DataError, SertoolError
from sertool.core.experiment import (
    Experiment,
    FoldInputs,
    class_weights_of,
    embedding_tables,
    fit_inputs,
    tables_of,
)
from sertool.core.models.build import initialise
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.planning import Plan, corpus_note, new_stack
from sertool.core.precision import Precision
from sertool.core.recipe import resolved
from sertool.core.run_files import list_runs
from sertool.core.sealing import append_log
from sertool.core.seen import seen_by_fold
from sertool.core.starting import prepare_start
from sertool.core.starting_weights import WEIGHTS, Start, forget_start, take_over, write_start
from sertool.core.training import Epoch, Member, StackState, start, train

SAVING_SHARE = 0.05  # of the time may go into writing the state


@dataclass(frozen=True)
class Resumed:
    """A group goes on from a saved state: its number and the epochs it already has."""

    group: int
    epoch: int


@dataclass(frozen=True)
class Note:
    """A sentence for the user."""

    text: str


Event = Resumed | Note | Epoch


def train_recipe(plan: Plan, data: Path, precision: Precision) -> Iterator[Event]:
    """Train what is not done yet; yields notes and epochs.

    Raises:
        SertoolError: another process trains in the same folder, or a file cannot be read or written.
    """
    begun = time.time()
    experiment, folder = plan.experiment, plan.folder
    unfinished = len(plan.done) < len(plan.members)
    with _locked(folder), precision.threaded(plan.threads):
        inputs = fit_inputs(experiment)
        weights = class_weights_of(experiment)
        weights = weights.to(precision.device) if weights is not None else None
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
        experiment.seal.log(folder)
        artifacts.write_json(folder / "corpus.json", {**corpus_note(experiment), "seen": seen})
        checkpoint.write_inputs(folder, inputs)
        _sweep(plan)
        if origin is not None and not origin.stored:
            write_start(folder, origin)
        elif plan.source is None:
            forget_start(folder)
        if unfinished:
            tables = tables_of(experiment, inputs, precision.device)
            yield from (Note(note) for note in notes)
            common = _Common(plan, inputs, tables, vectors, weights, precision, origin)
            streams = [_train_group(common, number) for number in range(len(plan.groups))]
            yield from _side_by_side(streams, plan.workers)
        if not any((folder / "state").glob("group-*.safetensors")):  # other seeds' groups may have begun
            (folder / WEIGHTS).unlink(missing_ok=True)
        with suppress(OSError):
            (folder / "state").rmdir()
    _log(plan, precision, time.time() - begun)


@dataclass(frozen=True)
class _Common:
    """What all groups of a training share, and only read."""

    plan: Plan
    inputs: Sequence[FoldInputs]
    tables: Tables
    vectors: Sequence[torch.Tensor | None]
    weights: torch.Tensor | None
    precision: Precision
    origin: Start | None


def _train_group(common: _Common, number: int) -> Iterator[Event]:
    """Train one group from its start or its saved state, and keep its files."""
    plan, settings = common.plan, common.plan.experiment.recipe.training
    path = plan.folder / "state" / f"group-{number}.safetensors"
    for members in _stacks(plan, plan.groups[number], path):
        model = _new_model(common, members)
        state = start(model.to(common.precision.device), members, settings)
        if path.is_file():
            checkpoint.restore_state(path, state)
            yield Resumed(number, state.epoch)
        rows = [own.vocabulary.rows for own in common.inputs]
        saver = _Saver(path, plan.folder, plan.experiment, rows, common.origin)
        for epoch in train(state, common.tables, settings, common.weights, common.precision):
            saver.after(epoch, state)
            yield epoch
        path.unlink(missing_ok=True)


def _side_by_side(streams: Sequence[Iterator[Event]], workers: int) -> Iterator[Event]:
    """The events of several streams, ``workers`` of them running at a time, each in a thread.

    On a CPU two members that train side by side with a thread each get more done than one with two threads: nothing
    waits for anything. What a stream computes does not depend on the others.
    """
    if workers == 1:
        for stream in streams:
            yield from stream
        return
    waiting: queue.SimpleQueue[Iterator[Event]] = queue.SimpleQueue()
    for stream in streams:
        waiting.put(stream)
    events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                for event in waiting.get_nowait():
                    events.put(event)
                    if stop.is_set():
                        return
        except queue.Empty:
            pass
        except BaseException as error:
            events.put(error)
        finally:
            events.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        running = workers
        while running:
            event = events.get()
            if event is None:
                running -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event
    finally:
        stop.set()
        for thread in threads:
            # After an interrupt nobody wants to wait for the end of an epoch; what is on the disk is whole.
            thread.join(timeout=2)


def _sweep(plan: Plan) -> None:
    """Remove what a process left that was killed while it wrote, or before it removed the state of a group."""
    for part in plan.folder.rglob(".*.part"):
        part.unlink(missing_ok=True)
    done = {(plan.members[place].seed, plan.members[place].fold) for place in plan.done}
    for path in (plan.folder / "state").glob("group-*.safetensors"):
        if checkpoint.saved_members(path) <= done:
            path.unlink()


def _stacks(plan: Plan, group: Sequence[int], path: Path) -> Iterator[list[Member]]:
    """The members of a group that go on from its saved state, then those that neither have one nor are done.

    A member may have been done after the state was saved. It finishes again, in the stack it was in, because the
    dropout of the others depends on who is in the stack.
    """
    members = [plan.members[place] for place in group]
    todo = [plan.members[place] for place in group if place not in plan.done]
    if todo and path.is_file():
        saved = checkpoint.saved_members(path)
        there = {(member.seed, member.fold) for member in members}
        if not saved <= there:
            raise DataError(
                f"{path}: holds the members (seed, fold) {_listed(saved)}; this group has {_listed(there)}",
                hint="give the same seeds and --group-size, or delete it to train this group from its start",
            )
        yield [member for member in members if (member.seed, member.fold) in saved]
        todo = [member for member in todo if (member.seed, member.fold) not in saved]
    if todo:
        yield todo


def _listed(members: set[tuple[int, int]]) -> str:
    return ", ".join(f"({seed}, {fold})" for seed, fold in sorted(members))


class _Saver:
    """Writes finished members at once, and the state as often as keeps the time for it below a twentieth."""

    def __init__(
        self, path: Path, folder: Path, experiment: Experiment, rows: Sequence[int], origin: Start | None
    ) -> None:
        self.path, self.folder, self.experiment, self.rows = path, folder, experiment, rows
        self.origin = origin
        self.saved_at, self.took = 0.0, 0.0

    def after(self, epoch: Epoch, state: StackState) -> None:
        folds, select = len(self.experiment.folds), self.experiment.recipe.training.select
        for finished in epoch.finished:
            run = checkpoint.run_folder(self.folder, finished.member, folds)
            began = self.origin.record(finished.member.seed) if self.origin is not None else None
            checkpoint.write_run(run, finished, select, self.rows[finished.member.fold], began)
        now = time.monotonic()
        if not state.members or now - self.saved_at < self.took / SAVING_SHARE:
            return
        for member, progress in zip(state.members, state.progress, strict=True):
            checkpoint.write_history(checkpoint.run_folder(self.folder, member, folds), progress)
        checkpoint.write_state(self.path, state)
        self.saved_at = time.monotonic()
        self.took = self.saved_at - now


def _new_model(common: _Common, members: Sequence[Member]) -> MAT | MNT:
    experiment, inputs, vectors = common.plan.experiment, common.inputs, common.vectors
    model = new_stack(experiment, inputs, len(members))
    initialise(model, [member.seed for member in members], [vectors[member.fold] for member in members])
    if common.origin is not None:
        take_over(model, members, common.origin, inputs, experiment.task)
    return model


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
