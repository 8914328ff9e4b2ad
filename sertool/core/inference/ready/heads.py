"""Heads of speech models on raw samples: from the states of wav2vec 2.0 and its relatives to logits or scores.

Two layouts are known, told apart by the names of their weights:

* transformers' own ``...ForSequenceClassification``: a weighted sum of the layers if the settings ask for it, a
  projection, the mean over time, and a linear layer;
* ``Wav2Vec2ForSpeechClassification`` of https://github.com/m3hrdadfi/soxan, which transformers does not have (it would
  load such a model with a random head): the mean over time, a linear layer, tanh, and another linear layer. audEERING's
  dimensional models have the same (https://huggingface.co/audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sertool.core.errors import DataError
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.inference.ready.weights import read_weights

Pooling = Literal["mean", "sum", "max"]

_PROJECTED = ("projector.weight", "projector.bias", "classifier.weight", "classifier.bias")
_DENSE = tuple(
    ("classifier.dense.weight", "classifier.dense.bias", f"classifier.{last}.weight", f"classifier.{last}.bias")
    for last in ("out_proj", "output")
)
_LAYERS = "layer_weights"


def head_weights(names: set[str]) -> tuple[str, ...] | None:
    """Return the names of the weights of a model's head, first layer first; None if its layout is not known."""
    return next((known for known in (_PROJECTED, *_DENSE) if names.issuperset(known)), None)


@dataclass(frozen=True)
class Head:
    """A head on the states of a speech model.

    Attributes:
        layers: (L,) share of each layer in the states; None for the last layer alone.
        first: weight (P, D) and bias (P,) of the first linear layer.
        last: weight (C, P) and bias (C,) of the second.
        bent: tanh lies between the two.
        pooling: how the states of all times become one.
    """

    layers: Tensor | None
    first: tuple[Tensor, Tensor]
    last: tuple[Tensor, Tensor]
    bent: bool
    pooling: Pooling

    def __call__(self, pooled: Tensor) -> Tensor:
        """Return the outputs (B, C) of pooled states (B, D)."""
        # The mean over time and the projection are both linear, so their order does not matter.
        between = torch.nn.functional.linear(pooled, *self.first)
        return torch.nn.functional.linear(between.tanh() if self.bent else between, *self.last)


def read_head(files: ModelFiles, names: tuple[str, ...], outputs: int) -> Head:
    """Read the head of a speech model.

    Args:
        files: the model.
        names: names of its weights, from :func:`head_weights`.
        outputs: C, number of classes or scores.

    Raises:
        DataError: a weight has another shape than the settings say, or a weighted sum of layers lacks its weights.
    """
    config = files.config
    bent, weighted = names != _PROJECTED, bool(config.get("use_weighted_layer_sum")) and names == _PROJECTED
    found = read_weights(files, {*names, *([_LAYERS] if weighted else [])})
    width, between = config["hidden_size"], found[names[0]].shape[0] if found[names[0]].ndim else 0
    expected: dict[str, tuple[int, ...]] = {
        **dict(zip(names, [(between, width), (between,), (outputs, between), (outputs,)], strict=True)),
        **({_LAYERS: (config["num_hidden_layers"] + 1,)} if weighted else {}),
    }
    for name, shape in expected.items():
        if name not in found:
            raise DataError(f"{files.name}: the weight {name} is missing, which config.json asks for")
        if tuple(found[name].shape) != shape:
            raise DataError(
                f"{files.name}: the weight {name} of its head has shape {tuple(found[name].shape)}, expected {shape} "
                f"for {outputs} classes",
                hint="the weights are of another model than config.json says",
            )
    one, two, three, four = (found[name] for name in names)
    layers = found[_LAYERS].softmax(0) if weighted else None
    return Head(layers, (one, two), (three, four), bent, _pooling(files.name, config) if bent else "mean")


def _pooling(name: str, config: Mapping[str, Any]) -> Pooling:
    pooling = config.get("pooling_mode") or "mean"
    known: tuple[Pooling, ...] = ("mean", "sum", "max")
    for one in known:
        if pooling == one:
            return one
    raise DataError(f"{name}: pooling_mode {pooling!r} in config.json, expected mean, sum or max")


class Pool:
    """Pools the states of a recording over time, piece by piece, so that memory holds one piece.

    Args:
        head: tells how.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self._sum: Tensor | None = None
        self._count = 0

    def add(self, states: Tensor) -> None:
        """Add the states (T, layers, D) of the next piece."""
        layers = self._head.layers
        own = states[:, 0] if layers is None else (states * layers[None, :, None]).sum(1)
        value = own.amax(0) if self._head.pooling == "max" else own.double().sum(0)
        if self._sum is None:
            self._sum = value
        else:
            self._sum = torch.maximum(self._sum, value) if self._head.pooling == "max" else self._sum + value
        self._count += len(own)

    def result(self) -> Tensor:
        """Return the pooled states (D,) float32 of all pieces."""
        assert self._sum is not None
        return (self._sum / self._count if self._head.pooling == "mean" else self._sum).float()
