"""The norm of :mod:`~sertool.core.models.kernels.norm` as one kernel each way; a tile holds complete rows."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels.common_triton import VALUES, groups_of, keep_scale

TILE = 2048  # values per tile
EPS = tl.constexpr(1e-6)  # added to the deviation, outside the root, as in the reference


@triton.jit
def _centre(values, inside, width) -> Any:
    """Subtract the mean from rows; return them and their unbiased standard deviation."""
    centred = tl.where(inside, values - (tl.sum(values, axis=1) / width)[:, None], 0.0)
    return centred, tl.sqrt(tl.sum(centred * centred, axis=1) / (width - 1))


@triton.jit
def _norm_forward(
    values,
    branch,
    branch_bias,
    gain,
    bias,
    gamma,
    beta,
    key,
    summed,
    result,
    size,
    width,
    utterances,
    member_stride,
    utterance_stride,
    biased: tl.constexpr,
    modulated: tl.constexpr,
    dropped: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> Any:
    member = tl.program_id(1)
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    column = tl.arange(0, columns)
    real = column < width  # a tile's columns are a power of two
    inside = (row[:, None] < size) & real[None, :]
    own = member * width + column
    place = (member * size + row).to(tl.int64)[:, None] * width + column[None, :]
    added = tl.load(branch + place, mask=inside, other=0.0).to(tl.float32)
    if biased:
        added += tl.load(branch_bias + own, mask=real, other=0.0)[None, :]
    if dropped > 0:
        added *= keep_scale(key, member * size + row, dropped, rows, columns)
    x = added + tl.load(values + place, mask=inside, other=0.0).to(tl.float32)
    # Rounded first, since the backward pass reads the sum as it is stored.
    x = tl.where(inside, x, 0.0).to(summed.dtype.element_ty)
    tl.store(summed + place, x, mask=inside)
    centred, std = _centre(x.to(tl.float32), inside, width)
    scale = tl.load(gain + own, mask=real, other=0.0)[None, :]
    shift = tl.load(bias + own, mask=real, other=0.0)[None, :]
    if modulated:
        spoken = member * member_stride + (row % utterances)[:, None] * utterance_stride + column[None, :]
        scale += tl.load(gamma + spoken, mask=inside, other=0.0).to(tl.float32)
        shift += tl.load(beta + spoken, mask=inside, other=0.0).to(tl.float32)
    tl.store(result + place, scale * centred / (std + EPS)[:, None] + shift, mask=inside)


@triton.jit
def _norm_backward(
    gradient,
    summed,
    gain,
    gamma,
    key,
    d_values,
    d_branch,
    sums,
    size,
    width,
    groups,
    member_stride,
    utterance_stride,
    steps: tl.constexpr,
    modulated: tl.constexpr,
    dropped: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
) -> Any:
    group, member = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, columns)
    real = column < width
    scale = tl.load(gain + member * width + column, mask=real, other=0.0)
    if modulated:  # each group is the rows of one utterance
        spoken = member * member_stride + group * utterance_stride + column
        scale += tl.load(gamma + spoken, mask=real, other=0.0).to(tl.float32)
    d_scale = tl.zeros((columns,), tl.float32)  # sums over the group's rows, in float32
    d_shift = tl.zeros((columns,), tl.float32)
    d_bias = tl.zeros((columns,), tl.float32)
    for step in range(steps):
        row = group + (step * rows + tl.arange(0, rows)) * groups  # rows of a group are `groups` apart
        inside = (row[:, None] < size) & real[None, :]
        place = (member * size + row).to(tl.int64)[:, None] * width + column[None, :]
        above = tl.load(gradient + place, mask=inside, other=0.0).to(tl.float32)
        centred, std = _centre(tl.load(summed + place, mask=inside, other=0.0).to(tl.float32), inside, width)
        inverse = 1.0 / (std + EPS)
        d_shift += tl.sum(above, axis=0)
        d_scale += tl.sum(above * centred * inverse[:, None], axis=0)
        # y = c / (s + eps), s^2 = sum c^2 / (D - 1): dy/dc = 1 / (s + eps) - c c' / ((D - 1) s (s + eps)^2)
        above *= scale[None, :]
        # Where s is 0, every c is 0 too, so the bound only avoids 0 / 0.
        along = tl.sum(above * centred, axis=1) * inverse * inverse / ((width - 1) * tl.maximum(std, EPS))
        d = above * inverse[:, None] - centred * along[:, None]
        d = tl.where(inside, d - (tl.sum(d, axis=1) / width)[:, None], 0.0)
        tl.store(d_values + place, d, mask=inside)
        if dropped > 0:
            d *= keep_scale(key, member * size + row, dropped, rows, columns)
            tl.store(d_branch + place, d, mask=inside)
        d_bias += tl.sum(d, axis=0)  # of the branch, behind dropout
    own = sums + (member * groups + group).to(tl.int64) * 3 * width + column
    tl.store(own, d_scale, mask=real)
    tl.store(own + width, d_shift, mask=real)
    tl.store(own + 2 * width, d_bias, mask=real)


def tile(width: int) -> tuple[int, int]:
    """Return the rows and columns of a tile."""
    columns = max(triton.next_power_of_2(width), VALUES.value)
    return max(1, TILE // columns), columns


def launch_forward(
    values: Tensor,
    branch: Tensor,
    branch_bias: Tensor | None,
    gain: Tensor,
    bias: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    dropped: int,
    key: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return the norm and the sum that was normalised, both (E, P, D) in the branch's number format."""
    values, branch = values.contiguous(), branch.contiguous()
    members, size, width = branch.shape
    rows, columns = tile(width)
    result, summed = torch.empty_like(branch), torch.empty_like(branch)
    _norm_forward[(triton.cdiv(size, rows), members)](
        values,
        branch,
        gain if branch_bias is None else branch_bias,
        gain,
        bias,
        *(gain if part is None else part for part in (gamma, beta, key)),  # some pointer, where none is read
        summed,
        result,
        size,
        width,
        1 if gamma is None else gamma.shape[1],
        *_strides(gamma),
        biased=branch_bias is not None,
        modulated=gamma is not None,
        dropped=dropped,
        rows=rows,
        columns=columns,
    )
    return result, summed


def launch_backward(
    gradient: Tensor, summed: Tensor, gain: Tensor, gamma: Tensor | None, dropped: int, key: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of rows and branch (E, P, D), and of gain, bias and branch bias by group (E, G, 3, D).

    With a modulation each utterance is a group, as the sums over its rows are the gradients of its gamma and beta.
    """
    gradient = gradient.contiguous()
    members, size, width = summed.shape
    rows, columns = tile(width)
    groups = groups_of(members, triton.cdiv(size, rows)) if gamma is None else gamma.shape[1]
    d_values = torch.empty_like(summed)
    d_branch = torch.empty_like(summed) if dropped else d_values  # without dropout they are equal
    sums = torch.empty(members, groups, 3, width, device=summed.device)
    _norm_backward[(groups, members)](
        gradient,
        summed,
        gain,
        gain if gamma is None else gamma,
        gain if key is None else key,
        d_values,
        d_branch,
        sums,
        size,
        width,
        groups,
        *_strides(gamma),
        steps=triton.cdiv(size, groups * rows),
        modulated=gamma is not None,
        dropped=dropped,
        rows=rows,
        columns=columns,
    )
    return d_values, d_branch, sums


def _strides(gamma: Tensor | None) -> tuple[int, int]:
    return (0, 0) if gamma is None else (gamma.stride(0), gamma.stride(1))
