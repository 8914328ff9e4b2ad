"""An ensemble of predicted scores on one labelled set: mean figures, each score, members, slices, utterances."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Jackknife
from sertool.core.metrics.baselines import Baseline, baseline_of_scores
from sertool.core.metrics.scores import mean_estimates
from sertool.core.reports.contents import SetReport
from sertool.core.reports.details import details_of
from sertool.core.reports.dimensions import dimension_rows, falls_of
from sertool.core.reports.load import Loaded
from sertool.core.reports.probes import CONTEXT
from sertool.core.reports.score_contents import DimensionRow, ScoredUtterance
from sertool.core.reports.score_intervals import ScoreIntervals
from sertool.core.reports.score_slices import score_slices
from sertool.core.reports.sets import member_rows, published_counts, sizes_of, spread_of
from sertool.core.runs.prediction_files import StoredSet
from sertool.core.runs.predictions import Predictions


def score_set_report(run: Loaded, name: str, k: int, intervals: ScoreIntervals) -> SetReport:
    """Evaluate the first k members of a run of scores on one of its sets.

    Args:
        run: the run.
        name: name of the set, a key of ``run.sets``.
        k: number of averaged members.
        intervals: intervals of these members.
    """
    stored = run.sets[name]
    own, jackknife = stored.predictions, Jackknife(run.clusters(stored.spoken))
    assert own.targets is not None
    expected = published_counts(run.recipe, name)
    alone = [own.member_figures(member) for member in range(len(own.logits))]
    means = _means(stored)
    # Nobody can advise to cross-validate what was not trained here.
    modalities, folds = run.recipe.dataset.modalities, stored.origin.folds if run.imported is None else 0
    probes = run.probes.get(name, {})
    details = details_of(own, stored.spoken, probes, k, modalities, folds, by=run.by)
    kept = {row.name: probes[row.name] for row in details.probes}
    if len(modalities) < 2:  # a model that takes one modality tells nothing of it
        kept = {name: logits for name, logits in kept.items() if name.startswith(CONTEXT)}
    dimensions = tuple(
        replace(one, falls=falls)
        for one, falls in zip(
            dimension_rows(stored, k, intervals, means, jackknife),
            falls_of(stored, kept, k, jackknife),
            strict=True,
        )
    )
    only = dimensions[0] if len(dimensions) == 1 else None
    return SetReport(
        set=name,
        utterances=len(own.ids),
        published_utterances=expected.utterances if expected else None,
        **vars(details),
        k=k,
        kind=own.kind,
        metrics=mean_estimates(own.targets, own.ensemble_logits(k), jackknife),
        scores=only.sentiment if only else {},
        sizes=sizes_of(own),
        members=member_rows(own, alone, run.recipe.training.select),
        spread=spread_of(alone),
        classes=(),
        confusion=None,
        baseline=_baseline(own, means, only),
        calibration=None,
        slices=(),
        rows=(),
        dimensions=dimensions,
        score_slices=score_slices(stored, k, jackknife),
        scored=_utterances(stored, k),
    )


def _means(stored: StoredSet) -> NDArray[np.float64]:
    """Return (D,) the mean of each score in training; that of this set where it is not stored."""
    targets = stored.predictions.targets
    assert targets is not None
    if stored.origin.train_means is not None:
        return np.array(stored.origin.train_means)
    known = np.isfinite(targets)
    return np.asarray(np.where(known, targets, 0.0).sum(0) / np.maximum(known.sum(0), 1))


def _baseline(own: Predictions, means: NDArray[np.float64], only: DimensionRow | None) -> Baseline:
    """Return the figures of always these means of the scores; of a single score with those of sentiment."""
    assert own.targets is not None
    found = baseline_of_scores(own.targets, means)
    return Baseline(found.name, {**found.metrics, **(only.baseline if only else {})})


def _utterances(stored: StoredSet, k: int) -> tuple[ScoredUtterance, ...]:
    own = stored.predictions
    assert own.targets is not None
    values = np.asarray(own.ensemble_logits(k), np.float64)
    widths = np.array([high - low for low, high in own.ranges])
    shares = np.abs(values - own.targets) / widths
    known = np.isfinite(shares)
    largest = np.where(known, shares, -1.0).max(1)
    spread = own.logits.std(0, ddof=1).tolist() if len(own.logits) > 1 else None
    return tuple(
        ScoredUtterance(
            id=id_,
            text=one.text,
            speaker=one.speaker,
            dialogue=one.dialogue,
            true=tuple(None if value != value else value for value in true),
            predicted=tuple(said),
            residual=float(share) if share >= 0 else None,
            spread=tuple(spread[row]) if spread is not None else None,
            seconds=one.seconds,
            words=one.words,
        )
        for row, (id_, one, true, said, share) in enumerate(
            zip(own.ids, stored.spoken, own.targets.tolist(), values.tolist(), largest.tolist(), strict=True)
        )
    )
