"""Order of a member's utterances in an epoch: each once, or as many of each corpus that was joined with others."""

import torch
from jaxtyping import Int64
from torch import Generator, Tensor


def epoch_order(
    rows: Int64[Tensor, "N"], corpora: Int64[Tensor, "_"] | None, balance: str, draw: Generator
) -> Int64[Tensor, "N"]:
    """Draw the order of the training utterances in an epoch.

    With ``balance: corpus`` the N places of the epoch are divided evenly among the corpora, to within one. A corpus
    with more utterances than places has a part of them drawn anew in each epoch; one with fewer is repeated, each
    utterance as often as the others, to within one.

    Args:
        rows: positions of the training utterances.
        corpora: number of the corpus of every utterance; needed with ``balance: corpus`` alone.
        balance: ``none`` or ``corpus``.
        draw: generator that depends on seed, fold and epoch alone.
    """
    if balance == "none" or corpora is None:
        return rows[torch.randperm(len(rows), generator=draw)]
    own = corpora[rows]
    names = torch.tensor(sorted(set(own.tolist())))
    places = torch.full((len(names),), len(rows) // len(names))
    places[torch.randperm(len(names), generator=draw)[: len(rows) % len(names)]] += 1
    drawn = [_drawn(rows[own == name], int(number), draw) for name, number in zip(names, places, strict=True)]
    every = torch.cat(drawn)
    return every[torch.randperm(len(every), generator=draw)]


def _drawn(rows: Int64[Tensor, "_"], number: int, draw: Generator) -> Int64[Tensor, "_"]:
    """Draw utterances without replacement, and again from all where they are used up."""
    rounds = -(-number // len(rows))
    if not rounds:
        return rows[:0]
    return torch.cat([rows[torch.randperm(len(rows), generator=draw)] for _ in range(rounds)])[:number]
