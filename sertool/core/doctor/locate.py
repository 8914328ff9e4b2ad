"""Find corpus and recipe from the user's input: a corpus's folder, the folder that holds it, or only a recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.command_line import DATA, command_line, free_name
from sertool.core.corpora.corpus_files import is_corpus
from sertool.core.corpora.load import CONVERTED, PACKAGED, corpus_folder
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.errors import DataError, UsageError
from sertool.core.recipe import load as recipes
from sertool.core.recipe.schema import Recipe


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
    if data is None or (_is_in(data, path) and not is_own_folder(data, recipe.dataset.reader)):
        folder, data_dir = corpus_folder(path, given), given
    else:
        folder, data_dir = data, data.parent
    return Located(
        recipe,
        folder,
        data_dir,
        doctor_command(name, overrides, path, folder),
        train_command(name, overrides, recipe, folder),
    )


def doctor_command(name: str, overrides: Sequence[str], path: str, folder: Path) -> str:
    """Return the command that inspects a corpus.

    Args:
        name: name or file of the recipe.
        overrides: ``section.key=value`` each.
        path: the recipe's ``dataset.path``.
        folder: folder of the corpus.
    """
    where = [] if _is_packaged(path, folder) else ["--data", folder]
    return command_line("doctor", *where, "--recipe", name, *_set(overrides))


def train_command(name: str, overrides: Sequence[str], recipe: Recipe, folder: Path) -> str:
    """Return the command that trains on a corpus, into a folder that no run has yet.

    Args:
        name: name or file of the recipe.
        overrides: ``section.key=value`` each.
        recipe: the recipe with these settings.
        folder: folder of the corpus.
    """
    path, data = recipe.dataset.path, DATA
    is_own = path == recipes.load(name, users_path=recipes.USERS_PATH).dataset.path != recipes.USERS_PATH
    if is_own and folder.name == path:
        data = folder.parent
    elif not _is_packaged(path, folder):
        others = (setting for setting in overrides if not setting.startswith("dataset.path="))
        overrides = [f"dataset.path={folder}", *others]
    # Runs of one recipe on corpora of the user's own would all have the recipe's name.
    run = free_name(recipe.name if is_own else folder.resolve().name.lower() or recipe.name)
    named = [] if run == recipe.name else ["--name", run]
    return command_line("train", "--recipe", name, *named, *_set(overrides), data=data)


def _is_in(data: Path, path: str) -> bool:
    """Check whether the folder of all corpora holds a recipe's corpus; its path may name that folder too."""
    place = Path(path)
    named = place != data and place.is_relative_to(data) and place.is_dir()
    return named or (data / path).is_dir()


def _is_packaged(path: str, folder: Path) -> bool:
    return path.startswith(PACKAGED) and folder == corpus_folder(path, DATA)


def _set(overrides: Sequence[str]) -> list[str]:
    return [word for setting in overrides for word in ("--set", setting)]


def is_own_folder(folder: Path, reader: str) -> bool:
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
        hint=f"{command_line('doctor', '--data', folder)} --recipe NAME; `sertool recipes list` shows them",
    )
