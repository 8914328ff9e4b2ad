"""What a step of Adam needs besides weights, gradients and moments."""

from dataclasses import dataclass

from torch import Tensor

BETAS = (0.9, 0.999)
EPS = 1e-8


@dataclass(frozen=True)
class MemberNumbers:
    """What differs between members in a step, (E,) float32 each.

    Attributes:
        scale: factor on the gradient (clipping).
        kept: factor on the weights before the step (decoupled weight decay).
        rate: learning rate over ``1 - beta1 ** t``.
        root: square root of ``1 - beta2 ** t``.
        moved: 1, or 0 where the member had no batch and stays as it is.
    """

    scale: Tensor
    kept: Tensor
    rate: Tensor
    root: Tensor
    moved: Tensor
