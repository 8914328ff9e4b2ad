"""Two runs on the utterances that both cover: paired intervals, McNemar's test, verdicts, flipped utterances."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import plural
from sertool.core.metrics import (
    Difference,
    Jackknife,
    clusters_of,
    cohens_h,
    decision_differences,
    few_by_name,
    holm,
    mcnemar,
)
from sertool.core.metrics.baselines import baseline_metrics
from sertool.core.metrics.classification import LABEL_METRICS, metrics_of
from sertool.core.reports.by_cluster import limits_of
from sertool.core.reports.compare.contents import (
    RIGHT_TO_WRONG,
    WRONG_TO_RIGHT,
    WRONG_TO_WRONG,
    ClusterPair,
    Comparison,
    Flip,
    MetricRow,
    Pair,
)
from sertool.core.reports.compare.runs import Judged, check_together, judge, open_contender
from sertool.core.reports.provenance import caveats, trained_on

COMPARED = tuple(name for name, metric in LABEL_METRICS.items() if metric.higher_is_better)  # --metric names them
SIGNIFICANT = 0.05  # corrected p-value of a verdict

Decisions = NDArray[np.int64]


@dataclass(frozen=True)
class _Shared:
    """Decisions of two runs on the utterances that both cover, in the order of the first run."""

    ids: list[str]
    rows_a: list[int]
    targets: Decisions
    a: Decisions
    b: Decisions


def compare(names: Sequence[str], output: Path, set_name: str, metrics: Sequence[str]) -> Comparison:
    """Compare runs with the first of them.

    Args:
        names: names of two or more runs, folders in ``output``.
        output: the folder of the trained models.
        set_name: ``valid`` or ``test``.
        metrics: names of ``COMPARED``.

    Raises:
        UsageError: fewer than two runs, a run given twice or missing, an unknown metric, or runs of different data
            sets, tasks or classes.
        DataError: a run has no usable predictions, or the labels or utterances of two runs do not match.
    """
    _check_asked(names, metrics)  # before any file is read
    return compare_judged([judge(open_contender(name, output, set_name), set_name) for name in names], metrics)


def compare_judged(runs: Sequence[Judged], metrics: Sequence[str]) -> Comparison:
    """Compare runs that were read with the first of them, as :func:`compare` does.

    Raises:
        UsageError: runs of different data sets, tasks or classes, or a metric that their task does not have.
        DataError: the labels or utterances of two runs do not match.
    """
    first, *others = runs
    _check_kind(metrics, first.stored.predictions.kind)
    for other in others:
        check_together(first, other)
    pairs = corrected([_pair(first, other, metrics) for other in others])
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
    for what, given in (("run", names), ("--metric", metrics)):
        twice = next((one for place, one in enumerate(given) if one in given[:place]), None)
        if twice is not None:
            raise UsageError(f"{what} {twice}: is given twice")
    for metric in metrics:
        if metric not in COMPARED:
            near = did_you_mean(metric, list(COMPARED))
            raise UsageError(f"--metric {metric}: expected one of {', '.join(COMPARED)}{near}")


def _check_kind(metrics: Sequence[str], kind: str) -> None:
    if unfit := [metric for metric in metrics if metric not in metrics_of(kind)]:
        known = ", ".join(name for name in COMPARED if name in metrics_of(kind))
        raise UsageError(f"--metric {unfit[0]}: is a metric of multi-label tasks; expected one of {known}")


def _pair(a: Judged, b: Judged, metrics: Sequence[str]) -> Pair:
    shared = _shared(a, b)
    spoken = [a.stored.spoken[row] for row in shared.rows_a]
    clusters = clusters_of(spoken)
    classes = len(a.stored.predictions.classes)
    differences = decision_differences(shared.targets, shared.a, shared.b, classes, Jackknife(clusters))
    constant = baseline_metrics(shared.targets, classes)
    of_a, of_b = _metrics(shared, constant, classes)
    right_a, right_b = (shared.targets == decided for decided in (shared.a, shared.b))
    test = mcnemar(right_a.ravel(), right_b.ravel())
    if clusters.few:  # it takes utterances as independent, which those of a few speakers are not
        test = replace(test, p=None)
    folds = max(one.contender.folds for one in (a, b))
    return Pair(
        a=a.contender.name,
        b=b.contender.name,
        utterances=len(shared.ids),
        only_a=len(a.stored.predictions.ids) - len(shared.ids),
        only_b=len(b.stored.predictions.ids) - len(shared.ids),
        unit=clusters.unit,
        clusters=clusters.number,
        unit_note=limits_of(clusters, a.stored.predictions.set, folds=folds),
        by_cluster=tuple(
            ClusterPair(name, int(own.sum()), *_metrics(shared, metrics, classes, own))
            for name, own in few_by_name(clusters).items()
        ),
        metrics=tuple(
            # Correction and verdict are filled in by ``corrected``, when the tests of all pairs are known.
            MetricRow(name, of_a[name], of_b[name], constant[name], differences[name], None, "")
            for name in metrics
        ),
        mcnemar=test,
        mcnemar_holm=test.p,
        cohens_h=cohens_h(of_a["accuracy"], of_b["accuracy"]),
        flips=_flips(a, shared),
        notes=_notes(a, b, shared),
    )


def _metrics(
    shared: _Shared, names: Iterable[str], classes: int, rows: NDArray[np.bool_] | slice = slice(None)
) -> tuple[dict[str, float], dict[str, float]]:
    """Return some metrics of both runs, over all utterances or over ``rows`` of them."""
    a, b = (
        {name: LABEL_METRICS[name](shared.targets[rows], decided[rows], classes) for name in names}
        for decided in (shared.a, shared.b)
    )
    return a, b


def _shared(a: Judged, b: Judged) -> _Shared:
    """Return the utterances of both runs; refuse them if the labels differ."""
    own, other = a.stored.predictions, b.stored.predictions
    assert own.targets is not None
    assert other.targets is not None
    there = {name: row for row, name in enumerate(other.ids)}
    rows_a = [row for row, name in enumerate(own.ids) if name in there]
    if not rows_a:
        raise DataError(
            f"{a.contender.name} and {b.contender.name} have no utterance of the {own.set} set in common "
            f"(the first are {own.ids[0]!r} and {other.ids[0]!r})",
            hint="compare runs of one corpus: these are split differently, or name their utterances differently",
        )
    # Sets may differ in order or size: rows are matched by id.
    rows_b = [there[own.ids[row]] for row in rows_a]
    targets, others = own.targets[rows_a], other.targets[rows_b]
    # With other labels "right" would mean two things, and no difference could be told from the labels'.
    unlike = np.flatnonzero((targets != others).reshape(len(rows_a), -1).any(1))
    if len(unlike):
        row = int(unlike[0])
        labels = _named(targets[row], own.classes), _named(others[row], own.classes)
        raise DataError(
            f"{a.contender.name} and {b.contender.name} have different labels for {len(unlike):,} of "
            f"{plural(len(rows_a), 'utterance')}, the first is {own.ids[rows_a[row]]!r}: "
            f"{labels[0] or 'none'} and {labels[1] or 'none'}",
            hint="evaluate both on the same version of the corpus: sertool ensemble --name NAME --split " + own.set,
        )
    ids = [own.ids[row] for row in rows_a]
    return _Shared(ids, rows_a, targets, a.decisions[rows_a], b.decisions[rows_b])


def _flips(a: Judged, shared: _Shared) -> tuple[Flip, ...]:
    classes, number = a.stored.predictions.classes, len(shared.ids)
    targets, of_a, of_b = (part.reshape(number, -1) for part in (shared.targets, shared.a, shared.b))
    right_a, right_b = (targets == of_a).all(1), (targets == of_b).all(1)
    flips = []
    for row in np.flatnonzero((of_a != of_b).any(1)):
        spoken = a.stored.spoken[shared.rows_a[row]]
        flips.append(
            Flip(
                id=shared.ids[row],
                speaker=spoken.speaker,
                text=spoken.text,
                target=_named(shared.targets[row], classes),
                a=_named(shared.a[row], classes),
                b=_named(shared.b[row], classes),
                change=RIGHT_TO_WRONG if right_a[row] else WRONG_TO_RIGHT if right_b[row] else WRONG_TO_WRONG,
            )
        )
    return tuple(flips)


def _named(decision: Any, classes: Sequence[str]) -> str:
    """Return the name of a class; in a multi-label task those of all classes that are present."""
    if np.ndim(decision):
        return "|".join(name for name, present in zip(classes, decision, strict=True) if present)
    return classes[int(decision)]


def _notes(a: Judged, b: Judged, shared: _Shared) -> tuple[str, ...]:
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
    hashes = [one.stored.origin.data_hash for one in (a, b)]
    if hashes[0] != hashes[1]:
        trained = [trained_on(one.stored.origin) for one in (a, b)]
        notes.append(
            f"the runs use different versions or splits of the data (trained on {trained[0]} and on {trained[1]})"
        )
    if np.array_equal(shared.a, shared.b):
        notes.append(f"{names[0]} and {names[1]} predict the same for every utterance")
    return tuple(notes)


def corrected(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Add verdicts, and Holm's correction: over the metrics of all pairs, and over their McNemar tests."""
    rows = [row for pair in pairs for row in pair.metrics]
    known = [row.difference.p for row in rows if row.difference.p is not None]
    adjusted = iter(holm(known))
    tests = iter(holm([pair.mcnemar.p for pair in pairs if pair.mcnemar.p is not None]))
    done = []
    for pair in pairs:
        metrics = []
        for row in pair.metrics:
            p = None if row.difference.p is None else next(adjusted)
            few = f"cannot tell from {plural(pair.clusters, pair.unit)}" if pair.by_cluster else ""
            metrics.append(replace(row, holm=p, verdict=few or verdict(row.difference, p, len(known))))
        test = None if pair.mcnemar.p is None else next(tests)
        done.append(replace(pair, metrics=tuple(metrics), mcnemar_holm=test))
    return tuple(done)


def verdict(own: Difference, holm_p: float | None, tests: int) -> str:
    """Say in words what a difference shows.

    A run is better if the interval lies above 0 and the corrected p-value is below 0.05. Both are asked for, as the
    interval and the test are computed in different ways and may disagree at the edge.

    Args:
        own: b - a.
        holm_p: its p-value, corrected for all tests.
        tests: number of these tests.
    """
    if own.low is None or own.high is None or holm_p is None:
        return "no interval can be given"
    if own.low == own.high == 0:
        return "no difference"
    excludes_zero = own.low > 0 or own.high < 0
    if excludes_zero and holm_p < SIGNIFICANT:
        return "better" if own.value > 0 else "worse"
    word = "better" if own.value > 0 else "worse" if own.value < 0 else "different"
    corrected = f" after correction for {tests} tests" if excludes_zero and tests > 1 else ""
    return f"not shown to be {word}{corrected}"
