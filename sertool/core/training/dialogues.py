"""Dialogues as a model with context reads them: pieces of dialogues, and batches of pieces.

A piece is a stretch of a dialogue in one batch. Its utterances that count have all of their context in it; the others
are there as context alone. A dialogue that fits into a batch is one piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sertool.core.corpora.dialogues import Placed, dialogues_of
from sertool.core.models.context import NOBODY
from sertool.core.models.inputs import Turns


@runtime_checkable  # for the tests that check the arguments of every call
class Spoken(Placed, Protocol):
    """Part of a dialogue whose speaker may be known."""

    @property
    def speaker(self) -> str | None:
        """Name of its speaker."""


@dataclass(frozen=True)
class Dialogues:
    """Places of the N utterances of a corpus in their dialogues, on the CPU.

    Attributes:
        rows: utterances of each dialogue in order. The context of an utterance is what stands before it in the
            dialogue that ``home`` names, so an utterance may be context in several.
        speakers: numbers of the speakers at these places; -1 where unknown.
        home: (N, 2) dialogue of each utterance, and place in it.
        previous: largest number of earlier utterances that count.
    """

    rows: tuple[Int64[Tensor, "_"], ...]
    speakers: tuple[Int64[Tensor, "_"], ...]
    home: Int64[Tensor, "N 2"]
    previous: int

    def masked(self) -> "Dialogues":
        """Return dialogues in which no utterance has an earlier one."""
        numbers = torch.arange(len(self.home))
        speakers = [self.speakers[dialogue][place].view(1) for dialogue, place in self.home.tolist()]
        home = torch.stack([numbers, torch.zeros_like(numbers)], dim=1)
        return Dialogues(tuple(numbers.view(-1, 1)), tuple(speakers), home, self.previous)

    def shuffled(self, order: Int64[Tensor, "N"]) -> "Dialogues":
        """Return dialogues in which each earlier utterance is another one: ``order[i]`` in the place of i.

        Who spoke stays as it was, so that only what was said is another dialogue's.
        """
        rows, speakers, home = list[Tensor](), list[Tensor](), torch.zeros_like(self.home)
        for row, (dialogue, place) in enumerate(self.home.tolist()):
            first = max(0, place - self.previous)
            rows.append(torch.cat([order[self.rows[dialogue][first:place]], torch.tensor([row])]))
            speakers.append(self.speakers[dialogue][first : place + 1])
            home[row] = torch.tensor([row, place - first])
        return Dialogues(tuple(rows), tuple(speakers), home, self.previous)


def read_dialogues(utterances: Sequence[Spoken], previous: int) -> Dialogues:
    """Return the dialogues of utterances, which are theirs in the same order.

    Raises:
        DataError: a position in a dialogue is given twice.
    """
    numbers: dict[str | None, int] = {None: NOBODY}
    every = torch.tensor([numbers.setdefault(own.speaker, len(numbers)) for own in utterances], dtype=torch.int64)
    rows = tuple(torch.tensor(own, dtype=torch.int64) for own in dialogues_of(utterances))
    home = torch.zeros(len(utterances), 2, dtype=torch.int64)
    for number, own in enumerate(rows):
        home[own, 0] = number
        home[own, 1] = torch.arange(len(own))
    return Dialogues(rows, tuple(every[own] for own in rows), home, previous)


@dataclass(frozen=True)
class Piece:
    """A stretch of a dialogue.

    Attributes:
        rows: its utterances in order.
        speakers: numbers of their speakers.
        counted: place of each utterance among those that were asked for; -1 where it is context alone.
    """

    rows: Int64[Tensor, "L"]
    speakers: Int64[Tensor, "L"]
    counted: Int64[Tensor, "L"]

    def __len__(self) -> int:
        return len(self.rows)


def pieces_of(dialogues: Dialogues, rows: Int64[Tensor, "N"], most: int) -> list[Piece]:
    """Divide the dialogues of some utterances into pieces, in the order in which their dialogues first appear.

    Args:
        dialogues: all dialogues.
        rows: utterances that count, each once.
        most: largest number of utterances that count in a piece; a longer dialogue is divided, and the utterances
            before the division are repeated as context.
    """
    asked: dict[int, list[tuple[int, int]]] = {}
    for number, (dialogue, place) in enumerate(dialogues.home[rows].tolist()):
        asked.setdefault(dialogue, []).append((place, number))
    pieces = []
    for dialogue, wanted in asked.items():
        for run in _runs(sorted(wanted), dialogues.previous, most):
            first, last = max(0, run[0][0] - dialogues.previous), run[-1][0] + 1
            counted = torch.full((last - first,), -1, dtype=torch.int64)
            places, numbers = np.array(run).T
            counted[places - first] = torch.from_numpy(numbers)
            said, speakers = (kept[dialogue][first:last] for kept in (dialogues.rows, dialogues.speakers))
            pieces.append(Piece(said, speakers, counted))
    return pieces


def _runs(wanted: Sequence[tuple[int, int]], previous: int, most: int) -> list[list[tuple[int, int]]]:
    """Divide places so that a run has no gap which is wider than a context, and no more than ``most`` of them."""
    runs: list[list[tuple[int, int]]] = []
    for own in wanted:
        if not runs or len(runs[-1]) == most or own[0] - previous > runs[-1][-1][0] + 1:
            runs.append([])
        runs[-1].append(own)
    return runs


@dataclass(frozen=True)
class Packed:
    """Pieces in S batches for each of E members, filled up to B rows.

    Attributes:
        index: utterances; a filler is the first one again.
        turns: their places in the batch's dialogues.
        counted: place of each among the utterances that were asked for; -1 for context and fillers.
        used: rows that are no fillers.
    """

    index: Int64[Tensor, "S E B"]
    turns: Turns
    counted: Int64[Tensor, "S E B"]
    used: Int64[Tensor, "S E"]

    @property
    def counts(self) -> Bool[Tensor, "S E B"]:
        """True for an utterance that counts."""
        return self.counted >= 0

    def places(self) -> list[Int64[Tensor, "N"]]:
        """Return for each member where its utterances lie among its S * B rows, in the order they were asked for."""
        return [_inverse(own) for own in self.counted.transpose(0, 1).flatten(1)]


def _inverse(counted: Int64[Tensor, "R"]) -> Int64[Tensor, "N"]:
    rows = (counted >= 0).nonzero().squeeze(1)
    places = torch.empty_like(rows)
    places[counted[rows]] = rows
    return places


def pack_all(dialogues: Dialogues, rows: Sequence[Int64[Tensor, "_"]], batch: int) -> Packed:
    """Pack the utterances of each member, with their contexts, into batches of about ``batch`` rows."""
    return pack([full_batches(pieces_of(dialogues, own, batch), batch) for own in rows], dialogues.previous)


def pack(batches: Sequence[Sequence[Sequence[Piece]]], previous: int, width: int | None = None) -> Packed:
    """Lay the pieces of each member's batches side by side.

    Args:
        batches: for each member its batches of pieces.
        previous: largest number of earlier utterances that count.
        width: B. Default: that of the fullest batch.
    """
    steps, members = max(map(len, batches)), len(batches)
    used = torch.zeros(steps, members, dtype=torch.int64)
    for member, own in enumerate(batches):
        for step, pieces in enumerate(own):
            used[step, member] = sum(map(len, pieces))
    shape = steps, members, max(int(used.max()), width or 0)
    index, earlier = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    speakers, counted = torch.full(shape, NOBODY), torch.full(shape, -1)
    for member, own in enumerate(batches):
        index[:, member] = own[0][0].rows[0]
        for step, pieces in enumerate(own):
            here = step, member, slice(0, int(used[step, member]))
            index[here] = torch.cat([piece.rows for piece in pieces])
            speakers[here] = torch.cat([piece.speakers for piece in pieces])
            counted[here] = torch.cat([piece.counted for piece in pieces])
            earlier[here] = torch.cat([torch.arange(len(piece)).clamp(max=previous) for piece in pieces])
    return Packed(index, Turns(earlier, speakers), counted, used)


def even_batches(pieces: Sequence[Piece], number: int) -> list[list[Piece]]:
    """Put pieces into batches one after the other, each into the batch that has the fewest rows so far."""
    batches: list[list[Piece]] = [[] for _ in range(number)]
    rows = [0] * number
    for piece in pieces:
        least = min(range(number), key=rows.__getitem__)
        batches[least].append(piece)
        rows[least] += len(piece)
    return batches


def widest(pieces: Sequence[Piece], number: int) -> int:
    """Return rows that no batch of :func:`even_batches` exceeds, in whatever order the pieces come."""
    return sum(map(len, pieces)) // number + max(map(len, pieces))


def full_batches(pieces: Sequence[Piece], rows: int) -> list[list[Piece]]:
    """Put pieces into batches of at most ``rows`` rows, as far as a single piece is not longer."""
    batches: list[list[Piece]] = [[]]
    filled = 0
    for piece in pieces:
        if batches[-1] and filled + len(piece) > rows:
            batches.append([])
            filled = 0
        batches[-1].append(piece)
        filled += len(piece)
    return batches
