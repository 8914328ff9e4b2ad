"""Attention pooling: the sum of an utterance's rows, weighted by the softmax of one score per row.

Rows are those of the full layout: time-major, row t * B + b belongs to position t of utterance b.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE, use_triton

LONGEST = 128  # positions of an utterance that the kernel can hold


def pool(
    scores: Float[Tensor, "E P *one"], rows: Float[Tensor, "E P D"], mask: Bool[Tensor, "E B T"]
) -> Float[Tensor, "E B D"]:
    """Compute sum over t of softmax(score)_t * row_t for each utterance, in the rows' number format.

    Args:
        scores: P = T B, with or without a last axis of one.
        rows: time-major.
        mask: True where a position is real; where none is, the weights are uniform over T.

    Source: Yu et al., "Deep Modular Co-Attention Networks for Visual Question Answering", 2019, section 3.3.
    """
    if use_triton(rows, "pool") and mask.shape[2] <= LONGEST:
        pooled: Tensor = _Pool.apply(scores, rows, mask)  # type: ignore[no-untyped-call]
        return pooled
    return pool_plain(scores, rows, mask)


def pool_plain(
    scores: Float[Tensor, "E P *one"], rows: Float[Tensor, "E P D"], mask: Bool[Tensor, "E B T"]
) -> Float[Tensor, "E B D"]:
    """Define :func:`pool` in plain torch."""
    members, batch, length = mask.shape
    by_time = scores.view(members, length, batch).masked_fill(~mask.transpose(1, 2), MASKED_SCORE)
    weights = by_time.softmax(1).to(rows.dtype)
    pooled = torch.einsum("etb,etbd->ebd", weights, rows.view(members, length, batch, -1))
    return pooled.to(rows.dtype)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
        from sertool.core.models.kernels.pool_triton import launch_forward

        rows, mask = rows.contiguous(), mask.contiguous()  # the kernel computes addresses itself
        pooled, weights = launch_forward(scores.contiguous(), rows, mask)
        ctx.save_for_backward(rows, mask, weights, pooled)
        ctx.scores = scores.shape, scores.dtype
        return pooled.to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        from sertool.core.models.kernels.pool_triton import launch_backward

        rows, mask, weights, pooled = ctx.saved_tensors
        shape, dtype = ctx.scores
        d_scores = torch.empty(shape, dtype=dtype, device=rows.device)
        d_rows = torch.empty_like(rows)
        launch_backward(gradient.contiguous(), rows, mask, weights, pooled, d_scores, d_rows)
        return d_scores, d_rows, None
