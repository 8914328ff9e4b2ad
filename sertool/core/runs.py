"""Training a recipe into a folder: members in groups, resumed where a killed run left off.

``train_recipe`` yields what happens; the command prints it. The same recipe in the same folder goes on; another
recipe in it is refused.
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sertool import __version__
from sertool.core import artifacts, checkpoint
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.experiment import (
    Experiment,
    FoldInputs,
    class_weights_of,
    embedding_tables,
    fit_inputs,
    tables_of,
)
from sertool.core.models.build import build, initialise
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.precision import Precision
from sertool.core.recipe import Recipe, load, resolved
from sertool.core.training import Epoch, Member, StackState, start, train

GROUP_BYTES = (
    2**31
)  # what a group of members may take on a CPU; fixed, so that grouping depends on the recipe alone
SAVING_SHARE = 0.05  # of the time may go into writing the state


@dataclass(frozen=True)
class Plan:
    """What a training will do.

    Attributes:
        experiment: recipe and corpus.
        folder: where it goes.
        members: all of them, in order.
        groups: places of the members that train together.
        done: places of the members whose folders are complete.
    """

    experiment: Experiment
    folder: Path
    members: tuple[Member, ...]
    groups: tuple[tuple[int, ...], ...]
    done: frozenset[int]


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


def plan_training(
    experiment: Experiment, folder: Path, seeds: Sequence[int], group_size: int | None, precision: Precision
) -> Plan:
    """Lay out members and groups, and find what is done.

    Raises:
        UsageError: the folder holds a run of another recipe or other data.
    """
    folds = experiment.folds
    members = tuple(
        Member(seed, number, torch.tensor(fold.sets["train"]), torch.tensor(fold.sets["valid"]))
        for seed in seeds
        for number, fold in enumerate(folds)
    )
    size = group_size or _group_size(experiment, len(members), precision)
    groups = tuple(
        tuple(range(first, min(first + size, len(members)))) for first in range(0, len(members), size)
    )
    _check_folder(experiment, folder)
    done = frozenset(
        place
        for place, member in enumerate(members)
        if checkpoint.is_done(checkpoint.run_folder(folder, member, len(folds)))
    )
    return Plan(experiment, folder, members, groups, done)


def train_recipe(plan: Plan, data: Path, precision: Precision) -> Iterator[Event]:
    """Train what is not done yet; yields notes and epochs.

    Raises:
        SertoolError: another process trains in the same folder, or a file cannot be read or written.
    """
    begun = time.time()
    experiment, folder = plan.experiment, plan.folder
    artifacts.write_text(folder / "recipe.yaml", resolved(experiment.recipe))
    artifacts.write_json(folder / "corpus.json", corpus_note(experiment))
    with _locked(folder), precision.computing():
        _sweep(plan)
        inputs = fit_inputs(experiment)
        checkpoint.write_inputs(folder, inputs)
        if len(plan.done) < len(plan.members):
            tables = tables_of(experiment, inputs, precision.device)
            vectors, notes = embedding_tables(experiment, inputs, data)
            yield from (Note(note) for note in notes)
            weights = class_weights_of(experiment)
            weights = weights.to(precision.device) if weights is not None else None
            for number, group in enumerate(plan.groups):
                path = folder / "state" / f"group-{number}.safetensors"
                for members in _stacks(plan, group, path):
                    model = _new_model(experiment, inputs, members, vectors).to(precision.device)
                    state = start(model, members, experiment.recipe.training)
                    if path.is_file():
                        checkpoint.restore_state(path, state)
                        yield Resumed(number, state.epoch)
                    saver = _Saver(path, folder, experiment, [own.vocabulary.rows for own in inputs])
                    for epoch in train(state, tables, experiment.recipe.training, weights, precision):
                        saver.after(epoch, state)
                        yield epoch
                    path.unlink(missing_ok=True)
    _log(plan, precision, time.time() - begun)


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

    def __init__(self, path: Path, folder: Path, experiment: Experiment, rows: Sequence[int]) -> None:
        self.path, self.folder, self.experiment, self.rows = path, folder, experiment, rows
        self.saved_at, self.took = 0.0, 0.0

    def after(self, epoch: Epoch, state: StackState) -> None:
        folds, select = len(self.experiment.folds), self.experiment.recipe.training.select
        for finished in epoch.finished:
            run = checkpoint.run_folder(self.folder, finished.member, folds)
            checkpoint.write_run(run, finished, select, self.rows[finished.member.fold])
        now = time.monotonic()
        if not state.members or now - self.saved_at < self.took / SAVING_SHARE:
            return
        for member, progress in zip(state.members, state.progress, strict=True):
            checkpoint.write_history(checkpoint.run_folder(self.folder, member, folds), progress)
        checkpoint.write_state(self.path, state)
        self.saved_at = time.monotonic()
        self.took = self.saved_at - now


def _new_model(
    experiment: Experiment,
    inputs: Sequence[FoldInputs],
    members: Sequence[Member],
    vectors: Sequence[torch.Tensor | None],
) -> MAT | MNT:
    model = new_stack(experiment, inputs, len(members))
    initialise(model, [member.seed for member in members], [vectors[member.fold] for member in members])
    return model


def new_stack(experiment: Experiment, inputs: Sequence[FoldInputs], members: int) -> MAT | MNT:
    """A stack of the experiment's sizes, not yet initialised; its embedding fits the largest vocabulary."""
    text = experiment.corpus.text_frames
    return build(
        experiment.recipe.model,
        members=members,
        text_rows=max(own.vocabulary.rows for own in inputs) if text is None else None,
        text_width=experiment.recipe.model.embedding_size if text is None else text.width,
        audio_width=experiment.corpus.audio.width,
        num_classes=len(experiment.task.classes),
    )


def _group_size(experiment: Experiment, members: int, precision: Precision) -> int:
    """As many members as fit the budget by a rough count of parameters, optimizer, best copies and activations."""
    recipe = experiment.recipe
    words = {word for utterance in experiment.corpus.utterances for word in utterance.words}
    model, sizes = recipe.model, recipe.dataset
    shape = build(
        model,
        members=1,
        text_rows=1,
        text_width=model.embedding_size,
        audio_width=experiment.corpus.audio.width,
        num_classes=len(experiment.task.classes),
    )
    parameters = sum(p.numel() for p in shape.parameters()) + len(words) * model.embedding_size
    a_position = model.num_layers * (16 * model.hidden_size + 3 * model.ffn_size) + 10 * model.hidden_size
    positions = recipe.training.batch_size * (sizes.max_text_length + sizes.max_audio_length)
    needed = 4 * (7 * parameters + positions * a_position)
    budget = GROUP_BYTES
    if precision.device.type == "cuda":
        budget = int(torch.cuda.get_device_properties(precision.device).total_memory * 0.7)
    return max(1, min(members, budget // needed))


def corpus_note(experiment: Experiment) -> dict[str, object]:
    """What identifies the data of a run: counts, and a hash of utterances, targets, division and frames."""
    digest = hashlib.blake2b(digest_size=16)
    corpus = experiment.corpus
    for utterance, target in zip(corpus.utterances, experiment.targets, strict=True):
        digest.update(json.dumps([utterance.split, utterance.id, utterance.words, target]).encode())
    digest.update(corpus.audio.offsets.tobytes())
    digest.update(np.ascontiguousarray(corpus.audio.flat).data)
    return {
        "name": corpus.name,
        "task": experiment.task.name,
        "classes": list(experiment.task.classes),
        "counts": corpus.counts(),
        "folds": [
            {"name": f.name, **{name: len(rows) for name, rows in f.sets.items()}} for f in experiment.folds
        ],
        "hash": digest.hexdigest(),
        "synthetic": corpus.synthetic,
    }


def _check_folder(experiment: Experiment, folder: Path) -> None:
    """Refuse to go on in a folder that holds a run of another recipe or other data."""
    if not (folder / "recipe.yaml").is_file():
        if folder.is_dir() and any(folder.glob("best*.pkl")):
            raise UsageError(f"{folder}: holds checkpoints of the reference; choose another --name")
        return
    before = load(str(folder / "recipe.yaml"))
    changed = differences(before, experiment.recipe)
    if changed:
        raise UsageError(
            f"{folder}: holds a run of another recipe: " + "; ".join(changed),
            hint="choose another --name, or delete the folder",
        )
    if (folder / "corpus.json").is_file() and artifacts.read_json(folder / "corpus.json") != corpus_note(
        experiment
    ):
        raise UsageError(
            f"{folder}: holds a run on other data than {experiment.corpus.name} as it is now",
            hint="choose another --name, or delete the folder",
        )


def differences(before: Recipe, after: Recipe) -> list[str]:
    """What two recipes differ in that changes a member, as ``key old -> new``."""
    differing = []
    for section in ("dataset", "frontend", "splits", "model", "training"):
        old, new = getattr(before, section).model_dump(), getattr(after, section).model_dump()
        for key in old:
            # More members, or others, can join those that are there.
            if old[key] != new[key] and (section, key) not in (
                ("training", "runs"),
                ("training", "seed"),
                ("dataset", "path"),
            ):
                differing.append(f"{section}.{key} {old[key]} -> {new[key]}")
    return differing


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, however that ends."""
    with (folder / ".lock").open("w") as file:
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
        "device": precision.reason,
        "precision": precision.name,
        "sertool": __version__,
        "torch": torch.__version__,
    }
    with (plan.folder / "log.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def training_summary(plan: Plan) -> dict[str, object]:
    """What a training came to, as plain data: each member's best validation score, their mean and spread."""
    experiment = plan.experiment
    wanted = {(member.seed, member.fold) for member in plan.members}
    runs = [run for run in checkpoint.list_runs(plan.folder) if (run.seed, run.fold) in wanted]
    scores = np.array([run.score for run in runs])
    spread = f" (sd {scores.std(ddof=1):.3f})" if len(scores) > 1 else ""
    return {
        "name": plan.folder.name,
        "recipe": experiment.recipe.name,
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
