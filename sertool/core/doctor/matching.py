"""Copies of recordings are found by the fingerprints of their sound.

A copy has some codes exactly or but for one bit, so an index of all codes gives candidates: pairs of recordings with
the shift of time between them. Each candidate is then compared code by code where the two overlap, and counts as a
copy if few enough bits differ. Memory is bounded by the chunks in which candidates are made.

The thresholds were measured on EMO-DB's 5,631 pairs of two recordings of one sentence, of which the most similar ones
differ in more than a third of their bits (docs/doctor.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.sound_codes import Sounds

MOST_WRONG = 0.25  # share of differing bits up to which two recordings are copies; unrelated ones differ in half
MOST_WRONG_SHORT, SHORT = 0.2, 40  # the same for fewer codes than that, a second, where chance is larger
FEWEST = 12  # codes that must be compared: 0.3 s and the window, 0.6 s of sound
OVERLAP = 0.4  # share of the shorter recording in which the two must overlap, silence included
_COMMON = 64  # a code that occurs more often in a corpus is of a steady sound, and tells nothing
_PAIRS = 1 << 20  # candidates at a time
_PROBES = np.arange(-24, 25, 3)  # codes around a common one that are compared first
_FEWEST_PROBES = 4
_MOST_WRONG_PROBES = 0.33
_BITS = 32

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """Two recordings that are copies of one another, at least in part.

    Attributes:
        ours, theirs: their positions in the two corpora.
        shift: codes from the beginning of theirs to that of ours, in the time of the sound.
        compared: number of codes that were compared.
        wrong: share of their bits that differ.
    """

    ours: int
    theirs: int
    shift: int
    compared: int
    wrong: float


class _Candidates(NamedTuple):
    """Positions of two codes that agree, (K,) each, with the recordings that own them."""

    our_code: Ints
    their_code: Ints
    ours: Ints
    theirs: Ints

    def only(self, which: NDArray[np.bool_] | Ints) -> "_Candidates":
        return _Candidates(*(column[which] for column in self))


def match_sounds(ours: Sounds, theirs: Sounds | None = None) -> list[Match]:
    """Find the pairs of recordings that are copies of one another.

    Args:
        ours: fingerprints of one corpus.
        theirs: those of another one; None: pairs within ``ours`` are sought, each once, as (later, earlier).

    Returns:
        The pairs by position, each once, where fewest bits differ.
    """
    other = ours if theirs is None else theirs
    best: dict[tuple[int, int], Match] = {}
    for candidates in _candidates(ours, other):
        if theirs is None:
            candidates = candidates.only(candidates.ours > candidates.theirs)
        for match in _verified(candidates.only(_is_similar(candidates, ours, other)), ours, other):
            pair = match.ours, match.theirs
            if pair not in best or match.wrong < best[pair].wrong:
                best[pair] = match
    return [best[pair] for pair in sorted(best)]


def _candidates(ours: Sounds, theirs: Sounds) -> Iterator[_Candidates]:
    """Yield the pairs of codes that agree but for one bit, in chunks."""
    our_owner, their_owner = _owners(ours), _owners(theirs)
    rows = _telling(theirs.codes)
    rows = rows[np.argsort(theirs.codes[rows], kind="stable")]
    table, first, counts = np.unique(theirs.codes[rows], return_index=True, return_counts=True)
    asked = _telling(ours.codes)
    asked = asked[np.argsort(ours.codes[asked], kind="stable")]
    if not len(table):
        return
    for flip in (0, *(1 << bit for bit in range(_BITS))):
        wanted = ours.codes[asked] ^ np.uint32(flip)
        place = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
        hit = np.flatnonzero(table[place] == wanted)
        number = counts[place[hit]]
        # Chunks end where the number of pairs passes a multiple of _PAIRS.
        for part in np.split(np.arange(len(hit)), np.flatnonzero(np.diff(np.cumsum(number) // _PAIRS)) + 1):
            each = number[part]
            our_code = np.repeat(asked[hit[part]], each)
            within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
            their_code = rows[np.repeat(first[place[hit[part]]], each) + within]
            yield _Candidates(our_code, their_code, our_owner[our_code], their_owner[their_code])


def _owners(sounds: Sounds) -> Ints:
    return np.repeat(np.arange(len(sounds)), np.diff(sounds.offsets))


def _telling(codes: NDArray[np.uint32]) -> Ints:
    """Return the positions of codes that are neither silence nor so common that they tell nothing."""
    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return np.flatnonzero((codes != 0) & (counts[place] <= _COMMON))


def _is_similar(candidates: _Candidates, ours: Sounds, theirs: Sounds) -> NDArray[np.bool_]:
    """Check a few codes around each pair; most pairs that agree by chance differ there."""
    one = candidates.our_code[:, None] + _PROBES
    other = candidates.their_code[:, None] + _PROBES
    inside = _inside(one, candidates.ours, ours) & _inside(other, candidates.theirs, theirs)
    a, b = (sounds.codes[np.where(inside, at, 0)] for sounds, at in ((ours, one), (theirs, other)))
    inside &= (a != 0) & (b != 0)
    number = inside.sum(axis=1)
    wrong = np.where(inside, np.bitwise_count(a ^ b), 0).sum(axis=1)
    similar: NDArray[np.bool_] = (number >= _FEWEST_PROBES) & (wrong <= _MOST_WRONG_PROBES * _BITS * number)
    return similar


def _inside(places: Ints, owners: Ints, sounds: Sounds) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (places >= sounds.offsets[owners][:, None]) & (
        places < sounds.offsets[owners + 1][:, None]
    )
    return inside


def _verified(candidates: _Candidates, ours: Sounds, theirs: Sounds) -> Iterator[Match]:
    """Compare recordings where they overlap, once for each shift."""
    our_start, their_start = ours.offsets[candidates.ours], theirs.offsets[candidates.theirs]
    shifts = (candidates.our_code - our_start) - (candidates.their_code - their_start)
    for ours_row, theirs_row, shift in np.unique(
        np.stack([candidates.ours, candidates.theirs, shifts], axis=1), axis=0
    ).tolist():
        a, b = ours[ours_row], theirs[theirs_row]
        shorter = min(len(a), len(b))
        a, b = a[max(shift, 0) :], b[max(-shift, 0) :]
        length = min(len(a), len(b))
        a, b = a[:length], b[:length]
        both = (a != 0) & (b != 0)
        compared = int(both.sum())
        if compared < FEWEST or length < OVERLAP * shorter:
            continue
        wrong = int(np.bitwise_count(a ^ b)[both].sum()) / (_BITS * compared)
        if wrong <= (MOST_WRONG if compared >= SHORT else MOST_WRONG_SHORT):
            yield Match(ours_row, theirs_row, shift, compared, wrong)
