"""The norm behind a branch: norm(rows + dropout(branch + bias)), plain or modulated, in one pass each way."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sertool.core.models.kernels import use_triton
from sertool.core.models.kernels.dropout import drop
from sertool.core.models.kernels.noise import Noise, dropped_steps


@dataclass(frozen=True)
class Branch:
    """What a block's branch adds to its rows.

    Attributes:
        values: (E, P, D).
        bias: (E, D) that is still to be added, or None.
    """

    values: Tensor
    bias: Tensor | None

    def total(self) -> Tensor:
        """(E, P, D) with the bias."""
        if self.bias is None:
            return self.values
        return self.values + self.bias.unsqueeze(1).to(self.values.dtype)


@dataclass(frozen=True)
class Modulation:
    """What is added to gain and bias, a row.

    Attributes:
        gamma, beta: (E, B, D) of the utterances, slices of one tensor.
        utterance: (E, P) which a row belongs to.
        full: whether that is ``row % B``, as in a full layout.
    """

    gamma: Tensor
    beta: Tensor
    utterance: Tensor
    full: bool

    def spread(self, values: Tensor) -> Tensor:
        """(E, B, D) -> (E, P, D): an utterance's vector on each of its rows."""
        return values.gather(1, self.utterance.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def normalise(rows: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """``gain * (x - mean) / (std + 1e-6) + bias`` over the last axis of rows (E, N, D), std unbiased.

    Computed as torch's layer norm (biased variance, eps inside the root and vanishing) times sqrt((D - 1) / D). For
    a std s the two differ by 1e-6 / s relative; where s is 0 both give the bias.

    Args:
        rows: (E, N, D).
        gain: (E, N, D) or (E, 1, D).
        bias: likewise.
    """
    width = rows.shape[-1]
    return torch.addcmul(bias, F.layer_norm(rows, (width,), eps=1e-12), gain * math.sqrt((width - 1) / width))


def residual_norm(
    rows: Tensor,
    branch: Branch,
    gain: Tensor,
    bias: Tensor,
    probability: float,
    noise: Noise | None,
    modulation: Modulation | None = None,
) -> Tensor:
    """The norm of rows plus a branch with dropout, (E, P, D) in the branch's number format.

    Args:
        rows: (E, P, D).
        branch: added to them behind dropout.
        gain: (E, D).
        bias: (E, D).
        probability: of the dropout.
        noise: None for no dropout.
        modulation: added to gain and bias, or None.
    """
    if use_triton(rows, "norm") and (modulation is None or modulation.full):
        dropped = 0 if noise is None else dropped_steps(probability)
        key = noise.key() if noise is not None and dropped else None
        gamma, beta = (None, None) if modulation is None else (modulation.gamma, modulation.beta)
        return _ResidualNorm.apply(  # type: ignore[no-any-return,no-untyped-call]
            rows, branch.values, branch.bias, gain, bias, gamma, beta, dropped, key
        )
    gains, biases = gain.unsqueeze(1), bias.unsqueeze(1)
    if modulation is not None:
        gains, biases = (
            own + modulation.spread(part)
            for own, part in ((gains, modulation.gamma), (biases, modulation.beta))
        )
    summed = rows + drop(branch.total(), probability, noise)
    return normalise(summed, gains, biases).to(branch.values.dtype)


class _ResidualNorm(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx,  # noqa: ANN001
        rows: Tensor,
        branch: Tensor,
        branch_bias: Tensor | None,
        gain: Tensor,
        bias: Tensor,
        gamma: Tensor | None,
        beta: Tensor | None,
        dropped: int,
        key: Tensor | None,
    ) -> Tensor:
        from sertool.core.models.kernels.norm_triton import launch_forward

        result, summed = launch_forward(rows, branch, branch_bias, gain, bias, gamma, beta, dropped, key)
        ctx.save_for_backward(summed, gain, gamma)
        ctx.dropped, ctx.key = dropped, key
        ctx.formats = rows.dtype, branch_bias is not None, beta is not None
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.norm_triton import launch_backward

        summed, gain, gamma = ctx.saved_tensors
        number, with_bias, modulated = ctx.formats
        d_rows, d_branch, sums = launch_backward(gradient, summed, gain, gamma, ctx.dropped, ctx.key)
        d_gain, d_bias, d_branch_bias = sums.sum(1).unbind(1)
        d_gamma, d_beta = (sums[:, :, place].to(summed.dtype) if modulated else None for place in (0, 1))
        d_own = d_branch_bias if with_bias else None
        return d_rows.to(number), d_branch, d_own, d_gain, d_bias, d_gamma, d_beta, None, None
