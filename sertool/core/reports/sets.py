"""An ensemble on one labelled set: figures with intervals, members, classes, calibration, slices, probes."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Estimate, Jackknife, class_estimates, decision_estimates
from sertool.core.metrics.baselines import Baseline, baseline_metrics, baseline_name, baseline_scores
from sertool.core.metrics.calibration import confidences, probabilities
from sertool.core.metrics.classification import confusion, decide
from sertool.core.metrics.selection import figure_of_score
from sertool.core.metrics.sentiment import score_estimates
from sertool.core.recipe.schema import Expected, Recipe
from sertool.core.reports.calibration import Scaling, calibration_row
from sertool.core.reports.contents import ClassRow, MemberRow, MemberSpread, ReportUtterance, SetReport, Size
from sertool.core.reports.corpus_figures import with_uar
from sertool.core.reports.details import details_of
from sertool.core.reports.load import Loaded
from sertool.core.reports.slices import rightness, slice_rows
from sertool.core.reports.votes import votes_row
from sertool.core.runs.prediction_files import StoredSet
from sertool.core.runs.predictions import Predictions


def set_report(run: Loaded, name: str, k: int, scaling: Scaling) -> SetReport:
    """Evaluate the first k members of a run on one of its sets.

    Args:
        run: the run.
        name: name of the set, a key of ``run.sets``.
        k: number of averaged members.
        scaling: the temperature of these members.
    """
    stored, temperature = run.sets[name], scaling.temperature or 1.0
    own, jackknife = stored.predictions, Jackknife(run.clusters(stored.spoken))
    logits, decisions = own.ensemble_logits(k), own.decisions(k)
    assert own.targets is not None
    targets, number = own.targets, len(own.classes)
    expected = published_counts(run.recipe, name)
    scores: Mapping[str, Estimate] = {}
    if own.scores is not None and own.kind == "single":  # raw scores exist for sentiment only
        scores = score_estimates(own.scores, logits, own.classes, jackknife, temperature=temperature)
    alone = [own.member_figures(member) for member in range(len(own.logits))]
    # Nobody can advise to cross-validate what was not trained here.
    modalities, folds = run.recipe.dataset.modalities, stored.origin.folds if run.imported is None else 0
    probes = run.probes.get(name, {})
    details = details_of(own, stored.spoken, probes, k, modalities, folds, temperature=temperature, by=run.by)
    return SetReport(
        set=name,
        utterances=len(own.ids),
        published_utterances=expected.utterances if expected else None,
        **vars(details),
        k=k,
        kind=own.kind,
        metrics=decision_estimates(targets, decisions, number, jackknife),
        scores=scores,
        sizes=sizes_of(own),
        members=member_rows(own, alone, run.recipe.training.select),
        spread=spread_of(alone),
        classes=_classes(run, own, decisions, expected, jackknife),
        confusion=_confusion(own, decisions),
        baseline=_baseline(own, bool(scores)),
        calibration=calibration_row(logits, targets, own.kind, scaling, jackknife) if run.has_probabilities else None,
        slices=with_uar(slice_rows(stored, rightness(targets, decisions), jackknife), stored, decisions, jackknife),
        rows=_utterances(stored, k, temperature if run.has_probabilities else None),
        votes=votes_row(own, k, temperature, jackknife) if run.has_probabilities else None,
    )


def published_counts(recipe: Recipe, name: str) -> Expected | None:
    """Return the published counts of a set, if the recipe takes it unchanged from the corpus."""
    splits = recipe.splits
    if splits.scheme == "corpus":
        split = {"valid": splits.valid, "test": splits.test}[name]
    elif splits.scheme == "holdout" and name == "test" and not splits.test_fraction:
        split = splits.test
    else:
        return None
    published = {str(known): counts for known, counts in recipe.expected.items()}
    return published.get(split)  # None as well for a split without published counts


def sizes_of(own: Predictions) -> tuple[Size, ...]:
    """Return the figures of the first 1, 2, ... E members, averaged."""
    return tuple(Size(size, own.figures(size)) for size in range(1, len(own.logits) + 1))


def _baseline(own: Predictions, scored: bool) -> Baseline:
    """Return the figures of always the same answer; ``scored`` adds those of always the mean score."""
    assert own.targets is not None
    metrics = baseline_metrics(own.targets, len(own.classes))
    if scored and own.scores is not None:
        metrics |= baseline_scores(own.scores, len(own.classes))
    return Baseline(baseline_name(own.targets, own.classes), metrics)


def member_rows(own: Predictions, alone: Sequence[Mapping[str, float]], select: str) -> tuple[MemberRow, ...]:
    """Return the single members; in cross-validation with what is stored of each one on its own fold.

    Args:
        own: predictions of all members.
        alone: figures of each row of logits.
        select: metric that chose their epochs.
    """
    # Without folds there is one row of logits per member; with folds a row joins members of all folds.
    if len(alone) == len(own.members):
        figures = list(alone)
    else:
        accuracies = [{} if one.accuracy is None else {"accuracy": one.accuracy} for one in own.members]
        figures = [one.figures or accuracy for one, accuracy in zip(own.members, accuracies, strict=True)]
    return tuple(
        MemberRow(one.name, one.fold, figure_of_score(one.validation, select), metrics)
        for one, metrics in zip(own.members, figures, strict=True)
    )


def spread_of(alone: Sequence[Mapping[str, float]]) -> dict[str, MemberSpread]:
    """Return mean and deviation over members by metric; the k-th members of all folds count as one."""
    columns = {metric: [figures[metric] for figures in alone] for metric in alone[0]}
    return {
        metric: MemberSpread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)
        for metric, values in columns.items()
    }


def _classes(
    run: Loaded,
    own: Predictions,
    decisions: NDArray[np.int64],
    expected: Expected | None,
    jackknife: Jackknife,
) -> tuple[ClassRow, ...]:
    assert own.targets is not None
    number = len(own.classes)
    support, predicted = (_counts(part, number) for part in (own.targets, decisions))
    # Over all folds of a cross-validation, every utterance is in training, which tells nothing.
    train: Sequence[int | None] = run.origin.train_classes if run.origin.folds == 1 else ()
    published: Sequence[int | None] = (expected.classes if expected else None) or ()
    # Counts that are not known, or are of other classes, stay out of the table.
    train, published = (part if len(part) == number else [None] * number for part in (train, published))
    found = class_estimates(own.targets, decisions, number, jackknife)
    return tuple(
        ClassRow(
            name,
            **found[c],
            support=support[c],
            predicted=predicted[c],
            train=train[c],
            published=published[c],
        )
        for c, name in enumerate(own.classes)
    )


def _counts(decisions: NDArray[np.int64], number: int) -> list[int]:
    # Multi-label decisions are 0 or 1 for each class, single-label ones are class numbers.
    counted = decisions.sum(0) if decisions.ndim == 2 else np.bincount(decisions, minlength=number)
    return [int(value) for value in counted]


def _confusion(own: Predictions, decisions: NDArray[np.int64]) -> tuple[tuple[int, ...], ...] | None:
    if own.kind == "multi":
        return None
    assert own.targets is not None
    table = confusion(own.targets, decisions, len(own.classes))
    return tuple(tuple(row) for row in table.tolist())


def _utterances(stored: StoredSet, k: int, temperature: float | None) -> tuple[ReportUtterance, ...]:
    """Return every utterance; a temperature of None stands for labels without probabilities."""
    own, logits = stored.predictions, stored.predictions.ensemble_logits(k)
    assert own.targets is not None
    decisions = own.decisions(k)
    same = np.stack([decide(one, own.kind) == decisions for one in own.logits])
    sure = confidences(logits, own.targets, own.kind, temperature or 1.0)[0]
    shares: list[list[float]] = probabilities(logits, own.kind, temperature or 1.0).tolist()
    if temperature is None:
        sure, shares = np.full_like(sure, np.nan), [[] for _ in shares]
    # A multi-label prediction is as certain as its least certain class, and members agree if they do in every class.
    if own.kind == "multi":
        same, sure = np.asarray(same.all(-1)), sure.reshape(logits.shape).min(-1)
    columns = zip(
        own.ids,
        stored.spoken,
        _named(own.targets, own.classes),
        _named(decisions, own.classes),
        (rightness(own.targets, decisions) == 1).tolist(),
        sure.tolist(),
        shares,
        same.sum(0).tolist(),
        strict=True,
    )
    return tuple(
        ReportUtterance(
            id=id_,
            text=one.text,
            speaker=one.speaker,
            dialogue=one.dialogue,
            target=target,
            decision=decision,
            right=is_right,
            confidence=confidence,
            probabilities=tuple(likely),
            seconds=one.seconds,
            words=one.words,
            members=members,
        )
        for id_, one, target, decision, is_right, confidence, likely, members in columns
    )


def _named(decisions: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """Write decisions as names of classes; in a multi-label task all classes that are present."""
    if decisions.ndim == 1:
        return [classes[number] for number in decisions.tolist()]
    return [", ".join(name for name, there in zip(classes, row, strict=True) if there) for row in decisions]
