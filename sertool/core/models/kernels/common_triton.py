"""The masks of dropout, drawn inside kernels from a key and a place, so that none is stored and none is read.

Random bits by Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), a counter for eight
values, 16 bits each.
"""

from typing import Any

import triton
import triton.language as tl

from sertool.core.models.kernels.noise import STEPS

VALUES = tl.constexpr(8)  # of a counter
_STEPS = tl.constexpr(STEPS)
PROGRAMS = 512  # several for each of the 132 processors of an H100, so that none waits long for the others


@triton.jit
def keep_scale(key, row, dropped: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr) -> Any:
    """Factors (rows, columns), float32: 0 where a value is dropped, what keeps the mean where it is not.

    Args:
        key: pointer to one int64.
        row: (rows,) numbers of the rows; the same row under the same key gives the same factors.
        dropped: of 65,536; above 0.
        rows: of the tile.
        columns: of the tile, a multiple of 8, always the same for one matrix.
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
    """Into how many groups the tiles of rows are put: a program sums over a group, torch over the groups' sums.

    Args:
        beside: programs that there are for each group.
        tiles: of rows, in all.
    """
    return max(1, min(tiles, -(-PROGRAMS // beside)))
