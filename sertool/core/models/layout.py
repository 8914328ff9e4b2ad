"""Where the real positions of a batch of sequences lie, so that little is computed on padding.

A modality arrives padded, ``(E, B, T, ...)`` with a mask. About a third of it is padding, and no position that is
masked ever reaches a logit, with one exception: where *everything* is masked the attention weights are uniform over
the whole padded length, so such an utterance counts as fully real. Inside the models a sequence is therefore packed
time-major, ``(E, P, D)``: first the first positions of all utterances, longest utterance first, then the second
positions of those that have one, and so on. Packed rows of one time step are a slice, which is what the LSTM's
recurrence wants; linear layers and norms do not care for the order. Attention works on blocks of utterances of about
equal length, each padded to its own longest.

The members of a stack see different utterances at the same place. The number of rows a step is the largest over
members, so a few rows of padding stay in.

A CUDA graph repeats the same operations on the same shapes, so there the layout is the full one: every position counts,
and nothing depends on the batch but the masks. On a card that is no loss: it waits for launches, not for arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise

import torch
from torch import Tensor

BLOCK_UTTERANCES = 4  # at least so many share a block, and there are at most
MAX_BLOCKS = 4


@dataclass(frozen=True)
class Layout:
    """The packed order of one modality of a batch.

    Attributes:
        mask: (E, B, T) True where a position is real; T as far as the longest utterance reaches.
        step_sizes: rows of each time step; sums to P, never increases.
        order: (E, B) utterances from the longest to the shortest: rank -> utterance.
        utterance: (E, P) which utterance of the batch a packed row belongs to.
        packed_source: (E, P) position of each packed row in the flattened (B * T) padding.
        row_of: (E, B, T) packed row of each padded position; 0 where it was left out.
        full: whether nothing but the mask depends on the batch.
    """

    mask: Tensor
    step_sizes: tuple[int, ...]
    order: Tensor
    utterance: Tensor
    packed_source: Tensor
    row_of: Tensor
    full: bool = False

    @property
    def shape(self) -> torch.Size:
        """(E, B, T)."""
        return self.mask.shape

    def pack(self, padded: Tensor) -> Tensor:
        """Inputs (E, B, T or more, D) -> (E, P, D), and likewise without D; no gradient flows back."""
        members, batch, length = self.mask.shape
        flat = padded[:, :, :length].reshape(members, batch * length, *padded.shape[3:])
        return _take(flat.detach(), self.packed_source)


@dataclass(frozen=True)
class Block:
    """Utterances of ranks ``first`` to ``last``, each padded to ``length`` queries, from row ``start`` on."""

    first: int
    last: int
    length: int
    start: int

    @property
    def utterances(self) -> int:
        """How many."""
        return self.last - self.first

    @property
    def rows(self) -> slice:
        """Its rows among all blocks' rows."""
        return slice(self.start, self.start + self.utterances * self.length)


@dataclass(frozen=True)
class Exchange:
    """Rows that are put into another order, and back: a gather whose gradient is a gather too.

    Attributes:
        source: (E, S) row of the input for each row of the output.
        inverse: (E, P) row of the output for each row of the input.
    """

    source: Tensor
    inverse: Tensor

    def there(self, rows: Tensor) -> Tensor:
        """(E, P, D) -> (E, S, D)."""
        result: Tensor = _Gather.apply(rows, self.source, self.inverse)  # type: ignore[no-untyped-call]
        return result

    def back(self, rows: Tensor) -> Tensor:
        """(E, S, D) -> (E, P, D); rows of the padding are dropped."""
        result: Tensor = _Select.apply(rows, self.inverse)  # type: ignore[no-untyped-call]
        return result


class _Gather(torch.autograd.Function):
    """Every input row is taken once for a position of its own; what padding took of it brings no gradient."""

    @staticmethod
    def forward(ctx, rows: Tensor, source: Tensor, inverse: Tensor) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        ctx.save_for_backward(inverse)
        return _take(rows, source)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        (inverse,) = ctx.saved_tensors
        return _take(gradient, inverse), None, None


class _Select(torch.autograd.Function):
    """Some rows, each at most once; the others get a gradient of zero."""

    @staticmethod
    def forward(ctx, rows: Tensor, index: Tensor) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        ctx.save_for_backward(index)
        ctx.rows = rows.shape[1]
        return _take(rows, index)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        (index,) = ctx.saved_tensors
        members, _, width = gradient.shape
        back = gradient.new_zeros(members * ctx.rows, width)
        back.index_copy_(0, _flat(index, ctx.rows), gradient.reshape(-1, width))
        return back.view(members, ctx.rows, width), None


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """Rows (E, N, ...) at (E, S) -> (E, S, ...)."""
    flat = rows.reshape(rows.shape[0] * rows.shape[1], *rows.shape[2:])
    return flat.index_select(0, _flat(index, rows.shape[1])).view(*index.shape, *rows.shape[2:])


def _flat(index: Tensor, rows: int) -> Tensor:
    first = torch.arange(0, index.shape[0] * rows, rows, device=index.device).unsqueeze(1)
    return (index + first).flatten()


@dataclass(frozen=True)
class Pairing:
    """Who attends to whom in a batch: queries in blocks, and their utterances' memory in the same order.

    Attributes:
        blocks: of queries.
        queries: packed rows (E, P, D) <-> the blocks' rows (E, S, D).
        memory: packed rows (E, P', D) <-> (E, B * T', D), utterances in the queries' order of ranks.
        memory_mask: (E, B, T') in that order.
        utterance: (E, P) rank of the utterance that a query belongs to.
        full: whether both layouts are full: ranks are utterances, and rows lie as ``full_layout`` says.
    """

    blocks: tuple[Block, ...]
    queries: Exchange
    memory: Exchange
    memory_mask: Tensor
    utterance: Tensor
    full: bool

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    @property
    def memory_length(self) -> int:
        """T'."""
        return self.memory_mask.shape[-1]

    @cached_property
    def has_memory(self) -> Tensor | None:
        """(E, P, 1) False for a query all of whose memory is masked, or None where there is none such."""
        real = self.memory_mask.any(-1)
        # A look at the values waits for the device, which a captured graph must not.
        if not self.full and bool(real.all()):
            return None
        return real.gather(1, self.utterance).unsqueeze(-1)


def pair(query: Layout, memory: Layout) -> Pairing:
    """Let the positions of one layout attend to those of another, or of itself, of the same utterance."""
    if query.full and memory.full:
        return replace(_pair_full(query.shape, memory.shape, query.mask.device), memory_mask=memory.mask)
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
        queries=_query_exchange(query.step_sizes, blocks, members, query.mask.device),
        memory=Exchange(memory_source, memory_inverse),
        memory_mask=memory.mask.gather(1, rank),
        utterance=ranks.gather(1, query.utterance),
        full=False,
    )


@cache
def _pair_full(query: torch.Size, memory: torch.Size, device: torch.device) -> Pairing:
    """That of two full layouts but for the mask: always the same, it stays on the device."""
    mine, other = _full_layout(*query, device), _full_layout(*memory, device)
    members, batch, length = query
    # One block, as every utterance is as long as the others; its rows are those of the query, in another order.
    block = Block(0, batch, length, 0)
    return Pairing(
        blocks=(block,),
        queries=_query_exchange(mine.step_sizes, (block,), members, device),
        memory=Exchange(other.row_of.flatten(1), other.packed_source),
        memory_mask=other.mask,
        utterance=mine.utterance,
        full=True,
    )


def _blocks(step_sizes: tuple[int, ...], batch: int) -> tuple[Block, ...]:
    number = max(1, min(MAX_BLOCKS, batch // BLOCK_UTTERANCES))
    bounds = [round(part * batch / number) for part in range(number + 1)]
    blocks = []
    start = 0
    for first, last in pairwise(bounds):
        length = sum(size > first for size in step_sizes)
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


def full_layout(mask: Tensor) -> Layout:
    """The layout in which every position of a mask (E, B, T) counts, real or not."""
    return replace(_full_layout(*mask.shape, mask.device), mask=mask)


@cache
def _full_layout(members: int, batch: int, length: int, device: torch.device) -> Layout:
    mask = torch.ones(members, batch, length, dtype=torch.bool, device=device)
    return replace(packed_layout(mask, torch.full((members, batch), length)), full=True)


def packed_layout(mask: Tensor, lengths: Tensor) -> Layout:
    """The layout that leaves padding out.

    Args:
        mask: (E, B, T) True where a position is real.
        lengths: (E, B) on the CPU: one more than the last real position, or T where there is none.
    """
    members, batch, _ = mask.shape
    ordered, order = lengths.sort(dim=1, descending=True, stable=True)
    longest = ordered.amax(0)  # (B,) rows of rank r are kept up to the longest of any member
    length = int(longest[0])
    sizes = (longest.unsqueeze(0) > torch.arange(length).unsqueeze(1)).sum(1)
    steps = torch.repeat_interleave(torch.arange(length), sizes)  # (P,)
    ranks = torch.arange(len(steps)) - (sizes.cumsum(0) - sizes)[steps]  # (P,)
    utterance = order[:, ranks]  # (E, P)
    packed_source = utterance * length + steps
    row_of = torch.zeros(members, batch * length, dtype=torch.int64)
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
