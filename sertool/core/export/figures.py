"""Figures of the exported members on test, which the model card gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.compute.device import choose
from sertool.core.corpora.targets import labels_of
from sertool.core.export.source import Opened
from sertool.core.inference.ensemble import predict_sets
from sertool.core.inference.score_intervals import coverage_of
from sertool.core.metrics import Clusters, Estimate, Interval, Jackknife, clusters_of, few_by_name, uar_interval
from sertool.core.metrics.baselines import Baseline, baseline_metrics, baseline_name, baseline_of_scores
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.classification import METRICS
from sertool.core.metrics.conformal import Coverage
from sertool.core.metrics.distributions import distribution_estimates
from sertool.core.metrics.scores import dimension_estimates, mean_estimates
from sertool.core.runs.experiment import Experiment
from sertool.core.runs.predictions import Predictions


@dataclass(frozen=True)
class Figure:
    """Figures of the averaged members on test.

    Attributes:
        utterances: number of utterances.
        accuracy, uar: of all of them.
        interval: interval of the UAR, without ends where there are too few clusters for one.
        note: sentence on the limits of the interval; empty where there are none.
        by_cluster: UAR of each cluster, lowest first, where there are too few; otherwise empty.
        baseline: figures of always the same answer on these utterances.
        speakers_note: sentence on unknown speakers; empty where all are known.
        distribution: cross-entropy and Jensen-Shannon divergence against the shares of the raters, by key; empty
            without raters.
        ceilings: figures of one rater against the others on these utterances, by key; empty without several raters.
    """

    utterances: int
    accuracy: float
    uar: float
    interval: Interval
    note: str
    by_cluster: tuple[float, ...]
    baseline: Baseline
    speakers_note: str = ""
    distribution: Mapping[str, Estimate] = field(default_factory=dict)
    ceilings: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreFigure:
    """Figures of one score, or the means over several, on test.

    Attributes:
        utterances: number of utterances that have the score.
        figures: CCC, MAE and the others with their intervals, by key.
        baseline: the same of always the mean of the training, without intervals.
        coverage: how often the intervals hold the true score; None where there are none, and for means.
        ceilings: figures of one rater against the others, by key; empty without several raters, and for means.
    """

    utterances: int
    figures: Mapping[str, Estimate]
    baseline: Baseline
    coverage: Coverage | None = None
    ceilings: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreFigures:
    """Figures of the averaged members on test, for a task of scores.

    Attributes:
        utterances: number of utterances.
        each: figures of each score, by name.
        mean: means over the scores.
        clusters: clusters that the intervals are over.
        speakers_note: sentence on unknown speakers; empty where all are known.
    """

    utterances: int
    each: Mapping[str, ScoreFigure]
    mean: ScoreFigure
    clusters: Clusters
    speakers_note: str = ""


def measure(opened: Opened) -> Figure | ScoreFigures | None:
    """Evaluate the exported members on test, each fold's on its own utterances; None without test utterances."""
    ensemble, experiment = opened.ensemble, opened.experiment
    if ensemble is None or experiment is None or not all(fold.sets.get("test") for fold in experiment.folds):
        return None
    if experiment.recipe.dataset.by_speaker or experiment.recipe.dataset.by_corpus:
        ensemble = replace(ensemble, experiment=_nameless(experiment))
    # Of the averaged members alone, so that one that is left out does not count.
    ensemble = replace(ensemble, trained=replace(ensemble.trained, members=opened.members))
    (test,) = predict_sets(ensemble, ["test"], choose("cpu", "fp32"), "sertool export")
    clusters = clusters_of([experiment.corpus.utterances[row] for row in test.utterances])
    judge = _of_scores if test.kind == "scores" else _of_classes
    return judge(opened, experiment, test, clusters)


def _of_classes(opened: Opened, experiment: Experiment, test: Predictions, clusters: Clusters) -> Figure:
    assert test.targets is not None
    k, number = opened.size.k, len(test.classes)
    targets, decisions = test.targets, test.decisions(k)
    names = [clusters.names[own] for own in clusters.index] if clusters.names else None
    distribution: Mapping[str, Estimate] = {}
    if test.votes is not None:
        shares = probabilities(test.ensemble_logits(k), test.kind, opened.temperature)
        distribution = distribution_estimates(test.votes, shares, Jackknife(clusters))
    return Figure(
        utterances=len(test.ids),
        accuracy=test.metric("accuracy", k),
        uar=test.metric("uar", k),
        interval=uar_interval(targets, decisions, number, names, unit=clusters.unit),
        note=clusters.note,
        # Without their names: a card is published.
        by_cluster=tuple(
            sorted(METRICS["uar"](targets[own], decisions[own], number) for own in few_by_name(clusters).values())
        ),
        baseline=Baseline(baseline_name(targets, test.classes), baseline_metrics(targets, number)),
        speakers_note=experiment.corpus.speakers_note,
        distribution=distribution,
        ceilings=next(iter(test.ceilings.values()), {}),
    )


def _of_scores(opened: Opened, experiment: Experiment, test: Predictions, clusters: Clusters) -> ScoreFigures:
    assert test.targets is not None
    targets, values, jackknife = test.targets, test.ensemble_logits(opened.size.k), Jackknife(clusters)
    means, known = _means(experiment), np.isfinite(targets)
    intervals = opened.certainty.intervals
    coverage = {} if intervals is None else coverage_of(test, opened.size.k, intervals, jackknife)
    each = {
        name: ScoreFigure(
            utterances=int(known[:, place].sum()),
            figures=dimension_estimates(targets[:, place], values[:, place], jackknife),
            baseline=baseline_of_scores(targets[:, [place]], means[[place]]),
            coverage=coverage.get(name),
            ceilings=test.ceilings.get(name, {}),
        )
        for place, name in enumerate(test.classes)
    }
    mean = ScoreFigure(
        int(known.any(1).sum()), mean_estimates(targets, values, jackknife), baseline_of_scores(targets, means)
    )
    return ScoreFigures(len(test.ids), each, mean, clusters, experiment.corpus.speakers_note)


def _means(experiment: Experiment) -> NDArray[np.float64]:
    """Return (D,) the mean of each score over the training utterances of all folds."""
    train = sorted({row for fold in experiment.folds for row in fold.sets["train"]})
    return np.asarray(np.nanmean(labels_of(experiment.targets, train, "scores"), 0))


def _nameless(experiment: Experiment) -> Experiment:
    """Return an experiment whose utterances name no speaker and corpus, so that its figures are those of a bundle."""
    utterances = tuple(replace(own, speaker=None, corpus=None) for own in experiment.corpus.utterances)
    return replace(experiment, corpus=replace(experiment.corpus, utterances=utterances))
