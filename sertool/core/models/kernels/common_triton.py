"""Parts that kernels share: dropout masks, and the division of rows into groups.

A mask is recomputed from a key and a position wherever it is needed, so it is never stored. Its random bits are those
of Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), a counter-based generator: ten
rounds turn a 64-bit key and a 128-bit counter into four 32-bit numbers. One counter serves eight values, 16 bits each.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels.noise import STEPS

VALUES = tl.constexpr(8)  # per counter
_STEPS = tl.constexpr(STEPS)
PROGRAMS = 512  # several for each of an H100's 132 processors, so that none waits long for the others


@triton.jit
def keep_scale(key, row, dropped: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr) -> Any:
    """Return factors (rows, columns), float32: 0 for a dropped value, 1 / (1 - p) for the others, which keeps the mean.

    Args:
        key: pointer to one int64.
        row: (rows,) row numbers; the same row and key give the same factors.
        dropped: p in 65,536ths, above 0.
        rows: rows per tile.
        columns: columns per tile, a multiple of 8, the same in every kernel that uses the matrix.
    """
    group = row[:, None] * (columns // VALUES) + tl.arange(0, columns // VALUES)[None, :]
    a, b, c, d = tl.randint4x(tl.load(key), group)
    low = tl.join(tl.join(a & 0xFFFF, b & 0xFFFF), tl.join(c & 0xFFFF, d & 0xFFFF))
    high = tl.join(tl.join(_high(a), _high(b)), tl.join(_high(c), _high(d)))
    bits = tl.reshape(tl.join(low, high), (rows, columns)).to(tl.int32)
    return tl.where(bits < dropped, 0.0, _STEPS / (_STEPS - dropped))


@triton.jit
def _high(bits) -> Any:
    return (bits >> 16) & 0xFFFF


def groups_of(beside: int, tiles: int) -> int:
    """Return the number of groups for a sum over rows: a program sums over one group, torch over the groups' sums.

    Args:
        beside: programs per group.
        tiles: number of tiles of rows.
    """
    return max(1, min(tiles, -(-PROGRAMS // beside)))


@triton.jit
def _factors(key, result, dropped: tl.constexpr, columns: tl.constexpr) -> Any:
    row = tl.program_id(0) * 8 + tl.arange(0, 8)
    place = row[:, None] * columns + tl.arange(0, columns)[None, :]
    tl.store(result + place, keep_scale(key, row, dropped, 8, columns))


def dropout_factors(key: Tensor, rows: int, columns: int, dropped: int) -> Tensor:
    """Return the factors of :func:`keep_scale` for a matrix (rows, columns) whose tiles are as wide as it is."""
    result = torch.empty(triton.cdiv(rows, 8) * 8, columns, device=key.device)
    _factors[(triton.cdiv(rows, 8),)](key, result, dropped=dropped, columns=columns)
    return result[:rows]
