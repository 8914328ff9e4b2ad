"""The steps of an epoch: who sees which utterances at which rate, and one step after the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.recipe.load import Training
from sertool.core.training.batches import Tables
from sertool.core.training.optimizer import StackedAdam
from sertool.core.training.schedule import Schedule


@dataclass(frozen=True)
class Stack:
    """What a step needs and does not change, but for weights and moments.

    Attributes:
        model, adam: of the members.
        folds: of each member, whose vocabulary, statistics and class weights it uses.
        tables: the corpus.
        settings: the recipe's section.
        class_weights: (V, C) of each class in the loss by fold, or None.
        precision: device and number format.
    """

    model: MAT | MNT
    adam: StackedAdam
    folds: Sequence[int]
    tables: Tables
    settings: Training
    class_weights: Tensor | None
    precision: Precision

    def loss(self, logits: Tensor, index: Tensor, weight: Tensor, folds: Tensor) -> Tensor:
        """(E,) losses, summed over the utterances that count.

        Args:
            logits: (E, B, C).
            index: (E, B) positions of the utterances, on the device.
            weight: (E, B) 1 or 0, there too.
            folds: (E,) there too.
        """
        each = losses(logits.float(), self.tables.targets[index], folds, self.settings, self.class_weights)
        return (each * weight).sum(1)


def run_steps(stack: Stack, schedule: Schedule, seed: int) -> Tensor:
    """Do one step after the other, each as short as its longest batch and its longest utterance.

    Args:
        stack: members, corpus and settings; weights and moments move.
        schedule: of the epoch.
        seed: of the dropout.

    Returns:
        (E,) losses summed over the epoch.
    """
    device = stack.tables.device
    noise = Noise(seed, device)
    total = torch.zeros(len(stack.folds), device=device)
    folds = torch.tensor(stack.folds, device=device)
    weights = schedule.weights()
    for index, weight, sizes, rates in zip(
        schedule.index, weights, schedule.sizes, schedule.rates, strict=True
    ):
        longest = int(sizes.max())
        index, weight = index[:, :longest], weight[:, :longest]
        with stack.precision.context():
            logits = stack.model(stack.tables.gather(index, stack.folds), noise)
        loss = stack.loss(logits, index.to(device), weight.to(device), folds)
        stack.model.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        stack.adam.update(rates.tolist(), sizes.tolist())
        total += loss.detach()
    return total.cpu()


def losses(
    logits: Tensor, targets: Tensor, folds: Tensor, settings: Training, class_weights: Tensor | None
) -> Tensor:
    """The loss (E, B) of each utterance: cross-entropy, or binary cross-entropy summed over the classes.

    Args:
        logits: (E, B, C).
        targets: (E, B) classes, or (E, B, C) 0/1.
        folds: (E,) whose class weights are a member's.
        settings: the recipe's section.
        class_weights: (V, C), or None.
    """
    smoothing = settings.label_smoothing
    if targets.dim() == 3:
        smooth = targets * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, reduction="none").sum(-1)
    each = F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing
    ).view(targets.shape)
    if class_weights is not None:
        each = each * class_weights[folds].gather(1, targets)
    return each
