"""Build a stack of models from a recipe's settings and the data's sizes; initialise, view and load its members."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sertool.core.models.layers import Embedding, reset
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.recipe.schema import Model

ModelT = TypeVar("ModelT", bound=nn.Module)

ARCHITECTURES: dict[str, type[MAT] | type[MNT]] = {"mat": MAT, "mnt": MNT}


@dataclass(frozen=True)
class DataSizes:
    """Sizes of a stack that the data decide.

    Attributes:
        text_rows: rows of the embedding table; None where text is frames.
        text_width: values of a word's vector, or of a text frame.
        audio_width: values of an audio frame.
        num_classes: C.
    """

    text_rows: int | None
    text_width: int
    audio_width: int
    num_classes: int


def build(model: Model, sizes: DataSizes, members: int) -> MAT | MNT:
    """Build a stack of E = ``members`` models whose parameters are not initialised yet."""
    return ARCHITECTURES[model.architecture](
        members=members,
        **asdict(sizes),
        hidden_size=model.hidden_size,
        ffn_size=model.ffn_size,
        num_heads=model.num_heads,
        num_layers=model.num_layers,
        dropout_input=model.dropout_input,
        dropout_residual=model.dropout_residual,
        dropout_output=model.dropout_output,
    )


def initialise(model: nn.Module, seeds: Sequence[int], vectors: Sequence[Tensor | None]) -> None:
    """Initialise all parameters at random, member e from ``seeds[e]``.

    Where ``vectors[e]`` (rows, width) is given it becomes member e's embedding table, and further rows become 0.
    """
    reset(model, seeds)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, Embedding):
                for member, table in enumerate(vectors):
                    if table is not None:  # else the random rows stay
                        module.weight[member].zero_()
                        module.weight[member, : len(table)] = table


def member_view(model: ModelT, member: int) -> ModelT:
    """Return one member of a stack as a stack of one that shares its parameters."""
    view = copy.copy(model)  # shallow: parameters and submodules are replaced below, everything else is shared
    view._parameters = {
        name: None if parameter is None else nn.Parameter(parameter.detach()[member : member + 1], requires_grad=False)
        for name, parameter in model._parameters.items()
    }
    view._modules = {
        name: None if child is None else member_view(child, member) for name, child in model._modules.items()
    }
    return view


def load_members(model: nn.Module, states: Sequence[Mapping[str, Any]]) -> None:
    """Load weights by name, member e from ``states[e]``; an embedding table may be shorter than the stack's.

    Raises:
        ValueError: a weight is missing or has another shape; the message names it.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            for member, state in enumerate(states):
                if name not in state:
                    raise ValueError(f"weight {name} is missing")
                value = torch.as_tensor(state[name])
                target = parameter[member]
                # Members of folds with smaller vocabularies own the first rows; the others are never looked up.
                if name.endswith("embedding.weight") and value.dim() == 2 and len(value) <= len(target):
                    target[len(value) :] = 0
                    target = target[: len(value)]
                if value.shape != target.shape:
                    raise ValueError(f"weight {name} is {tuple(value.shape)}, expected {tuple(target.shape)}")
                target.copy_(value)
