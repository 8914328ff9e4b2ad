"""Probes: how much accuracy a model loses if a modality is masked, or shuffled between utterances."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus
from sertool.core.metrics import Bootstrap, Estimate, clusters_of, decision_differences, decision_estimates
from sertool.core.metrics.classification import decide
from sertool.core.reports.contents import ProbeRow
from sertool.core.reports.load import Probes
from sertool.core.reports.wording import percent
from sertool.core.runs.predictions import Predictions

ORDER = ("text masked", "text shuffled", "audio masked", "audio shuffled")
SMALL = 0.01  # a smaller fall in accuracy counts as none
SIGNIFICANT = 0.05  # p-value of the fall


def probe_rows(
    predictions: Predictions, decisions: NDArray[np.int64], probes: Probes, k: int, bootstrap: Bootstrap
) -> tuple[ProbeRow, ...]:
    """Return one row per probe, in the order of ``ORDER``.

    Args:
        predictions: predictions of the set, with targets.
        decisions: (N,) or (N, C) decisions of the first k members on the unchanged input.
        probes: logits (E, N, C) by probe.
        k: number of averaged members.
        bootstrap: resamples of the utterances of the set.
    """
    targets, classes = predictions.targets, len(predictions.classes)
    assert targets is not None
    rows = []
    for name in [name for name in ORDER if name in probes]:  # runs may have been probed in part
        probed = decide(probes[name][:k].mean(0), predictions.kind)
        drop = decision_differences(targets, probed, decisions, classes, bootstrap)["accuracy"]
        found = decision_estimates(targets, probed, classes, bootstrap)
        rows.append(
            ProbeRow(
                name=name,
                metrics={metric: found[metric] for metric in ("accuracy", "uar")},
                drop=Estimate(drop.value, drop.low, drop.high),
                p=math.nan if drop.p is None else drop.p,
            )
        )
    return tuple(rows)


def ignored(rows: Sequence[ProbeRow]) -> str | None:
    """Return the modality that the model ignores, ``text`` or ``audio``; None if it ignores neither.

    A probe costs accuracy if that falls by a point or more, and significantly (p < 0.05). A modality is ignored if it
    was shuffled, none of its probes costs accuracy, and a probe of the other modality does.
    """
    costs = {row.name: row.drop.value >= SMALL and row.p < SIGNIFICANT for row in rows}
    for modality, other in (("audio", "text"), ("text", "audio")):
        own = [cost for name, cost in costs.items() if name.startswith(modality)]
        others = [cost for name, cost in costs.items() if name.startswith(other)]
        # Masked input is unlike any in training and may do harm by that alone; shuffled input is not.
        if f"{modality} shuffled" in costs and not any(own) and any(others):
            return modality
    return None


def verdict(rows: Sequence[ProbeRow], accuracy: float) -> str | None:
    """Say which modality the model ignores; None if it ignores neither.

    Args:
        rows: rows of :func:`probe_rows`.
        accuracy: accuracy with unchanged input.
    """
    modality = ignored(rows)
    if modality is None:
        return None
    other = "text" if modality == "audio" else "audio"
    (shuffled,) = (row.metrics["accuracy"].value for row in rows if row.name == f"{modality} shuffled")
    return (
        f"uses the {other} and ignores the {modality}: with the {modality} of other utterances the accuracy stays at "
        f"{percent(shuffled)} % ({percent(accuracy)} % as it is)"
    )


def probe_rows_of(corpus: Corpus, predictions: Predictions, probes: Probes, k: int) -> tuple[ProbeRow, ...]:
    """Return the rows of :func:`probe_rows` for a set of a corpus, with intervals over its clusters."""
    utterances = [corpus.utterances[row] for row in predictions.utterances]
    return probe_rows(predictions, predictions.decisions(k), probes, k, Bootstrap(clusters_of(utterances)))
