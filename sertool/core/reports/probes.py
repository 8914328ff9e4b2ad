"""Reading or listening? What it costs a model when a modality is masked, or is somebody else's."""

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
SMALL = 0.01  # accuracy; what costs less costs nothing
SIGNIFICANT = 0.05


def probe_rows(
    predictions: Predictions, decisions: NDArray[np.int64], probes: Probes, k: int, bootstrap: Bootstrap
) -> tuple[ProbeRow, ...]:
    """A row a probe, in a fixed order.

    Args:
        predictions: of the set, with its targets.
        decisions: of the first k members.
        probes: logits (E, N, C) by name.
        k: members that are averaged.
        bootstrap: of the set's utterances.
    """
    targets, classes = predictions.targets, len(predictions.classes)
    assert targets is not None
    rows = []
    for name in [name for name in ORDER if name in probes]:
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
    """The modality whose loss costs nothing while that of the other does: ``text``, ``audio``, or None.

    A probe costs something if the accuracy falls by a point or more, and significantly so (p < 0.05). A modality is
    ignored if it was shuffled, none of its probes costs anything, and one of the other modality's does.
    """
    costs = {row.name: row.drop.value >= SMALL and row.p < SIGNIFICANT for row in rows}
    for modality, other in (("audio", "text"), ("text", "audio")):
        own = [cost for name, cost in costs.items() if name.startswith(modality)]
        others = [cost for name, cost in costs.items() if name.startswith(other)]
        if f"{modality} shuffled" in costs and not any(own) and any(others):
            return modality
    return None


def verdict(rows: Sequence[ProbeRow], accuracy: float) -> str | None:
    """That a model reads and does not listen, or the other way round, in a sentence; None where it does both.

    Args:
        rows: of :func:`probe_rows`.
        accuracy: of the model as it is.
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
    """The rows of a set of a corpus, with intervals over its clusters; see :func:`probe_rows`."""
    utterances = [corpus.utterances[row] for row in predictions.utterances]
    return probe_rows(predictions, predictions.decisions(k), probes, k, Bootstrap(clusters_of(utterances)))
