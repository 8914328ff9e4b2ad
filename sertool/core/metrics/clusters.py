"""Clusters of utterances that resemble each other: speakers, or else dialogues, videos or sessions.

Intervals and tests are over clusters. Fewer than five tell too little about others of their kind: then there is no
interval and no p-value, and the figures cluster by cluster take their place.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.formatting import plural
from sertool.core.metrics.classification import IntArray

UNITS = ("speaker", "dialogue", "video", "session")  # kinds of cluster, the preferred one first
FEWEST = 5  # clusters for an interval: docs/statistics.md has the simulations
UNKNOWN = "unknown"  # name of the cluster of all utterances whose speaker is unknown
ADVICE = "; cross-validate with --set splits.scheme=folds"


@dataclass(frozen=True)
class Clusters:
    """The clusters that a set of utterances falls into.

    Attributes:
        index: (N,) the cluster of each utterance, 0 to ``number`` - 1.
        number: number of clusters.
        unit: the kind of cluster: one of ``UNITS``, or ``utterance``.
        names: name of each cluster; empty where each utterance is its own.
        note: one sentence on the limits of the intervals; empty where there are none.
    """

    index: IntArray
    number: int
    unit: str
    names: tuple[str, ...] = ()
    note: str = ""

    @property
    def few(self) -> bool:
        """True if there are too few speakers, or other clusters, for an interval."""
        return self.unit != "utterance" and self.number < FEWEST


def few_clusters(number: int, unit: str, where: str = "", *, advise: bool = True) -> str:
    """Say that there are too few clusters for an interval, and what to do about it.

    Args:
        number: number of clusters, fewer than ``FEWEST``.
        unit: their kind, as ``speaker``.
        where: the set that they are in, as ``test``.
        advise: False if the run is cross-validated already.

    >>> few_clusters(2, "speaker", "test")
    '2 test speakers: too few for an interval (5 are needed); cross-validate with --set splits.scheme=folds'
    >>> few_clusters(1, "video", advise=False)
    '1 video: too few for an interval (5 are needed)'
    """
    counted = plural(number, f"{'validation' if where == 'valid' else where} {unit}".strip())
    return f"{counted}: too few for an interval ({FEWEST} are needed)" + ADVICE * advise


def few_by_name(clusters: Clusters) -> dict[str, NDArray[np.bool_]]:
    """Return (N,) the utterances of each cluster by its name; empty unless clusters are too few for an interval.

    >>> few_by_name(Clusters(np.array([0, 1, 0]), 2, "speaker", ("ann", "bob")))["bob"].tolist()
    [False, True, False]
    """
    if not clusters.few:
        return {}
    return {name: clusters.index == number for number, name in enumerate(clusters.names)}


def choose_clusters(groups: Mapping[str, Sequence[str | None]], count: int) -> Clusters:
    """Choose the unit of intervals: speakers if there are five, else dialogues, videos or sessions if there are five.

    If no unit has five clusters, it is the first that is known, and there are too few. Each utterance is a cluster of
    its own only where nothing is known. Utterances whose speaker is unknown count as one speaker; another unit is a
    candidate only if it is known for all utterances.

    Args:
        groups: (N,) names for each of ``UNITS``, None where unknown; a unit may be missing.
        count: number of utterances, N.

    >>> choose_clusters({"speaker": ["ann", "bob", "cas", "dan", "eve", "ann"]}, 6).index.tolist()
    [0, 1, 2, 3, 4, 0]
    >>> choose_clusters({"speaker": ["ann", "bob"] * 3}, 6).note
    '2 speakers: too few for an interval (5 are needed)'
    """
    known = {unit: np.array(names, str) for unit in UNITS if all(names := groups.get(unit, [None])) and count}
    missing = sum(not name for name in groups.get("speaker", []))
    if 0 < missing < count:  # last: another unit with five clusters says more
        known["speaker"] = np.array([name or UNKNOWN for name in groups["speaker"]], str)
    found = {unit: np.unique(names, return_inverse=True) for unit, names in known.items()}
    enough = [unit for unit, (names, _) in found.items() if len(names) >= FEWEST]
    unit = enough[0] if enough else "speaker" if "speaker" in found else next(iter(found), "utterance")
    if unit == "utterance":
        return Clusters(np.arange(count), count, unit, (), _utterance_note(count))
    own, index = found[unit]
    note = _note(unit, len(own), len(found["speaker"][0]) if "speaker" in found else 0, missing, count)
    return Clusters(index, len(own), unit, tuple(own.tolist()), note)


def clusters_by(unit: str, names: Sequence[str | None], speakers: Sequence[str | None]) -> Clusters:
    """Take the clusters of one unit, as a user asks for it, however many there are.

    Utterances whose speaker, session or video is unknown count as one; one without a dialogue is alone.

    Args:
        unit: one of ``UNITS``.
        names: (N,) name of each utterance's cluster, None where unknown.
        speakers: (N,) names of the speakers, None where unknown.

    >>> found = clusters_by("dialogue", ["a", "a", "b", None], ["ann", "bob", "ann", "ann"])
    >>> found.index.tolist(), found.names
    ([0, 0, 1, 2], ('a', 'b', 'utterance 4, in no dialogue'))
    """
    missing = sum(not name for name in names)
    alone = [f"utterance {row}, in no {unit}" if unit == "dialogue" else UNKNOWN for row in range(1, len(names) + 1)]
    # With what it is, so that no name of a user's is taken for one of these.
    keys = sorted({(not name, name or own) for name, own in zip(names, alone, strict=True)})
    place = {key: number for number, key in enumerate(keys)}
    index = np.array([place[not name, name or own] for name, own in zip(names, alone, strict=True)], np.int64)
    notes = [few_clusters(len(keys), unit, advise=False)] if len(keys) < FEWEST else []
    if missing:
        counted = "each of them is alone" if unit == "dialogue" else f"they count as one {unit}"
        notes.append(f"the {unit} of {missing} of {len(names)} utterances is unknown: {counted}")
    if not notes and unit != "speaker" and (recurring := _recurring(index, speakers, unit)):
        notes.append(f"{recurring}, so an interval says nothing about other speakers")
    return Clusters(index, len(keys), unit, tuple(name for _, name in keys), "; ".join(notes))


def _recurring(index: IntArray, speakers: Sequence[str | None], unit: str) -> str:
    """Say how many speakers are in several clusters; empty if each is in one only, or none is known."""
    pairs = {(name, own) for name, own in zip(speakers, index.tolist(), strict=True) if name}
    counts = Counter(name for name, _ in pairs)
    several = sum(number > 1 for number in counts.values())
    if not several:
        return ""
    return f"{several:,} of {plural(len(counts), 'speaker')} {'is' if several == 1 else 'are'} in several {unit}s"


def _utterance_note(count: int) -> str:
    if count < FEWEST:
        return f"{plural(count, 'utterance')}: too few for an interval ({FEWEST} are needed)"
    return "over utterances: nothing is known about speakers, dialogues or videos"


def _note(unit: str, number: int, speakers: int, missing: int, count: int) -> str:
    """Explain why there is no interval, or one over another unit than speakers; empty where neither is the case."""
    of_missing = f"the speaker of {missing} of {count} utterances is unknown"
    if number < FEWEST:
        few = few_clusters(number, unit, advise=False)
        return f"{few}; {of_missing}" if unit == "speaker" and missing else few
    if unit == "speaker":
        return f"{of_missing}: they count as one speaker" if missing else ""
    if 0 < missing < count:
        return f"over {unit}s: {of_missing}"
    if not speakers:
        return f"over {unit}s: nothing is known about speakers"
    few = "one speaker only" if speakers == 1 else f"only {speakers} speakers"
    return f"{few}: the interval is over {number} {unit}s, and says nothing about other speakers"


def clusters_of(utterances: Sequence[object], unit: str | None = None) -> Clusters:
    """Apply :func:`choose_clusters` to objects that have the attributes ``UNITS``, None where unknown.

    With a ``unit``, which a user asks for, :func:`clusters_by` takes its place.
    """
    if unit is not None:
        return clusters_by(unit, *([getattr(one, key) for one in utterances] for key in (unit, "speaker")))
    return choose_clusters({unit: [getattr(one, unit) for one in utterances] for unit in UNITS}, len(utterances))
