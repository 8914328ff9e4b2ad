"""Intervals of an ensemble's predicted scores: fitted on validation, and their coverage on each set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sertool.core.corpora.agreement import plain
from sertool.core.inference.ensemble import Ensemble
from sertool.core.metrics import Jackknife, clusters_of
from sertool.core.metrics.conformal import Coverage, Intervals, coverage_estimates, fit_intervals
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.experiment import Experiment
from sertool.core.runs.predictions import Predictions

NO_VALIDATION = "there are no validation utterances to fit intervals on"


def obstacle_to_intervals(ensemble: Ensemble) -> str:
    """Return the reason why a run of scores has no intervals; empty if they can be fitted, or for a task of classes."""
    experiment = ensemble.experiment
    if experiment.task.kind != "scores":
        return ""
    if experiment.selected_on_test:
        return "validation is the test split here, and intervals are never fitted on test"
    return "" if all(fold.sets.get("valid") for fold in experiment.folds) else NO_VALIDATION


def fitted_intervals(
    ensemble: Ensemble, experiment: Experiment, size: EnsembleSize, results: Sequence[Predictions]
) -> Intervals:
    """Fit the intervals of the averaged members on validation; in cross-validation on that of all folds together.

    Args:
        ensemble: the members.
        experiment: their corpus.
        size: the members that are averaged.
        results: predictions of several sets, with those of ``valid`` among them.
    """
    valid = next(result for result in results if result.set == "valid")
    assert valid.targets is not None
    return fit_intervals(
        valid.targets,
        valid.ensemble_logits(size.k),
        members=[member.name for member in size.chosen(ensemble.members)],
        names=valid.classes,
        clusters=clusters_of([experiment.corpus.utterances[row] for row in valid.utterances]),
    )


def coverage_of(own: Predictions, k: int, intervals: Intervals, jackknife: Jackknife) -> dict[str, Coverage]:
    """Return how often the intervals of each score hold the true one, by name; scores without intervals are left out.

    Args:
        own: predictions of a labelled set.
        k: number of averaged members.
        intervals: the intervals of these members.
        jackknife: jackknife over the utterances of the set.
    """
    assert own.targets is not None
    # Scores that no utterance of this set has say nothing.
    half = [
        width if known else None
        for width, known in zip(intervals.half, np.isfinite(own.targets).any(0).tolist(), strict=True)
    ]
    found = coverage_estimates(own.targets, own.ensemble_logits(k), half, jackknife, own.ranges)
    return {name: one for name, one in zip(own.classes, found, strict=True) if one is not None}


def intervals_table(
    intervals: Intervals | None, reason: str, coverage: Mapping[str, Mapping[str, Coverage]]
) -> dict[str, Any] | None:
    """Return the intervals as plain data, for ``--json``; None for a task of classes.

    Args:
        intervals: the intervals; None where there are none.
        reason: why there are none.
        coverage: their coverage by set, then by score.
    """
    if intervals is None:
        return {"half_widths": {}, "reason": reason, "coverage": {}} if reason else None
    return {
        "level": intervals.level,
        "half_widths": dict(zip(intervals.names, intervals.half, strict=True)),
        "reason": "",
        "reasons": {name: why for name, why in zip(intervals.names, intervals.reasons, strict=True) if why},
        "note": intervals.note,
        "members": list(intervals.members),
        "fitted_on": intervals.set,
        "utterances": intervals.utterances,
        "coverage": {
            name: {score: {**plain(one.covered), "width": one.width} for score, one in own.items()}
            for name, own in coverage.items()
        },
    }
