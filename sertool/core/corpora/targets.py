"""Targets of utterances: from a raw label by the rule of the task, from several scores, or from what raters said."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Rating, Utterance
from sertool.core.corpora.ratings import favourites, shares_of
from sertool.core.corpora.reading_errors import Report, UtteranceError, refuse
from sertool.core.corpora.tasks import ANY, SCORED, SCORES, VOTES, Target, Task, Votes, number_within, shown
from sertool.core.errors import DataError
from sertool.core.formatting import names_of


def targets_of(corpus: Corpus, task: Task, report: Report = refuse) -> list[Target | None]:
    """Return the target of every utterance; None if it has none for this task.

    Args:
        corpus: the utterances.
        task: task that names the raw label and its rule.
        report: called for each label or rater's score of the wrong kind or out of range; by default it raises the
            first.

    Raises:
        DataError: raised by ``report``; the message names the utterance.
    """
    targets: list[Target | None] = []
    for utterance in corpus.utterances:
        targets.append(None)
        try:
            targets[-1] = target_of(utterance, task)
        except DataError as error:
            message = f"{corpus.name}: utterance {utterance.id!r}: {error}"
            report(UtteranceError(message, kind="label", split=utterance.split, id=utterance.id))
    return targets


def target_of(utterance: Utterance, task: Task) -> Target | None:
    """Return the target of an utterance; None if it has none for this task.

    Raises:
        DataError: a label or a rater's score is of the wrong kind or out of range.
    """
    if task.rule == SCORES:
        return _scores(utterance, task)
    raters = (utterance.ratings or {}).get(task.name, {})
    if task.rule in SCORED:
        _check_ratings(raters, task.name, -3, 3)
    raw = utterance.labels.get(task.name)
    if task.rule not in (VOTES, ANY):
        return None if raw is None else task.target(raw)
    label = None if raw is None else _index(raw, task)
    if label is None and not raters_tie(raters, task.classes):
        return None
    shares = shares_of(raters, task.classes)
    if shares is None:  # without raters, or where they chose none of the classes, the label counts as a single rater
        assert label is not None, "raters that tie chose classes of the task"
        shares = np.eye(len(task.classes))[label]
    if task.rule == ANY:
        return tuple(int(share > 0) for share in shares)
    return Votes(label, tuple(map(float, shares)))


def raters_tie(raters: Mapping[str, Rating], classes: Sequence[str]) -> bool:
    """Check whether the classes that most raters chose are all classes of a task.

    An utterance without a label is part of a task only then: where most raters chose a class that the task lacks, what
    the others said does not make it an utterance of the task.
    """
    return bool(chosen := favourites(raters)) and chosen <= set(classes)


def _scores(utterance: Utterance, task: Task) -> tuple[float, ...] | None:
    for name, (low, high) in zip(task.classes, task.ranges, strict=True):
        _check_ratings((utterance.ratings or {}).get(name, {}), name, low, high)
    values = [
        number_within(utterance.labels[name], low, high, name) if name in utterance.labels else math.nan
        for name, (low, high) in zip(task.classes, task.ranges, strict=True)
    ]
    return None if all(map(math.isnan, values)) else tuple(values)


def _check_ratings(ratings: Mapping[str, Rating], name: str, low: float, high: float) -> None:
    """Refuse a rater's score out of range, which alpha and the ceilings would count; a class named instead does not."""
    for rater, said in ratings.items():
        if isinstance(said, int | float) and not low <= said <= high:
            number_within(said, low, high, f"rater {shown(rater)}: {name}")


def _index(raw: object, task: Task) -> int:
    if raw not in task.classes:
        raise DataError(f"label {shown(raw)} is not one of {names_of(task.classes)}")
    return task.classes.index(str(raw))


def plain(target: Target | None) -> object:
    """Return a target as JSON writes it."""
    return [target.label, *target.shares] if isinstance(target, Votes) else target


def label_hash(corpus: Corpus, targets: Sequence[Target | None]) -> str:
    """Return a hexadecimal hash of ids, splits, words and targets of all utterances."""
    digest = hashlib.blake2b(digest_size=16)
    for utterance, target in zip(corpus.utterances, targets, strict=True):
        # JSON separates the values, so that no two different lists give the same bytes.
        digest.update(json.dumps([utterance.split, utterance.id, utterance.words, plain(target)]).encode())
    return digest.hexdigest()


def labels_of(targets: Sequence[Target | None], rows: Sequence[int], kind: str) -> NDArray[Any]:
    """Return the targets at some positions as decisions are compared with them.

    Args:
        targets: targets of all utterances.
        rows: positions; each has a target.
        kind: kind of the task.

    Returns:
        (N,) classes, (N, C) 0 or 1, or (N, D) scores with NaN where one is missing.
    """
    own = [target.label if isinstance(target, Votes) else target for target in (targets[row] for row in rows)]
    return np.array(own, np.float64 if kind == "scores" else np.int64)


def classes_in(target: Target, task: Task) -> list[int]:
    """Return the numbers of the classes that a target counts for: its label, all that are present, or known scores."""
    if isinstance(target, Votes):
        return [] if target.label is None else [target.label]
    if isinstance(target, int):
        return [target]
    if task.kind == "scores":
        return [place for place, value in enumerate(target) if not math.isnan(value)]
    return [place for place, there in enumerate(target) if there]


def class_counts(task: Task, targets: Sequence[Target | None]) -> NDArray[np.float64]:
    """Count the utterances of each class; of raters' votes add up the shares.

    Args:
        task: the task, of classes.
        targets: targets of some utterances; those without one do not count.

    Returns:
        (C,) counts; multi-label: the utterances in which each class is present.
    """
    counts = np.zeros(len(task.classes))
    for target in targets:
        if isinstance(target, Votes):
            counts += target.shares
        elif isinstance(target, tuple):
            counts += target
        elif target is not None:
            counts[target] += 1
    return counts
