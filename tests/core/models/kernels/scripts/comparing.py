"""Helpers of the scripts that run in Triton's interpreter: plain results beside the kernels', and dropout factors."""

import os
from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels.common_triton import keep_scale


def plainly(function: Callable, *arguments: object) -> object:
    """Call a function with all kernels switched off."""
    os.environ["SERTOOL_PLAIN_KERNELS"] = "1"
    try:
        return function(*arguments)
    finally:
        del os.environ["SERTOOL_PLAIN_KERNELS"]


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Norm of the difference over the norm of what is right."""
    return float((ours - theirs).double().norm() / theirs.double().norm().clamp(min=1e-12))


@triton.jit
def _factors(key, result, dropped: tl.constexpr, columns: tl.constexpr):
    row = tl.program_id(0) * 8 + tl.arange(0, 8)
    place = row[:, None] * columns + tl.arange(0, columns)[None, :]
    tl.store(result + place, keep_scale(key, row, dropped, 8, columns))


def factors(key: Tensor, rows: int, columns: int, dropped: int) -> Tensor:
    """Return the dropout factors of the rows of a matrix whose tiles have so many columns."""
    result = torch.empty(triton.cdiv(rows, 8) * 8, columns)
    _factors[(triton.cdiv(rows, 8),)](key, result, dropped=dropped, columns=columns)
    return result[:rows]


class OneKey:
    """A noise that always gives the same key, so that a test can draw the same mask."""

    def __init__(self, key: int) -> None:
        self._key = torch.tensor([key])

    def key(self) -> Tensor:
        return self._key
