"""Long inputs in overlapping pieces, and inputs of similar length in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

_WASTE = 1.1  # a batch's longest input is at most so much longer than its shortest, since padding is computed, too


class Span(NamedTuple):
    """States ``begin`` up to ``begin + size`` are computed, of which ``first`` up to ``last`` are kept."""

    begin: int
    first: int
    last: int


@dataclass(frozen=True)
class Piece:
    """A recording, or a piece of a long one, as an encoder takes it.

    Attributes:
        inputs: (samples,) or (mel bands, frames).
        states: number of states that the encoder makes of the inputs.
        first: number of its first state that is kept.
        last: number after its last state that is kept.
    """

    inputs: "Tensor"
    states: int
    first: int
    last: int


def spans(count: int, size: int, context: int) -> Iterator[Span]:
    """Divide ``count`` states into overlapping pieces of exactly ``size``; fewer are one piece.

    At least ``context`` states on each side of those that are kept are computed as well, but for the two ends, so that
    each kept state has seen what lies around it. Each state is kept once.
    """
    last = 0
    while last < count:
        begin = max(0, min(last - context, count - size))
        end = count if begin + size >= count else begin + size - context
        yield Span(begin, last, end)
        last = end


def first_pieces(pieces: Iterable[Piece], states: float) -> Iterator[Piece]:
    """Yield the pieces of a recording up to the one with which so many states are kept."""
    kept = 0
    for piece in pieces:
        yield piece
        kept += piece.last - piece.first
        if kept >= states:
            return


def batches(lengths: Sequence[int], largest: int, *, padded: bool) -> Iterator[list[int]]:
    """Group inputs by length.

    Args:
        lengths: length of each input.
        largest: most that a batch holds, padding included; a longer input is a batch of its own.
        padded: allow inputs of several lengths in a batch.

    Yields:
        Numbers of the inputs of a batch.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        length = lengths[number]
        longest = _WASTE * lengths[batch[0]] if batch and padded else lengths[batch[0]] if batch else 0
        if batch and (length > longest or (len(batch) + 1) * length > largest):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
