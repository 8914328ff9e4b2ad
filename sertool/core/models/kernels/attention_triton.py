"""Kernels of :mod:`~sertool.core.models.kernels.attention`: grid (H, B, E), scores in float32 on the chip."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE
from sertool.core.models.kernels.common_triton import VALUES, keep_scale

_MASKED_SCORE = tl.constexpr(MASKED_SCORE)  # a kernel reads no global that is not a constexpr
SMALLEST = 16  # smallest side of a tile that tl.dot accepts
# Smallest tile of positions. Compiled by Triton 3.6 for an H100, 4 warps on fewer positions gave wrong results in
# bfloat16 with dropout: such a tile has fewer random counters than threads, so several threads hold the same one.
FEWEST = 32
WARP = 32  # threads


@triton.jit
def _place(length, column, width: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr) -> Any:
    """Find the program's rows, from a column on, in (E, length B, H width): start, offsets, and which of them exist."""
    head, utterance, member = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    batch, whole = tl.num_programs(1), tl.num_programs(0) * width
    start = (member.to(tl.int64) * length * batch + utterance) * whole + head * width  # time-major
    row, own = tl.arange(0, rows)[:, None], column + tl.arange(0, columns)[None, :]
    return start, row * (batch * whole) + own, (row < length) & (own < width)


@triton.jit
def _load(values, length, column, width: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr) -> Any:
    start, place, inside = _place(length, column, width, rows, columns)
    return tl.load(values + start + place, mask=inside, other=0.0)


@triton.jit
def _load_biased(values, bias, length, column, width: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr) -> Any:
    tile = _load(values, length, column, width, rows, columns)
    own = column + tl.arange(0, columns)
    first = (tl.program_id(2) * tl.num_programs(0) + tl.program_id(0)) * width
    added = tl.load(bias + first + own, mask=own < width, other=0.0)
    return (tile.to(tl.float32) + added[None, :]).to(tile.dtype)  # rounded once, like torch's addition


@triton.jit
def _store(values, tile, length, column, width: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr) -> Any:
    start, place, inside = _place(length, column, width, rows, columns)
    tl.store(values + start + place, tile, mask=inside)


@triton.jit
def _store_with_sum(
    values, sums, tile, length, column, width: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr
) -> Any:
    """Store a tile, and the sum over its rows in the program's part of (E, B, H width)."""
    _store(values, tile, length, column, width, rows, columns)
    start, place, inside = _place(1, column, width, 1, columns)
    tl.store(sums + start + place, tl.sum(tile, axis=0)[None, :], mask=inside)


@triton.jit
def _softmax(scores, real, keys, key_rows: tl.constexpr) -> Any:
    """Compute weights (T, T'); columns of the tile beyond the last key get 0."""
    scores = tl.where(real, scores, _MASKED_SCORE)
    # -inf, not the masked score: no weight beyond the last key even where every key is masked.
    scores = tl.where((tl.arange(0, key_rows) < keys)[None, :], scores, float("-inf"))
    weights = tl.exp(scores - tl.max(scores, axis=1)[:, None])  # no overflow
    return weights / tl.sum(weights, axis=1)[:, None]


@triton.jit
def _real(mask, keys, key_rows: tl.constexpr) -> Any:
    """Load the utterance's part of a mask (E, B, T') as (1, T')."""
    row = tl.arange(0, key_rows)
    first = (tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)) * keys
    return (tl.load(mask + first + row, mask=row < keys, other=0) != 0)[None, :]


@triton.jit
def _factors(draw, dropped: tl.constexpr, query_rows: tl.constexpr, key_rows: tl.constexpr) -> Any:
    """Return the factors of dropout on the weights (T, T')."""
    utterance = tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)
    first = (utterance * tl.num_programs(0) + tl.program_id(0)) * query_rows
    return keep_scale(draw, first + tl.arange(0, query_rows), dropped, query_rows, key_rows)


@triton.jit
def _attention_forward(
    query,
    key,
    value,
    query_bias,
    key_bias,
    value_bias,
    mask,
    draw,
    result,
    length,
    keys,
    scale,
    width: tl.constexpr,
    dropped: tl.constexpr,
    query_rows: tl.constexpr,
    key_rows: tl.constexpr,
    columns: tl.constexpr,
    products: tl.constexpr,
) -> Any:
    scores = tl.zeros((query_rows, key_rows), tl.float32)
    for column in range(0, width, columns):
        q = _load_biased(query, query_bias, length, column, width, query_rows, columns)
        k = _load_biased(key, key_bias, keys, column, width, key_rows, columns)
        scores = tl.dot(q, tl.trans(k), scores, input_precision=products)
    weights = _softmax(scores * scale, _real(mask, keys, key_rows), keys, key_rows)
    if dropped > 0:
        weights *= _factors(draw, dropped, query_rows, key_rows)
    weights = weights.to(value.dtype.element_ty)  # products take one number format
    for column in range(0, width, columns):
        v = _load_biased(value, value_bias, keys, column, width, key_rows, columns)
        mixed = tl.dot(weights, v, input_precision=products)
        _store(result, mixed, length, column, width, query_rows, columns)


@triton.jit
def _attention_backward(
    gradient,
    query,
    key,
    value,
    query_bias,
    key_bias,
    value_bias,
    mask,
    draw,
    d_query,
    d_key,
    d_value,
    d_query_bias,
    d_key_bias,
    d_value_bias,
    length,
    keys,
    scale,
    width: tl.constexpr,
    dropped: tl.constexpr,
    query_rows: tl.constexpr,
    key_rows: tl.constexpr,
    columns: tl.constexpr,
    products: tl.constexpr,
) -> Any:
    scores = tl.zeros((query_rows, key_rows), tl.float32)
    d_weights = tl.zeros((query_rows, key_rows), tl.float32)
    for column in range(0, width, columns):
        q = _load_biased(query, query_bias, length, column, width, query_rows, columns)
        k = _load_biased(key, key_bias, keys, column, width, key_rows, columns)
        scores = tl.dot(q, tl.trans(k), scores, input_precision=products)
        g = _load(gradient, length, column, width, query_rows, columns)
        v = _load_biased(value, value_bias, keys, column, width, key_rows, columns)
        d_weights = tl.dot(g, tl.trans(v), d_weights, input_precision=products)
    real = _real(mask, keys, key_rows)
    weights = _softmax(scores * scale, real, keys, key_rows)
    kept = weights
    if dropped > 0:
        factors = _factors(draw, dropped, query_rows, key_rows)
        kept = weights * factors
        d_weights *= factors
    # Softmax: ds = w (dw - sum w dw). Padding rows have g = 0 and so no gradient; a masked score is a constant.
    d_scores = weights * (d_weights - tl.sum(weights * d_weights, axis=1)[:, None])
    d_scores = tl.where(real, d_scores * scale, 0.0).to(gradient.dtype.element_ty)
    kept = kept.to(gradient.dtype.element_ty)
    for column in range(0, width, columns):
        g = _load(gradient, length, column, width, query_rows, columns)
        dv = tl.dot(tl.trans(kept), g, input_precision=products)
        _store_with_sum(d_value, d_value_bias, dv, keys, column, width, key_rows, columns)
    # A loop of its own, because the registers of the weights are free from here on.
    for column in range(0, width, columns):
        q = _load_biased(query, query_bias, length, column, width, query_rows, columns)
        dk = tl.dot(tl.trans(d_scores), q, input_precision=products)
        _store_with_sum(d_key, d_key_bias, dk, keys, column, width, key_rows, columns)
        k = _load_biased(key, key_bias, keys, column, width, key_rows, columns)
        dq = tl.dot(d_scores, k, input_precision=products)
        _store_with_sum(d_query, d_query_bias, dq, length, column, width, query_rows, columns)


def tile(positions: int) -> int:
    """Return the side of a tile that holds this many queries or keys."""
    return max(FEWEST, triton.next_power_of_2(positions))  # type: ignore[no-any-return]


def _sizes(query: Tensor, mask: Tensor, num_heads: int, dropped: int, exact: bool) -> dict[str, Any]:
    """Return the arguments of both kernels that are not tensors.

    The columns of a head are processed in pieces. Pieces and warps are chosen so that, compiled for sm_80 and sm_90, up
    to 64 x 64 scores stay in registers.
    """
    _, batch, keys = mask.shape
    length, width = query.shape[1] // batch, query.shape[2] // num_heads
    rows, key_rows, columns = tile(length), tile(keys), max(SMALLEST, triton.next_power_of_2(width))
    half = query.element_size() == 2  # bfloat16: tiles take half the registers
    return {
        "length": length,
        "keys": keys,
        "scale": 1 / math.sqrt(width),
        "width": width,
        "dropped": dropped,
        "query_rows": rows,
        "key_rows": key_rows,
        "columns": min(columns, 64 if half else 16),
        "products": "ieee" if exact else "tf32",  # follows torch's setting for its own products
        "num_warps": min(4 if half else 8, rows * key_rows // (int(VALUES) * WARP)),  # see FEWEST
        "num_stages": 1,  # two pieces are too few to pipeline, and buffers would leave less room for other programs
    }


def launch_forward(tensors: Sequence[Tensor], draw: Tensor | None, num_heads: int, dropped: int, exact: bool) -> Tensor:
    """Run the forward kernel on query, key, value, their biases and the mask; return (E, T B, D)."""
    query, mask = tensors[0], tensors[-1]
    result = torch.empty_like(query)
    members, batch, _ = mask.shape
    sizes = _sizes(query, mask, num_heads, dropped, exact)
    # Where nothing is dropped the kernel reads no key, but needs some pointer.
    _attention_forward[(num_heads, batch, members)](*tensors, mask if draw is None else draw, result, **sizes)
    return result


def launch_backward(
    gradient: Tensor,
    tensors: Sequence[Tensor],
    draw: Tensor | None,
    num_heads: int,
    dropped: int,
    exact: bool,
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Run the backward kernel on the output's gradient and the forward kernel's tensors.

    Returns:
        Gradients of query, key and value, and (3, E, B, D), whose sums over B are the gradients of their biases.
    """
    query, mask = tensors[0], tensors[-1]
    gradients = tuple(torch.empty_like(part) for part in tensors[:3])
    members, batch, _ = mask.shape
    partial = torch.empty(3, members, batch, query.shape[2], dtype=torch.float32, device=query.device)
    sizes = _sizes(query, mask, num_heads, dropped, exact)
    key = mask if draw is None else draw
    _attention_backward[(num_heads, batch, members)](gradient, *tensors, key, *gradients, *partial, **sizes)
    return gradients, partial
