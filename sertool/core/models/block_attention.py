"""Attention in plain torch over blocks of utterances of similar length, with its gradient written out.

Rows are gathered once into all blocks, with the heads already apart, and scattered once. Autograd would do so block by
block, and keep, copy and add what the formula does not need.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from sertool.core.models.kernels import MASKED_SCORE
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layout import Pairing


@dataclass(frozen=True)
class Heads:
    """Rows of one head each, (M, K) with K = D / H, block by block: members, utterances, heads, positions.

    Attributes:
        source: row of the flattened (E * P * H, K) input for each row of the blocks.
        inverse: row of the blocks for each row of the input.
        shapes: products and rows of each block, (E R H, T).
    """

    source: Int64[Tensor, "M"]
    inverse: Int64[Tensor, "N"]
    shapes: list[tuple[int, int]]

    def gather(self, rows: Float[Tensor, "E P D"], width: int) -> Float[Tensor, "M K"]:
        """Bring packed rows into the blocks; padding repeats some row."""
        return rows.reshape(-1, width).index_select(0, self.source)

    def scatter(self, heads: Float[Tensor, "M K"], shape: torch.Size) -> Float[Tensor, "E P D"]:
        """Bring rows of the blocks back into their packed order; padding is dropped."""
        return heads.index_select(0, self.inverse).view(shape)

    def spread(self, rows: Float[Tensor, "E P D"], width: int) -> Float[Tensor, "M K"]:
        """Bring packed rows into the blocks; padding is 0."""
        heads = rows.new_zeros(len(self.source), width)
        return heads.index_copy_(0, self.inverse, rows.reshape(-1, width))

    def blocks(self, heads: Float[Tensor, "M K"]) -> Iterator[Float[Tensor, "_ _ K"]]:
        """Return a view of each block, products first."""
        parts = torch.split(heads, [products * length for products, length in self.shapes])
        return (part.view(*shape, -1) for part, shape in zip(parts, self.shapes, strict=True))


@dataclass(frozen=True)
class Plan:
    """All that attention needs to know of a pairing; the same in every layer.

    Attributes:
        queries, memory: rows of the blocks.
        bias: added to the scores of each block, (E R H, 1, keys): 0, or -1e9 where a key is masked.
    """

    queries: Heads
    memory: Heads
    bias: list[Float[Tensor, "_ 1 _"]]


def plan(pairing: Pairing, num_heads: int, number: torch.dtype) -> Plan:
    """Plan the blocks of a pairing for H heads, once; the bias is in number format ``number``."""
    key = num_heads, number
    if key not in pairing.plans:
        pairing.plans[key] = _plan(pairing, num_heads, number)
    planned: Plan = pairing.plans[key]
    return planned


def _plan(pairing: Pairing, num_heads: int, number: torch.dtype) -> Plan:
    mask, queries = pairing.memory_mask, pairing.queries
    members = len(mask)
    bias = torch.zeros(mask.shape, dtype=number, device=mask.device).masked_fill_(~mask, MASKED_SCORE)
    memory_source = pairing.memory.source.view(mask.shape)
    of_queries, of_memory, biases = [], [], []
    for block, keys in zip(pairing, pairing.key_lengths, strict=True):
        own = slice(block.first, block.last)
        of_queries.append(queries.source[:, block.rows].view(members, block.utterances, block.length))
        of_memory.append(memory_source[:, own, :keys])
        each_head = bias[:, own, :keys].unsqueeze(2).expand(-1, -1, num_heads, -1)
        biases.append(each_head.reshape(-1, 1, keys))
    whole = [block.length for block in pairing]
    return Plan(
        _heads(of_queries, queries.inverse, whole, num_heads),
        _heads(of_memory, pairing.memory.inverse, [pairing.memory_length] * len(whole), num_heads),
        biases,
    )


def _heads(
    sources: list[Int64[Tensor, "E _ _"]], inverse: Int64[Tensor, "E P"], lengths: list[int], num_heads: int
) -> Heads:
    """Split the rows of blocks into heads.

    Args:
        sources: packed row for each utterance and position of a block, (E, R, T).
        inverse: place of each packed row, where each utterance of a block has as many places as ``lengths`` says.
        lengths: T or more, for each block.
        num_heads: H.
    """
    members, packed = inverse.shape
    device = inverse.device
    head = torch.arange(num_heads, device=device).view(-1, 1)
    first = torch.arange(0, members * packed, packed, device=device).view(-1, 1, 1)
    rows, places, shapes, start = [], [], [], 0
    for source, length in zip(sources, lengths, strict=True):
        rows.append((((source + first) * num_heads).unsqueeze(2) + head).flatten())
        _, utterances, own_length = source.shape
        shapes.append((members * utterances * num_heads, own_length))
        end = start + len(rows[-1])
        place = torch.arange(start, end, device=device).view(members, utterances, num_heads, own_length)
        places.append(F.pad(place, (0, length - own_length)).transpose(2, 3).reshape(members, -1, num_heads))
        start = end
    every = torch.cat(places, dim=1)
    back = every.gather(1, inverse.unsqueeze(-1).expand(-1, -1, num_heads))
    return Heads(torch.cat(rows), back.flatten(), shapes)


def attend(
    query: Float[Tensor, "E P D"],
    key: Float[Tensor, "E N D"],
    value: Float[Tensor, "E N D"],
    planned: Plan,
    num_heads: int,
    dropout: float,
    noise: Noise | None,
) -> Float[Tensor, "E P D"]:
    """Compute dropout(softmax(q . k / sqrt(K))) v in each head, for packed rows.

    Args:
        query: packed rows.
        key: packed rows of the memory, in the same number format.
        value: likewise.
        planned: blocks of the pairing.
        num_heads: H; K = D / H.
        dropout: probability that a weight is dropped.
        noise: source of dropout masks; None for no dropout.
    """
    counts = [bias.numel() * length for bias, (_, length) in zip(planned.bias, planned.queries.shapes, strict=True)]
    factors: list[Tensor | None] = [None] * len(counts)
    if noise is not None and dropout:
        factors = list(torch.split(noise.factors(sum(counts), dropout), counts))
    mixed: Tensor = _Attend.apply(query, key, value, planned, num_heads, factors)  # type: ignore[no-untyped-call]
    return mixed


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        planned: Plan,
        num_heads: int,
        factors: list[Tensor | None],
    ) -> Tensor:
        width = query.shape[-1] // num_heads
        queries, memory = planned.queries, planned.memory
        q = queries.gather(query, width)
        k, v = (memory.gather(part, width) for part in (key, value))
        mixed = torch.empty_like(q)
        weights, dropped = [], []
        views = queries.blocks(q), memory.blocks(k), memory.blocks(v), queries.blocks(mixed)
        for own_q, own_k, own_v, result, bias, factor in zip(*views, planned.bias, factors, strict=True):
            scores = torch.baddbmm(bias, own_q, own_k.transpose(1, 2), alpha=width**-0.5)
            weight = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
            kept = weight if factor is None else weight * factor.view(weight.shape)
            weights.append(weight)
            dropped.append(kept.to(q.dtype))
            torch.bmm(dropped[-1], own_v, out=result)
        ctx.save_for_backward(q, k, v, mixed, *weights, *dropped)
        ctx.planned, ctx.shapes = planned, (query.shape, key.shape)
        return queries.scatter(mixed, query.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mixed, *saved = ctx.saved_tensors
        queries, memory = ctx.planned.queries, ctx.planned.memory
        width = q.shape[1]
        d_mixed = queries.spread(gradient, width)
        # The sum over keys of dropped weight times its gradient, as in Dao et al., "FlashAttention", 2022, appendix B.
        along = (d_mixed * mixed).sum(-1, keepdim=True, dtype=saved[0].dtype)
        d_q, d_k, d_v = (torch.empty_like(part) for part in (q, k, v))
        of_queries = (queries.blocks(part) for part in (q, d_q, d_mixed, along))
        of_memory = (memory.blocks(part) for part in (k, v, d_k, d_v))
        number = len(queries.shapes)
        for own_q, to_q, above, total, own_k, own_v, to_k, to_v, weight, kept in zip(
            *of_queries, *of_memory, saved[:number], saved[number:], strict=True
        ):
            torch.bmm(kept.transpose(1, 2), above, out=to_v)
            d_kept = torch.bmm(above, own_v.transpose(1, 2))
            d_scores = (kept * d_kept).to(weight.dtype).addcmul_(weight, total, value=-1).to(q.dtype)
            torch.baddbmm(to_q, d_scores, own_k, beta=0, alpha=width**-0.5, out=to_q)
            torch.baddbmm(to_k, d_scores.transpose(1, 2), own_q, beta=0, alpha=width**-0.5, out=to_k)
        of_query, of_key = ctx.shapes
        return (
            queries.scatter(d_q, of_query),
            *(memory.scatter(part, of_key) for part in (d_k, d_v)),
            *[None] * 3,
        )
