"""Post-norm of a residual branch, norm(rows + dropout(branch + bias)), plain or modulated, in one pass each way."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from sertool.core.models.kernels import use_triton
from sertool.core.models.kernels.noise import Noise, drop, dropped_steps


@dataclass(frozen=True)
class Branch:
    """Output of a residual branch; ``bias`` is still to be added, if there is one."""

    values: Float[Tensor, "E P D"]
    bias: Float[Tensor, "E D"] | None

    def total(self) -> Float[Tensor, "E P D"]:
        """Return the values with the bias added."""
        if self.bias is None:
            return self.values
        return self.values + self.bias.unsqueeze(1).to(self.values.dtype)


@dataclass(frozen=True)
class Modulation:
    """Vectors of each utterance that are added to a norm's gain (gamma) and bias (beta).

    Attributes:
        gamma, beta: slices of one tensor.
        utterance: utterance that each row belongs to.
        full: True if that is ``row % B``, as in a full layout.
    """

    gamma: Float[Tensor, "E B D"]
    beta: Float[Tensor, "E B D"]
    utterance: Int64[Tensor, "E P"]
    full: bool

    def spread(self, values: Float[Tensor, "E B D"]) -> Float[Tensor, "E P D"]:
        """Repeat an utterance's vector on each of its rows."""
        return values.gather(1, self.utterance.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def normalise(
    rows: Float[Tensor, "E N D"], gain: Float[Tensor, "E #N D"], bias: Float[Tensor, "E #N D"]
) -> Float[Tensor, "E N D"]:
    """Compute ``gain * (x - mean) / (std + 1e-6) + bias`` over the last axis, with the unbiased std (divisor D - 1).

    It is computed as torch's layer norm (biased variance, a vanishing eps inside the root) times sqrt((D - 1) / D). For
    a std s the relative difference is 1e-6 / s; where s is 0 both give the bias.
    """
    width = rows.shape[-1]
    return torch.addcmul(bias, F.layer_norm(rows, (width,), eps=1e-12), gain * math.sqrt((width - 1) / width))


def residual_norm(
    rows: Float[Tensor, "E P D"],
    branch: Branch,
    gain: Float[Tensor, "E D"],
    bias: Float[Tensor, "E D"],
    probability: float,
    noise: Noise | None,
    modulation: Modulation | None = None,
) -> Float[Tensor, "E P D"]:
    """Compute norm(rows + dropout(branch)) in the branch's number format.

    Args:
        rows: input of the block.
        branch: output of the block's branch.
        gain: factor of each member after normalisation.
        bias: offset of each member.
        probability: probability that dropout zeroes a value of the branch.
        noise: source of dropout masks; None for no dropout.
        modulation: added to gain and bias, or None.
    """
    # The kernel finds a row's utterance as row % B, so it needs the full layout.
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
            own + modulation.spread(part) for own, part in ((gains, modulation.gamma), (biases, modulation.beta))
        )
    summed = rows + drop(branch.total(), probability, noise)  # post-norm: the sum is normalised
    return normalise(summed, gains, biases).to(branch.values.dtype)


class _ResidualNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
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
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from sertool.core.models.kernels.norm_triton import launch_backward

        summed, gain, gamma = ctx.saved_tensors
        number, with_bias, modulated = ctx.formats
        d_rows, d_branch, sums = launch_backward(gradient, summed, gain, gamma, ctx.dropped, ctx.key)
        d_gain, d_bias, d_branch_bias = sums.sum(1).unbind(1)
        d_gamma, d_beta = (sums[:, :, place].to(summed.dtype) if modulated else None for place in (0, 1))
        d_own = d_branch_bias if with_bias else None
        return d_rows.to(number), d_branch, d_own, d_gain, d_bias, d_gamma, d_beta, None, None
