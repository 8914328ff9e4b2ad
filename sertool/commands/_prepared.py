"""Messages of ``prepare`` after the counts of a corpus: warnings, what the doctor finds, the next command."""

from pathlib import Path
from typing import TYPE_CHECKING

from sertool.commands._console import console, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sertool.core.corpora.corpus import Corpus
    from sertool.core.doctor.inspect import Inspection


_OF_CLASSES = ("dataset.task=", "dataset.num_classes=", "training.class_weights=")


def warn(warnings: "Sequence[str]") -> None:
    """Print warnings, each as a message of its own."""
    talk = console()
    for warning in warnings:
        say(talk, f"warning: {warning}")


def inspect_prepared(
    corpus: "Corpus", recipe: str, overrides: list[str], out: Path
) -> "tuple[list[str], Inspection | None]":
    """Return the settings that training needs, and what `sertool doctor` finds; None if there are no labels."""
    from sertool.core.doctor.inspect import inspect
    from sertool.core.doctor.locate import doctor_command
    from sertool.core.prepare.summary import predicted_tasks, recipe_for, training_settings
    from sertool.core.recipe import load as recipes

    recipe = recipe_for(corpus, recipe)
    opened = recipes.load(recipe, overrides, users_path=str(out))
    settings = [*overrides, *training_settings(corpus, opened)]
    if opened.dataset.reader not in ("corpus", corpus.layout) or not predicted_tasks(corpus, opened):
        return settings, None
    opened = recipes.load(recipe, settings, users_path=str(out))
    command = doctor_command(recipe, settings, opened.dataset.path, out)
    # Word vectors are not looked up: loading them may take some seconds.
    return settings, inspect(opened, out, vectors=False, data_dir=out.parent, command=command)


def next_lines(
    corpus: "Corpus", inspection: "Inspection | None", recipe: str, settings: list[str], out: Path
) -> list[str]:
    """Return a summary of what `sertool doctor` found, and the command that trains, if the corpus can be trained on."""
    from sertool.core.doctor.inspect import summary_line, warning_lines
    from sertool.core.doctor.locate import doctor_command, train_command
    from sertool.core.prepare.summary import predicted_tasks, recipe_for, tasks_of
    from sertool.core.recipe import load as recipes

    if not tasks_of(corpus):
        return ["there are no labels, so there is nothing to train on"]
    recipe = recipe_for(corpus, recipe)
    opened = recipes.load(recipe, settings, users_path=str(out))
    if not predicted_tasks(corpus, opened):
        held = ", ".join(tasks_of(corpus))
        return [f"nothing to train on: the recipe {recipe} predicts {opened.dataset.target}, and the corpus has {held}"]
    if inspection is None:  # the recipe is for another data set, so it may not fit
        return [f"next: {doctor_command(recipe, settings, opened.dataset.path, out)}"]
    found = [*warning_lines(inspection), *filter(None, [summary_line(inspection)])]
    if inspection.number("error"):  # training would fail
        return found
    return [
        *found,
        *_scores_line(corpus, recipe, settings, out),
        f"next: {train_command(recipe, settings, opened, out)}",
    ]


def _scores_line(corpus: "Corpus", recipe: str, settings: list[str], out: Path) -> list[str]:
    """Return the command that trains on the scores of a corpus that has classes, too."""
    from sertool.core.doctor.locate import train_command
    from sertool.core.errors import SertoolError
    from sertool.core.prepare.summary import CUSTOM, CUSTOM_SCORES, predicted_tasks
    from sertool.core.recipe import load as recipes

    others = [setting for setting in settings if not setting.startswith(_OF_CLASSES)]
    try:
        opened = recipes.load(CUSTOM_SCORES, others, users_path=str(out))
    except SertoolError:  # the user's settings are about classes
        return []
    scores = predicted_tasks(corpus, opened)
    if recipe != CUSTOM or not scores:
        return []
    return [f"for {', '.join(scores)} as scores: {train_command(CUSTOM_SCORES, others, opened, out)}"]
