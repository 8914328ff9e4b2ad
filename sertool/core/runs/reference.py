"""The reference's checkpoints, opened as an experiment and its members; no conversion is needed.

Sizes come from each checkpoint's own arguments; data set, task and lengths from the paper's recipes.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from sertool.core.errors import DataError, UsageError
from sertool.core.files.reference_checkpoints import ReferenceCheckpoint, list_checkpoints, read_checkpoint
from sertool.core.models.build import outline, sizes_in
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.experiment import Experiment, fit_inputs, open_experiment
from sertool.core.runs.members import Trained, TrainedMember, checked, sizes_of

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

# Names of parameters: ours on the left, the reference's on the right.
_ATTENTION = {"query": "linear_q", "key": "linear_k", "value": "linear_v", "output": "linear_merge"}
_PARTS = {
    "mat": {
        "text_blocks": "backbone.enc_list",
        "audio_blocks": "backbone.dec_list",
        "self_attn": {"text": "mhatt", "audio": "mhatt1"},
        "cross_attn": "mhatt2",
    },
    "mnt": {
        "text_blocks": "enc_list",
        "audio_blocks": "dec_list",
        "self_attn": {"text": "mhatt", "audio": "mhatt"},
    },
}
_LSTM = {"text_encoder": "lstm_x", "audio_encoder": "lstm_y"}
_POOL = {"text_pool": "attflat_lang", "audio_pool": "attflat_img"}
_NORM = {"gain": "a_2", "bias": "b_2"}
_FFN = {"inner": "mlp.fc.linear", "outer": "mlp.linear"}


def open_reference(folder: Path, data: Path) -> tuple[Trained, Experiment]:
    """Read all checkpoints of a folder and the corpus they belong to.

    Returns:
        The members, best validation accuracy first, and the experiment that the paper's recipe makes of the corpus.

    Raises:
        DataError: a checkpoint is damaged, has another architecture than the others, or an unknown data set.
    """
    checkpoints = [read_checkpoint(path) for path in list_checkpoints(folder)]
    recipes = [recipe_of(checkpoint) for checkpoint in checkpoints]
    for checkpoint, recipe in zip(checkpoints, recipes, strict=True):
        if recipe != recipes[0]:
            raise DataError(f"{checkpoint.path}: a checkpoint of another architecture than {checkpoints[0].path.name}")
    experiment = open_experiment(recipes[0], data)
    inputs = fit_inputs(experiment)
    names = [name for name, _ in outline(recipes[0].model, sizes_of(experiment, inputs)).named_parameters()]
    members = []
    for checkpoint in checkpoints:
        try:
            weights = from_reference(checkpoint.state_dict, names, recipes[0].model.architecture)
        except KeyError as error:
            raise DataError(f"{checkpoint.path}: weight {error} is missing or unknown") from error
        # Fold 0: the reference knew no cross-validation.
        members.append(TrainedMember(checkpoint.path.name, 0, checkpoint.validation_accuracy, dict(weights)))
    corpus = experiment.corpus
    trained = Trained(
        name=folder.name,
        recipe=recipes[0],
        task=experiment.task,
        inputs=tuple(inputs),
        members=tuple(members),
        audio_width=corpus.audio.width,
        text_width=None,  # text is words
        corpus=corpus.name,
        synthetic=corpus.synthetic,
    )
    return checked(trained), experiment


def recipe_of(checkpoint: ReferenceCheckpoint) -> Recipe:
    """Choose the paper's recipe for a checkpoint, with the sizes in the checkpoint.

    Raises:
        DataError: the checkpoint names no known data set, task or architecture, or lacks a size, or its weights have
            other sizes.
    """
    settings, path = checkpoint.settings, checkpoint.path
    try:
        key = (settings["dataset"], settings["task"], settings["ans_size"])
        architecture = _ARCHITECTURES[settings["model"]]
        sizes = {ours: settings[theirs] for ours, theirs in _SIZES.items()}
    except KeyError as error:
        raise DataError(f"{path}: missing or wrong in its settings: {error}") from error
    if key not in _RECIPES:
        raise DataError(f"{path}: data set {key[0]!r:.60}, task {key[1]!r:.60}, {key[2]!r:.60} outputs: not known")
    _check_sizes(checkpoint, sizes, architecture)
    overrides = [f"model.{name}={size}" for name, size in sizes.items()]
    try:
        return load(_RECIPES[key], [f"model.architecture={architecture}", *overrides])
    except UsageError as error:  # such as heads that do not divide the width
        raise DataError(f"{path}: its settings are no model's: {str(error).partition(chr(10))[2].strip()}") from error


def _check_sizes(checkpoint: ReferenceCheckpoint, sizes: Mapping[str, Any], architecture: str) -> None:
    """Compare the sizes in a checkpoint's settings with its weights, before anything is built."""

    def shape(name: str) -> Sequence[int] | None:
        weight = checkpoint.state_dict.get(reference_key(name, architecture))
        return None if weight is None else weight.shape

    there = sizes_in(shape)
    for ours, size in sizes.items():
        said = f"{checkpoint.path}: its settings say {_SIZES[ours]} {size!r:.60}"
        if type(size) is not int:  # True is an int, too
            raise DataError(f"{said}, expected a whole number")
        if size != there.get(ours, size):
            raise DataError(f"{said}, its weights have {there[ours]}")


def reference_key(name: str, architecture: str) -> str:
    """Return the reference's name of one of our parameters.

    Args:
        name: name in ``named_parameters`` of :class:`MAT` or :class:`MNT`.
        architecture: ``mat`` or ``mnt``.
    """
    parts = _PARTS[architecture]
    head, _, rest = name.partition(".")
    if head in _LSTM:
        if rest == "embedding.weight":
            return "embedding.weight"
        return f"{_LSTM[head]}.{rest.removeprefix('lstm.')}_l0"
    if head in _POOL:
        layer, kind = rest.rsplit(".", 1)
        inner = "linear_merge" if layer == "output" else _FFN[layer.removeprefix("score.")]
        return f"{_POOL[head]}.{inner}.{kind}"
    if head == "norm":
        return f"proj_norm.{_NORM[rest]}"
    if head == "classifier":
        return f"proj.{rest}"
    if head == "modulation":
        return f"fc.linear.{rest}"
    match = re.fullmatch(r"(text|audio)_blocks\.(\d+)\.(\w+)\.(.+)", name)
    if match is None:
        raise KeyError(name)
    modality, number, layer, rest = match.groups()
    block = f"{parts[f'{modality}_blocks']}.{number}"
    if layer.startswith("norm"):
        return f"{block}.{layer}.{_NORM[rest]}"
    sub, kind = rest.rsplit(".", 1)
    if layer == "ffn":
        return f"{block}.ffn.{_FFN[sub]}.{kind}"
    attention = parts["self_attn"][modality] if layer == "self_attn" else parts["cross_attn"]  # type: ignore[index]
    return f"{block}.{attention}.{_ATTENTION[sub]}.{kind}"


def from_reference(state: Mapping[str, Tensor], names: list[str], architecture: str) -> dict[str, Tensor]:
    """Rename the weights of a reference checkpoint to our names.

    Raises:
        KeyError: a weight is missing or left over; the message is its name.
    """
    renamed = {name: state[reference_key(name, architecture)] for name in names}
    left_over = set(state) - {reference_key(name, architecture) for name in names}
    if left_over:  # an architecture that looks alike, but is another one
        raise KeyError(min(left_over))
    return renamed
