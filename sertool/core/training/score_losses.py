"""Losses of scores: squared and absolute error, the concordance correlation of a batch, and mixtures of them."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LEAST_VARIANCE = 1e-6  # of standardised targets; what varies less is constant but for rounding


def score_loss(
    outputs: Float[Tensor, "E B D"],
    targets: Float[Tensor, "E B D"],
    weight: Float[Tensor, "E B"],
    mixture: Mapping[str, float],
) -> Float[Tensor, "E"]:
    """Sum each member's losses over the utterances that count.

    ``mse`` and ``mae`` are means over the D scores of an utterance; a missing score adds nothing. ``ccc`` is one minus
    the concordance correlation over the batch, averaged over the scores and counted once for each utterance.

    Args:
        outputs: predictions, standardised as the targets are.
        targets: scores, NaN where one is missing.
        weight: 1 for an utterance that counts, 0 for one that fills up a batch.
        mixture: weight of each loss by name.
    """
    there = ~targets.isnan() & (weight > 0).unsqueeze(-1)
    # Zeros in place of NaN: a gradient of 0 times NaN would be NaN.
    targets = torch.where(there, targets, 0.0)
    total = torch.zeros(len(outputs), device=outputs.device)
    for name, share in mixture.items():
        total = total + share * _LOSSES[name](outputs, targets, there, weight)
    return total


def _mse(outputs: Tensor, targets: Tensor, there: Tensor, weight: Tensor) -> Tensor:
    return ((outputs - targets).square() * there).mean(-1).sum(1)


def _mae(outputs: Tensor, targets: Tensor, there: Tensor, weight: Tensor) -> Tensor:
    return ((outputs - targets).abs() * there).mean(-1).sum(1)


def _ccc(outputs: Tensor, targets: Tensor, there: Tensor, weight: Tensor) -> Tensor:
    each = batch_ccc_loss(outputs, targets, there)
    return each.mean(-1) * weight.sum(1)


def batch_ccc_loss(
    outputs: Float[Tensor, "E B D"], targets: Float[Tensor, "E B D"], there: Bool[Tensor, "E B D"]
) -> Float[Tensor, "E D"]:
    """Return one minus the concordance correlation coefficient of each score over a batch.

    ``CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``. It is not defined where a batch holds fewer than
    two different targets of a score: there its mean squared error counts instead, so that these utterances still teach.

    Args:
        outputs: predictions, standardised as the targets are.
        targets: scores, finite everywhere.
        there: True where a target counts.

    Source: L. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", Biometrics 45, 1989.
    """
    count = there.sum(1).clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return (values * there).sum(1) / count

    of_outputs, of_targets = mean(outputs), mean(targets)
    x, y = outputs - of_outputs.unsqueeze(1), targets - of_targets.unsqueeze(1)
    spread = mean(y.square())
    varies = spread > LEAST_VARIANCE
    # The denominator is at least the spread of the targets; 1 stands where that is nothing and the result is not used.
    below = torch.where(varies, mean(x.square()) + spread + (of_outputs - of_targets).square(), 1.0)
    return torch.where(varies, 1 - 2 * mean(x * y) / below, mean((outputs - targets).square()))


_LOSSES: Mapping[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {"mse": _mse, "mae": _mae, "ccc": _ccc}
