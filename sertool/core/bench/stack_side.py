"""sertool's side: members in the groups, side by side, that ``sertool train`` would choose, on the same path."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch

from sertool.core.bench.workload import Workload
from sertool.core.models.build import StackModel, initialise
from sertool.core.runs.experiment import class_weights_of
from sertool.core.runs.members import new_stack
from sertool.core.runs.plan import divide, parted
from sertool.core.training.logits import logits_of
from sertool.core.training.loop import Epoch, Member, StackState, start, train, train_epoch


@dataclass(frozen=True)
class Ended:
    """A member that was trained to its natural end: epochs, and its best score on validation."""

    epochs: int
    score: float


class StackSide:
    """The stack side: E members. It holds as many stacks as train at the same time, and groups take turns on them.

    Attributes:
        members: all members.
        size, workers, threads: members per group, groups side by side, threads of each.
        epoch_utterances: utterances of each member in an epoch; see :meth:`settle`.
    """

    def __init__(self, work: Workload, members: int) -> None:
        self.work = work
        recipe, folds = work.experiment.recipe, work.experiment.folds
        self.settings = recipe.training
        seeds = range(self.settings.seed, self.settings.seed + members)
        every = (
            Member(seed, number, torch.tensor(fold.sets["train"]), torch.tensor(fold.sets["valid"]))
            for seed in seeds
            for number, fold in enumerate(folds)
        )
        self.members = [member for member, _ in zip(every, range(members), strict=False)]
        self.size, self.workers, self.threads = divide(work.experiment, members, None, work.precision)
        self.groups = [self.members[first : first + self.size] for first in range(0, members, self.size)]
        self.workers = min(self.workers, len(self.groups))
        self.precision = parted(work.precision, self.settings, self.size, self.threads)
        weights = class_weights_of(work.experiment)
        self.class_weights = weights.to(work.precision.device) if weights is not None else None
        self.epoch_utterances = min(len(member.train) for member in self.members)
        self.stacks: dict[tuple[int, int], StackState] = {}
        self._everyone: StackModel | None = None

    @property
    def steps_an_epoch(self) -> int:
        """Number of steps in a whole epoch of the member with most utterances."""
        longest = max(len(member.train) for member in self.members)
        return -(-longest // self.settings.batch_size)

    @property
    def parameters(self) -> int:
        """Number of parameters of a member."""
        model = new_stack(self.work.experiment, self.work.inputs, 1)
        return sum(parameter.numel() for parameter in model.parameters())

    def settle(self, steps: int) -> None:
        """Set the steps of an epoch, at most a whole one; recorded steps fit one length only and are dropped."""
        whole = min(len(member.train) for member in self.members)
        utterances = min(whole, steps * self.settings.batch_size)
        if utterances != self.epoch_utterances:
            self.epoch_utterances = utterances
            for state in self.stacks.values():
                state.static = None

    def train(self, epochs: int = 1) -> int:
        """Train every member for some short epochs without validation; return the utterances over all members."""

        def work(worker: int) -> None:
            for group in self.groups[worker :: self.workers]:
                state = self._stack(worker, group)
                for _ in range(epochs):
                    self._epoch(state)

        self._side_by_side(work)
        return epochs * self.epoch_utterances * len(self.members)

    def _epoch(self, state: StackState) -> None:
        whole = state.members
        # The order is drawn anew each time, so a short epoch is of other utterances each time.
        state.members = [
            replace(member, train=member.train[torch.randperm(len(member.train))[: self.epoch_utterances]])
            for member in whole
        ]
        work = self.work
        train_epoch(state, work.tables, self.settings, self.class_weights, self.precision)
        state.members = whole
        state.epoch += 1

    def _stack(self, worker: int, group: Sequence[Member]) -> StackState:
        key = worker, len(group)
        if key not in self.stacks:
            self.stacks[key] = self._start(group)
        return self.stacks[key]

    def _start(self, group: Sequence[Member]) -> StackState:
        return start(self._initialised(group), group, self.settings)

    def _initialised(self, members: Sequence[Member]) -> StackModel:
        model = new_stack(self.work.experiment, self.work.inputs, len(members))
        initialise(model, [member.seed for member in members], [None] * len(members))
        return model.to(self.work.precision.device)

    def _side_by_side(self, work: Callable[[int], None]) -> None:
        with self.work.precision.threaded(self.threads):
            if self.workers == 1:  # in this thread, as a training does it
                work(0)
                return
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(work, range(self.workers)))

    def evaluate(self, utterances: int) -> int:
        """Evaluate at most that many held-out utterances by every member; return their number over all members.

        Stacks that train on a CUDA device use their recorded steps, which fit one number of utterances only;
        all others evaluate as `sertool ensemble` does.
        """
        rows = self.work.held_out[:utterances]
        recorded = [state for state in self.stacks.values() if state.static is not None]
        if recorded:
            for group in self.groups:
                static = self._stack(0, group).static
                assert static is not None
                static.evaluate([rows] * len(group))
        else:
            self._evaluate_apart(rows)
        return len(rows) * len(self.members)

    def _evaluate_apart(self, rows: torch.Tensor) -> None:
        if self._everyone is None:
            self._everyone = self._initialised(self.members)
        every, folds = [rows] * len(self.members), [member.fold for member in self.members]
        logits_of(self._everyone, self.work.tables, every, folds, self.work.precision)

    def finish(self, tell: Callable[[Epoch], None] = lambda epoch: None) -> tuple[list[Ended], float]:
        """Train all members from their start to their natural end with validation; return them and the seconds."""
        self.stacks.clear()
        ended: list[Ended] = []

        def work(worker: int) -> None:
            for group in self.groups[worker :: self.workers]:
                own = self.work
                state = self._start(group)
                for epoch in train(state, own.tables, self.settings, self.class_weights, self.precision):
                    tell(epoch)
                    ended.extend(Ended(epoch.number, done.progress.best) for done in epoch.finished)

        begun = time.perf_counter()
        self._side_by_side(work)
        return ended, time.perf_counter() - begun
