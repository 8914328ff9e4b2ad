"""Find corpus and recipe from the user's input: a corpus's folder, the folder that holds it, or only a recipe."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.corpora.corpus_files import is_corpus
from sertool.core.corpora.load import CONVERTED, PACKAGED, corpus_folder
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.errors import DataError, UsageError
from sertool.core.recipe import load as recipes
from sertool.core.recipe.schema import Recipe

DATA = Path("data")


@dataclass(frozen=True)
class Located:
    """A corpus and the recipe it is for.

    Attributes:
        recipe: the settings.
        folder: folder of the corpus.
        data_dir: folder that may hold word vectors.
        doctor: command that inspects the corpus.
        train: command that trains on it.
    """

    recipe: Recipe
    folder: Path
    data_dir: Path
    doctor: str
    train: str


def locate(data: Path | None, name: str | None, overrides: Sequence[str] = ()) -> Located:
    """Find the corpus and the recipe.

    Args:
        data: folder of the corpus, or the one that holds the corpora; None is ``data``.
        name: name or file of the recipe; None: found by the folder's content or name.
        overrides: ``section.key=value`` each.

    Raises:
        UsageError: the recipe is wrong, or none is given and the folder does not tell it.
        DataError: there is no such folder.
    """
    if data is not None and not data.is_dir():
        raise DataError(f"{data}: no such folder", hint="`sertool fetch-data` says where each data set comes from")
    name = name or recipe_for(data or DATA)
    # A recipe that leaves the path to its user means the folder that is given.
    recipe = recipes.load(name, list(overrides), users_path=None if data is None else str(data))
    path, given = recipe.dataset.path, DATA if data is None else data
    if data is None or ((data / path).is_dir() and not _is_own_folder(data, recipe.dataset.reader)):
        folder, data_dir = corpus_folder(path, given), given
    else:
        folder, data_dir = data, data.parent
    return Located(
        recipe,
        folder,
        data_dir,
        doctor_command(name, overrides, path, folder),
        _train(name, overrides, path, folder),
    )


def doctor_command(name: str, overrides: Sequence[str], path: str, folder: Path) -> str:
    """Return the command that inspects a corpus.

    Args:
        name: name or file of the recipe.
        overrides: ``section.key=value`` each.
        path: the recipe's ``dataset.path``.
        folder: folder of the corpus.
    """
    where = "" if _is_packaged(path, folder) else f" --data {shlex.quote(str(folder))}"
    return f"sertool doctor{where} {_recipe(name, overrides)}"


def _train(name: str, overrides: Sequence[str], path: str, folder: Path) -> str:
    if _is_packaged(path, folder) or folder == DATA / path:
        where = ""
    elif folder.name == path:
        where = f" --data {shlex.quote(str(folder.parent))}"
    else:
        where = f" --set {shlex.quote(f'dataset.path={folder}')}"
    return f"sertool train {_recipe(name, overrides)}{where}"


def _is_packaged(path: str, folder: Path) -> bool:
    return path.startswith(PACKAGED) and folder == corpus_folder(path, DATA)


def _recipe(name: str, overrides: Sequence[str]) -> str:
    return " ".join([f"--recipe {shlex.quote(name)}", *(f"--set {shlex.quote(item)}" for item in overrides)])


def _is_own_folder(folder: Path, reader: str) -> bool:
    """Check whether a folder is itself a corpus: in sertool's format, or with files of the reader's data set."""
    if is_corpus(folder) or is_corpus(folder / CONVERTED):
        return True
    return reader in LAYOUTS and bool(LAYOUTS[reader].sources(folder))


def recipe_for(folder: Path) -> str:
    """Choose a recipe for a folder: ``custom`` for sertool's own format, else the paper's for the folder's name.

    Raises:
        UsageError: neither applies.
    """
    if is_corpus(folder):
        return "custom"
    for name in recipes.names():
        known = recipes.load(name, users_path=recipes.USERS_PATH)
        # Several recipes share a folder; the paper's has the published counts to compare with.
        if known.protocol == "paper" and known.dataset.path == folder.resolve().name:
            return name
    raise UsageError(
        f"{folder}: give --recipe too: neither its content nor its name says which recipe it is for",
        hint=f"sertool doctor --data {shlex.quote(str(folder))} --recipe NAME; `sertool recipes list` shows them",
    )
