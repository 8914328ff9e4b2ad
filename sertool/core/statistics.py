"""How sure a figure is: bootstrap over clusters (speakers, dialogues, videos), not over their utterances.

Utterances of one speaker resemble each other, so resampling them as if they were independent gives intervals that
are too narrow. Cluster bootstrap: Davison and Hinkley 1997, section 3.8; percentile interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sertool.core.metrics import IntArray, uar_of_confusion


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, and what was resampled to get it."""

    low: float
    high: float
    unit: str
    clusters: int


def uar_interval(
    targets: IntArray,
    predictions: IntArray,
    num_classes: int,
    clusters: Sequence[str] | None,
    *,
    unit: str = "speaker",
    resamples: int = 10_000,
    seed: int = 1,
) -> Interval:
    """The interval of the UAR of single-label decisions (N,).

    Args:
        targets: (N,) class numbers.
        predictions: (N,) class numbers.
        num_classes: C.
        clusters: name of each utterance's cluster; None resamples utterances, and says so.
        unit: what a cluster is.
        resamples: how many.
        seed: of the resampling.
    """
    names = np.asarray(clusters if clusters is not None else np.arange(len(targets)))
    _, member = np.unique(names, return_inverse=True)
    number = int(member.max()) + 1
    counts = np.zeros((number, num_classes, num_classes), np.int64)
    np.add.at(counts, (member, targets, predictions), 1)
    # Drawing n clusters with replacement is drawing how often each occurs.
    times = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=resamples)
    resampled = (times @ counts.reshape(number, -1)).reshape(resamples, num_classes, num_classes)
    low, high = np.quantile(uar_of_confusion(resampled), [0.025, 0.975])
    return Interval(float(low), float(high), unit if clusters is not None else "utterance", number)
