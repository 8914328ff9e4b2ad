"""Packed order of a batch of sequences, which leaves most of the padding out.

A modality arrives padded, ``(E, B, T, ...)`` with a mask. About a third of it is padding, and no masked position ever
reaches a logit, with one exception: where *everything* is masked the attention weights are uniform over the whole
padded length, so such an utterance counts as fully real. Inside the models a sequence is therefore packed time-major,
``(E, P, D)``: the first positions of all utterances, longest utterance first, then the second positions of those that
have one, and so on. For lengths 3, 2, 1 the rows are a0 b0 c0 a1 b1 a2, with step sizes 3, 2, 1. The rows of one time
step are a slice, as the LSTM's recurrence needs; linear layers and norms work in any order. Attention works on blocks
of utterances of similar length, each padded to its own longest.

Members of a stack see different utterances at the same place. The number of rows per step is the largest over members,
so a few rows of padding stay in.

A CUDA graph repeats the same operations on the same shapes, so it uses the full layout: every position counts, and only
the masks depend on the batch. On a GPU this costs little, since launches take longer than arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

# Blocks of attention: more blocks mean less padding and more, smaller products.
BLOCK_UTTERANCES = 8  # fewest utterances per block
MAX_BLOCKS = 4  # most blocks per batch


@dataclass(frozen=True)
class Layout:
    """The packed order of one modality of a batch.

    Attributes:
        mask: True where a position is real; T is the length of the longest utterance.
        step_sizes: rows of each time step; their sum is P, and they never increase.
        order: utterances from the longest to the shortest: rank -> utterance.
        utterance: utterance of the batch that a packed row belongs to.
        packed_source: position of each packed row in the flattened (B * T) padding.
        row_of: packed row of each padded position; 0 where it was left out.
        full: True if only the mask depends on the batch.
    """

    mask: Bool[Tensor, "E B T"]
    step_sizes: tuple[int, ...]
    order: Int64[Tensor, "E B"]
    utterance: Int64[Tensor, "E P"]
    packed_source: Int64[Tensor, "E P"]
    row_of: Int64[Tensor, "E B T"]
    full: bool = False

    @property
    def shape(self) -> torch.Size:
        """Shape (E, B, T)."""
        return self.mask.shape

    def pack(self, padded: Shaped[Tensor, "E B L *D"]) -> Shaped[Tensor, "E P *D"]:
        """Pack inputs of at least T positions; no gradient flows back."""
        members, batch, length = self.mask.shape
        flat = padded[:, :, :length].reshape(members, batch * length, *padded.shape[3:])
        return _take(flat.detach(), self.packed_source)  # inputs are data: nothing to differentiate


@dataclass(frozen=True)
class Block:
    """Utterances of ranks ``first`` to ``last - 1``, each padded to ``length`` queries, from row ``start`` on."""

    first: int
    last: int
    length: int
    start: int

    @property
    def utterances(self) -> int:
        """Number of utterances in the block."""
        return self.last - self.first

    @property
    def rows(self) -> slice:
        """Rows of the block among the rows of all blocks."""
        return slice(self.start, self.start + self.utterances * self.length)


@dataclass(frozen=True)
class Exchange:
    """Reordering of rows, and its inverse: a gather whose gradient is a gather too.

    Attributes:
        source: row of the input for each row of the output.
        inverse: row of the output for each row of the input.
    """

    source: Int64[Tensor, "E S"]
    inverse: Int64[Tensor, "E P"]

    def there(self, rows: Shaped[Tensor, "E P D"]) -> Shaped[Tensor, "E S D"]:
        """Reorder rows; padding of the output repeats some row."""
        result: Tensor = _Gather.apply(rows, self.source, self.inverse)  # type: ignore[no-untyped-call]
        return result

    def back(self, rows: Shaped[Tensor, "E S D"]) -> Shaped[Tensor, "E P D"]:
        """Restore the order; rows of padding are dropped."""
        result: Tensor = _Select.apply(rows, self.inverse)  # type: ignore[no-untyped-call]
        return result


class _Gather(torch.autograd.Function):
    """Gather in which each input row has one position of its own; copies that fill padding bring no gradient."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, source: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return _take(rows, source)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return _take(gradient, inverse), None, None


class _Select(torch.autograd.Function):
    """Selection of rows, each at most once; the gradient of the others is zero."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = rows.shape[1]
        return _take(rows, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        members, _, width = gradient.shape
        back = gradient.new_zeros(members * ctx.rows, width)
        back.index_copy_(0, _flat(index, ctx.rows), gradient.reshape(-1, width))
        return back.view(members, ctx.rows, width), None


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """Take rows (E, N, ...) at (E, S) -> (E, S, ...)."""
    flat = rows.reshape(rows.shape[0] * rows.shape[1], *rows.shape[2:])
    return flat.index_select(0, _flat(index, rows.shape[1])).view(*index.shape, *rows.shape[2:])


def _flat(index: Tensor, rows: int) -> Tensor:
    """Number rows through all members: row r of member e becomes e * rows + r."""
    first = torch.arange(0, index.shape[0] * rows, rows, device=index.device).unsqueeze(1)
    return (index + first).flatten()


@dataclass(frozen=True)
class Pairing:
    """Queries of a batch in blocks, and the memory that they attend to, utterances in the same order.

    Attributes:
        blocks: blocks of queries.
        key_lengths: positions of memory that a block attends to; no utterance of the block has more.
        queries: packed rows (E, P, D) <-> rows of the blocks (E, S, D).
        memory: packed rows (E, P', D) <-> (E, B * T', D), utterances in the queries' order of ranks.
        memory_mask: mask in that order; its last axis is T'.
        utterance: rank of the utterance that a query belongs to.
        full: True if both layouts are full: ranks are utterances, and rows lie as in ``full_layout``.
        plans: what ``block_attention`` computed from the pairing, for the layers that follow.
    """

    blocks: tuple[Block, ...]
    key_lengths: tuple[int, ...]
    queries: Exchange
    memory: Exchange
    memory_mask: Bool[Tensor, "E B T"]
    utterance: Int64[Tensor, "E P"]
    full: bool
    plans: dict[Any, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    @property
    def memory_length(self) -> int:
        """Number of positions T' of each utterance's memory."""
        return self.memory_mask.shape[-1]

    @cached_property
    def has_memory(self) -> Bool[Tensor, "E P 1"] | None:
        """False for a query whose memory is masked everywhere; None if there is no such query."""
        real = self.memory_mask.any(-1)
        # Reading the values waits for the device, which a recorded graph must not do.
        if not self.full and bool(real.all()):
            return None
        return real.gather(1, self.utterance).unsqueeze(-1)


def pair(query: Layout, memory: Layout) -> Pairing:
    """Pair the positions of one layout with those of another, or of itself, within each utterance."""
    if query.full and memory.full:
        return replace(_pair_full(query.shape, memory.shape, query.mask.device), memory_mask=memory.mask, plans={})
    members, batch, length = memory.mask.shape
    rank = query.order.unsqueeze(-1).expand(-1, -1, length)
    memory_source = memory.row_of.gather(1, rank).flatten(1)
    # Packed row (utterance u, position t) lies at (rank of u among the queries, t).
    ranks = torch.empty_like(query.order)
    places = torch.arange(batch, device=ranks.device).expand(members, batch)
    ranks.scatter_(1, query.order, places)
    position = memory.packed_source % length
    memory_inverse = ranks.gather(1, memory.utterance) * length + position
    blocks = _blocks(query.step_sizes, batch)
    return Pairing(
        blocks=blocks,
        # Within one modality a block's longest query is its longest key; another one is not sorted by its own lengths.
        key_lengths=tuple(block.length if query is memory else length for block in blocks),
        queries=_query_exchange(query.step_sizes, blocks, members, query.mask.device),
        memory=Exchange(memory_source, memory_inverse),
        memory_mask=memory.mask.gather(1, rank),
        utterance=ranks.gather(1, query.utterance),
        full=False,
    )


@cache
def _pair_full(query: torch.Size, memory: torch.Size, device: torch.device) -> Pairing:
    """Pair two full layouts, without the mask; the result depends on shapes alone and stays on the device."""
    mine, other = _full_layout(*query, device), _full_layout(*memory, device)
    members, batch, length = query
    # One block, as every utterance is as long as the others; its rows are those of the query, in another order.
    block = Block(0, batch, length, 0)
    return Pairing(
        blocks=(block,),
        key_lengths=(memory[2],),
        queries=_query_exchange(mine.step_sizes, (block,), members, device),
        memory=Exchange(other.row_of.flatten(1), other.packed_source),
        memory_mask=other.mask,
        utterance=mine.utterance,
        full=True,
    )


def _blocks(step_sizes: tuple[int, ...], batch: int) -> tuple[Block, ...]:
    """Divide the ranks into blocks of about equal numbers of utterances."""
    number = max(1, min(MAX_BLOCKS, batch // BLOCK_UTTERANCES))
    bounds = [round(part * batch / number) for part in range(number + 1)]
    blocks = []
    start = 0
    for first, last in pairwise(bounds):
        length = sum(size > first for size in step_sizes)  # of the block's longest utterance, its first
        blocks.append(Block(first, last, length, start))
        start += (last - first) * length
    return tuple(blocks)


def _query_exchange(
    step_sizes: tuple[int, ...], blocks: tuple[Block, ...], members: int, device: torch.device
) -> Exchange:
    sizes = torch.tensor(step_sizes)
    starts = sizes.cumsum(0) - sizes
    rows = []
    inverse = torch.empty(int(sizes.sum()), dtype=torch.int64)
    for block in blocks:
        ranks = torch.arange(block.first, block.last).unsqueeze(1)  # (R, 1)
        real = ranks < sizes[: block.length]  # (R, T)
        own = torch.where(real, starts[: block.length] + ranks, 0)
        inverse[own[real]] = (torch.arange(own.numel()) + block.start).view(own.shape)[real]
        rows.append(own.flatten())
    source = torch.cat(rows).to(device).expand(members, -1)
    return Exchange(source, inverse.to(device).expand(members, -1))


def full_layout(mask: Bool[Tensor, "E B T"]) -> Layout:
    """Return the layout in which every position counts, real or not."""
    return replace(_full_layout(*mask.shape, mask.device), mask=mask)


@cache
def _full_layout(members: int, batch: int, length: int, device: torch.device) -> Layout:
    mask = torch.ones(members, batch, length, dtype=torch.bool, device=device)
    return replace(packed_layout(mask, torch.full((members, batch), length)), full=True)


def packed_layout(mask: Bool[Tensor, "E B T"], lengths: Int64[Tensor, "E B"]) -> Layout:
    """Return the layout that leaves padding out.

    Args:
        mask: True where a position is real.
        lengths: on the CPU: one more than the last real position, or T where there is none.
    """
    members, batch, _ = mask.shape
    # Stable, so that utterances of equal length keep the batch's order and results repeat.
    ordered, order = lengths.sort(dim=1, descending=True, stable=True)
    longest = ordered.amax(0)  # (B,) rows of rank r are kept up to the longest of any member
    length = int(longest[0])
    sizes = (longest.unsqueeze(0) > torch.arange(length).unsqueeze(1)).sum(1)
    steps = torch.repeat_interleave(torch.arange(length), sizes)  # (P,)
    ranks = torch.arange(len(steps)) - (sizes.cumsum(0) - sizes)[steps]  # (P,)
    utterance = order[:, ranks]  # (E, P)
    packed_source = utterance * length + steps
    row_of = torch.zeros(members, batch * length, dtype=torch.int64)  # padding reads row 0, which is masked
    row_of.scatter_(1, packed_source, torch.arange(len(steps)).expand(members, -1))
    device = mask.device
    return Layout(
        mask=mask[:, :, :length],
        step_sizes=tuple(sizes.tolist()),
        order=order.to(device),
        utterance=utterance.to(device),
        packed_source=packed_source.to(device),
        row_of=row_of.view(members, batch, length).to(device),
    )
