"""A folder of the reference's checkpoints as an experiment and its members, with no conversion step.

The settings stand in each checkpoint's arguments; data set, task and lengths in the paper's recipes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sertool.core.errors import DataError
from sertool.core.files.reference_checkpoints import ReferenceCheckpoint, list_checkpoints, read_checkpoint
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.experiment import Experiment, fit_inputs, open_experiment
from sertool.core.runs.members import Trained, TrainedMember, new_stack
from sertool.core.runs.reference_keys import from_reference

# data set, task, outputs -> the recipe that says the rest. MOSI had two outputs whatever was asked for.
_RECIPES = {
    ("IEMOCAP", "emotion", 4): "iemocap",
    ("MOSI", "sentiment", 2): "mosi",
    ("MOSI", "sentiment", 7): "mosi-7",
    ("MOSEI", "sentiment", 2): "mosei-2",
    ("MOSEI", "sentiment", 7): "mosei-7",
    ("MOSEI", "emotion", 6): "mosei-emotion",
    ("MELD", "emotion", 7): "meld",
    ("MELD", "sentiment", 3): "meld-sentiment",
    ("VGAF", "emotion", 3): "vgaf",
}
_ARCHITECTURES = {"Model_MAT": "mat", "Model_MNT": "mnt"}
_SIZES = {
    "hidden_size": "hidden_size",
    "ffn_size": "ff_size",
    "num_heads": "multi_head",
    "num_layers": "layer",
    "embedding_size": "word_embed_size",
}


def open_reference(folder: Path, data: Path) -> tuple[Trained, Experiment]:
    """Read all checkpoints of a folder and the corpus they belong to.

    Returns:
        The members, best validation accuracy first, and the experiment that the paper's recipe makes of the corpus.

    Raises:
        DataError: a checkpoint is damaged, of another architecture than the others, or of an unknown data set.
    """
    checkpoints = [read_checkpoint(path) for path in list_checkpoints(folder)]
    recipes = [recipe_of(checkpoint) for checkpoint in checkpoints]
    for checkpoint, recipe in zip(checkpoints, recipes, strict=True):
        if recipe != recipes[0]:
            raise DataError(
                f"{checkpoint.path}: a checkpoint of another architecture than {checkpoints[0].path.name}"
            )
    experiment = open_experiment(recipes[0], data)
    shape = new_stack(experiment, inputs := fit_inputs(experiment), 1)
    names = [name for name, _ in shape.named_parameters()]
    members = []
    for checkpoint in checkpoints:
        try:
            weights = from_reference(checkpoint.state_dict, names, recipes[0].model.architecture)
        except KeyError as error:
            raise DataError(f"{checkpoint.path}: weight {error} is missing or unknown") from error
        members.append(TrainedMember(checkpoint.path.name, 0, checkpoint.validation_accuracy, dict(weights)))
    corpus = experiment.corpus
    trained = Trained(
        name=folder.name,
        recipe=recipes[0],
        task=experiment.task,
        inputs=tuple(inputs),
        members=tuple(members),
        audio_width=corpus.audio.width,
        text_width=None,
        corpus=corpus.name,
        synthetic=corpus.synthetic,
    )
    return trained, experiment


def recipe_of(checkpoint: ReferenceCheckpoint) -> Recipe:
    """The paper's recipe for a checkpoint, with the sizes that the checkpoint names.

    Raises:
        DataError: the arguments name no known data set, task or architecture, or lack a size.
    """
    settings: Mapping[str, Any] = checkpoint.settings
    try:
        key = (settings["dataset"], settings["task"], settings["ans_size"])
        architecture = _ARCHITECTURES[settings["model"]]
        sizes = {ours: int(settings[theirs]) for ours, theirs in _SIZES.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{checkpoint.path}: its settings lack or misstate {error}") from error
    if key not in _RECIPES:
        raise DataError(
            f"{checkpoint.path}: data set {key[0]!r}, task {key[1]!r}, {key[2]} outputs: not known"
        )
    overrides = [f"model.{name}={size}" for name, size in sizes.items()]
    return load(_RECIPES[key], [f"model.architecture={architecture}", *overrides])
