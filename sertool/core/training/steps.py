"""The plain steps of an epoch, one after the other, and the loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.models.build import StackModel
from sertool.core.models.kernels.noise import Noise
from sertool.core.recipe.losses import weights_of
from sertool.core.recipe.schema import Training
from sertool.core.training.batches import Tables
from sertool.core.training.optimizer import StackedAdam
from sertool.core.training.schedule import Schedule
from sertool.core.training.score_losses import score_loss

ClassWeights = Float[Tensor, "V C"] | None  # weight of each class in the loss, for each of V folds


@dataclass(frozen=True)
class Stack:
    """A model with everything that a training step needs; a step changes weights and moments alone.

    Attributes:
        model: E members.
        adam: their optimizer.
        folds: fold of each member; it selects the vocabulary, statistics and class weights.
        tables: the corpus.
        settings: section ``training`` of the recipe.
        class_weights: weight of each class, or None.
        precision: device and number format.
    """

    model: StackModel
    adam: StackedAdam
    folds: Sequence[int]
    tables: Tables
    settings: Training
    class_weights: ClassWeights
    precision: Precision

    def loss(
        self,
        logits: Float[Tensor, "E B C"],
        index: Int64[Tensor, "E B"],
        weight: Float[Tensor, "E B"],
        folds: Int64[Tensor, "E"],
    ) -> Float[Tensor, "E"]:
        """Sum each member's losses over the utterances that count (weight 1, not 0); all tensors on the device."""
        tables, settings = self.tables, self.settings
        targets = tables.targets_at(index, folds)
        if settings.loss is not None:
            return score_loss(logits.float(), targets, weight, weights_of(settings.loss))
        soft = tables.kind == "soft"
        each = losses(logits.float(), targets, folds, settings, self.class_weights, soft=soft)
        return (each * weight).sum(1)


def run_steps(stack: Stack, schedule: Schedule, seed: int) -> Float[Tensor, "E"]:
    """Train for one epoch; a step computes no more than its longest batch and its longest utterance need.

    Args:
        stack: members, corpus and settings; weights and moments are updated.
        schedule: batches and learning rates of the epoch.
        seed: seed of dropout.

    Returns:
        Each member's losses, summed over the epoch.
    """
    device = stack.tables.device
    noise = Noise(seed, device)
    total = torch.zeros(len(stack.folds), device=device)
    folds = torch.tensor(stack.folds, device=device)
    weights, widths = schedule.weights(), schedule.widths()
    stack.adam.join()
    for step, (sizes, rates) in enumerate(zip(schedule.sizes, schedule.rates, strict=True)):
        rows = slice(0, int(widths[step].max()))
        index, weight, turns = schedule.index[step, :, rows], weights[step, :, rows], schedule.turns(step)
        turns = None if turns is None else turns[:, rows]
        with stack.precision.context():
            logits = stack.model(stack.tables.gather(index, stack.folds, turns), noise)
        loss = stack.loss(logits, index.to(device), weight.to(device), folds)
        stack.model.zero_grad(set_to_none=True)
        # Members share no weights, so the gradient of the sum is each member's own.
        loss.sum().backward()  # type: ignore[no-untyped-call]
        stack.adam.update(rates.tolist(), sizes.tolist())
        total += loss.detach()
    return total.cpu()


def losses(
    logits: Float[Tensor, "E B C"],
    targets: Int64[Tensor, "E B"] | Float[Tensor, "E B C"],
    folds: Int64[Tensor, "E"],
    settings: Training,
    class_weights: Float[Tensor, "V C"] | None,
    *,
    soft: bool = False,
) -> Float[Tensor, "E B"]:
    """Compute the loss of each utterance: cross-entropy, or binary cross-entropy summed over the classes.

    Args:
        logits: outputs of the stack.
        targets: classes; or 0/1 for each class, with ``soft`` the share of the raters that chose it.
        folds: fold of each member; it selects the class weights.
        settings: section ``training`` of the recipe.
        class_weights: weight of each class for each of V folds, or None.
        soft: targets are shares, whose cross-entropy with the softmax of the logits is the loss.
    """
    smoothing = settings.label_smoothing
    if soft:
        shares = targets * (1 - smoothing) + smoothing / targets.shape[-1]
        if class_weights is not None:
            shares = shares * class_weights[folds].unsqueeze(1)
        return -(shares * F.log_softmax(logits, -1)).sum(-1)
    if targets.dim() == 3:
        # Label smoothing for two outcomes: 1 becomes 1 - s / 2, 0 becomes s / 2.
        smooth = targets * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, reduction="none").sum(-1)
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing).view(
        targets.shape
    )
    if class_weights is not None:
        each = each * class_weights[folds].gather(1, targets)
    return each
