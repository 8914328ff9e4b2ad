"""Multi-head attention with the biases of its inputs, one program a (member, utterance, head), forward and backward.

Queries (E, T B, D), keys and values (E, T' B, D) are time-major: row t * B + b is position t of utterance b, the order
that the linear layers and the recurrence have anyway, so no row is moved. The scores never reach the memory: the
backward pass computes them anew.
"""

import math

import torch
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE, use_triton
from sertool.core.models.kernels.noise import Noise, dropped_steps

LONGEST = 64  # positions: all scores of an utterance and head lie in one program, and fit on every card
WIDEST = 128  # values a head

Biases = tuple[Tensor, Tensor, Tensor]


def attends(query: Tensor, mask: Tensor, num_heads: int) -> bool:
    """Whether :func:`attention` shall take queries (E, T B, D), or what has their shape, and a mask (E, B, T')."""
    _, batch, keys = mask.shape
    fits = max(query.shape[1] // batch, keys) <= LONGEST and query.shape[2] // num_heads <= WIDEST
    return fits and use_triton(query, "attention")


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    biases: Biases,
    mask: Tensor,
    num_heads: int,
    dropout: float,
    noise: Noise | None,
) -> Tensor:
    """Softmax over the keys of (q + bq) . (k + bk) / sqrt(K), dropout, times v + bv; only where :func:`attends`.

    Where everything is masked the weights are uniform over all T' keys, and no gradient reaches q and k.

    Args:
        query: (E, T B, D) time-major, float32 or bfloat16, without its bias, as the next two.
        key: (E, T' B, D).
        value: (E, T' B, D).
        biases: (E, D) float32 each, of query, key and value.
        mask: (E, B, T') True where a key is real.
        num_heads: H; K = D / H.
        dropout: probability that a weight is dropped.
        noise: decides which; None while nothing is dropped.

    Returns:
        (E, T B, D) in the query's number format.

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
    def forward(ctx, *given) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002
        from sertool.core.models.kernels.attention_triton import launch_forward

        *tensors, num_heads, dropped = given
        # A backward pass may run where another precision is set.
        exact = given[0].dtype == torch.float32 and torch.get_float32_matmul_precision() == "highest"
        ctx.save_for_backward(*tensors)
        ctx.settings = (num_heads, dropped, exact)
        return launch_forward(*tensors, *ctx.settings)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.attention_triton import launch_backward

        gradients, partial = launch_backward(gradient.contiguous(), *ctx.saved_tensors, *ctx.settings)
        return *gradients, *partial.sum(2), None, None, None, None


def attention_plain(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    biases: Biases,
    mask: Tensor,
    num_heads: int,
    factors: Tensor | None,
) -> Tensor:
    """The definition of :func:`attention`, with the factors (E, B, H, T, T') of dropout given, or None."""
    members, batch, _ = mask.shape

    def heads(rows: Tensor, bias: Tensor) -> Tensor:
        """(E, T B, D) -> (E, B, H, T, K)."""
        biased = rows + bias.unsqueeze(1).to(rows.dtype)
        return biased.view(members, -1, batch, num_heads, rows.shape[-1] // num_heads).permute(0, 2, 3, 1, 4)

    q, k, v = (heads(*part) for part in zip((query, key, value), biases, strict=True))
    scores = (q @ k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~mask[:, :, None, None], MASKED_SCORE).softmax(-1)
    if factors is not None:
        weights = weights * factors
    return (weights.to(v.dtype) @ v).permute(0, 3, 1, 2, 4).reshape(query.shape)
