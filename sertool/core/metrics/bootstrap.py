"""Bootstrap over clusters (speakers, dialogues, videos), not over their utterances.

Utterances of one speaker resemble each other, so resampling them as if they were independent gives intervals that
are too narrow. Whole clusters are drawn with replacement instead: A. Davison, D. Hinkley, "Bootstrap Methods and their
Application", Cambridge 1997, section 3.8.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray, IntArray

UNITS = ("speaker", "dialogue", "video", "session")  # what utterances are grouped by, the best first
ENOUGH = 5  # clusters; with fewer, resamples are hardly more than the clusters themselves
LARGEST = 1 << 28  # bytes of how often each cluster is in each resample
ALIKE = 1e-9  # values that differ by less differ by rounding
CHUNK = 1 << 18  # of them that are worked on at once: they stay in the processor's cache

Range = tuple[float, float]
ANYWHERE: Range = (-math.inf, math.inf)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where no interval can be given."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """A figure of one model less that of another, its 95 % interval, and the p-value of no difference (two-sided).

    ``low``, ``high`` and ``p`` are None where there are too few clusters to tell.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Clusters:
    """Which utterances belong together.

    Attributes:
        index: (N,) the cluster of each utterance, 0 to ``number`` - 1.
        number: of clusters.
        unit: what a cluster is: one of ``UNITS``, or ``utterance``.
        note: what a reader of the intervals must know, a sentence; empty where there is nothing.
    """

    index: IntArray
    number: int
    unit: str
    note: str = ""


def choose_clusters(groups: Mapping[str, Sequence[str | None]], count: int) -> Clusters:
    """What to resample: speakers if there are five, else dialogues, videos or sessions, else utterances.

    A unit counts if it is known for all utterances. The first with at least five clusters is taken; if none has as
    many, the one with most; if none has two, utterances.

    Args:
        groups: (count,) names by unit, None where unknown; units are ``UNITS``, missing ones are unknown.
        count: N, of the utterances.
    """
    known = {
        unit: np.unique(np.array(groups[unit], str), return_inverse=True)
        for unit in UNITS
        if count and all(groups.get(unit, [None]))
    }
    sizes = {unit: len(names) for unit, (names, _) in known.items()}
    enough = [unit for unit, size in sizes.items() if size >= ENOUGH]
    unit = enough[0] if enough else max(sizes, key=lambda one: sizes[one], default="utterance")
    if sizes.get(unit, 0) < 2:
        return Clusters(np.arange(count), count, "utterance", _note(groups, sizes, "utterance", count))
    return Clusters(known[unit][1], sizes[unit], unit, _note(groups, sizes, unit, count))


def _note(groups: Mapping[str, Sequence[str | None]], sizes: Mapping[str, int], unit: str, count: int) -> str:
    if unit == "utterance" and count < 2:
        return "one utterance only: no interval can be given"
    missing = sum(not name for name in groups.get("speaker", []))
    if unit != "speaker" and 0 < missing < count:
        return f"over {unit}s: the speaker of {missing} of {count} utterances is unknown"
    if not sizes:
        return "over utterances: nothing is known about speakers, dialogues or videos"
    first = next(iter(sizes))
    few = f"one {first} only" if sizes[first] == 1 else f"only {sizes[first]} {first}s"
    rough = sizes.get(unit, ENOUGH) < ENOUGH
    if first == unit:
        return f"{few}: the interval is rough" if rough else ""
    over = "utterances" if unit == "utterance" else f"{sizes[unit]} {unit}s"
    middle = f"rough, over {over}" if rough else f"over {over}"
    return f"{few}: the interval is {middle}, and says nothing about other {first}s"


def clusters_of(utterances: Sequence[object]) -> Clusters:
    """:func:`choose_clusters` of utterances that have the attributes ``UNITS``, None where unknown."""
    return choose_clusters(
        {unit: [getattr(one, unit) for one in utterances] for unit in UNITS}, len(utterances)
    )


class Bootstrap:
    """The same resamples of clusters for every figure of a set of utterances, so that figures are paired.

    Args:
        clusters: of the utterances.
        resamples: R. With more than 27,000 clusters there are fewer: how often each is drawn takes 256 MB at most.
        seed: of the resamples.
    """

    def __init__(self, clusters: Clusters, *, resamples: int = 10_000, seed: int = 1) -> None:
        self.clusters = clusters
        self.resamples = min(resamples, max(LARGEST // max(clusters.number, 1), 1))
        self.seed = seed

    def totals(self, columns: NDArray[Any]) -> NDArray[np.float64]:
        """Sums over the utterances of each resample, (R, S).

        Args:
            columns: (N, S) what is summed; exact for integers.
        """
        number = self.clusters.number
        sums = np.stack(
            [np.bincount(self.clusters.index, weights=one, minlength=number) for one in columns.T], axis=-1
        )
        result = np.empty((self.resamples, columns.shape[1]))
        for rows in self._chunks():
            result[rows] = self._times[rows].astype(np.float64) @ sums
        return result

    def interval(self, values: FloatArray, within: Range = ANYWHERE) -> tuple[float, float] | None:
        """The 95 % interval of a figure by its values in the resamples.

        None where there is nothing to tell it by: one cluster, a value that is not defined, or values all alike.

        It is the expanded percentile interval: quantiles further out than 2.5 and 97.5 %, as far as Student's t with
        one degree of freedom less than clusters lies beyond the normal, since percentiles are too narrow for few
        clusters. Of fewer than five even all resamples span too little (those of two hold the truth half the time):
        there it is their mean, and t standard errors to both sides.

        Args:
            values: (R,).
            within: what the figure can be at all.

        Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015.
        """
        if self.clusters.number < 2 or not np.ptp(values) > ALIKE:
            return None
        from scipy.special import ndtr, stdtrit  # slow to import, and only needed here

        number = self.clusters.number
        t = float(stdtrit(number - 1, 0.975))
        if number < ENOUGH:
            middle, half = float(values.mean()), t * self._error(values)
            return max(middle - half, within[0]), min(middle + half, within[1])
        tail = ndtr(-math.sqrt(number / (number - 1)) * t)
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)

    def estimate(self, value: float, values: FloatArray, within: Range = ANYWHERE) -> Estimate:
        """A figure with its interval, by its values (R,) in the resamples."""
        return Estimate(value, *(self.interval(values, within) or ()))

    def difference(self, value: float, values: FloatArray, within: Range = ANYWHERE) -> Difference:
        """A difference with its interval and p-value, by its values (R,) in the resamples.

        The p-value is that of ``value`` over its standard error, by Student's t as in the interval. Two models that
        never differ differ by 0, for certain.
        """
        if self.clusters.number > 1 and value == 0 and not values.any():
            return Difference(0.0, 0.0, 0.0, 1.0)
        interval = self.interval(values, within)
        if interval is None:
            return Difference(value)
        from scipy.special import stdtr  # slow to import, and only needed here

        p = 2 * float(stdtr(self.clusters.number - 1, -abs(value) / self._error(values)))
        return Difference(value, *interval, p)

    def _error(self, values: FloatArray) -> float:
        """The standard error; that of resamples is too small by a factor that counts where clusters are few."""
        number = self.clusters.number
        return float(values.std()) * math.sqrt(number / (number - 1))

    @cached_property
    def _times(self) -> NDArray[np.uint8]:
        """(R, clusters) how often each cluster is in each resample; above 255 is beyond any chance."""
        number, draw = self.clusters.number, np.random.default_rng(self.seed)
        kind = np.uint16 if number <= 1 << 16 else np.uint32
        times = np.empty((self.resamples, number), np.uint8)
        for rows in self._chunks():
            size = rows.stop - rows.start
            drawn = draw.integers(0, number, (size, number), kind) + number * np.arange(size)[:, None]
            times[rows] = np.bincount(drawn.ravel(), minlength=size * number).reshape(size, number)
        return times

    def _chunks(self) -> Iterator[slice]:
        step = max(CHUNK // max(self.clusters.number, 1), 1)
        for start in range(0, self.resamples, step):
            yield slice(start, min(start + step, self.resamples))
