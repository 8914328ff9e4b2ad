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
from sertool.core.corpora.tasks import Task
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.checkpoint import PackedState, pack_state, restore_state
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
class StackPlan:
    """Members that train together, and the saved state that they resume from; None before their first epoch."""

    members: list[Member]
    state: PackedState | None


@dataclass(frozen=True)
class Group:
    """The stacks of a group that are left to train, one after the other, and the file of its state."""

    number: int
    stacks: list[StackPlan]
    path: Path


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

    def open(self) -> Callable[[Group], Iterator[Resumed | Epoch | Saved]]:
        """Move the corpus to the device and return a function that trains a group."""
        device = self.precision.device
        tables = self.tables.to(device)
        weights = self.class_weights.to(device) if self.class_weights is not None else None

        def train_group(group: Group) -> Iterator[Resumed | Epoch | Saved]:
            while group.stacks:
                # Popped, so that a restored state does not stay in memory while its stack trains.
                state = self._begin(group.stacks.pop(0), group.path)
                if state.epoch:
                    yield Resumed(group.number, state.epoch)
                yield from self._train(state, tables, weights)

        return train_group

    def _begin(self, stack: StackPlan, path: Path) -> StackState:
        members = stack.members
        model = build(self.recipe.model, self.sizes, len(members))
        initialise(model, [member.seed for member in members], [self.vectors[m.fold] for m in members])
        # Members are initialised first: new words and classes keep these random rows.
        if self.origin is not None:
            take_over(model, members, self.origin, self.inputs, self.task)
        state = start(model.to(self.precision.device), members, self.recipe.training)
        if stack.state is not None:
            restore_state(stack.state, state, path)
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
