"""Slices, parts of a set that may be harder: corpora, speakers, genders, lengths, modalities, dialogues, classes."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import plural
from sertool.core.metrics import FEWEST, Clusters, Jackknife, fisher_less, holm
from sertool.core.metrics.jackknife import SHARE
from sertool.core.reports.contents import SliceRow
from sertool.core.reports.dialogue_slices import after_changes, by_turn
from sertool.core.runs.prediction_files import Spoken, StoredSet

MOST_SPEAKERS = 60  # with more, the table is too long and the correction leaves no power
LEAST = 10  # utterances in a slice, and in the rest, for a test
WEAK = 0.05  # difference from the rest, and corrected p-value, of a weak slice

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """A slice: the kind, the name and (N,) True for the utterances that are in it."""

    kind: str
    name: str
    mask: Mask


def slice_rows(stored: StoredSet, right: NDArray[np.float64], jackknife: Jackknife) -> tuple[SliceRow, ...]:
    """Measure the accuracy on each slice of a set, and find the weak slices.

    A slice is weak if it is significantly, and by more than 5 points, below the rest: one-sided p < 0.05, corrected by
    Holm over all slices of the set. p comes from the jackknife over clusters, as intervals do. Slice and rest need five
    clusters each, for they would say nothing about others otherwise, and a gender five speakers: the test would be
    about those speakers, not about gender. A single speaker is compared with the others over utterances, by Fisher's
    exact test, as this is about no other speaker. Slices of fewer than ten utterances are not tested.

    Args:
        stored: the set.
        right: (N,) share of each utterance's decisions that are right; 0 or 1 in a single-label task.
        jackknife: jackknife over the utterances of the set.
    """
    parts = list(slices_of(stored))
    rows, tested = [], []
    for number, part in enumerate(parts):
        row, p = _row(part, right, jackknife)
        rows.append(row)
        if p is not None and not is_few_speakers(part, stored):
            tested.append((number, p))
    # Only slices that were tested count in the correction.
    for (number, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        rows[number] = replace(rows[number], p=p, weak=p < WEAK and rows[number].difference < -WEAK)
    return tuple(rows)


def _row(part: Part, right: NDArray[np.float64], jackknife: Jackknife) -> tuple[SliceRow, float | None]:
    """Return the figures of a slice, and the one-sided p-value that it is not below the rest; None without a test."""
    mask, clusters = part.mask, jackknife.clusters
    inside, outside = right[mask], right[~mask]
    number, others = (len(np.unique(clusters.index[own])) for own in (mask, ~mask))
    # One speaker, among speakers enough, is judged by his or her utterances.
    alone = part.kind == "speaker" and number == 1 and not clusters.few
    over = Jackknife(Clusters(np.arange(len(mask)), len(mask), "utterance")) if alone else jackknife
    left = over.totals(np.stack([right * mask, mask, right * ~mask, ~mask], axis=-1))
    sizes = np.where(left[:, 1::2] > 0, left[:, 1::2], np.nan)  # a part of one cluster is empty without it
    within, without = (left[:, ::2] / sizes).T
    difference = float(inside.mean() - outside.mean())
    row = SliceRow(
        kind=part.kind,
        name=part.name,
        size=len(inside),
        clusters=number,
        accuracy=over.estimate(float(inside.mean()), within, SHARE, mask),
        difference=difference,
        p=None,
        weak=False,
    )
    if min(len(inside), len(outside)) < LEAST or clusters.few:
        return row, None
    if not alone and min(number, others) < FEWEST:
        return row, None
    # The part with fewer clusters limits what can be known.
    found = over.difference(difference, within - without, mask if number < others else ~mask)
    if alone or found.p is None:  # no chance at work, where all of a part is right and all of the other wrong
        correct = [int((own == 1).sum()) for own in (inside, outside)]
        return row, fisher_less(correct[0], len(inside), correct[1], len(outside))
    return row, found.p / 2 if difference < 0 else 1 - found.p / 2


def is_few_speakers(part: Part, stored: StoredSet) -> bool:
    """Check whether a gender, or the other one, is only a few speakers, whose habits could pass for the gender's."""
    speakers: tuple[set[str], set[str]] = (set(), set())
    for inside, one in zip(part.mask, stored.spoken, strict=True):
        if one.speaker is not None:
            speakers[int(inside)].add(one.speaker)
    return part.kind == "gender" and 0 < min(map(len, speakers)) < FEWEST


def slices_of(stored: StoredSet) -> Iterator[Part]:
    """Yield all slices that are neither empty nor the whole set."""
    spoken, own = stored.spoken, stored.predictions
    speakers = [one.speaker for one in spoken]
    named = [("gender", [one.gender for one in spoken])]
    if len(set(speakers) - {None}) <= MOST_SPEAKERS:
        named.insert(0, ("speaker", speakers))
    named.insert(0, ("corpus", [one.corpus for one in spoken]))
    named.append(("modality", [_modality(one) for one in spoken]))
    for kind, values in named:
        for value in sorted({value for value in values if value is not None}):
            yield from _part(kind, value, np.array([one == value for one in values]))
    words = np.array([one.words for one in spoken], np.float64)
    yield from _part("words", "no words", words == 0)
    yield from _thirds("words", words, words > 0)
    seconds = np.array([math.nan if one.seconds is None else one.seconds for one in spoken])
    yield from _thirds("seconds", seconds, np.isfinite(seconds))
    yield from _in_dialogues(by_turn(spoken))
    if own.kind == "scores":
        return  # the residuals by range are their slices by target
    assert own.targets is not None
    for number, name in enumerate(own.classes):
        has = own.targets[:, number] > 0 if own.kind == "multi" else own.targets == number
        yield from _part("class", name, has)
    yield from _in_dialogues(after_changes(spoken, own.targets, stored.origin.task))


def _in_dialogues(parts: Iterable[tuple[str, str, Mask]]) -> Iterator[Part]:
    """Yield the slices of dialogues that have enough utterances for a test."""
    for kind, name, mask in parts:
        if mask.sum() >= LEAST:
            yield from _part(kind, name, mask)


def _part(kind: str, name: str, mask: Mask) -> Iterator[Part]:
    if mask.any() and not mask.all():
        yield Part(kind, name, mask)


def _thirds(kind: str, values: NDArray[np.float64], known: Mask) -> Iterator[Part]:
    """Yield three slices of about equal size by length, of the utterances whose length is known."""
    if not known.any():
        return
    # "lower" puts the edges on lengths that occur, so equal lengths are never in two slices.
    edges = np.quantile(values[known], [1 / 3, 2 / 3], method="lower")
    place = np.searchsorted(edges, values, side="left")
    for third in range(3):
        mask = known & (place == third)
        if mask.any():
            yield from _part(kind, _span(kind, float(values[mask].min()), float(values[mask].max())), mask)


def _span(kind: str, low: float, high: float) -> str:
    """Name a slice by its lengths, as ``3 to 7 words`` or ``1.2 to 3.4 s``."""
    if kind == "seconds":
        return f"{low:.1f} to {high:.1f} s" if f"{low:.1f}" != f"{high:.1f}" else f"{low:.1f} s"
    return f"{low:.0f} to {high:.0f} words" if low != high else plural(round(low), "word")


def _modality(one: Spoken) -> str:
    """Name the modalities that an utterance has."""
    if one.words and one.frames:
        return "text and audio"
    return "no audio" if one.words else "no text" if one.frames else "no text, no audio"


def rightness(targets: Sequence[int] | NDArray[np.int64], decisions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) the share of each utterance's decisions that are right."""
    same = (np.asarray(targets) == decisions).astype(np.float64)
    return np.asarray(same if same.ndim == 1 else same.mean(1))
