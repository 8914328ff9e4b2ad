"""Build a stack of models from a recipe's settings and the data's sizes; initialise, view and load its members."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from sertool.core.models.context import ContextLayer
from sertool.core.models.layers import Embedding, reset
from sertool.core.models.linear import LinearProbe
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.recipe.schema import Context, Model

ModelT = TypeVar("ModelT", bound=nn.Module)
StackModel: TypeAlias = MAT | MNT | LinearProbe

LAST = "classifier"  # name of the last linear layer of every architecture
FUSIONS: dict[str, type[MAT] | type[MNT]] = {"mat": MAT, "mnt": MNT}


@dataclass(frozen=True)
class DataSizes:
    """Sizes of a stack that the data decide.

    Attributes:
        text_rows: rows of the embedding table; None where text is frames.
        text_width: values of a word's vector, or of a text frame.
        audio_width: values of an audio frame.
        num_classes: C.
        text_layers, audio_layers: number of an encoder's layers that lie side by side in a frame; the model mixes them.
    """

    text_rows: int | None
    text_width: int
    audio_width: int
    num_classes: int
    text_layers: int = 1
    audio_layers: int = 1

    @property
    def text_inputs(self) -> int:
        """Return the values of a text position that enter the model, after layers are mixed."""
        return self.text_width // self.text_layers

    @property
    def audio_inputs(self) -> int:
        """Return the values of an audio frame that enter the model, after layers are mixed."""
        return self.audio_width // self.audio_layers


def build(model: Model, sizes: DataSizes, members: int, context: Context | None = None) -> StackModel:
    """Build a stack of E = ``members`` models whose parameters are not initialised yet."""
    stack = _alone(model, sizes, members)
    if context is not None:
        # After all others, because stored optimizer states depend on the order of parameters.
        stack.context = ContextLayer(
            members=members,
            width=stack.width,
            hidden_size=model.hidden_size,
            previous=context.previous,
            speakers=context.speakers,
            dropout=model.dropout_residual,
        )
    return stack


def _alone(model: Model, sizes: DataSizes, members: int) -> StackModel:
    """Build a stack that judges each utterance alone."""
    if model.architecture == "linear":
        return LinearProbe(
            members=members,
            **asdict(sizes),
            dropout_input=model.dropout_input,
            dropout_output=model.dropout_output,
        )
    return FUSIONS[model.architecture](
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
        for name, module in model.named_modules():
            if isinstance(module, Embedding) and name.endswith("embedding"):  # of words, not of speakers' relations
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


def sizes_in(shape: Callable[[str], Sequence[int] | None]) -> dict[str, int]:
    """Read the sizes of a model, by the keys of a recipe's model section, from the shapes of its weights.

    Args:
        shape: returns the shape of a weight by its name, without the member axis; None where there is none.

    Returns:
        The sizes that the shapes tell; num_heads is not among them, because heads divide a width without changing it.
    """
    layers = itertools.takewhile(
        lambda number: shape(f"text_blocks.{number}.norm1.gain") is not None, itertools.count()
    )
    number = sum(1 for _ in layers)
    sizes = {"num_layers": number} if number else {}  # a linear probe has no blocks
    for key, weight, axis in (
        ("hidden_size", "audio_encoder.lstm.weight_hh", 1),
        ("ffn_size", "text_pool.score.inner.weight", 0),
        ("embedding_size", "text_encoder.embedding.weight", 1),
    ):
        found = shape(weight)
        if found is not None and len(found) == 2:
            sizes[key] = found[axis]
    return sizes


def outline(model: Model, sizes: DataSizes, context: Context | None = None) -> StackModel:
    """Build a stack of one on torch's meta device: it has shapes and no memory, whatever the sizes."""
    with torch.device("meta"):
        return build(model, sizes, 1, context)


def check_members(outlined: nn.Module, states: Sequence[Mapping[str, Any]]) -> None:
    """Check weights by name before a stack is built for them; an embedding table may be shorter than the stack's.

    Args:
        outlined: from :func:`outline`, or any stack of these sizes.
        states: the weights of each member.

    Raises:
        ValueError: a weight is missing or has another shape; the message names it.
    """
    for name, parameter in outlined.named_parameters():
        expected = tuple(parameter.shape[1:])
        for state in states:
            if name not in state:
                raise ValueError(f"weight {name} is missing")
            found = tuple(state[name].shape)
            # Members of folds with smaller vocabularies own the first rows; the others are never looked up.
            shorter = name.endswith("embedding.weight") and len(found) == 2 and found[0] <= expected[0]
            if found != (expected if not shorter else (found[0], expected[1])):
                raise ValueError(f"weight {name} is {found}, expected {expected}")


def load_members(model: nn.Module, states: Sequence[Mapping[str, Any]]) -> None:
    """Load weights by name, member e from ``states[e]``; see :func:`check_members`.

    Raises:
        ValueError: a weight is missing or has another shape; the message names it.
    """
    check_members(model, states)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            for member, state in enumerate(states):
                value, target = torch.as_tensor(state[name]), parameter[member]
                if name.endswith("embedding.weight"):
                    target[len(value) :] = 0
                    target = target[: len(value)]
                target.copy_(value)
