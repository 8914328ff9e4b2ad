"""The number of members that a run averages: chosen once, by one rule, and stored with the run for every command.

::

    ckpt/<name>/ensemble.json    the size, the set and the metric that chose it, the members, and the reason

`sertool ensemble` chooses and stores it; everything else that averages members reads it. No torch is needed.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.files.typed_json import read_typed
from sertool.core.formatting import plural
from sertool.core.metrics import Clusters
from sertool.core.metrics.classification import METRICS, counts_of, indicators
from sertool.core.runs.contents import ENSEMBLE_FORMAT, EnsembleContent
from sertool.core.runs.predictions import Predictions

FILE = "ensemble.json"
ROUNDING = 1e-9  # a difference of exactly one standard error, as of one utterance, must not depend on rounding
# Sets and people that can choose a size, in the words of every place that names a size.
CHOSEN = {
    "validation": "chosen on validation by sertool ensemble",
    "test": "selected on test, as in the paper",
    "user": "chosen by the user",
    "all": "all there are",
}


class Named(Protocol):
    """A member of a fold, trained or stored."""

    @property
    def name(self) -> str:
        """Name of its folder or file."""

    @property
    def fold(self) -> int:
        """Number of its fold."""


M = TypeVar("M", bound=Named)


@dataclass(frozen=True)
class EnsembleSize:
    """The number of members that a run averages, and where it comes from.

    Attributes:
        k: number of averaged members; in cross-validation of each fold.
        available: number of members that could be averaged.
        chosen_by: a key of ``CHOSEN``.
        metric: the metric that chose it, a key of ``METRICS``; None where none did.
        reason: why it is this size, as a sentence without a full stop; may be empty.
        members: names of the members it was chosen among, best first within each fold.
        left_out: names of members that are never averaged, because their logits are not finite.
    """

    k: int
    available: int
    chosen_by: str
    metric: str | None
    reason: str
    members: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def fits(self, members: Sequence[Named]) -> bool:
        """Check whether it was chosen among these members, in this order; those left out may be among them or not."""
        return self.members == tuple(one.name for one in members if one.name not in self.left_out)

    def chosen(self, members: Sequence[M]) -> tuple[M, ...]:
        """Return the members that are averaged."""
        return first_of_folds([one for one in members if one.name not in self.left_out], self.k)

    def __str__(self) -> str:
        """Name it, as in "5 members, chosen on validation by sertool ensemble"."""
        return f"{plural(self.k, 'member')}, {CHOSEN[self.chosen_by]}"


def first_of_folds(members: Sequence[M], k: int) -> tuple[M, ...]:
    """Return the first k members of every fold, in the order of all members."""
    seen: dict[int, int] = {}  # members met so far, by fold
    first = []
    for member in members:
        seen[member.fold] = seen.get(member.fold, 0) + 1
        if seen[member.fold] <= k:
            first.append(member)
    return tuple(first)


def depth_of(members: Sequence[Named]) -> int:
    """Return the number of members that can be averaged: in cross-validation that of the smallest fold."""
    folds = [member.fold for member in members]
    return min(folds.count(fold) for fold in set(folds))


def choose_on_validation(valid: Predictions, clusters: Clusters, metric: str) -> EnsembleSize:
    """Choose the largest size that validation cannot tell from the best one.

    Two sizes cannot be told apart if their metrics differ by at most one standard error of the paired difference: the
    rule of one standard error (L. Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3), here in
    favour of more members, whose average varies less from seed to seed.

    Args:
        valid: predictions on validation, with targets.
        clusters: clusters of its utterances.
        metric: a key of ``METRICS``, the recipe's ``training.select``.
    """
    depth = len(valid.logits)
    values = [valid.metric(metric, k) for k in range(1, depth + 1)]
    best = int(np.argmax(values)) + 1
    errors = [_standard_error(valid, best, k, clusters, metric) for k in range(1, depth + 1)]
    k = max(k for k in range(1, depth + 1) if values[best - 1] - values[k - 1] <= errors[k - 1] + ROUNDING)
    return _size(valid, k, "validation", metric, _reason(values, errors, best, k, metric) if depth > 1 else "")


def choose_on_test(test: Predictions, metric: str) -> EnsembleSize:
    """Choose the best size on test, the smallest if several are equal, as the reference did ("Max ensemble accuracy").

    Only for the paper's protocol: the figures are optimistic, and every table that shows them says so.
    """
    sizes = range(1, len(test.logits) + 1)
    k = max(sizes, key=lambda size: (test.metric(metric, size), -size))  # -size: the smallest
    return _size(test, k, "test", metric, "")


def all_members(members: Sequence[Named], reason: str, left_out: Sequence[str] = ()) -> EnsembleSize:
    """Return the size of all members, where nothing could choose one; ``reason`` says why."""
    depth = depth_of(members)
    names = tuple(one.name for one in members)
    return EnsembleSize(depth, depth, "all", None, reason if depth > 1 else "", names, tuple(left_out))


def chosen_by_user(members: Sequence[Named], k: int, left_out: Sequence[str] = ()) -> EnsembleSize:
    """Return a size that the user has named.

    Raises:
        UsageError: fewer members are available.
    """
    depth = depth_of(members)
    if k not in range(1, depth + 1):  # false for what is no whole number, too
        there = "there is 1 member" if depth == 1 else f"there are {depth} members"
        raise UsageError(f"--index {k}: {there} to average")
    return EnsembleSize(int(k), depth, "user", None, "", tuple(one.name for one in members), tuple(left_out))


def size_for(folder: Path, members: Sequence[Named], k: int | None = None) -> EnsembleSize:
    """Return the size to use for the members of a run: the user's, else the stored one, else all.

    Args:
        folder: folder of the run.
        members: all its members, best first within each fold.
        k: number that the user named for this call; None for the stored one.

    Raises:
        UsageError: fewer members than ``k`` are available.
        DataError: the stored size is damaged.
    """
    stored = read_size(folder)
    fits = stored is not None and stored.fits(members)
    left_out = stored.left_out if stored is not None and fits else ()
    if k is not None:
        return chosen_by_user([one for one in members if one.name not in left_out], k, left_out)
    if stored is not None and fits:
        return stored
    again = f"sertool ensemble --name {folder.name} chooses it"
    why = "no size is stored with the run" if stored is None else "the stored size was chosen among other members"
    return all_members(members, f"{why}; {again}")


def write_size(folder: Path, size: EnsembleSize) -> None:
    """Store the size in the folder of its run.

    Raises:
        SertoolError: the folder cannot be written.
    """
    artifacts.write_json(folder / FILE, {"format": ENSEMBLE_FORMAT, **asdict(size)})


def read_size(folder: Path) -> EnsembleSize | None:
    """Read the size stored with a run; None where there is none, as in runs of older versions.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    own = read_typed(path, EnsembleContent, hint="delete it; `sertool ensemble` chooses the size again")
    fields = own.model_dump(exclude={"format"})
    return EnsembleSize(**{**fields, "members": tuple(own.members), "left_out": tuple(own.left_out)})


def _size(own: Predictions, k: int, chosen_by: str, metric: str, reason: str) -> EnsembleSize:
    return EnsembleSize(k, len(own.logits), chosen_by, metric, reason, tuple(one.name for one in own.members))


def _standard_error(own: Predictions, a: int, b: int, clusters: Clusters, metric: str) -> float:
    """Return the standard error of the difference of a metric between two sizes, over clusters or over utterances.

    The larger of both counts: that over few clusters may be small by chance, that over utterances is too small if
    those of a cluster are alike.
    """
    if a == b:
        return 0.0
    utterances = np.arange(len(own.ids))
    return max(
        _jackknife(_without_each(own, a, index, metric) - _without_each(own, b, index, metric))
        for index in (clusters.index, utterances)
    )


def _jackknife(values: NDArray[np.float64]) -> float:
    """Return the jackknife's standard error, from a figure without each of n clusters (n,); infinite for a single one.

    Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.
    """
    number = len(values)
    return math.sqrt((number - 1) / number * ((values - values.mean()) ** 2).sum()) if number > 1 else math.inf


def _without_each(own: Predictions, k: int, index: NDArray[np.integer], metric: str) -> NDArray[np.float64]:
    """Return the metric of the first k members without each cluster: (clusters,); ``index`` (N,) is their cluster."""
    assert own.targets is not None
    parts = indicators(own.targets, own.decisions(k), len(own.classes))
    sums = np.stack([np.bincount(index, weights=part) for part in parts.T], axis=-1)
    return METRICS[metric].of_counts(counts_of(sums.sum(0) - sums, multi=own.kind == "multi"))


def _reason(values: Sequence[float], errors: Sequence[float], best: int, k: int, metric: str) -> str:
    """Explain a choice on validation, from metric and standard error of each size."""
    own = f"{METRICS[metric].title} on validation is {100 * values[k - 1]:.1f} %"
    if k == best:
        return (
            f"{own}, the highest" if k == len(values) else f"{own}, more than a standard error above all larger sizes"
        )
    highest = f"{100 * values[best - 1]:.1f} % with {plural(best, 'member')}"
    if math.isinf(errors[k - 1]):
        return f"{own} ({highest}); one speaker or utterance cannot tell sizes apart"
    return f"{own}, within one standard error ({100 * errors[k - 1]:.1f} points) of the highest, {highest}"
