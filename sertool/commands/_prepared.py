"""Messages of ``prepare`` after the counts of a corpus: warnings, what the doctor finds, the next command."""

from pathlib import Path
from typing import TYPE_CHECKING

from sertool.commands._console import console, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sertool.core.corpora.corpus import Corpus
    from sertool.core.doctor.inspect import Inspection


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
    from sertool.core.prepare.summary import predicted_tasks, training_settings
    from sertool.core.recipe import load as recipes

    opened = recipes.load(recipe, overrides, users_path=str(out))
    settings = [*overrides, *training_settings(corpus, opened)]
    if opened.dataset.reader not in ("corpus", corpus.layout) or not predicted_tasks(corpus):
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
    from sertool.core.prepare.summary import predicted_tasks, tasks_of
    from sertool.core.recipe import load as recipes

    if not tasks_of(corpus):
        return ["there are no labels, so there is nothing to train on"]
    if not predicted_tasks(corpus):
        return [
            f"nothing to train on: no recipe predicts scores on a scale of their own ({', '.join(tasks_of(corpus))})"
        ]
    opened = recipes.load(recipe, settings, users_path=str(out))
    if inspection is None:  # the recipe is for another data set, so it may not fit
        return [f"next: {doctor_command(recipe, settings, opened.dataset.path, out)}"]
    found = [*warning_lines(inspection), *filter(None, [summary_line(inspection)])]
    if inspection.number("error"):  # training would fail
        return found
    return [*found, f"next: {train_command(recipe, settings, opened, out)}"]
