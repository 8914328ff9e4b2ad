"""Dropout alone, and behind a bias and a ReLU: one pass over the memory each way, and no mask that is stored."""

import torch
from torch import Tensor

from sertool.core.models.kernels import use_triton
from sertool.core.models.kernels.noise import Noise, dropped_steps


def drop(values: Tensor, probability: float, noise: Noise | None) -> Tensor:
    """Dropout of values (E, N, D) while training, the values themselves otherwise."""
    if noise is None or probability == 0:
        return values
    if use_triton(values, "dropout"):
        return _Drop.apply(values, dropped_steps(probability), noise.key())  # type: ignore[no-any-return,no-untyped-call]
    return noise.dropout(values, probability)


def relu_drop(values: Tensor, bias: Tensor | None, probability: float, noise: Noise | None) -> Tensor:
    """Dropout of relu(values + bias).

    Args:
        values: (E, N, D).
        bias: (E, D), or None.
        probability: of the dropout.
        noise: None for no dropout.
    """
    if use_triton(values, "relu"):
        dropped = 0 if noise is None else dropped_steps(probability)
        key = noise.key() if noise is not None and dropped else None
        return _ReluDrop.apply(values, bias, dropped, key)  # type: ignore[no-any-return,no-untyped-call]
    if bias is not None:
        values = values + bias.unsqueeze(1).to(values.dtype)
    return drop(values.relu(), probability, noise)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, dropped: int, key: Tensor) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.dropout_triton import launch_forward

        ctx.dropped, ctx.key = dropped, key
        return launch_forward(values, None, dropped, key, relu=False)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.dropout_triton import launch_forward

        return launch_forward(gradient, None, ctx.dropped, ctx.key, relu=False), None, None


class _ReluDrop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, bias: Tensor | None, dropped: int, key: Tensor | None) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.dropout_triton import launch_forward

        result = launch_forward(values, bias, dropped, key, relu=True)
        ctx.save_for_backward(result)
        ctx.dropped, ctx.with_bias = dropped, bias is not None
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.dropout_triton import launch_backward

        (result,) = ctx.saved_tensors
        d_values, d_bias = launch_backward(gradient, result, ctx.dropped)
        return d_values, d_bias if ctx.with_bias else None, None, None
