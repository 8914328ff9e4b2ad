"""Multi-head attention with the biases of its inputs, one program per (member, utterance, head), forward and backward.

Queries (E, T B, D), keys and values (E, T' B, D) are time-major: row t * B + b is position t of utterance b. Linear
layers and the recurrence use this order, so no row is moved. Scores are never stored: the backward pass recomputes
them.
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE, use_triton
from sertool.core.models.kernels.noise import Noise, dropped_steps

LONGEST = 64  # positions; all scores of an utterance and head are held by one program, and fit on every card
WIDEST = 128  # values per head

Biases = tuple[Float[Tensor, "E D"], Float[Tensor, "E D"], Float[Tensor, "E D"]]


def attends(query: Float[Tensor, "E P D"], mask: Bool[Tensor, "E B K"], num_heads: int) -> bool:
    """Check whether :func:`attention` is to be used for queries, or rows of their shape, and a mask of keys."""
    _, batch, keys = mask.shape
    fits = max(query.shape[1] // batch, keys) <= LONGEST and query.shape[2] // num_heads <= WIDEST
    return fits and use_triton(query, "attention")


def attention(
    query: Float[Tensor, "E P D"],
    key: Float[Tensor, "E N D"],
    value: Float[Tensor, "E N D"],
    biases: Biases,
    mask: Bool[Tensor, "E B L"],
    num_heads: int,
    dropout: float,
    noise: Noise | None,
) -> Float[Tensor, "E P D"]:
    """Compute dropout(softmax((q + bq) . (k + bk) / sqrt(K))) (v + bv) in each head; only where :func:`attends`.

    Where everything is masked the weights are uniform over all keys, and no gradient reaches q and k.

    Args:
        query: P = T B, time-major, float32 or bfloat16, without its bias.
        key: N = T' B, likewise.
        value: likewise.
        biases: float32, for query, key and value.
        mask: True where a key is real; its last axis is T'.
        num_heads: H; K = D / H.
        dropout: probability that a weight is dropped.
        noise: source of dropout masks; None for no dropout.

    Source: Vaswani et al., "Attention is all you need", 2017, section 3.2; the backward pass as Dao et al.,
    "FlashAttention", 2022, appendix B, all keys at once.
    """
    dropped = dropped_steps(dropout) if noise is not None else 0
    draw = noise.key() if noise is not None and dropped else None
    result: Tensor = _Attention.apply(  # type: ignore[no-untyped-call]
        query, key, value, *biases, mask.contiguous(), draw, num_heads, dropped
    )
    return result


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        from sertool.core.models.kernels.attention_triton import launch_forward

        *tensors, draw, num_heads, dropped = given
        # Stored, since the backward pass may run where another precision is set.
        exact = given[0].dtype == torch.float32 and torch.get_float32_matmul_precision() == "highest"
        ctx.save_for_backward(*tensors)
        ctx.settings = (draw, num_heads, dropped, exact)
        return launch_forward(tensors, *ctx.settings)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from sertool.core.models.kernels.attention_triton import launch_backward

        gradients, partial = launch_backward(gradient.contiguous(), ctx.saved_tensors, *ctx.settings)
        return *gradients, *partial.sum(2), None, None, None, None


def attention_plain(
    query: Float[Tensor, "E P D"],
    key: Float[Tensor, "E N D"],
    value: Float[Tensor, "E N D"],
    biases: Biases,
    mask: Bool[Tensor, "E B L"],
    num_heads: int,
    factors: Float[Tensor, "E B H T L"] | None,
) -> Float[Tensor, "E P D"]:
    """Define :func:`attention` in plain torch; dropout is given as factors on the weights, or None."""
    members, batch, _ = mask.shape

    def heads(rows: Tensor, bias: Tensor) -> Tensor:
        """Add the bias and split the heads: (E, T B, D) -> (E, B, H, T, K)."""
        biased = rows + bias.unsqueeze(1).to(rows.dtype)
        return biased.view(members, -1, batch, num_heads, rows.shape[-1] // num_heads).permute(0, 2, 3, 1, 4)

    q, k, v = (heads(*part) for part in zip((query, key, value), biases, strict=True))
    scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])  # softmax in float32
    weights = scores.masked_fill(~mask[:, :, None, None], MASKED_SCORE).softmax(-1)
    if factors is not None:
        weights = weights * factors
    return (weights.to(v.dtype) @ v).permute(0, 3, 1, 2, 4).reshape(query.shape)
