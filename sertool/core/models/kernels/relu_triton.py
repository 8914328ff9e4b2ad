"""Bias, ReLU and dropout of :mod:`~sertool.core.models.kernels.relu` as one kernel each way."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels.common_triton import groups_of, keep_scale
from sertool.core.models.kernels.noise import STEPS

ROWS, COLUMNS = 16, 128  # size of a tile
_STEPS = tl.constexpr(STEPS)  # a kernel reads no global that is not a constexpr


@triton.jit
def _relu_forward(
    values,
    bias,
    key,
    result,
    size,
    width,
    biased: tl.constexpr,
    dropped: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> Any:
    member, block = tl.program_id(2), tl.program_id(1)
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    column = block * columns + tl.arange(0, columns)
    inside = (row[:, None] < size) & (column[None, :] < width)
    place = (member * size + row).to(tl.int64)[:, None] * width + column[None, :]
    x = tl.load(values + place, mask=inside, other=0.0).to(tl.float32)
    if biased:
        x += tl.load(bias + member * width + column, mask=column < width, other=0.0)[None, :]
    x = tl.maximum(x, 0.0)
    if dropped > 0:
        # Every block of columns counts as a row of its own, so that no two tiles share a mask.
        number = (member * size + row) * tl.num_programs(1) + block
        x *= keep_scale(key, number, dropped, rows, columns)
    tl.store(result + place, x, mask=inside)


@triton.jit
def _relu_backward(
    gradient,
    result,
    d_values,
    d_bias,
    size,
    width,
    groups,
    steps: tl.constexpr,
    dropped: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> Any:
    group, member = tl.program_id(0), tl.program_id(2)
    column = tl.program_id(1) * columns + tl.arange(0, columns)
    total = tl.zeros((columns,), tl.float32)  # the bias's gradient over the group's rows
    for step in range(steps):
        row = (step * groups + group) * rows + tl.arange(0, rows)
        inside = (row[:, None] < size) & (column[None, :] < width)
        place = (member * size + row).to(tl.int64)[:, None] * width + column[None, :]
        above = tl.load(gradient + place, mask=inside, other=0.0).to(tl.float32)
        # Values that dropout or ReLU removed are 0 in the result, all others are positive.
        passed = tl.load(result + place, mask=inside, other=0.0) > 0
        d = tl.where(passed, above * (_STEPS / (_STEPS - dropped)), 0.0)
        tl.store(d_values + place, d, mask=inside)
        total += tl.sum(d, axis=0)
    tl.store(d_bias + (member * groups + group) * width + column, total, mask=column < width)


def launch_forward(values: Tensor, bias: Tensor | None, dropped: int, key: Tensor | None) -> Tensor:
    """Return values (E, N, D) after bias (E, D), if there is one, ReLU, and dropout, if any are dropped."""
    values = values.contiguous()
    members, size, width = values.shape
    result = torch.empty_like(values)
    # The kernel needs some pointer in place of a bias or key that it does not read.
    given = (values if part is None else part for part in (bias, key))
    constants = {
        "biased": bias is not None,
        "dropped": dropped,
        "rows": ROWS,
        "columns": COLUMNS,
    }
    grid = (triton.cdiv(size, ROWS), triton.cdiv(width, COLUMNS), members)
    _relu_forward[grid](values, *given, result, size, width, **constants)
    return result


def launch_backward(gradient: Tensor, result: Tensor, dropped: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of values (E, N, D) and bias (E, D) for bias, ReLU and dropout."""
    gradient = gradient.contiguous()
    members, size, width = result.shape
    groups = groups_of(members * triton.cdiv(width, COLUMNS), triton.cdiv(size, ROWS))
    d_values = torch.empty_like(result)
    d_bias = torch.empty(members, groups, width, device=result.device)
    steps = triton.cdiv(size, groups * ROWS)
    constants = {"steps": steps, "dropped": dropped, "rows": ROWS, "columns": COLUMNS}
    grid = (groups, triton.cdiv(width, COLUMNS), members)
    _relu_backward[grid](gradient, result, d_values, d_bias, size, width, groups, **constants)
    return d_values, d_bias.sum(1)
