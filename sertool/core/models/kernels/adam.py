"""One parameter's Adam step for all members of a stack, each with its own rate and step count."""

import torch
from torch import Tensor

from sertool.core.models.kernels import use_triton
from sertool.core.models.kernels.adam_numbers import BETAS, EPS, MemberNumbers


def adam_step(
    parameter: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    numbers: MemberNumbers,
    copy: Tensor | None = None,
) -> None:
    """Move a parameter and its moments, (E, ...) float32 each, in place.

    Args:
        parameter: moved.
        gradient: in any number format.
        first: moment.
        second: moment.
        numbers: of the members.
        copy: takes the moved parameter in its own number format, or None.

    Source: Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """
    if use_triton(parameter, "adam"):
        from sertool.core.models.kernels.adam_triton import launch

        launch(parameter, gradient.contiguous(), first, second, numbers, copy)
    else:
        adam_step_plain(parameter, gradient, first, second, numbers)
        if copy is not None:
            copy.copy_(parameter)


def adam_step_plain(
    parameter: Tensor, gradient: Tensor, first: Tensor, second: Tensor, numbers: MemberNumbers
) -> None:
    """The definition of :func:`adam_step`."""
    shape = (-1, *[1] * (parameter.dim() - 1))
    scale, kept, rate, root = (
        part.view(shape) for part in (numbers.scale, numbers.kept, numbers.rate, numbers.root)
    )
    moved = numbers.moved.view(shape) > 0
    gradient = gradient * scale
    new_first = first.lerp(gradient, 1 - BETAS[0])
    new_second = second * BETAS[1] + gradient * gradient * (1 - BETAS[1])
    moved_weight = parameter * kept - rate * new_first / (new_second.sqrt() / root + EPS)
    first.copy_(torch.where(moved, new_first, first))
    second.copy_(torch.where(moved, new_second, second))
    parameter.copy_(torch.where(moved, moved_weight, parameter))
