"""Attention pooling: the rows of an utterance, weighted by the softmax of a score each.

Rows are those of the full layout: time-major, row t * B + b belongs to position t of utterance b.
"""

import torch
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE, use_triton

LONGEST = 128  # positions that the kernel holds at a time


def pool(scores: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    """The weighted sum of each utterance's rows.

    Args:
        scores: (E, T B) or (E, T B, 1).
        rows: (E, T B, D).
        mask: (E, B, T) True where a position is real.

    Returns:
        (E, B, D) in the rows' format.

    Source: Yu et al., "Deep Modular Co-Attention Networks for Visual Question Answering", 2019, section 3.3.
    """
    if use_triton(rows, "pool") and mask.shape[2] <= LONGEST:
        pooled: Tensor = _Pool.apply(scores, rows, mask)  # type: ignore[no-untyped-call]
        return pooled
    return pool_plain(scores, rows, mask)


def pool_plain(scores: Tensor, rows: Tensor, mask: Tensor) -> Tensor:
    """The definition of :func:`pool`."""
    members, batch, length = mask.shape
    by_time = scores.view(members, length, batch).masked_fill(~mask.transpose(1, 2), MASKED_SCORE)
    weights = by_time.softmax(1).to(rows.dtype)
    pooled = torch.einsum("etb,etbd->ebd", weights, rows.view(members, length, batch, -1))
    return pooled.to(rows.dtype)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores: Tensor, rows: Tensor, mask: Tensor) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.pool_triton import launch_forward

        rows, mask = rows.contiguous(), mask.contiguous()
        pooled, weights = launch_forward(scores.contiguous(), rows, mask)
        ctx.save_for_backward(rows, mask, weights, pooled)
        ctx.scores = scores.shape, scores.dtype
        return pooled.to(rows.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        from sertool.core.models.kernels.pool_triton import launch_backward

        rows, mask, weights, pooled = ctx.saved_tensors
        shape, dtype = ctx.scores
        d_scores = torch.empty(shape, dtype=dtype, device=rows.device)
        d_rows = torch.empty_like(rows)
        launch_backward(gradient.contiguous(), rows, mask, weights, pooled, d_scores, d_rows)
        return d_scores, d_rows, None
