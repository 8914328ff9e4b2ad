"""Schedule of an epoch: the utterances of each member's batches, and the learning rate of each update."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from sertool.core.models.inputs import Turns
from sertool.core.recipe.schema import Training
from sertool.core.training.dialogues import Dialogues, Packed, even_batches, pack, pieces_of, widest


@dataclass(frozen=True)
class Schedule:
    """Schedule of an epoch of S steps, on the CPU.

    Attributes:
        index: positions of the utterances; a batch that is not full is filled up with a repeated one.
        sizes: number of utterances that count; 0 where a member has no batch left.
        rates: learning rates.
        packed: places of the utterances in their dialogues, for a model with context; else the first of a batch count.
    """

    index: Int64[Tensor, "S E B"]
    sizes: Int64[Tensor, "S E"]
    rates: Float[Tensor, "S E"]
    packed: Packed | None = None

    def __len__(self) -> int:
        return len(self.index)

    def weights(self) -> Float32[Tensor, "S E B"]:
        """Return 1 for an utterance that counts, 0 for a filler and for what is context alone."""
        if self.packed is not None:
            return self.packed.counts.float()
        return (torch.arange(self.index.shape[2]) < self.sizes.unsqueeze(-1)).float()

    def widths(self) -> Int64[Tensor, "S E"]:
        """Return the rows of each batch that are no fillers."""
        return self.sizes if self.packed is None else self.packed.used

    def turns(self, step: int) -> Turns | None:
        """Return the turns (E, B) of a step; None without context."""
        return None if self.packed is None else self.packed.turns[step]

    def last_rates(self) -> list[float]:
        """Return the learning rate of each member's last update."""
        last = self.sizes.ne(0).sum(0) - 1
        rates: list[float] = self.rates.gather(0, last.unsqueeze(0))[0].tolist()
        return rates


def plan_epoch(
    orders: Sequence[Int64[Tensor, "_"]],
    settings: Training,
    epoch: int,
    decays: Sequence[int],
    dialogues: Dialogues | None = None,
) -> Schedule:
    """Divide every member's utterances into batches.

    Args:
        orders: (N_e,) utterances of each member in the order of this epoch.
        settings: section ``training`` of the recipe.
        epoch: number of epochs before this one.
        decays: number of times each member's learning rate has decayed.
        dialogues: whole dialogues, or pieces of long ones, go into a batch; their order is that of the first utterance
            of each. The shapes are the same in every epoch.
    """
    size = settings.batch_size
    steps = [-(-len(order) // size) for order in orders]
    rates = torch.zeros(max(steps), len(orders), dtype=torch.float64)  # as Python's floats in rate_at
    for member, own in enumerate(steps):
        for step in range(own):
            done, total = epoch * own + step, settings.max_epochs * own
            rates[step, member] = rate_at(settings, done, total, decays[member])
    if dialogues is not None:
        pieces = [pieces_of(dialogues, order, size) for order in orders]
        width = max(map(widest, pieces, steps))
        packed = pack([even_batches(*own) for own in zip(pieces, steps, strict=True)], dialogues.previous, width)
        return Schedule(packed.index, packed.counts.sum(-1), rates, packed)
    index = torch.stack([order[0].expand(max(steps) * size) for order in orders]).clone()
    sizes = torch.zeros(max(steps), len(orders), dtype=torch.int64)
    for member, (order, own) in enumerate(zip(orders, steps, strict=True)):
        index[member, : len(order)] = order
        sizes[:own, member] = size
        sizes[own - 1, member] = len(order) - (own - 1) * size
    longest = int(sizes.max())  # no wider than the largest batch, when all are smaller than batch_size
    cut = index.view(len(orders), -1, size)[:, :, :longest]
    return Schedule(cut.transpose(0, 1).contiguous(), sizes, rates)


def rate_at(settings: Training, step: int, total: int, decays: int) -> float:
    """Return the learning rate of a member's next update.

    Args:
        settings: section ``training`` of the recipe.
        step: updates done.
        total: updates of the complete training.
        decays: number of times that the rollback schedule has returned to the best weights.

    ``rollback`` is the reference's rule, base * decay^k. ``onecycle`` follows torch's OneCycleLR (Smith and Topin 2018)
    with cosine annealing: up from 1/25 of the rate, down to 1/250,000 (torch's defaults). ``cosine`` warms up linearly
    from 0 and falls to 0.
    """
    peak = settings.learning_rate
    if settings.schedule == "rollback":
        return peak * settings.lr_decay**decays
    warm = settings.warmup * total
    if settings.schedule == "onecycle":
        warm -= 1  # torch counts the steps from the first rate to the peak
        if step < warm:
            return _cosine(peak / 25, peak, step / warm)
        return _cosine(peak, peak / 250_000, (step - warm) / max(total - 1 - warm, 1))
    if step < warm:
        return peak * (step + 1) / (warm + 1)
    return _cosine(peak, 0.0, (step - warm) / max(total - warm, 1))


def _cosine(start: float, end: float, progress: float) -> float:
    """Move from start to end along half a cosine, with a slope of 0 at both ends."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
