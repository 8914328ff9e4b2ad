"""Training of a group of members where no run's folder is: it is given a state and gives states away.

:mod:`sertool.core.runs.train` describes the groups and writes what comes back. A network may lie between, so all of
it can be pickled, and corpus, frames and labels are there only as the padded tensors that training reads.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from sertool.core.compute.device import Precision
from sertool.core.corpora.tasks import Task
from sertool.core.models.build import build, initialise
from sertool.core.recipe.load import Recipe
from sertool.core.runs.checkpoint import PackedState, pack_state, restore_state
from sertool.core.runs.experiment import FoldInputs
from sertool.core.runs.members import Sizes
from sertool.core.runs.transfer_weights import Start, take_over
from sertool.core.training.batches import Tables
from sertool.core.training.loop import Epoch, Member, StackState, start, train

DISK_RATE = 1e9  # bytes a second, roughly


@dataclass(frozen=True)
class Resumed:
    """A group goes on from a saved state: its number and the epochs it already has."""

    group: int
    epoch: int


@dataclass(frozen=True)
class Saved:
    """The state of a group, to be kept."""

    state: PackedState


@dataclass(frozen=True)
class Stack:
    """Members that train together, and the state they go on from; None at their start."""

    members: list[Member]
    state: PackedState | None


@dataclass(frozen=True)
class Group:
    """What is left to train of a group, one stack after the other; ``path`` is where its state is kept."""

    number: int
    stacks: list[Stack]
    path: Path


@dataclass(frozen=True)
class GroupTraining:
    """What all groups of a training share, and only read.

    Attributes:
        recipe, task: of the experiment.
        sizes: of a stack.
        inputs: of each fold.
        tables: the corpus, on the CPU.
        vectors: initial word vectors of each fold, or None where they are drawn.
        class_weights: (V, C), or None.
        precision: of the device to train on.
        origin: what members start from; None where their weights are drawn.
        saving_share: of the time that may go into giving events away; states are as rare as that asks for.
    """

    recipe: Recipe
    task: Task
    sizes: Sizes
    inputs: Sequence[FoldInputs]
    tables: Tables
    vectors: Sequence[torch.Tensor | None]
    class_weights: torch.Tensor | None
    precision: Precision
    origin: Start | None
    saving_share: float

    def open(self) -> Callable[[Group], Iterator[Resumed | Epoch | Saved]]:
        """Move the corpus to the device; returns what trains a group."""
        device = self.precision.device
        tables = self.tables.to(device)
        weights = self.class_weights.to(device) if self.class_weights is not None else None

        def train_group(group: Group) -> Iterator[Resumed | Epoch | Saved]:
            while group.stacks:
                # Taken out, so that a state that was restored does not stay in memory.
                state = self._begin(group.stacks.pop(0), group.path)
                if state.epoch:
                    yield Resumed(group.number, state.epoch)
                yield from self._train(state, tables, weights)

        return train_group

    def _begin(self, stack: Stack, path: Path) -> StackState:
        members = stack.members
        model = build(self.recipe.model, members=len(members), **asdict(self.sizes))
        initialise(model, [member.seed for member in members], [self.vectors[m.fold] for m in members])
        if self.origin is not None:
            take_over(model, members, self.origin, self.inputs, self.task)
        state = start(model.to(self.precision.device), members, self.recipe.training)
        if stack.state is not None:
            restore_state(stack.state, state, path)
        return state

    def _train(
        self, state: StackState, tables: Tables, weights: torch.Tensor | None
    ) -> Iterator[Epoch | Saved]:
        # What the first state will cost is not known yet; a short training ends before it would be worth that.
        saved, waited = time.monotonic(), _state_bytes(state) / DISK_RATE
        for epoch in train(state, tables, self.recipe.training, weights, self.precision):
            # What is given away has been written, or is on its way, when this goes on.
            begun = time.monotonic()
            yield epoch
            now = time.monotonic()
            waited += now - begun
            if state.members and waited <= self.saving_share * (now - saved):
                yield Saved(pack_state(state))
                saved = time.monotonic()
                waited = saved - now


def _state_bytes(state: StackState) -> int:
    """Of the state of a stack, roughly: weights, moments, and the best of each."""
    return 6 * sum(parameter.numel() * parameter.element_size() for parameter in state.model.parameters())
