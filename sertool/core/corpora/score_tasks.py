"""Tasks of scores, and tasks whose labels are what several raters said."""

from collections.abc import Sequence

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_content import LARGEST_SCORE
from sertool.core.corpora.ratings import shares_of
from sertool.core.corpora.tasks import ANY, SCORES, VOTES, Task, shown
from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import names_of
from sertool.core.recipe.dataset import ALL_SCORES, NO_SCORES, is_score_name, score_names

MINUS_3_TO_3 = (-3.0, 3.0)  # range of a score that states none, as MOSI's and MOSEI's
OTHER_UNIT = "write the scores in another unit, or as differences from a typical one"
# Widths of a range: figures have few decimals, and metrics take a deviation below 1e-10 for rounding; as a share of the
# larger end, float32 hardly tells apart what is closer.
NARROWEST, NARROWEST_SHARE = 1e-3, 1e-6


def range_problem(low: float, high: float) -> str:
    """Say why a model, which computes in float32, cannot predict scores of a range; empty where it can.

    >>> range_problem(1, 5), range_problem(-1e12, 0), range_problem(0, 1e-6)
    ('', 'goes beyond 1e+09', 'is too narrow, expected a width of at least 0.001')
    """
    largest = max(abs(low), abs(high))
    if largest > LARGEST_SCORE:
        return f"goes beyond {LARGEST_SCORE:g}"
    least = max(NARROWEST, NARROWEST_SHARE * largest)
    return f"is too narrow, expected a width of at least {least:g}" if high - low < least else ""


def ranges_in(corpus: Corpus) -> dict[str, tuple[float, float]]:
    """Return the lowest and highest value of each score of a corpus, by name."""
    # MOSEI's emotions are lists of intensities.
    numbers = dict.fromkeys(
        name for one in corpus.utterances for name, raw in one.labels.items() if isinstance(raw, int | float)
    )
    stated = [name for name in dict.fromkeys([*corpus.ranges, *numbers]) if name not in corpus.classes]
    return {name: corpus.ranges.get(name, MINUS_3_TO_3) for name in stated}


def score_task(task: str, corpus: Corpus) -> Task:
    """Make the task of one score, of several, or of all that a corpus has.

    Args:
        task: names of the scores, separated by commas, or ``all``.
        corpus: the corpus, which states the range of each.

    Raises:
        UsageError: the corpus has no such score.
        DataError: the score has a name or a range that cannot be used.
    """
    ranges = ranges_in(corpus)
    held = f"its scores: {names_of(ranges)}"
    names = tuple(ranges) if task == ALL_SCORES else score_names(task)
    if not names:
        raise UsageError(
            f"dataset.target: {corpus.name} has no scores",
            hint=f"a recipe for classes, such as custom, fits; its tasks: {names_of(corpus.classes)}",
        )
    for name in names:
        if name in corpus.classes:
            raise UsageError(
                f"dataset.task: {corpus.name}'s {name} is a task of classes, and the recipe predicts scores",
                hint=f"a recipe for classes, such as custom, predicts it; {held}",
            )
        if name not in ranges:
            near = did_you_mean(name, list(ranges))
            raise UsageError(f"dataset.task: {corpus.name} has no score {shown(name)}{near}", hint=held)
        if not is_score_name(name):
            raise DataError(
                f"{corpus.name}: {shown(name)} cannot be the name of a score",
                hint=f"rename it in the corpus: no commas, no spaces around it, and not {', '.join(NO_SCORES)}",
            )
        if problem := range_problem(*ranges[name]):
            low, high = ranges[name]
            raise DataError(f"{corpus.name}: the range of {name}, {low!r} to {high!r}, {problem}", hint=OTHER_UNIT)
    _check_columns(names, corpus)
    return Task(", ".join(names), names, SCORES, tuple(ranges[name] for name in names))


def _check_columns(names: Sequence[str], corpus: Corpus) -> None:
    """Refuse a score that is named as a column of results is which belongs to another score."""
    for name in names:
        for column in (f"{name}_low", f"{name}_high", f"predicted_{name}"):
            if column in names:
                raise DataError(
                    f"{corpus.name}: {shown(column)} cannot be the name of a score beside {shown(name)}: tables of "
                    "results have a column of this name",
                    hint="rename it in the corpus, or predict it alone: --set 'dataset.task=...'",
                )


def rated_task(task: Task, labels: str, corpus: Corpus) -> Task:
    """Make a task whose targets are what several raters said.

    Args:
        task: the task with one label for each utterance.
        labels: ``soft`` or ``any``, as the recipe's ``dataset.labels``.
        corpus: the corpus, which holds the ratings.

    Raises:
        UsageError: the corpus holds no ratings of the task, or the task is none of class names.
        DataError: the raters chose none of its classes.
    """
    if task.rule != "name":
        raise UsageError(
            f"dataset.labels: {labels} needs a task with one class per utterance, and {task.name} is none",
            hint="--set dataset.labels=majority",
        )
    rated = [ratings for one in corpus.utterances if (ratings := (one.ratings or {}).get(task.name))]
    if not rated:
        raise UsageError(
            f"dataset.labels: {corpus.name} holds no votes of raters for {task.name}",
            hint="--set dataset.labels=majority; `sertool prepare` reads votes from the columns rater_1, rater_2, ... "
            "or votes",
        )
    # Otherwise every label would silently count as a single rater.
    if all(shares_of(ratings, task.classes) is None for ratings in rated):
        raise DataError(
            f"dataset.labels: the raters of {corpus.name} chose none of the classes of {task.name}: "
            f"{names_of(task.classes)}",
            hint="--set dataset.labels=majority trains on the labels",
        )
    return Task(task.name, task.classes, VOTES if labels == "soft" else ANY)
