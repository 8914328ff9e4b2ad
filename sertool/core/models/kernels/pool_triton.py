"""Attention pooling as one kernel each way; :mod:`~sertool.core.models.kernels.pool` gives the shapes.

Forward, a program computes a block of columns of one utterance, so that even few members fill the device. Backward, it
computes some positions with all their columns, because the gradient of a score sums over columns.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE

TILE = 4096  # values per program: 32 per thread, all loaded before the first is needed
_MASKED = tl.constexpr(MASKED_SCORE)  # a kernel reads no global that is not a constexpr


@triton.jit
def _pool_forward(
    scores, rows, mask, pooled, weights, length, width, padded: tl.constexpr, columns: tl.constexpr
) -> Any:
    utterance, batch = tl.program_id(1), tl.num_programs(1)
    member = tl.program_id(2).to(tl.int64)
    time = tl.arange(0, padded)
    column = tl.program_id(0) * columns + tl.arange(0, columns)
    inside, own = time < length, column < width
    row = time * batch + utterance
    first = member * length * batch
    tile = inside[:, None] & own[None, :]
    at = row[:, None] * width + column[None, :]
    x = tl.load(rows + first * width + at, mask=tile, other=0.0).to(tl.float32)
    place = utterance * length + time
    real = tl.load(mask + first + place, mask=inside, other=False)
    score = tl.load(scores + first + row, mask=inside, other=0.0).to(tl.float32)
    # Beyond the last position the weight must be 0 even where all positions are masked.
    score = tl.where(inside, tl.where(real, score, _MASKED), float("-inf"))
    weight = tl.exp(score - tl.max(score, 0))
    weight = weight / tl.sum(weight, 0)
    if tl.program_id(0) == 0:  # every block of columns computes the same weights
        tl.store(weights + first + place, weight, mask=inside)
    result = pooled + (member * batch + utterance) * width + column
    tl.store(result, tl.sum(weight[:, None] * x, 0), mask=own)


@triton.jit
def _pool_backward(
    gradient,
    rows,
    mask,
    weights,
    pooled,
    d_scores,
    d_rows,
    length,
    width,
    positions: tl.constexpr,
    columns: tl.constexpr,
) -> Any:
    utterance, batch = tl.program_id(1), tl.num_programs(1)
    member = tl.program_id(2).to(tl.int64)
    time = tl.program_id(0) * positions + tl.arange(0, positions)
    column = tl.arange(0, columns)
    inside, own = time < length, column < width
    row = time * batch + utterance
    first = member * length * batch
    tile = inside[:, None] & own[None, :]
    at = row[:, None] * width + column[None, :]
    x = tl.load(rows + first * width + at, mask=tile, other=0.0).to(tl.float32)
    vector = (member * batch + utterance) * width + column
    g = tl.load(gradient + vector, mask=own, other=0.0).to(tl.float32)
    out = tl.load(pooled + vector, mask=own, other=0.0)
    place = utterance * length + time
    weight = tl.load(weights + first + place, mask=inside, other=0.0)
    tl.store(d_rows + first * width + at, weight[:, None] * g[None, :], mask=tile)
    # dscore_t = w_t (g x_t - sum_s w_s g x_s), and the sum is g times the pooled vector.
    d_score = weight * tl.sum(g[None, :] * (x - out[None, :]), 1)
    real = tl.load(mask + first + place, mask=inside, other=False)
    tl.store(d_scores + first + row, tl.where(real, d_score, 0.0), mask=inside)  # a masked score is a constant


def launch_forward(scores: Tensor, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Run the forward kernel; return pooled vectors (E, B, D) and weights (E, B, T), both in float32."""
    members, batch, length = mask.shape
    width = rows.shape[-1]
    padded = triton.next_power_of_2(length)
    columns = min(triton.next_power_of_2(width), TILE // padded)
    # float32, not the rows' format: the backward pass takes small differences between rows and this.
    pooled = torch.empty(members, batch, width, device=rows.device)
    weights = torch.empty(mask.shape, device=rows.device)
    _pool_forward[(triton.cdiv(width, columns), batch, members)](
        scores, rows, mask, pooled, weights, length, width, padded=padded, columns=columns
    )
    return pooled, weights


def launch_backward(
    gradient: Tensor,
    rows: Tensor,
    mask: Tensor,
    weights: Tensor,
    pooled: Tensor,
    d_scores: Tensor,
    d_rows: Tensor,
) -> None:
    """Run the backward kernel."""
    members, batch, length = mask.shape
    width = rows.shape[-1]
    columns = triton.next_power_of_2(width)  # Triton's ranges are powers of two
    positions = min(triton.next_power_of_2(length), max(1, TILE // columns))
    tensors = (gradient, rows, mask, weights, pooled, d_scores, d_rows)
    grid = (triton.cdiv(length, positions), batch, members)
    _pool_backward[grid](*tensors, length, width, positions=positions, columns=columns)
