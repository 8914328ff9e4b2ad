"""Slices, parts of a set that may be harder: speakers, genders, lengths, missing modalities, classes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import plural
from sertool.core.metrics import Bootstrap, Clusters, Estimate, fisher_less, holm
from sertool.core.reports.contents import SliceRow
from sertool.core.runs.prediction_files import Spoken, StoredSet

MOST_SPEAKERS = 60  # with more, the table is too long and the correction leaves no power
LEAST = 10  # utterances in a slice, and in the rest, for a test
ENOUGH = 5  # clusters in a slice, and in the rest, for a bootstrap: fewer give no usable standard error
WEAK = 0.05  # difference from the rest, and corrected p-value, of a weak slice

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Part:
    kind: str
    name: str
    mask: Mask


def slice_rows(stored: StoredSet, right: NDArray[np.float64], bootstrap: Bootstrap) -> tuple[SliceRow, ...]:
    """Measure the accuracy on each slice of a set, and find the weak slices.

    A slice is weak if it is significantly, and by more than 5 points, below the rest: one-sided p < 0.05, corrected by
    Holm over all slices of the set. If slice and rest have five clusters each, p comes from Student's t: the
    difference divided by its standard error over resamples of clusters, with the degrees of freedom of the fewer
    clusters. Otherwise it comes from Fisher's exact test, which assumes independent utterances (multi-label: those
    that are right in every class count as right). Slices of fewer than ten utterances are not tested, nor genders of
    fewer than five speakers: the test would be about those speakers, not about gender. In a set of too few clusters
    for an interval no slice is tested, and none has an interval.

    Args:
        stored: the set.
        right: (N,) share of each utterance's decisions that are right; 0 or 1 in a single-label task.
        bootstrap: resamples of the utterances of the set.
    """
    parts = list(_slices_of(stored))
    if not parts:
        return ()
    masks = np.stack([part.mask for part in parts], axis=-1)
    # Right and all utterances of each slice, then of the set: one pass over the resamples serves every slice.
    columns = np.hstack([masks * right[:, None], masks, right[:, None], np.ones((len(right), 1))])
    totals = bootstrap.totals(columns)
    rows, tested = [], []
    for number, part in enumerate(parts):
        inside, outside = right[part.mask], right[~part.mask]
        difference = float(inside.mean() - outside.mean())
        rows.append(
            SliceRow(
                kind=part.kind,
                name=part.name,
                size=len(inside),
                clusters=len(np.unique(bootstrap.clusters.index[part.mask])),
                accuracy=_estimate(inside, part.mask, bootstrap),
                difference=difference,
                p=None,
                weak=False,
            )
        )
        large = min(len(inside), len(outside)) >= LEAST and not bootstrap.clusters.few
        if large and not _is_few_speakers(part, stored):
            resampled = totals[:, [number, len(parts) + number, -2, -1]]
            tested.append((number, _p_below(inside, outside, part.mask, resampled, bootstrap.clusters)))
    # Only slices that were tested count in the correction.
    for (number, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        rows[number] = replace(rows[number], p=p, weak=p < WEAK and rows[number].difference < -WEAK)
    return tuple(rows)


def _is_few_speakers(part: _Part, stored: StoredSet) -> bool:
    """Check whether a gender, or the other one, is only a few speakers, whose habits could pass for the gender's."""
    speakers: tuple[set[str], set[str]] = (set(), set())
    for inside, one in zip(part.mask, stored.spoken, strict=True):
        if one.speaker is not None:
            speakers[int(inside)].add(one.speaker)
    return part.kind == "gender" and 0 < min(map(len, speakers)) < ENOUGH


def _estimate(inside: NDArray[np.float64], mask: Mask, bootstrap: Bootstrap) -> Estimate:
    """Return the accuracy on a slice with its interval over clusters; over utterances if there is one cluster only."""
    if bootstrap.clusters.few:
        return Estimate(float(inside.mean()))
    _, index = np.unique(bootstrap.clusters.index[mask], return_inverse=True)
    own = Clusters(index, int(index.max()) + 1, bootstrap.clusters.unit)
    if own.number == 1:  # resampling one cluster gives the same figure every time
        own = Clusters(np.arange(len(inside)), len(inside), "utterance")
    resampled = Bootstrap(own, resamples=bootstrap.resamples, seed=bootstrap.seed)
    sums = resampled.totals(np.stack([inside, np.ones_like(inside)], axis=-1))
    return resampled.estimate(float(inside.mean()), sums[:, 0] / sums[:, 1], (0.0, 1.0))


def _p_below(
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
    mask: Mask,
    totals: NDArray[np.float64],
    clusters: Clusters,
) -> float:
    """Return the one-sided p-value of the hypothesis that a slice is not below the rest.

    ``totals`` (R, 4): right and all utterances of the slice, right and all of the set, in each resample.
    """
    from scipy.special import stdtr  # slow to import, and only needed here

    fewer = min(len(np.unique(clusters.index[own])) for own in (mask, ~mask))
    right, size, all_right, all_size = totals.T
    # A resample that drew only the slice, or only the rest, has no difference.
    defined = (size > 0) & (size < all_size)
    if fewer >= ENOUGH and defined.any():
        rest = (all_right[defined] - right[defined]) / (all_size[defined] - size[defined])
        # Resamples of n clusters vary like a mean with the divisor n; t needs n - 1.
        error = float((right[defined] / size[defined] - rest).std()) * math.sqrt(fewer / (fewer - 1))
        if error > 0:  # else all resamples agree, and there is nothing to divide by
            return float(stdtr(fewer - 1, (inside.mean() - outside.mean()) / error))
    correct = [int((own == 1).sum()) for own in (inside, outside)]
    return fisher_less(correct[0], len(inside), correct[1], len(outside))


def _slices_of(stored: StoredSet) -> Iterator[_Part]:
    """Yield all slices that are neither empty nor the whole set."""
    spoken, own = stored.spoken, stored.predictions
    speakers = [one.speaker for one in spoken]
    named = [("gender", [one.gender for one in spoken])]
    if len(set(speakers) - {None}) <= MOST_SPEAKERS:
        named.insert(0, ("speaker", speakers))
    named.append(("modality", [_modality(one) for one in spoken]))
    for kind, values in named:
        for value in sorted({value for value in values if value is not None}):
            yield from _part(kind, value, np.array([one == value for one in values]))
    words = np.array([one.words for one in spoken], np.float64)
    yield from _part("words", "no words", words == 0)
    yield from _thirds("words", words, words > 0)
    seconds = np.array([math.nan if one.seconds is None else one.seconds for one in spoken])
    yield from _thirds("seconds", seconds, np.isfinite(seconds))
    assert own.targets is not None
    for number, name in enumerate(own.classes):
        has = own.targets[:, number] > 0 if own.kind == "multi" else own.targets == number
        yield from _part("class", name, has)


def _part(kind: str, name: str, mask: Mask) -> Iterator[_Part]:
    if mask.any() and not mask.all():
        yield _Part(kind, name, mask)


def _thirds(kind: str, values: NDArray[np.float64], known: Mask) -> Iterator[_Part]:
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
