"""Facts about the raters of a run's data that its corpus.json keeps: how many there are, and how well they agree."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sertool.core.corpora.agreement import agreement_on
from sertool.core.metrics import Estimate
from sertool.core.runs.experiment import Experiment


def raters_note(experiment: Experiment) -> dict[str, Any]:
    """Describe the raters of each score, or of the task, by name; empty where the corpus does not tell who rated.

    The utterances are those that a member trains or validates on. Those whose raters tie are in neither; without them
    raters would seem to agree more than they do, so those of the same split and speaker count, too.
    """
    task, found, corpus = experiment.task, {}, experiment.corpus
    used = {row for fold in experiment.folds for name in ("train", "valid") for row in fold.sets[name]}
    places = {(corpus.utterances[row].split, corpus.utterances[row].speaker) for row in used}
    # The ratings behind every label of test are sealed, so only ties can come in beside those that are used.
    rated = (one for row, one in enumerate(corpus.utterances) if row in used or (one.split, one.speaker) in places)
    corpus = replace(corpus, utterances=tuple(rated))
    for name in task.classes if task.kind == "scores" else (task.name,):
        own = agreement_on(corpus, name, () if task.kind == "scores" else task.classes)
        if own is None:
            continue
        found[name] = {
            "utterances": own.raters.utterances,
            "one_rater": own.raters.alone,
            "mean": own.raters.mean,
            "fewest": own.raters.fewest,
            "most": own.raters.most,
            "agreement": _defined({"alpha": own.alpha} | ({} if own.spread is None else {"spread": own.spread})),
            "ceilings": _defined(own.ceilings),
        }
    return found


def _defined(figures: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {name: asdict(one) for name, one in figures.items() if math.isfinite(one.value)}
