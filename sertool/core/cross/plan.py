"""The plan of a matrix: corpora and models, and all that can be refused before anything is trained.

::

    ckpt/<name>/A                  the run that is trained on corpus A, with its predictions on its own test utterances
    ckpt/<name>/A/on/B             its predictions on corpus B
    ckpt/<name>/A+C                the run that is trained on A and C, with --leave-one-out
    ckpt/<name>/A+C/corpus/A+C     the joined corpus of its training
    ckpt/<name>/A+C/on/B           its predictions on the corpus that was left out
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.corpora.label_maps import ClassMap, load_label_map
from sertool.core.corpora.load import corpus_folder
from sertool.core.cross.checks import Opened, check_hashes, check_together, opened_of
from sertool.core.cross.contents import CorpusFacts, Setting
from sertool.core.cross.matrix import joined_name
from sertool.core.errors import UsageError
from sertool.core.files.outputs import check_name
from sertool.core.inference.subject import ALL
from sertool.core.prepare.join import join_corpora
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.experiment import Experiment, open_experiment
from sertool.core.runs.imported import refuse_imported
from sertool.core.runs.plan import check_same_run
from sertool.core.runs.trained_on import holds_run

TEST = "test"
_ALONE = ("training.balance=none",)  # a single corpus has nothing to balance
_EXAMPLE = "sertool cross A B --recipe custom names two corpora, below --data or as paths"


@dataclass(frozen=True)
class Taken:
    """A corpus that takes part.

    Attributes:
        name: name of its folder.
        folder: its folder.
        recipe: the recipe that trains on it.
        split: split that other models are judged on: test, or all where the recipe divides the corpus itself.
    """

    name: str
    folder: Path
    recipe: Recipe
    split: str


@dataclass(frozen=True)
class Model:
    """An ensemble of the matrix.

    Attributes:
        name: name of its folder below that of the matrix.
        trained_on: names of the corpora of its training.
        recipe: its recipe.
        judged_on: names of the other corpora that it is judged on.
    """

    name: str
    trained_on: tuple[str, ...]
    recipe: Recipe
    judged_on: tuple[str, ...]

    @property
    def joined(self) -> bool:
        """True if it is trained on several corpora, and has no cell on the diagonal."""
        return len(self.trained_on) > 1


@dataclass(frozen=True)
class Crossing:
    """A matrix before any training.

    Attributes:
        setting: the experiment, with facts on the corpora.
        taken: the corpora, by name, in their order.
        models: all ensembles, those of one corpus first.
        label_map: the map through which all corpora are read; None without one.
        folder: folder of all runs.
        data: folder that holds the corpora.
    """

    setting: Setting
    taken: dict[str, Taken]
    models: tuple[Model, ...]
    label_map: ClassMap | None
    folder: Path
    data: Path

    def open(self, model: Model) -> Experiment:
        """Read the corpus of a model's training.

        Raises:
            DataError, UsageError: it cannot be read, or does not fit the recipe.
        """
        return open_experiment(model.recipe, self.data)


def plan_crossing(
    given: Sequence[str],
    recipe: str,
    changes: Sequence[str],
    label_map: str | None,
    *,
    data: Path,
    output: Path,
    name: str,
    leave_one_out: bool,
) -> Crossing:
    """Read all corpora, and refuse those that cannot stand in one matrix. The joined corpora are written.

    Args:
        given: the corpora, folders below ``data`` or paths.
        recipe: name or file of the recipe.
        changes: values of ``--set``.
        label_map: name or file of the map; None for that of the recipe, or none.
        data: folder that holds the corpora.
        output: folder of the trained models.
        name: name of the folder of all runs below it.
        leave_one_out: also train on all corpora but one.

    Raises:
        UsageError: there are too few corpora, or they have other labels, classes, scores or frames than each other, no
            test utterances, or utterances in common; a folder of the matrix holds another run.
        DataError: one cannot be read.
    """
    folders, folder = _folders(given, data), output / name
    _check_changes(changes, label_map)
    _check_place(folder)
    if leave_one_out and len(folders) < 3:
        raise UsageError(
            "--leave-one-out: all but one of two corpora are the other one, which the matrix shows anyway",
            hint="leave it out, or give three corpora",
        )
    mapped = [*changes, *([f"dataset.map={json.dumps(label_map)}"] if label_map is not None else [])]
    recipes = _recipes(recipe, mapped, folders, leave_one_out=leave_one_out)
    first = next(iter(recipes.values()))
    found = {key: _open(recipes[key], folders[key][0], data, folder / key) for key in folders}
    check_together(list(found.values()))
    check_hashes(list(found.values()))
    taken = {key: Taken(key, folders[key][1], recipes[key], _split(found[key])) for key in folders}
    own_map = load_label_map(first.dataset.map) if first.dataset.map is not None else None
    names = list(taken)
    models = [Model(key, (key,), recipes[key], tuple(other for other in names if other != key)) for key in names]
    if leave_one_out:
        models += [_joined(taken, key, folder, recipe, mapped, own_map, data) for key in names]
    setting = Setting(
        name=name,
        recipe=first.name,
        about=first.about,
        changes=tuple(changes),
        protocol=first.protocol,
        map=first.dataset.map,
        leave_one_out=leave_one_out,
        corpora=tuple(found[key].facts for key in names),
    )
    return Crossing(setting, taken, tuple(models), own_map, folder, data)


def _check_changes(changes: Sequence[str], label_map: str | None) -> None:
    """Refuse changes of a recipe that the arguments of the command decide."""
    keys = {change.partition("=")[0].strip() for change in changes}
    if "dataset.path" in keys:
        raise UsageError(
            "--set dataset.path: a matrix takes each of its corpora in turn",
            hint="leave it out; the corpora are named as arguments",
        )
    if "dataset.map" in keys and label_map is not None:
        raise UsageError("--set dataset.map and --map both name a label map", hint="give one of them")


def _check_place(folder: Path) -> None:
    """Refuse the folder of a run, as those of a matrix lie in folders below it."""
    refuse_imported(folder)
    if holds_run(folder):
        raise UsageError(f"{folder}: holds a run, and a matrix needs a folder of its own", hint="choose another --name")


def _folders(given: Sequence[str], data: Path) -> dict[str, tuple[str, Path]]:
    """Return path and folder of each corpus by its name."""
    if len(given) < 2:
        only = f"only {given[0]}" if given else "none"
        raise UsageError(f"a matrix needs two corpora or more, and {only} is given", hint=_EXAMPLE)
    folders: dict[str, tuple[str, Path]] = {}
    for path in given:
        folder = corpus_folder(path, data)
        name = folder.resolve().name
        check_name("corpus", Path(name))
        for other, there in folders.values():
            if there.resolve() == folder.resolve():
                raise UsageError(f"{path}: is given twice", hint="each corpus has one row and one column")
            if there.resolve().name.casefold() == name.casefold():
                raise UsageError(
                    f"{other} and {path} are both named {name}, and names tell rows and columns apart",
                    hint="rename one of the folders",
                )
        folders[name] = path, folder
    return folders


def _recipes(
    recipe: str, changes: Sequence[str], folders: dict[str, tuple[str, Path]], *, leave_one_out: bool
) -> dict[str, Recipe]:
    """Return the recipe that trains on each corpus, by its name; only joined corpora are balanced."""
    if leave_one_out and load(recipe, list(changes), users_path="A").training.balance != "none":
        changes = [*changes, *_ALONE]
    return {key: load(recipe, [*changes, _path(path)]) for key, (path, _) in folders.items()}


def _path(path: str) -> str:
    return f"dataset.path={json.dumps(path)}"  # in quotes, as a name may look like a number


def _open(recipe: Recipe, path: str, data: Path, run: Path) -> Opened:
    """Read a corpus, and keep what is compared; another recipe or map than that of its run is refused."""
    experiment = open_experiment(recipe, data)
    check_same_run(experiment, run)  # before joined corpora replace those of the runs that are there
    note, corpus = experiment.map_note, experiment.corpus
    licences = dict.fromkeys(
        str(made["licence"]) for made in (corpus.frontend, corpus.text_frontend) if made and made.get("licence")
    )
    facts = CorpusFacts(
        name=run.name,
        folder=path,
        source=corpus.source,
        caveats=corpus.caveats.strip(" ()"),
        speakers_note=corpus.speakers_note,
        licences=tuple(licences),
        map=None if note is None else note.to_json(),
        map_lines=() if note is None else tuple(note.lines),
    )
    return opened_of(experiment, facts)


def _split(opened: Opened) -> str:
    """Return the split that other models are judged on; cells are about those of its utterances that it tests."""
    return TEST if opened.tests_split else ALL


def _joined(
    taken: dict[str, Taken],
    left_out: str,
    folder: Path,
    recipe: str,
    changes: Sequence[str],
    label_map: ClassMap | None,
    data: Path,
) -> Model:
    """Join all corpora but one, and plan the model that is trained on them."""
    others = [own for key, own in taken.items() if key != left_out]
    name = joined_name([own.name for own in others])
    if name in taken:
        raise UsageError(f"a corpus is named {name}, as the corpora joined of others are", hint="rename its folder")
    where = folder / name / "corpus" / name
    task = others[0].recipe.dataset.task
    join_corpora([own.folder for own in others], where, label_map=label_map, task=task)
    own = load(recipe, [*changes, _path(str(where))])
    open_experiment(own, data)  # so that it is refused before anything is trained
    return Model(name, tuple(one.name for one in others), own, (left_out,))
