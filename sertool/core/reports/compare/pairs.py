"""Two runs on the utterances that both cover: paired intervals, McNemar's test, verdicts, flipped utterances."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sertool.core.corpora.tasks import VOTES
from sertool.core.errors import UsageError
from sertool.core.formatting import plural
from sertool.core.metrics import FEWEST, Clusters, Difference, clusters_of, cohens_h, holm
from sertool.core.metrics.classification import LABEL_METRICS
from sertool.core.metrics.distributions import DISTRIBUTION_METRICS
from sertool.core.metrics.selection import LOWER_IS_BETTER
from sertool.core.reports.by_cluster import limits_of
from sertool.core.reports.compare.asked import check_fit, check_names, chosen
from sertool.core.reports.compare.contents import Comparison, Pair
from sertool.core.reports.compare.decisions import (
    decision_metrics,
    decision_rows,
    decisions_by_cluster,
    flips_of,
    joined,
    mcnemar_of,
)
from sertool.core.reports.compare.runs import Judged, check_together, judge, open_contender
from sertool.core.reports.compare.scores import moves_of, score_metric_rows, scores_by_cluster
from sertool.core.reports.compare.shared import Shared, shared_of
from sertool.core.reports.compare.votes import SharedVotes, votes_of
from sertool.core.reports.provenance import caveats, trained_on
from sertool.core.reports.units import check_known, check_unit
from sertool.core.runs.predictions import Predictions

SIGNIFICANT = 0.05  # corrected p-value of a verdict


def compare(
    names: Sequence[str],
    output: Path,
    set_name: str,
    metrics: Sequence[str] | None = None,
    by: str | None = None,
) -> Comparison:
    """Compare runs with the first of them.

    Args:
        names: names of two or more runs, folders in ``output``.
        output: the folder of the trained models.
        set_name: ``valid`` or ``test``.
        metrics: names of metrics, see :mod:`~sertool.core.reports.compare.asked`; None: the usual ones of the task.
        by: unit of the intervals, see :mod:`~sertool.core.reports.units`; None for the usual one.

    Raises:
        UsageError: fewer than two runs, a run given twice or missing, an unknown metric or unit, or runs of
            different data sets, tasks, classes or scores.
        DataError: a run has no usable predictions, or does not know the unit, or the labels or utterances of two runs
            do not match.
    """
    _check_asked(names, metrics or ())  # before any file is read
    check_unit(by)
    return compare_judged([judge(open_contender(name, output, set_name), set_name) for name in names], metrics, by)


def compare_judged(runs: Sequence[Judged], metrics: Sequence[str] | None, by: str | None = None) -> Comparison:
    """Compare runs that were read with the first of them, as :func:`compare` does.

    Raises:
        UsageError: runs of different data sets, tasks or classes, or a metric that their task does not have.
        DataError: the labels or utterances of two runs do not match, or they do not know the unit.
    """
    first, *others = runs
    if by is not None:
        check_known(first.contender.name, {first.stored.predictions.set: first.stored}, by)
    for other in others:
        check_together(first, other)
    check_fit(metrics or (), first.stored.predictions)
    pairs = corrected([_pair(first, other, metrics, by) for other in others])
    own = first.stored
    return Comparison(
        dataset=own.origin.dataset,
        task=own.origin.task,
        set=own.predictions.set,
        caveats=caveats(own),
        kind=own.predictions.kind,
        class_names=own.predictions.classes,
        contenders=(first.contender, *(other.contender for other in others)),
        pairs=pairs,
        tests=sum(row.difference.p is not None for pair in pairs for row in pair.metrics),
    )


def _check_asked(names: Sequence[str], metrics: Sequence[str]) -> None:
    if len(names) < 2:
        only = f"only {', '.join(names)} is given"
        raise UsageError(f"two runs or more are needed, {only}", hint="sertool compare A B")
    twice = next((one for place, one in enumerate(names) if one in names[:place]), None)
    if twice is not None:
        raise UsageError(f"run {twice}: is given twice")
    check_names(metrics)


def _pair(a: Judged, b: Judged, metrics: Sequence[str] | None, by: str | None) -> Pair:
    shared = shared_of(a, b)
    own, clusters = a.stored.predictions, clusters_of(shared.spoken, by)
    votes = votes_of(a, b, shared)
    notes = _notes(a, b, shared, clusters)
    if votes is not None and not votes.alike:
        notes = (*notes, "the runs hold different votes of raters, so probabilities are not compared with votes")
        votes = None
    names = chosen(metrics, own, voted=votes is not None)
    folds = max(one.contender.folds for one in (a, b))
    if any(one.contender.imported for one in (a, b)):
        folds = 0  # nobody can advise to cross-validate what was not trained here
    pair = Pair(
        a=a.contender.name,
        b=b.contender.name,
        utterances=len(shared.ids),
        only_a=len(own.ids) - len(shared.ids),
        only_b=len(b.stored.predictions.ids) - len(shared.ids),
        unit=clusters.unit,
        clusters=clusters.number,
        unit_note=limits_of(clusters, own.set, folds=folds),
        by_cluster=(),
        metrics=(),
        mcnemar=None,
        mcnemar_holm=None,
        cohens_h=None,
        flips=(),
        notes=notes,
    )
    # Correction and verdict are filled in by ``corrected``, when the tests of all pairs are known.
    if own.kind == "scores":
        return _scored(pair, a, shared, clusters, names)
    return _decided(pair, own, shared, clusters, names, votes)


def _scored(pair: Pair, a: Judged, shared: Shared, clusters: Clusters, metrics: Sequence[str]) -> Pair:
    """Complete a pair of runs that predict scores."""
    own, means = a.stored.predictions, a.stored.origin.train_means
    always = np.nanmean(shared.targets, 0) if means is None else np.array(means)
    return replace(
        pair,
        by_cluster=scores_by_cluster(shared, clusters, metrics, own.ranges),
        metrics=score_metric_rows(shared, clusters, metrics, own.classes, own.ranges, always),
        flips=moves_of(shared, own.classes, own.ranges),
    )


def _decided(
    pair: Pair,
    own: Predictions,
    shared: Shared,
    clusters: Clusters,
    metrics: Sequence[str],
    votes: SharedVotes | None,
) -> Pair:
    """Complete a pair of runs that decide between classes."""
    classes = len(own.classes)
    of_decisions = [name for name in metrics if name in LABEL_METRICS]
    of_votes = [name for name in metrics if name in DISTRIBUTION_METRICS]
    rows = decision_rows(shared, clusters, of_decisions, classes)
    by_cluster = decisions_by_cluster(shared, clusters, of_decisions, classes)
    if votes is not None and of_votes:
        rows += votes.rows(clusters, of_votes)
        by_cluster = joined(by_cluster, votes.by_cluster(clusters))
    test = mcnemar_of(shared, clusters)
    accuracies = (one["accuracy"] for one in decision_metrics(shared, ["accuracy"], classes))
    return replace(
        pair,
        by_cluster=by_cluster,
        metrics=tuple(sorted(rows, key=lambda row: metrics.index(row.metric))),
        mcnemar=test,
        mcnemar_holm=test.p,
        cohens_h=cohens_h(*accuracies),
        flips=flips_of(shared, own.classes),
    )


def _notes(a: Judged, b: Judged, shared: Shared, clusters: Clusters) -> tuple[str, ...]:
    notes = []
    names = a.contender.name, b.contender.name
    # If both runs were selected on test, the bias is on both sides of the difference.
    one_sided = [one.contender.name for one in (a, b) if one.contender.stamp]
    if len(one_sided) == 1:
        notes.append(f"only {one_sided[0]} was selected on test, so the comparison favours it")
    lefts = [len(one.stored.predictions.ids) - len(shared.ids) for one in (a, b)]
    if any(lefts):
        notes.append(
            f"compared on the {plural(len(shared.ids), 'utterance')} that both runs cover; left out: "
            + ", ".join(f"{left:,} only in {name}" for left, name in zip(lefts, names, strict=True) if left)
        )
    rules = [one.stored.origin.rule for one in (a, b)]
    hashes = [one.stored.origin.data_hash for one in (a, b)]
    if rules[0] != rules[1]:  # the hash holds the targets, so it tells nothing here
        learnt = ["the shares of the raters" if rule == VOTES else "the majority label" for rule in rules]
        notes.append(", ".join(f"{name} learnt {what}" for name, what in zip(names, learnt, strict=True)))
    elif hashes[0] != hashes[1] and not any(one.contender.imported for one in (a, b)):
        trained = [trained_on(one.stored.origin) for one in (a, b)]
        notes.append(
            f"the runs use different versions or splits of the data (trained on {trained[0]} and on {trained[1]})"
        )
    dialogues = len({one.dialogue for one in shared.spoken} - {None})
    seeing = [one.contender.name for one in (a, b) if one.sees_context]
    if seeing and clusters.unit != "dialogue" and dialogues >= FEWEST:
        verb = "sees" if len(seeing) == 1 else "see"
        notes.append(
            f"{' and '.join(seeing)} {verb} earlier utterances of a dialogue, so that those of one dialogue depend on "
            f"each other: --by dialogue takes the {dialogues:,} dialogues as the unit"
        )
    if np.array_equal(shared.a, shared.b):
        notes.append(f"{names[0]} and {names[1]} predict the same for every utterance")
    return tuple(notes)


def corrected(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Add verdicts, and Holm's correction: over the metrics of all pairs, and over their McNemar tests."""
    rows = [row for pair in pairs for row in pair.metrics]
    known = [row.difference.p for row in rows if row.difference.p is not None]
    adjusted = iter(holm(known))
    tests = iter(holm([pair.mcnemar.p for pair in pairs if pair.mcnemar is not None and pair.mcnemar.p is not None]))
    done = []
    for pair in pairs:
        metrics = []
        for row in pair.metrics:
            p = None if row.difference.p is None else next(adjusted)
            few = f"cannot tell from {plural(pair.clusters, pair.unit)}" if pair.by_cluster else ""
            lower = row.metric in LOWER_IS_BETTER
            found = few or verdict(row.difference, p, len(known), lower_is_better=lower)
            metrics.append(replace(row, holm=p, verdict=found))
        test = None if pair.mcnemar is None or pair.mcnemar.p is None else next(tests)
        done.append(replace(pair, metrics=tuple(metrics), mcnemar_holm=test))
    return tuple(done)


def verdict(own: Difference, holm_p: float | None, tests: int, *, lower_is_better: bool = False) -> str:
    """Say in words what a difference shows.

    A run is better if the interval lies above 0 (below it, for an error) and the corrected p-value is below 0.05. Both
    are asked for, as the interval and the test are computed in different ways and may disagree at the edge.

    Args:
        own: b - a.
        holm_p: its p-value, corrected for all tests.
        tests: number of these tests.
        lower_is_better: the metric is an error or a loss.
    """
    gain = -own.value if lower_is_better else own.value
    if own.low is None or own.high is None or holm_p is None:
        return "no interval can be given"
    if own.low == own.high == 0:
        return "no difference"
    excludes_zero = own.low > 0 or own.high < 0
    if excludes_zero and holm_p < SIGNIFICANT:
        return "better" if gain > 0 else "worse"
    word = "better" if gain > 0 else "worse" if gain < 0 else "different"
    corrected = f" after correction for {tests} tests" if excludes_zero and tests > 1 else ""
    return f"not shown to be {word}{corrected}"
