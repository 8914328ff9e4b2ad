"""A lone member's steps on a CPU: its batch in parts, side by side, and their gradients added up.

Two threads inside every operation gain little: the recurrence's products are too small to divide, and a thread waits
at each operation for the other. A part waits for nothing until its gradients are there. Utterances are dealt out by
length, so that parts take equally long. The sum of the gradients is that of the whole batch up to rounding; dropout
draws its numbers part by part, so members trained in another number of parts differ as by another draw.
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from sertool.core.models.build import member_view
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.training.schedule import Schedule
from sertool.core.training.steps import Stack


def run_parted_steps(stack: Stack, schedule: Schedule, seed: int) -> Tensor:
    """An epoch of one member in ``stack.precision.parts``; as :func:`~sertool.core.training.steps.run_steps`."""
    precision, total = stack.precision, torch.zeros(1)
    parts = [_Part(stack, seed + number) for number in range(precision.parts)]
    with ThreadPoolExecutor(
        len(parts), initializer=torch.set_num_threads, initargs=(precision.part_threads,)
    ) as pool:
        for index, sizes, rates in zip(schedule.index, schedule.sizes, schedule.rates, strict=True):
            dealt = _deal(stack, index[0, : int(sizes[0])], len(parts))
            for number, loss in enumerate(pool.map(_Part.work, parts, dealt)):
                total += loss
                parts[number].add_gradients(stack.model, first=number == 0)
            stack.adam.update(rates.tolist(), sizes.tolist())
            stack.model.zero_grad(set_to_none=True)
    # The threads' own number was torch's number for new threads, too.
    torch.set_num_threads(torch.get_num_threads())
    return total


class _Part:
    """The member's weights with gradients and dropout of its own."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack = stack
        self.model: MAT | MNT = member_view(stack.model, 0).requires_grad_()
        self.noise = Noise(seed % 2**63)
        self.folds = torch.tensor(stack.folds)

    def work(self, rows: Tensor) -> Tensor:
        """Leave the gradients of the summed loss of some utterances (N,); returns that loss (1,)."""
        stack, index = self.stack, rows.unsqueeze(0)
        with stack.precision.context():
            logits = self.model(stack.tables.gather(index, stack.folds), self.noise)
        loss = stack.loss(logits, index, torch.ones(index.shape), self.folds)
        self.model.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def add_gradients(self, model: MAT | MNT, *, first: bool) -> None:
        """Add them to the member's; the first part's become the member's."""
        for own, parameter in zip(self.model.parameters(), model.parameters(), strict=True):
            if first or parameter.grad is None or own.grad is None:
                parameter.grad = own.grad
            else:
                parameter.grad += own.grad


def _deal(stack: Stack, rows: Tensor, parts: int) -> list[Tensor]:
    """Rows (N,) in parts of about equal length, longest first, back and forth; fewer parts where there are fewer."""
    tables = stack.tables
    lengths = tables.audio_lengths[rows] + tables.text_lengths[rows]
    order = rows[lengths.argsort(descending=True, stable=True)]
    turn = 2 * parts
    dealt = [
        torch.cat([order[number::turn], order[turn - 1 - number :: turn]])
        for number in range(min(parts, len(order)))
    ]
    return [part for part in dealt if len(part)]
