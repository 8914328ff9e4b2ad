"""Labels of corpora that are joined: the union of their classes, and scores on one scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sertool.core.corpora.corpus import Corpus, Utterance
from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import names_of

USUAL = (-3.0, 3.0)  # scale of scores without a range of their own
SINGLE, SEVERAL, SCORE = "one class", "several classes at once", "a score"


@dataclass(frozen=True)
class JoinedTasks:
    """Tasks of joined corpora.

    Attributes:
        classes: class names by task, as in :class:`~sertool.core.corpora.corpus.Corpus`.
        ranges: lowest and highest score by task, for scores on a scale of their own.
        places: for each corpus, by task of several classes at once, the position of each joined class among its own.
    """

    classes: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, tuple[float, float]]
    places: Sequence[Mapping[str, Sequence[int]]]

    def relabelled(self, utterance: Utterance, corpus: int) -> Utterance:
        """Return an utterance of the corpus of that number with the labels of the joined one.

        Raises:
            DataError: a label has another form than those of its task.
        """
        places = self.places[corpus]
        moved = {}
        for task, raw in utterance.labels.items():
            if task not in places:
                continue
            if not isinstance(raw, list) or len(raw) != len(places[task]):
                raise DataError(f"utterance {utterance.id!r}: {task} is no list of {len(places[task])} numbers")
            moved[task] = [raw[place] for place in places[task]]
        return replace(utterance, labels={**utterance.labels, **moved}) if moved else utterance


def join_tasks(corpora: Sequence[Corpus], order: Sequence[str] = ()) -> JoinedTasks:
    """Join the tasks of corpora.

    The classes of a task are the union. They are in alphabetical order, as ``prepare`` writes them, unless a corpus has
    them in another one; then those of the first corpus come first.

    Args:
        corpora: the corpora.
        order: order of the classes, if it is decided already.

    Raises:
        UsageError: a task is of another kind, or a score of another range, in two of them.
    """
    kinds = [_kinds(corpus) for corpus in corpora]
    names = list(dict.fromkeys(task for own in kinds for task in own))
    classes, ranges = {}, {}
    for task in names:
        having = [(corpus, own[task]) for corpus, own in zip(corpora, kinds, strict=True) if task in own]
        _check_kinds(task, having)
        if having[0][1] != SCORE:
            classes[task] = _union([corpus.classes[task] for corpus, _ in having], order)
            if having[0][1] == SEVERAL:
                _check_same(task, [corpus for corpus, _ in having])
        elif any(task in corpus.ranges for corpus, _ in having):
            ranges[task] = _range(task, [corpus for corpus, _ in having])
    places = [
        {
            task: [corpus.classes[task].index(name) for name in classes[task]]
            for task, kind in own.items()
            if kind == SEVERAL and corpus.classes[task] != classes[task]
        }
        for corpus, own in zip(corpora, kinds, strict=True)
    ]
    return JoinedTasks(dict(sorted(classes.items())), ranges, places)


def _kinds(corpus: Corpus) -> dict[str, str]:
    """Return the kind of each task."""
    kinds = dict.fromkeys(corpus.classes, "") | dict.fromkeys(corpus.ranges, SCORE)
    for utterance in corpus.utterances:
        for task, raw in utterance.labels.items():
            if kinds.get(task):
                continue
            kinds[task] = SEVERAL if isinstance(raw, list) else SINGLE if task in corpus.classes else SCORE
            if task not in corpus.classes and not isinstance(raw, int | float):
                raise UsageError(
                    f"--join: {corpus.name} does not say which classes {task} has",
                    hint="it comes from the pickles of a published set; prepare its owner's copy (docs/corpora.md)",
                )
    return {task: kind or SINGLE for task, kind in kinds.items()}


def _check_kinds(task: str, having: Sequence[tuple[Corpus, str]]) -> None:
    (first, kind), *others = having
    for other, own in others:
        if own != kind:
            raise UsageError(
                f"--join: {task} is {kind} for each utterance of {first.name}, and {own} in {other.name}",
                hint="--map brings classes and scores of some tasks under common classes (docs/cross.md)",
            )


def _check_same(task: str, corpora: Sequence[Corpus]) -> None:
    """Refuse several classes at once of different lists: a class that is not listed may be present all the same."""
    for corpus in corpora[1:]:
        if set(corpus.classes[task]) != set(corpora[0].classes[task]):
            one, two = (f"{names_of(own.classes[task])} ({own.name})" for own in (corpora[0], corpus))
            raise UsageError(
                f"--join: {task} is several classes at once, which must be the same in all corpora: {one}; {two}",
                hint="prepare one of them again, with --map-labels",
            )


def _range(task: str, corpora: Sequence[Corpus]) -> tuple[float, float]:
    """Return the range of a score that all corpora share."""
    found = [tuple(map(float, corpus.ranges.get(task, USUAL))) for corpus in corpora]
    for corpus, own in zip(corpora, found, strict=True):
        if own != found[0]:
            one, two = (f"{low:g} to {high:g}" for low, high in (found[0], own))
            raise UsageError(
                f"--join: the score {task} goes from {one} in {corpora[0].name}, and from {two} in {corpus.name}",
                hint="prepare one of them again, with its scores on the scale of the other (--rescale, --range)",
            )
    low, high = found[0]
    return low, high


def _union(classes: Sequence[Sequence[str]], order: Sequence[str]) -> tuple[str, ...]:
    names = list(dict.fromkeys(name for own in classes for name in own))
    if order and set(names) <= set(order):
        return tuple(name for name in order if name in names)
    if all(list(own) == sorted(own) for own in classes):
        return tuple(sorted(names))
    return tuple(names)
