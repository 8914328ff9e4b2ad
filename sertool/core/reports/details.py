"""Facts that the commands `ensemble` and `report` show beside the figures of a set, computed in one place for both."""

from collections.abc import Sequence
from dataclasses import dataclass

from sertool.core.metrics import Jackknife, clusters_of
from sertool.core.reports.by_cluster import cluster_rows, limits_of, score_rows, with_scores
from sertool.core.reports.contents import ClusterRow, ModalityUse, ProbeRow
from sertool.core.reports.load import Probes
from sertool.core.reports.probes import judged_metric, modality_use, probe_rows
from sertool.core.runs.prediction_files import Spoken
from sertool.core.runs.predictions import Predictions


@dataclass(frozen=True)
class Details:
    """The clusters of a set, their figures where they are few, and its probes: see the attributes of ``SetReport``."""

    unit: str
    clusters: int
    unit_note: str
    by_cluster: tuple[ClusterRow, ...]
    probes: tuple[ProbeRow, ...]
    use: ModalityUse | None


def details_of(
    predictions: Predictions,
    spoken: Sequence[Spoken],
    probes: Probes,
    k: int,
    modalities: Sequence[str],
    folds: int,
    *,
    temperature: float = 1.0,
    by: str | None = None,
) -> Details:
    """Compute the details of a labelled set.

    Args:
        predictions: predictions of the set, with targets.
        spoken: (N,) facts about its utterances.
        probes: logits (E, N, C) by probe; may be empty.
        k: number of averaged members.
        modalities: those that the model takes, by its recipe.
        folds: number of folds of the run.
        temperature: temperature of the probabilities, of which scores are made.
        by: unit of the intervals; None for the usual one.
    """
    assert predictions.targets is not None
    clusters, kind = clusters_of(spoken, by), predictions.kind
    rows = probe_rows(predictions, spoken, probes, k, Jackknife(clusters))
    use = modality_use(rows, spoken, predictions.metric(judged_metric(kind), k), clusters, kind, modalities)
    if kind == "scores":
        by_cluster = score_rows(predictions.targets, predictions.ensemble_logits(k), clusters)
    else:
        by_cluster = cluster_rows(predictions.targets, predictions.decisions(k), len(predictions.classes), clusters)
    if predictions.scores is not None and kind == "single":  # raw scores exist for sentiment only
        logits, classes = predictions.ensemble_logits(k), predictions.classes
        by_cluster = with_scores(by_cluster, predictions.scores, logits, classes, clusters, temperature)
    return Details(
        unit=clusters.unit,
        clusters=clusters.number,
        unit_note=limits_of(clusters, predictions.set, folds=folds),
        by_cluster=by_cluster,
        probes=rows,
        use=use,
    )
