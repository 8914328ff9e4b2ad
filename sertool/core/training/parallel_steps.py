"""Steps of a single member on a CPU: its batch in parts, computed side by side, and their gradients added up.

Two threads inside every operation gain little: the recurrence's products are too small to divide, and at each operation
one thread waits for the other. A part does not wait until its gradients are complete. Utterances are distributed by
length, so that all parts take about equally long. The sum of the gradients equals that of the undivided batch up to
rounding; dropout masks differ, because each part has a generator of its own.
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from sertool.core.models.build import StackModel, member_view
from sertool.core.models.kernels.noise import Noise
from sertool.core.training.schedule import Schedule
from sertool.core.training.steps import Stack


def run_parted_steps(stack: Stack, schedule: Schedule, seed: int) -> Float[Tensor, "E"]:
    """Train one member for one epoch in ``stack.precision.parts``; arguments and result as of ``steps.run_steps``."""
    precision, total = stack.precision, torch.zeros(1)
    stack.adam.join()  # before the parts take views of the weights
    parts = [_Part(stack, seed + number) for number in range(precision.parts)]
    with ThreadPoolExecutor(len(parts), initializer=torch.set_num_threads, initargs=(precision.part_threads,)) as pool:
        for index, sizes, rates in zip(schedule.index, schedule.sizes, schedule.rates, strict=True):
            dealt = _deal(stack, index[0, : int(sizes[0])], len(parts))
            for number, loss in enumerate(pool.map(_Part.work, parts, dealt)):
                total += loss
                parts[number].add_gradients(stack.model, first=number == 0)
            stack.adam.update(rates.tolist(), sizes.tolist())
            stack.model.zero_grad(set_to_none=True)
    # set_num_threads in a worker also set the number for threads to come; restore it.
    torch.set_num_threads(torch.get_num_threads())
    return total


class _Part:
    """Worker that shares the member's weights and has gradients and dropout of its own."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack = stack
        self.model: StackModel = member_view(stack.model, 0).requires_grad_()
        self.noise = Noise(seed % 2**63)
        self.folds = torch.tensor(stack.folds)

    def work(self, rows: Int64[Tensor, "N"]) -> Float32[Tensor, "1"]:
        """Compute the summed loss of some utterances, and leave its gradients in the part's model."""
        stack, index = self.stack, rows.unsqueeze(0)
        with stack.precision.context():
            logits = self.model(stack.tables.gather(index, stack.folds), self.noise)
        loss = stack.loss(logits, index, torch.ones(index.shape), self.folds)
        self.model.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def add_gradients(self, model: StackModel, *, first: bool) -> None:
        """Add the part's gradients to the member's; the first part's become the member's without a copy."""
        for own, parameter in zip(self.model.parameters(), model.parameters(), strict=True):
            if first or parameter.grad is None or own.grad is None:
                parameter.grad = own.grad
            else:
                parameter.grad += own.grad


def _deal(stack: Stack, rows: Int64[Tensor, "N"], parts: int) -> list[Tensor]:
    """Distribute utterances over parts of about equal length; there are fewer parts than asked for if N is smaller.

    Utterances go from the longest to the shortest to parts 1, 2, ..., K, K, ..., 2, 1, 1, 2, and so on.
    """
    tables = stack.tables
    lengths = tables.audio_lengths[rows] + tables.text_lengths[rows]
    order = rows[lengths.argsort(descending=True, stable=True)]
    turn = 2 * parts  # once forth and once back
    dealt = [
        torch.cat([order[number::turn], order[turn - 1 - number :: turn]]) for number in range(min(parts, len(order)))
    ]
    return [part for part in dealt if len(part)]
