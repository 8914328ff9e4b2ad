"""Adam's step for a parameter of all members, each with its own learning rate and step count.

With gradient ``g``, moments ``m`` and ``v``, and ``t`` updates so far including this one:

    m = beta1 m + (1 - beta1) g
    v = beta2 v + (1 - beta2) g^2
    p = p - rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

The two denominators ``1 - beta^t`` correct the bias of moments that start at zero. AdamW shrinks ``p`` by the factor
``1 - rate * decay`` first.

Sources: Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sertool.core.models.kernels import use_triton

BETAS = (0.9, 0.999)
EPS = 1e-8


@dataclass(frozen=True)
class MemberNumbers:
    """Factors of one step that differ between members, float32 each.

    Attributes:
        scale: factor on the gradient (clipping).
        kept: factor on the weights before the step (decoupled weight decay).
        step_size: learning rate over ``1 - beta1 ** t``.
        root: square root of ``1 - beta2 ** t``.
        moved: 1, or 0 for a member without a batch, which stays as it is.
    """

    scale: Float[Tensor, "E"]
    kept: Float[Tensor, "E"]
    step_size: Float[Tensor, "E"]
    root: Float[Tensor, "E"]
    moved: Float[Tensor, "E"]


def adam_step(
    parameter: Float[Tensor, "E *S"],
    gradient: Float[Tensor, "E *S"],
    first: Float[Tensor, "E *S"],
    second: Float[Tensor, "E *S"],
    numbers: MemberNumbers,
    copy: Float[Tensor, "E *S"] | None = None,
) -> None:
    """Update a parameter and its moments, float32 each, in place.

    Args:
        parameter: weights to update.
        gradient: any number format.
        first: first moment, ``m``.
        second: second moment, ``v``.
        numbers: factors of each member.
        copy: receives the updated parameter in its own number format, or None.
    """
    if use_triton(gradient, "adam"):
        from sertool.core.models.kernels.adam_triton import launch

        factors = (numbers.scale, numbers.kept, numbers.step_size, numbers.root, numbers.moved)
        launch(parameter, gradient.contiguous(), first, second, factors, BETAS, EPS, copy)
    else:
        adam_step_plain(parameter, gradient, first, second, numbers)
        if copy is not None:  # the kernel writes it in the same pass
            copy.copy_(parameter)


def adam_step_plain(parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, numbers: MemberNumbers) -> None:
    """Define :func:`adam_step` in plain torch."""
    shape = (-1, *[1] * (parameter.dim() - 1))
    scale, kept, step_size, root = (
        part.view(shape) for part in (numbers.scale, numbers.kept, numbers.step_size, numbers.root)
    )
    moved = numbers.moved.view(shape) > 0
    gradient = gradient * scale
    new_first = first.lerp(gradient, 1 - BETAS[0])
    new_second = second * BETAS[1] + gradient * gradient * (1 - BETAS[1])
    moved_weight = parameter * kept - step_size * new_first / (new_second.sqrt() / root + EPS)
    first.copy_(torch.where(moved, new_first, first))
    second.copy_(torch.where(moved, new_second, second))
    parameter.copy_(torch.where(moved, moved_weight, parameter))
