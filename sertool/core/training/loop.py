"""The training loop of a stack: it yields the results of each epoch, and knows no files and no recipe names.

Each member has its own utterances and their order, learning rate, patience, best weights and optimizer state. A member
that has stopped leaves the stack at the end of the epoch. ``StackState`` holds everything that an interrupted training
needs to resume; random numbers depend on (seed, epoch) alone, so there is no generator to save.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from jaxtyping import Int64
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.compute.memory import release_memory
from sertool.core.errors import SertoolError
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.metrics.scores import score_figures
from sertool.core.metrics.selection import score_of_figure
from sertool.core.models.build import StackModel
from sertool.core.models.kernels import new_kernel_lines
from sertool.core.models.layers import generator
from sertool.core.recipe.schema import Training
from sertool.core.training.batches import Tables
from sertool.core.training.epoch_order import epoch_order
from sertool.core.training.graph_steps import StaticSteps, UnrecordedError
from sertool.core.training.history import MemberEpoch
from sertool.core.training.logits import logits_of
from sertool.core.training.optimizer import StackedAdam
from sertool.core.training.parallel_steps import run_parted_steps
from sertool.core.training.recorded_check import check_evaluation, check_steps
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import ClassWeights, Stack, run_steps

Result = TypeVar("Result")
NO_SCORE = -1e30  # below any score, so that the first epoch is always the best so far


@dataclass(frozen=True)
class Member:
    """A member and its data.

    Attributes:
        seed: determines initial weights and the order of utterances.
        fold: number of the fold whose vocabulary and statistics it uses.
        train, valid: positions of its utterances in the tables.
    """

    seed: int
    fold: int
    train: Int64[Tensor, "N"]
    valid: Int64[Tensor, "V"]

    @property
    def key(self) -> tuple[int, int]:
        """Seed and fold, which name it in a run's files."""
        return self.seed, self.fold

    @property
    def name(self) -> str:
        """Name that is unique in a run; the dropout of a stack depends on its members' names."""
        return f"{self.seed}/{self.fold}"


@dataclass
class MemberProgress:
    """Progress of a member: best score, decays of the learning rate, epochs waited since, history."""

    best: float = NO_SCORE
    decays: int = 0
    waited: int = 0
    history: list[MemberEpoch] = field(default_factory=list)


@dataclass
class StackState:
    """A stack in training: its members in order, their weights, optimizer, best copies and schedules.

    Recorded steps are compared with plain ones once, not again when a member has left; ``steps_checked`` and
    ``evaluation_checked`` say that it was done.
    """

    members: list[Member]
    model: StackModel
    adam: StackedAdam
    progress: list[MemberProgress]
    best_weights: list[Tensor]
    best_first: list[Tensor]
    best_second: list[Tensor]
    best_steps: Tensor
    epoch: int = 0
    static: StaticSteps | None = None
    steps_checked: bool = False
    evaluation_checked: bool = False


@dataclass(frozen=True)
class Finished:
    """A member that has left the stack, with its best weights by name and its history."""

    member: Member
    weights: dict[str, Tensor]
    progress: MemberProgress


@dataclass(frozen=True)
class Epoch:
    """Results of one epoch.

    Attributes:
        number: counted from 1.
        rows: a row for each member that took part.
        finished: members that left.
        notes: sentences for the user.
    """

    number: int
    rows: list[tuple[Member, MemberEpoch]]
    finished: list[Finished]
    notes: tuple[str, ...] = ()


def start(model: StackModel, members: Sequence[Member], settings: Training) -> StackState:
    """Return the state of a stack before its first epoch; ``model`` holds the initial weights."""
    parameters = list(model.parameters())
    adam = StackedAdam(parameters, settings)
    keeps_optimizer = settings.schedule == "rollback"
    return StackState(
        members=list(members),
        model=model,
        adam=adam,
        progress=[MemberProgress() for _ in members],
        best_weights=[p.detach().clone() for p in parameters],
        best_first=[m.clone() for m in adam.first] if keeps_optimizer else [],
        best_second=[m.clone() for m in adam.second] if keeps_optimizer else [],
        best_steps=adam.steps.clone(),
    )


def train(
    state: StackState, tables: Tables, settings: Training, class_weights: ClassWeights, precision: Precision
) -> Iterator[Epoch]:
    """Train until every member has stopped; yield after each epoch, when ``state`` can be saved.

    Args:
        state: from :func:`start`, or restored; changed in place.
        tables: the corpus on the device.
        settings: section ``training`` of the recipe.
        class_weights: weight of each class in the loss for each of V folds, or None.
        precision: device and number format.

    Raises:
        SertoolError: a member's loss became infinite or NaN; the message names its seed.
    """
    notes = new_kernel_lines(precision.device)
    while state.members:

        def trained(how: Precision) -> tuple[list[float], list[float]]:
            return train_epoch(state, tables, settings, class_weights, how)

        def validated(how: Precision) -> list[float]:
            return validate(state, tables, settings, how)

        (losses, rates), precision = _recorded_or_plain(trained, state, precision, notes)
        _check_losses(state, losses)
        scores, precision = _recorded_or_plain(validated, state, precision, notes)
        state.epoch += 1
        rows = []
        for place, member in enumerate(state.members):
            outcome = _outcome(state, place, scores[place], settings)
            row = MemberEpoch(state.epoch, losses[place], scores[place], rates[place], outcome)
            state.progress[place].history.append(row)
            rows.append((member, row))
        yield Epoch(state.epoch, rows, _release(state), tuple(notes))
        notes.clear()


def _recorded_or_plain(
    do: Callable[[Precision], Result], state: StackState, precision: Precision, notes: list[str]
) -> tuple[Result, Precision]:
    """Do a part of an epoch; where its recorded steps fail, do it again with plain ones, and note that.

    Returns:
        The result, and the precision to go on with.
    """
    try:
        return do(precision), precision
    except UnrecordedError as error:
        notes.append(f"{error}: training goes on without recording (slower)")
    # After the handler nothing refers to the recorded steps any more.
    state.static = None
    release_memory(precision.device)
    plain = replace(precision, graphs=False)
    return do(plain), plain


def _check_losses(state: StackState, losses: Sequence[float]) -> None:
    for member, loss in zip(state.members, losses, strict=True):
        if not math.isfinite(loss):
            raise SertoolError(
                f"seed {member.seed}: the loss of epoch {state.epoch + 1} is not a finite number",
                hint="a lower training.learning_rate, or training.clip_norm=1.0",
            )


def train_epoch(
    state: StackState, tables: Tables, settings: Training, class_weights: ClassWeights, precision: Precision
) -> tuple[list[float], list[float]]:
    """Train every member for an epoch; return mean losses per utterance and last learning rates, by member."""
    members = state.members
    orders = [
        epoch_order(m.train, tables.corpora, settings.balance, generator(m.seed, f"order/{m.fold}/{state.epoch}"))
        for m in members
    ]
    decays = [progress.decays for progress in state.progress]
    schedule = plan_epoch(orders, settings, state.epoch, decays, tables.dialogues)
    stack = Stack(state.model, state.adam, [m.fold for m in members], tables, settings, class_weights, precision)
    seed = _noise_seed(members, state.epoch)
    with precision.products():
        if precision.graphs:
            if state.static is None:
                state.static = StaticSteps(stack, schedule)
            if not state.steps_checked:
                check_steps(state.static, schedule, seed)
                state.steps_checked = True
            total = state.static.run(schedule, seed)
        elif precision.parts > 1 and len(members) == 1 and tables.dialogues is None:
            total = run_parted_steps(stack, schedule, seed)
        else:
            total = run_steps(stack, schedule, seed)
    seen = torch.tensor([float(len(order)) for order in orders])
    return (total / seen).tolist(), schedule.last_rates()


def validate(state: StackState, tables: Tables, settings: Training, precision: Precision) -> list[float]:
    """Compute each member's score on its own validation utterances."""
    rows = [member.valid for member in state.members]
    if state.static is not None:
        if not state.evaluation_checked:
            check_evaluation(state.static.evaluation(rows))
            state.evaluation_checked = True
        logits = state.static.evaluate(rows)
    else:
        folds = [member.fold for member in state.members]
        # The threads of a worker are set already, so members stay in their stack.
        logits = logits_of(state.model, tables, rows, folds, precision, side_by_side=False)
    return [
        _score(member, result, tables, settings.select) for member, result in zip(state.members, logits, strict=True)
    ]


def _score(member: Member, result: Tensor, tables: Tables, select: str) -> float:
    """Compute the validation score of a member; more is better, so an error has a minus."""
    rows = member.valid.to(tables.device)
    if tables.kind == "scores":
        values = tables.in_units(result, member.fold)
        figures = score_figures(tables.targets[rows].cpu().double().numpy(), values.double().numpy())
        return score_of_figure(figures[select], select)
    targets = (tables.targets if tables.labels is None else tables.labels)[rows].cpu()
    decisions = decide(result.numpy(), "multi" if tables.kind == "multi" else "single")
    return METRICS[select](targets.long().numpy(), decisions, result.shape[-1])


def _outcome(state: StackState, place: int, score: float, settings: Training) -> str:
    """Apply the schedule to one member after an epoch; return the outcome in a word or two.

    A better score keeps weights and optimizer and resets the patience. Otherwise ``rollback`` returns to the best
    state, with a lower learning rate, while decays are left; then, as under the other schedules, patience runs out.
    """
    progress = state.progress[place]
    last = state.epoch >= settings.max_epochs
    if score > progress.best:
        progress.best, progress.waited = score, 0
        _copy_member(state, place, to_best=True)
        return "better, stopped" if last else "better"
    if settings.schedule == "rollback" and progress.decays < settings.max_decays:
        progress.decays += 1
        _copy_member(state, place, to_best=False)
        return "went back, stopped" if last else "went back"
    progress.waited += 1
    patient = settings.patience is None or progress.waited < settings.patience
    return "worse" if patient and not last else "worse, stopped"


def _copy_member(state: StackState, place: int, *, to_best: bool) -> None:
    """Copy a member's weights and optimizer state to its best ones, or back from them."""
    pairs: list[tuple[Sequence[Tensor], Sequence[Tensor]]] = [
        (list(state.model.parameters()), state.best_weights),
        (state.adam.first, state.best_first),
        (state.adam.second, state.best_second),
    ]
    with torch.no_grad():
        for current, best in pairs:
            # Only the rollback schedule keeps the optimizer's best state; its lists are empty otherwise.
            for now, kept in zip(current, best, strict=False):
                source, target = (now, kept) if to_best else (kept, now)
                target[place].copy_(source[place])
        source, target = (state.adam.steps, state.best_steps) if to_best else (state.best_steps, state.adam.steps)
        target[place] = source[place]


def _release(state: StackState) -> list[Finished]:
    """Remove the members that have stopped from the stack and return them."""
    names = [name for name, _ in state.model.named_parameters()]
    stopped = [place for place, p in enumerate(state.progress) if p.history[-1].outcome.endswith("stopped")]
    finished = [
        Finished(
            state.members[place],
            {name: best[place].clone() for name, best in zip(names, state.best_weights, strict=True)},
            state.progress[place],
        )
        for place in stopped
    ]
    if stopped:
        keep = [place for place in range(len(state.members)) if place not in stopped]
        select_members(state, keep)
    return finished


def select_members(state: StackState, keep: Sequence[int]) -> None:
    """Keep only some members of a stack, in place."""
    state.members = [state.members[place] for place in keep]
    state.progress = [state.progress[place] for place in keep]
    index = torch.tensor(keep, dtype=torch.int64)  # dtype, as the list may be empty
    state.static = None  # the recorded steps hold tensors of the former members
    for parameter in state.model.parameters():
        parameter.grad = None  # of the former shape
        parameter.data = parameter.data[index.to(parameter.device)]
    for tensors in (
        state.best_weights,
        state.best_first,
        state.best_second,
        state.adam.first,
        state.adam.second,
    ):
        tensors[:] = [tensor[index.to(tensor.device)] for tensor in tensors]
    state.best_steps = state.best_steps[index]
    state.adam.steps = state.adam.steps[index]


def _noise_seed(members: Sequence[Member], epoch: int) -> int:
    """Return the dropout seed of an epoch; a resumed training computes the same one."""
    text = f"dropout/{epoch}/" + ",".join(member.name for member in members)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") % 2**63
