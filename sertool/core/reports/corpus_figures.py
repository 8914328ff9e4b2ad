"""Figures of each corpus in a set of several that were joined."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, Jackknife, decision_estimates
from sertool.core.reports.contents import SliceRow
from sertool.core.runs.prediction_files import StoredSet

CORPUS = "corpus"  # kind of these slices


def with_uar(
    rows: Sequence[SliceRow], stored: StoredSet, decisions: NDArray[np.int64], jackknife: Jackknife
) -> tuple[SliceRow, ...]:
    """Return the slices of a set, those of a corpus with their UAR: corpora differ in how frequent each class is.

    It is the mean recall of the classes that the corpus has in the set, over the clusters of that corpus.

    Args:
        rows: slices.
        stored: the set, of a task with one class per utterance; otherwise the rows stay as they are.
        decisions: (N,) decisions.
        jackknife: jackknife over the utterances of the set.
    """
    own = stored.predictions
    if own.kind != "single" or own.targets is None:
        return tuple(rows)
    names = np.array([one.corpus or "" for one in stored.spoken])
    found = []
    for row in rows:
        if row.kind == CORPUS:
            mask = names == row.name
            left, index = np.unique(jackknife.clusters.index[mask], return_inverse=True)
            alone = Jackknife(Clusters(index, len(left), jackknife.clusters.unit))
            figures = decision_estimates(own.targets[mask], decisions[mask], len(own.classes), alone)
            row = replace(row, uar=figures["uar"])
        found.append(row)
    return tuple(found)
