"""Trained members, opened with everything that predictions need except the corpus they were trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sertool.core.command_line import run_command
from sertool.core.corpora.splitting import check_splitting
from sertool.core.corpora.tasks import Task
from sertool.core.errors import DataError, UsageError
from sertool.core.files.reference_checkpoints import is_reference_folder
from sertool.core.models.build import LAST, DataSizes, StackModel, build, check_members, load_members, outline, sizes_in
from sertool.core.recipe.frontends import layers_in
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Recipe
from sertool.core.runs import checkpoint
from sertool.core.runs.contents import CORPUS, read_note
from sertool.core.runs.ensemble_size import depth_of
from sertool.core.runs.experiment import Experiment, FoldInputs
from sertool.core.runs.folder import list_runs


@dataclass(frozen=True)
class TrainedMember:
    """A trained model: its folder or file, its fold, its validation score (0 to 1), its weights by our names."""

    name: str
    fold: int
    score: float
    weights: dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """The members of a folder, best first within each fold.

    Attributes:
        name: name of the folder.
        recipe: recipe that the members were trained with.
        task: task that they predict.
        inputs: vocabulary and statistics of each fold.
        members: members of all folds.
        audio_width: values per audio frame.
        text_width: values per text frame; None where text is words.
        corpus: name of the data set.
        synthetic: the corpus is synthetic speech; every result says so.
        machine_text: a machine wrote some of the texts; every result says so.
        word_splitting: the way in which texts were split into words, see :mod:`~sertool.core.corpora.words`.
        frontend, text_frontend: notes of the encoders that made its frames, with the facts of their models; None for
            log-mels and words.
    """

    name: str
    recipe: Recipe
    task: Task
    inputs: tuple[FoldInputs, ...]
    members: tuple[TrainedMember, ...]
    audio_width: int
    text_width: int | None
    corpus: str
    synthetic: bool
    machine_text: bool = False
    word_splitting: str | None = None
    frontend: Mapping[str, Any] | None = None
    text_frontend: Mapping[str, Any] | None = None

    @property
    def depth(self) -> int:
        """Number of members that can be averaged: in cross-validation, that of the fold with fewest members."""
        return depth_of(self.members)


def find_folder(run: Path, output: Path) -> Path:
    """Return the folder of a run that is given by its path, or by the name that it has below ``output``.

    A folder of that name which holds no run, such as a corpus, does not hide the run below ``output``.
    """
    by_name = not run.is_absolute() and len(run.parts) == 1 and run != Path("..")
    holds_run = any(run.glob("run-*/run.json")) or is_reference_folder(run)
    return output / run if by_name and not holds_run else run


def open_runs(folder: Path) -> Trained:
    """Open the finished runs that `sertool train` left in a folder.

    Raises:
        UsageError: no run is finished.
        DataError: a file is missing or damaged.
    """
    recipe = load(str(folder / "recipe.yaml"))
    note = read_note(folder)
    task, folds = note.current_task, len(note.folds)
    splitting = check_splitting(note.word_splitting, folder / CORPUS)
    standardized = recipe.dataset.by_training_frames
    inputs = checkpoint.read_inputs(folder, folds, standardized=standardized, scores=len(task.ranges))
    runs = list_runs(folder)
    if not runs:
        raise UsageError(
            f"{folder}: no run is finished",
            hint=f"{run_command('train', folder, '--recipe', folder / 'recipe.yaml')} resumes the training",
        )
    for fold, own in enumerate(inputs):
        if own.standardization is not None and len(own.standardization.mean) != note.audio_width:
            raise DataError(
                f"{folder}: the statistics of fold {fold} are of {len(own.standardization.mean)} values a frame, "
                f"{CORPUS} says {note.audio_width}"
            )
    # corpus.json decides the number of folds, so a run of another fold was copied here from elsewhere.
    for run in runs:
        if run.fold not in range(folds):
            raise DataError(f"{run.folder / 'run.json'}: fold {run.fold}, but {folder / CORPUS} has {folds}")
    members = (TrainedMember(run.folder.name, run.fold, run.score, run.weights()) for run in runs)
    return checked(
        Trained(
            name=folder.name,
            recipe=recipe,
            task=task,
            inputs=tuple(inputs),
            members=tuple(members),
            audio_width=note.audio_width,
            text_width=note.text_width,
            corpus=note.name,
            synthetic=note.synthetic,
            machine_text=note.machine_text,
            word_splitting=splitting,
            frontend=note.frontend,
            text_frontend=note.text_frontend,
        )
    )


def checked(trained: Trained) -> Trained:
    """Return trained members whose weights have the sizes of their recipe and the rows of their vocabulary.

    Raises:
        DataError: a member's weights have other sizes; the message names it.
    """
    for member in trained.members:
        _check_weights(trained, member)
    return trained


def _check_weights(trained: Trained, member: TrainedMember) -> None:
    shapes = {name: weight.shape for name, weight in member.weights.items()}
    for key, there in sizes_in(shapes.get).items():
        if there != getattr(trained.recipe.model, key):
            raise DataError(
                f"{trained.name}: its recipe says model.{key} {getattr(trained.recipe.model, key)}, "
                f"the weights of {member.name} have {there}"
            )
    table, rows = shapes.get("text_encoder.embedding.weight"), trained.inputs[member.fold].vocabulary.rows
    # stack_of would accept a shorter table, because a stack holds the largest vocabulary.
    if table and table[0] != rows:
        raise DataError(
            f"{trained.name}: {member.name} was trained with another vocabulary "
            f"({table[0]} rows, the one here has {rows})"
        )


def stack_of(trained: Trained, members: tuple[TrainedMember, ...]) -> StackModel:
    """Load members into one stack; the shapes of their weights are compared before anything is built.

    Members of a task of scores learnt standardised ones. Here they predict scores in their units.

    Raises:
        DataError: the weights do not fit the architecture; the message names one that does not.
    """
    settings = trained.recipe.model
    rows = max(own.vocabulary.rows for own in trained.inputs)
    sizes = _data_sizes(trained.recipe, rows, trained.text_width, trained.audio_width, trained.task)
    weights = [in_units(trained, member) for member in members]
    try:
        check_members(outline(settings, sizes, trained.recipe.context), weights)
    except ValueError as error:
        raise DataError(f"{trained.name}: a checkpoint of another architecture: {error}") from error
    model = build(settings, sizes, len(members), trained.recipe.context)
    load_members(model, weights)
    return model


def in_units(trained: Trained, member: TrainedMember) -> dict[str, Any]:
    """Return a member's weights; for a task of scores the last layer undoes the standardisation of the scores."""
    scores = trained.inputs[member.fold].scores
    weight, bias = (member.weights.get(name) for name in (f"{LAST}.weight", f"{LAST}.bias"))
    if scores is None or weight is None or bias is None or np.shape(bias) != (len(scores.mean),):
        return member.weights  # weights of another shape are refused when they are loaded
    mean, std = np.array(scores.mean), np.array(scores.std)
    # The scores are the rows of the matrix.
    rescaled = {f"{LAST}.weight": np.asarray(weight) * std[:, None], f"{LAST}.bias": np.asarray(bias) * std + mean}
    return member.weights | {name: values.astype(np.float32) for name, values in rescaled.items()}


def sizes_for(experiment: Experiment, rows: int) -> DataSizes:
    """Return the sizes of a stack for an experiment's data whose largest vocabulary has ``rows`` rows."""
    corpus = experiment.corpus
    text_width = corpus.text_frames.width if corpus.text_frames is not None else None
    return _data_sizes(experiment.recipe, rows, text_width, corpus.audio.width, experiment.task)


def sizes_of(experiment: Experiment, inputs: Sequence[FoldInputs]) -> DataSizes:
    """Return the sizes of a stack whose embedding table fits the largest vocabulary of its folds."""
    return sizes_for(experiment, max(own.vocabulary.rows for own in inputs))


def new_stack(experiment: Experiment, inputs: Sequence[FoldInputs], members: int) -> StackModel:
    """Build a stack of the experiment's sizes, not yet initialised."""
    recipe = experiment.recipe
    return build(recipe.model, sizes_of(experiment, inputs), members, recipe.context)


def _data_sizes(recipe: Recipe, rows: int, text_width: int | None, audio_width: int, task: Task) -> DataSizes:
    """Return sizes with an embedding table of ``rows`` where text is words, none where it is frames.

    Raises:
        UsageError: frames of that width cannot hold the layers that the recipe lists.
    """
    width = recipe.model.embedding_size if text_width is None else text_width
    return DataSizes(
        text_rows=rows if text_width is None else None,
        text_width=width,
        audio_width=audio_width,
        num_classes=len(task.classes),
        text_layers=1 if text_width is None else _layers(recipe, "text", width),
        audio_layers=_layers(recipe, "audio", audio_width),
    )


def _layers(recipe: Recipe, modality: str, width: int) -> int:
    """Return how many layers lie side by side in frames of a width; 1 where the recipe leaves the modality out."""
    key, frontend = ("frontend", recipe.frontend) if modality == "audio" else ("text_frontend", recipe.text_frontend)
    layers = layers_in(frontend)
    if width % layers == 0:
        return layers
    if modality not in recipe.dataset.modalities:
        return 1  # such a corpus may have frames of any width
    raise UsageError(f"{key}.layer: lists {layers} layers, which frames of {width} values cannot hold side by side")
