"""Bias, ReLU and dropout: one pass over the memory each way, without a stored mask."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sertool.core.models.kernels import use_triton
from sertool.core.models.kernels.noise import Noise, drop, dropped_steps


def relu_drop(
    values: Float[Tensor, "E N D"], bias: Float[Tensor, "E D"] | None, probability: float, noise: Noise | None
) -> Float[Tensor, "E N D"]:
    """Compute relu(values + bias), with dropout where ``noise`` is given."""
    if use_triton(values, "relu"):
        dropped = 0 if noise is None else dropped_steps(probability)
        key = noise.key() if noise is not None and dropped else None
        return _ReluDrop.apply(values, bias, dropped, key)  # type: ignore[no-any-return,no-untyped-call]
    if bias is not None:
        values = values + bias.unsqueeze(1).to(values.dtype)
    return drop(values.relu(), probability, noise)


class _ReluDrop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, bias: Tensor | None, dropped: int, key: Tensor | None) -> Tensor:
        from sertool.core.models.kernels.relu_triton import launch_forward

        # The result alone is kept: it is positive exactly where the gradient passes.
        result = launch_forward(values, bias, dropped, key)
        ctx.save_for_backward(result)
        ctx.dropped, ctx.with_bias = dropped, bias is not None
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        from sertool.core.models.kernels.relu_triton import launch_backward

        (result,) = ctx.saved_tensors
        d_values, d_bias = launch_backward(gradient, result, ctx.dropped)
        return d_values, d_bias if ctx.with_bias else None, None, None
