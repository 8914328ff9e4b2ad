"""The number of members that a run averages: chosen once, by one rule, and stored with the run for every command.

::

    ckpt/<name>/size.json    the size, the set and the metric that chose it, the members, and the reason

`sertool ensemble` chooses and stores it; everything else that averages members reads it. No torch is needed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.files.typed_json import read_typed
from sertool.core.formatting import plural
from sertool.core.metrics import Clusters, Jackknife
from sertool.core.metrics.classification import METRICS, IntArray, metrics_of
from sertool.core.metrics.scores import DIMENSION_METRICS
from sertool.core.metrics.selection import LOWER_IS_BETTER, figure_of_score
from sertool.core.runs.contents import SIZE_FORMAT, SizeContent
from sertool.core.runs.predictions import Predictions, scores_left

FILE = "size.json"
ROUNDING = 1e-9  # a difference of exactly one standard error, as of one utterance, must not depend on rounding


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
        available: number of members that could be averaged; in cross-validation of each fold.
        chosen_by: ``validation``, ``test`` (the paper's protocol), ``user``, or ``all`` (nothing could choose).
        metric: the metric that chose it, a key of ``METRICS``; None where none did.
        reason: why it is this size, as a sentence without a full stop; may be empty.
        members: names of the members it was chosen among, best first within each fold.
        left_out: names of members that are never averaged, because their logits are not finite.
        folds: number of folds of cross-validation; 1 without.
        kind: ``single``, ``multi`` or ``scores``, of the task, which names the metric.
    """

    k: int
    available: int
    chosen_by: str
    metric: str | None
    reason: str
    members: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    folds: int = 1
    kind: str = "single"

    def fits(self, members: Sequence[Named]) -> bool:
        """Check whether it was chosen among these members, in this order; those left out may be among them or not."""
        return self.members == tuple(one.name for one in self.usable(members))

    def usable(self, members: Sequence[M]) -> tuple[M, ...]:
        """Return the members without those that are left out."""
        return tuple(one for one in members if one.name not in self.left_out)

    def chosen(self, members: Sequence[M]) -> tuple[M, ...]:
        """Return the members that are averaged."""
        return first_of_folds(self.usable(members), self.k)

    @property
    def explained(self) -> str:
        """Name it, with the reason where there is one."""
        return f"{self}: {self.reason}" if self.reason else str(self)

    @property
    def table(self) -> dict[str, Any]:
        """The size as plain data, for JSON files."""
        fields = ("k", "available", "folds", "chosen_by", "metric", "reason")
        return {name: getattr(self, name) for name in fields}

    def __str__(self) -> str:
        """Name it, as in "5 members, chosen on validation by UAR"."""
        number = plural(self.k, "member") + f" of each of {self.folds} folds" * (self.folds > 1)
        return number if self.available == 1 else f"{number}, {how_chosen(self.chosen_by, self.metric, self.kind)}"


def how_chosen(chosen_by: str, metric: str | None, kind: str) -> str:
    """Say what chose a size, in the words of every place that names one.

    >>> how_chosen("validation", "uar", "single"), how_chosen("user", None, "single")
    ('chosen on validation by UAR', 'chosen by the user')
    """
    by = f" by {title_of(metric, kind)}" if metric is not None else ""
    return {
        "validation": f"chosen on validation{by}",
        "test": f"selected on test{by}",
        "user": "chosen by the user",
        "all": "all that were trained",
    }[chosen_by]


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


def choose_size(
    sets: Mapping[str, Predictions],
    metric: str,
    clusters: Clusters | None,
    stored: EnsembleSize | None = None,
    folds: IntArray | None = None,
) -> EnsembleSize:
    """Choose the size of a run's ensemble, see :func:`choose_on_validation` and :func:`choose_best`.

    Args:
        sets: predictions of its usable members by set, at least one.
        metric: a key of ``METRICS``, the recipe's ``training.select``.
        clusters: clusters of the validation utterances; None under the paper's protocol, which chooses on test.
        stored: size stored with the run; the paper's protocol keeps it where test was not evaluated.
        folds: (N,) fold of each validation utterance; None without cross-validation.
    """
    members = next(iter(sets.values())).members
    if clusters is None:
        if "test" in sets:
            return choose_best(sets["test"], metric)
        if stored is not None and stored.members == tuple(one.name for one in members):
            return stored
        return all_members(members, "it is chosen on test here, which was not evaluated")
    if "valid" in sets:
        return choose_on_validation(sets["valid"], clusters, metric, folds)
    return all_members(members, "there are no validation utterances to choose on")


def choose_on_validation(
    valid: Predictions, clusters: Clusters, metric: str, folds: IntArray | None = None
) -> EnsembleSize:
    """Choose the largest size that validation cannot tell from the best one.

    Members are ordered by their score on these same utterances, which flatters the first ones: their average would seem
    better than that of more members, and would not be on others. So sizes are judged by members that are ranked on
    other utterances, see :func:`ranked_by_others`.

    Two sizes cannot be told apart if their metrics differ by at most one standard error of the paired difference: the
    rule of one standard error (L. Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3), here in
    favour of more members, whose average varies less from seed to seed. Over few speakers the error is widened as
    Student's t widens an interval.

    Args:
        valid: predictions on validation, with targets.
        clusters: clusters of its utterances.
        metric: a key of ``METRICS``, the recipe's ``training.select``.
        folds: (N,) fold of each utterance; None without cross-validation.
    """
    depth = len(valid.logits)
    judged = ranked_by_others(valid, clusters, metric, folds)
    values = [judged.score(metric, k) for k in range(1, depth + 1)]
    best = int(np.argmax(values)) + 1
    errors = [_standard_error(judged, best, k, clusters, metric) for k in range(1, depth + 1)]
    k = max(k for k in range(1, depth + 1) if values[best - 1] - values[k - 1] <= errors[k - 1] + ROUNDING)
    own = f"{title_of(metric, valid.kind)} on validation is {_written(values[k - 1], metric)}"
    ranked = " ranked on other utterances"
    highest = f"{_best(metric)}, {_written(values[best - 1], metric)} with {plural(best, 'member')}{ranked}"
    over = plural(clusters.number, clusters.unit)
    if depth == 1:
        reason = ""
    elif k == best == depth:
        reason = f"{own}, {_best(metric)}"
    elif k == best:
        reason = f"{own} with {plural(k, 'member')}{ranked}, more than one standard error better than all larger sizes"
    elif math.isinf(errors[k - 1]):
        reason = f"{own} ({highest}); {over} cannot tell sizes apart"
    else:
        error = f"{100 * errors[k - 1]:.1f} points" if valid.kind != "scores" else f"{errors[k - 1]:.3f}"
        reason = f"{own}, within one standard error over {over} ({error}) of {highest}"
    return replace(_size(valid.members, k, "validation", metric, reason), kind=valid.kind)


def ranked_by_others(valid: Predictions, clusters: Clusters, metric: str, folds: IntArray | None = None) -> Predictions:
    """Rank the members anew for each cluster, by their metric on the other clusters of the fold.

    Row k of the logits then holds, for each utterance, the member of rank k that did not get its rank by this
    utterance. So the average of the first k says what the best k reach on utterances that did not choose them:
    cross-validation of the choice (G. Cawley, N. Talbot, "On Over-fitting in Model Selection and Subsequent Selection
    Bias in Performance Evaluation", JMLR 11, 2010). In a fold with one cluster, each half of the utterances is ranked
    by the other half. Equal members are ordered by name, because their order so far knows all utterances.

    Args:
        valid: predictions on validation, with targets.
        clusters: clusters of its utterances.
        metric: a key of ``METRICS``.
        folds: (N,) fold of each utterance; None without cross-validation.
    """
    assert valid.targets is not None
    logits = np.empty_like(valid.logits)
    folds = np.full(len(valid.ids), valid.members[0].fold) if folds is None else folds
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        index = np.unique(clusters.index[rows], return_inverse=True)[1]
        if not index.any():
            index = np.arange(len(rows)) % 2
        jackknife, own = Jackknife(Clusters(index, int(index.max()) + 1, clusters.unit)), valid.logits[:, rows]
        # (E, clusters): the metric of each member without each cluster.
        part = replace(valid, targets=valid.targets[rows])
        values = np.stack([scores_left(part, one, metric, jackknife) for one in own])[:, : jackknife.clusters.number]
        values = np.nan_to_num(values, nan=-np.inf)  # a score that is not defined without a cluster ranks last
        names = [member.name for member in valid.members if member.fold == fold][: len(own)]
        by_name = np.argsort(names)
        order = by_name[np.argsort(-values[by_name], axis=0, kind="stable")]
        logits[:, rows] = np.take_along_axis(own, order[:, index][..., None], axis=0)
    return replace(valid, logits=logits)


def choose_best(own: Predictions, metric: str, chosen_by: str = "test") -> EnsembleSize:
    """Choose the best size, the smallest if several are equal, as the reference did on test ("Max ensemble accuracy").

    On test it is for the paper's protocol alone: such figures are optimistic, and every table that shows them says so.
    """
    sizes = range(1, len(own.logits) + 1)
    k = max(sizes, key=lambda size: (own.score(metric, size), -size))  # -size: the smallest
    value = _written(own.score(metric, k), metric)
    reason = f"{title_of(metric, own.kind)} on {chosen_by} is {value}, {_best(metric)}"
    reason = reason if len(own.logits) > 1 else ""
    return replace(_size(own.members, k, chosen_by, metric, reason), kind=own.kind)


def all_members(members: Sequence[Named], reason: str) -> EnsembleSize:
    """Return the size of all members, where nothing could choose one; ``reason`` says why."""
    depth = depth_of(members)
    return _size(members, depth, "all", None, reason if depth > 1 else "")


def chosen_by_user(members: Sequence[Named], k: int) -> EnsembleSize:
    """Return a size that the user has named.

    Raises:
        UsageError: fewer members are available.
    """
    depth = depth_of(members)
    if k not in range(1, depth + 1):  # false for what is no whole number, too
        there = "there is 1 member" if depth == 1 else f"there are {depth} members"
        raise UsageError(f"--members {k}: {there} to average")
    return _size(members, int(k), "user", None, "")


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
    if stored is None or not stored.fits(members):
        size = all_members(members, not_stored(folder.name, stored))
    else:
        size = stored
    if k is None:
        return size
    return replace(chosen_by_user(size.usable(members), k), left_out=size.left_out)


def not_stored(run: str, stored: EnsembleSize | None) -> str:
    """Say why a run has no size for its members, and what to do; ``stored`` is one for others."""
    why = "no size is stored with the run" if stored is None else "the stored size was chosen among other members"
    return f"{why}; sertool ensemble --name {run} chooses it"


def write_size(folder: Path, size: EnsembleSize) -> None:
    """Store the size in the folder of its run.

    Raises:
        SertoolError: the folder cannot be written.
    """
    artifacts.write_json(folder / FILE, {"format": SIZE_FORMAT, **asdict(size)})


def read_size(folder: Path) -> EnsembleSize | None:
    """Read the size stored with a run; None where there is none, as in runs of older versions.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    own = read_typed(path, SizeContent, hint="delete it; `sertool ensemble` chooses the size again")
    fields = own.model_dump(exclude={"format"})
    return EnsembleSize(**{**fields, "members": tuple(own.members), "left_out": tuple(own.left_out)})


def _size(members: Sequence[Named], k: int, chosen_by: str, metric: str | None, reason: str) -> EnsembleSize:
    names, folds = tuple(one.name for one in members), len({one.fold for one in members})
    return EnsembleSize(k, depth_of(members), chosen_by, metric, reason, names, folds=folds)


def title_of(metric: str, kind: str) -> str:
    """Return the title of a metric that chooses among members of a kind of task."""
    return (DIMENSION_METRICS if kind == "scores" else metrics_of(kind))[metric].title


def _written(score: float, metric: str) -> str:
    """Write the figure of a score: a share in percent, a figure of scores as it is."""
    figure = figure_of_score(score, metric)
    return f"{100 * figure:.1f} %" if metric in METRICS else f"{figure:.3f}"


def _best(metric: str) -> str:
    return "the lowest" if metric in LOWER_IS_BETTER else "the highest"


def _standard_error(own: Predictions, a: int, b: int, clusters: Clusters, metric: str) -> float:
    """Return the standard error of the difference of a metric between two sizes; infinite for a single cluster.

    It is the larger of those over clusters and over utterances, because that over few clusters may be small by chance,
    times the quantile of Student's t that lies one deviation above the mean of a normal distribution.
    """
    from scipy.special import ndtr, stdtrit  # slow to import, and only needed here

    if a == b or clusters.number < 2:
        return 0.0 if a == b else math.inf
    jackknife = Jackknife(clusters)
    assert own.targets is not None
    left = own.scores_without(metric, a, jackknife) - own.scores_without(metric, b, jackknife)
    squares = (left - (own.score(metric, a) - own.score(metric, b))) ** 2
    parts = squares[: clusters.number], squares[clusters.number :]
    error = math.sqrt(max((len(part) - 1) / len(part) * part.sum() for part in parts))
    return error * float(stdtrit(clusters.number - 1, ndtr(1.0)))
