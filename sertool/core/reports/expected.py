"""Recipes that should have a result in a report and have none, each with what to do about it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.command_line import command_line, run_command
from sertool.core.corpora.load import PACKAGED, corpus_folder
from sertool.core.errors import DataError
from sertool.core.recipe import load as recipes
from sertool.core.recipe.frontends import Frontend
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.folder import is_done
from sertool.core.runs.prediction_files import set_path

PUBLISHED = "published"  # stands for the recipes of the published data sets
_TUNED = "-tuned"  # ours: nothing was published for them


@dataclass(frozen=True)
class Missing:
    """A recipe without a result: the table it belongs to, and a line that says what to do."""

    recipe: Recipe
    dataset: str
    task: str
    text: str


def expected_recipes(wanted: Sequence[str]) -> dict[str, Recipe]:
    """Load the recipes with these names; ``published`` stands for all of the five published data sets.

    Raises:
        UsageError: there is no such recipe; the message names the nearest one.
    """
    found: dict[str, Recipe] = {}
    for name in wanted:
        every = published_recipes() if name == PUBLISHED else [recipes.load(name, users_path=recipes.USERS_PATH)]
        found |= {recipe.name: recipe for recipe in every}
    return found


def published_recipes() -> list[Recipe]:
    """Load the shipped recipes of the paper on its five data sets: not our settings, encoders, context and scores."""
    shipped = [recipes.load(name, users_path=recipes.USERS_PATH) for name in recipes.names()]
    return [
        own
        for own in shipped
        # A recipe of a published set names that set's own reader; prepared corpora all use the reader "corpus".
        if own.dataset.reader != "corpus"
        and own.dataset.target == "classes"  # the paper predicts no scores
        and own.context is None
        and not own.name.endswith(_TUNED)
        and own.text_frontend == "words"
        and isinstance(own.frontend, Frontend)
    ]


def missing(expected: dict[str, Recipe], there: Collection[str], output: Path, data: Path) -> list[Missing]:
    """List the expected recipes that have no result on test.

    Args:
        expected: recipes by name, which is also the name of their run's folder.
        there: names of the runs that have a result.
        output: the folder of all runs.
        data: the folder of the corpora.
    """
    return [
        Missing(recipe, *_table(recipe), f"{name}: {_lack(recipe, output / name, data)}")
        for name, recipe in expected.items()
        if name not in there
    ]


def _lack(recipe: Recipe, folder: Path, data: Path) -> str:
    command = run_command("ensemble", folder, "--split", "test", data=data)
    # From the last step of making a result back to the first: the earliest step that is missing is the next to take.
    if set_path(folder, "test").is_file():
        return f"its predictions cannot be used, make them again: {command}"
    if any(is_done(run) for run in folder.glob("run-*")):
        return f"not evaluated yet: {command}"
    try:
        corpus_folder(recipe.dataset.path, data)
    except DataError:
        published = recipe.dataset.reader != "corpus"
        how = "sertool fetch-data data" if published else f"sertool recipes show {recipe.name}"
        return f"needs {data / recipe.dataset.path}: {how}"
    return f"not trained yet: {command_line('train', '--recipe', recipe.name, data=data, output=folder.parent)}"


def _table(recipe: Recipe) -> tuple[str, str]:
    """Return data set and task under the names that runs of the recipe carry."""
    # A prepared corpus is named after its folder, a published one after its reader.
    dataset = recipe.dataset
    own = Path(dataset.path.removeprefix(PACKAGED)).name
    task = dataset.task if dataset.num_classes is None else f"{dataset.task}, {dataset.num_classes} classes"
    return own if dataset.reader == "corpus" else dataset.reader.upper(), task
