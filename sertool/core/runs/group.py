"""Training of one group of members, without access to the run's folder: states come in and go out as values.

:mod:`sertool.core.runs.train` prepares the groups and writes their files. A group may train on another machine, so
everything here can be pickled, and corpus, frames and labels are only the padded tensors that training reads.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sertool.core.compute.device import Precision
from sertool.core.compute.memory import count_memory_anew, out_of_memory, release_memory
from sertool.core.compute.shortage import ran_out_of_memory
from sertool.core.corpora.tasks import Task
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.checkpoint import Key, PackedState, pack_state, restore_state
from sertool.core.runs.experiment import FoldInputs
from sertool.core.runs.transfer_weights import Start, take_over
from sertool.core.training.batches import Tables
from sertool.core.training.loop import Epoch, Member, StackState, start, train

DISK_RATE = 1e9  # bytes per second; only to estimate the cost of the first save


@dataclass(frozen=True)
class Resumed:
    """A group resumes from a saved state: its number and the epochs that are done."""

    group: int
    epoch: int


@dataclass(frozen=True)
class Saved:
    """The state of a group, to be written to its file."""

    state: PackedState


@dataclass(frozen=True)
class Halved:
    """The members of a stack do not fit into memory together: they are to train in smaller stacks.

    Attributes:
        group: number of the group.
        size: number of members that were too many.
        parts: members of the smaller stacks; those that have finished are in none.
        epoch: epochs that are done in the saved state that they resume from; 0 if none was saved.
    """

    group: int
    size: int
    parts: tuple[tuple[Key, ...], ...]
    epoch: int

    def __str__(self) -> str:
        since = f"epoch {self.epoch}" if self.epoch else "the beginning"
        sizes = [str(len(part)) for part in self.parts]
        how = "they train as " + " and ".join(sizes) if len(sizes) > 1 else "the one that is left trains alone"
        return f"out of memory with {self.size} members: {how}, from {since}"


Event = Resumed | Epoch | Saved | Halved


@dataclass(frozen=True)
class StackPlan:
    """Members that train together.

    Attributes:
        members: the members.
        state: saved state that they resume from; None before their first epoch.
        path: file of the state.
        done: members of the saved state that have finished since; they finish again beside the others.
    """

    members: list[Member]
    state: PackedState | None
    path: Path
    done: frozenset[Key] = frozenset()


@dataclass(frozen=True)
class Group:
    """The stacks of a group that are left to train, one after the other."""

    number: int
    stacks: list[StackPlan]


class _Progress:
    """Progress of a stack as its events tell it: the members in training, and the state to go back to."""

    def __init__(self, plan: StackPlan) -> None:
        self.training = [member.key for member in plan.members]
        self.left = [key for key in self.training if key not in plan.done]
        self.saved = plan.state.epoch if plan.state is not None else 0

    def see(self, event: Event) -> None:
        if isinstance(event, Epoch):
            finished = {each.member.key for each in event.finished}
            self.training = [member.key for member, _ in event.rows if member.key not in finished]
            self.left = [key for key in self.left if key not in finished]
        elif isinstance(event, Saved):
            self.saved = event.state.epoch

    def halves(self, group: int) -> Halved:
        half = (len(self.left) + 1) // 2
        parts = tuple(tuple(part) for part in (self.left[:half], self.left[half:]) if part)
        return Halved(group, len(self.training), parts, self.saved)


@dataclass(frozen=True)
class GroupTraining:
    """Read-only data that all groups of a training share.

    Attributes:
        recipe, task: recipe and task of the experiment.
        sizes: sizes of a stack.
        inputs: vocabulary and statistics of each fold.
        tables: the corpus, on the CPU.
        vectors: initial word vectors of each fold, or None where they are drawn at random.
        class_weights: (V, C) weights of the classes by fold, or None.
        precision: device and number format to train with.
        origin: weights that members start from; None where they are drawn at random.
        saving_share: largest share of the time that may go into saving; states are saved as seldom as that requires.
    """

    recipe: Recipe
    task: Task
    sizes: DataSizes
    inputs: Sequence[FoldInputs]
    tables: Tables
    vectors: Sequence[torch.Tensor | None]
    class_weights: torch.Tensor | None
    precision: Precision
    origin: Start | None
    saving_share: float

    def open(self) -> Callable[[Group], Iterator[Event]]:
        """Move the corpus to the device and return a function that trains a group.

        It ends early, with :class:`Halved`, where a stack does not fit into memory: what is left to train is then to be
        described again.
        """
        device = self.precision.device
        try:
            tables = self.tables.to(device)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            raise out_of_memory("the corpus", error, self.precision) from error
        weights = self.class_weights.to(device) if self.class_weights is not None else None

        def train_group(group: Group) -> Iterator[Event]:
            while group.stacks:
                progress = _Progress(group.stacks[0])
                try:
                    for event in self._train_first(group, tables, weights):
                        progress.see(event)
                        yield event
                except Exception as error:
                    if not ran_out_of_memory(error):
                        raise
                    if len(progress.training) == 1:
                        raise out_of_memory(self._name(progress.training[0]), error, self.precision) from error
                else:
                    continue
                # Only here, outside of the handler, nothing refers to the stack any more.
                release_memory(device)
                if progress.left:  # otherwise only members that had finished before trained again
                    yield progress.halves(group.number)
                    return

        return train_group

    def _name(self, key: Key) -> str:
        """Name a member for the user."""
        return f"seed {key[0]}" + (f" fold {key[1]}" if len(self.inputs) > 1 else "")

    def _train_first(
        self, group: Group, tables: Tables, weights: torch.Tensor | None
    ) -> Iterator[Resumed | Epoch | Saved]:
        """Train the first stack of a group and remove it."""
        count_memory_anew(self.precision.device)
        # Popped, so that a restored state does not stay in memory while its stack trains.
        state = self._begin(group.stacks.pop(0))
        if state.epoch:
            yield Resumed(group.number, state.epoch)
        yield from self._train(state, tables, weights)

    def _begin(self, stack: StackPlan) -> StackState:
        members = stack.members
        model = build(self.recipe.model, self.sizes, len(members), self.recipe.context)
        initialise(model, [member.seed for member in members], [self.vectors[m.fold] for m in members])
        # Members are initialised first: new words and classes keep these random rows.
        if self.origin is not None:
            take_over(model, members, self.origin, self.inputs, self.task)
        state = start(model.to(self.precision.device), members, self.recipe.training)
        if stack.state is not None:
            restore_state(stack.state, state, stack.path)
        return state

    def _train(self, state: StackState, tables: Tables, weights: torch.Tensor | None) -> Iterator[Epoch | Saved]:
        # The cost of the first save is estimated; a short training ends before a save would be worth its time.
        saved, waited = time.monotonic(), _state_bytes(state) / DISK_RATE
        for epoch in train(state, tables, self.recipe.training, weights, self.precision):
            # The generator resumes when its caller has written the event, so this measures the time of writing.
            begun = time.monotonic()
            yield epoch
            now = time.monotonic()
            waited += now - begun
            if state.members and waited <= self.saving_share * (now - saved):
                yield Saved(pack_state(state))
                saved = time.monotonic()
                waited = saved - now  # the cost of this save, which the next one has to earn


def _state_bytes(state: StackState) -> int:
    """Estimate the bytes of a stack's state: weights and two moments, and the best copy of each."""
    return 6 * sum(parameter.numel() * parameter.element_size() for parameter in state.model.parameters())
