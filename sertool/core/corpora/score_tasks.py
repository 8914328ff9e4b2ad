"""Tasks of scores, and tasks whose labels are what several raters said."""

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.tasks import ANY, SCORES, VOTES, Task
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.recipe.dataset import ALL_SCORES, score_names

MINUS_3_TO_3 = (-3.0, 3.0)  # range of a score that states none, as MOSI's and MOSEI's


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
    """
    ranges = ranges_in(corpus)
    held = f"its scores: {', '.join(ranges) or 'none'}"
    names = tuple(ranges) if task == ALL_SCORES else score_names(task)
    if not names:
        raise UsageError(
            f"dataset.target: {corpus.name} has no scores",
            hint=f"--set dataset.target=classes; its classes: {', '.join(corpus.classes) or 'none'}",
        )
    for name in names:
        if name in corpus.classes:
            raise UsageError(
                f"dataset.task: {corpus.name}'s {name} is a task of classes, and the recipe predicts scores",
                hint=f"--set dataset.target=classes predicts it; {held}",
            )
        if name not in ranges:
            near = did_you_mean(name, list(ranges))
            raise UsageError(f"dataset.task: {corpus.name} has no score {name!r}{near}", hint=held)
    return Task(", ".join(names), names, SCORES, tuple(ranges[name] for name in names))


def rated_task(task: Task, labels: str, corpus: Corpus) -> Task:
    """Make a task whose targets are what several raters said.

    Args:
        task: the task with one label for each utterance.
        labels: ``soft`` or ``any``, as the recipe's ``dataset.labels``.
        corpus: the corpus, which holds the ratings.

    Raises:
        UsageError: the corpus holds no ratings of the task, or the task is none of class names.
    """
    if task.rule != "name":
        raise UsageError(
            f"dataset.labels: {labels} needs a task with one class per utterance, and {task.name} is none",
            hint="--set dataset.labels=majority",
        )
    if not any(task.name in (utterance.ratings or {}) for utterance in corpus.utterances):
        raise UsageError(
            f"dataset.labels: {corpus.name} holds no votes of raters for {task.name}",
            hint="--set dataset.labels=majority; `sertool prepare` reads votes from the columns rater_1, rater_2, ... "
            "or votes",
        )
    return Task(task.name, task.classes, VOTES if labels == "soft" else ANY)
