"""The inputs of a graph: sequences of any length, prepared as ``training.batches`` and ``models.layout`` do it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import numpy_helper

from sertool.core.export.onnx_graph import BOOL, FLOAT, INT64, Graph
from sertool.core.training.batches import Standardization


@dataclass(frozen=True)
class Sequences:
    """A prepared modality, shared by all members.

    Attributes:
        values: by fold, (T, B) token ids or (T, B, M) frames; one for all folds if they do not differ. T is the length
            of the longest utterance in the batch, or the recipe's length if an utterance is masked completely.
        mask: (B, T) True for real positions.
        batch: vector of one integer, B.
    """

    values: tuple[str, ...]
    mask: str
    batch: str

    def of_fold(self, fold: int) -> str:
        """Return the values for the members of a fold."""
        return self.values[min(fold, len(self.values) - 1)]


def token_sequences(graph: Graph, vocabularies: int, length: int) -> Sequences:
    """Add the input ``tokens``: (B, L) int64, or (V, B, L) for several vocabularies."""
    leading = [vocabularies] if vocabularies > 1 else []
    tokens = graph.input("tokens", INT64, [*leading, "batch", "words"])
    if not leading:
        tokens = graph.add("Unsqueeze", tokens, graph.ints(0))
    fixed = _fixed(graph, tokens, 2, length, 0)
    # Unknown words have a row in every vocabulary, so all agree on what is padding.
    first = graph.add("Squeeze", graph.add("Slice", fixed, *_span(graph, 0, 1, 0)), graph.ints(0))
    mask = graph.add("Not", graph.add("Equal", first, graph.scalar(0, np.int64)))
    end = _longest(graph, mask, length)
    kept = graph.add("Slice", fixed, graph.ints(0), end, graph.ints(2))
    split = graph.add_several("Split", vocabularies, kept, graph.ints(*[1] * vocabularies), axis=0)
    rows = [graph.add("Squeeze", own, graph.ints(0)) for own in split]
    values = tuple(graph.add("Transpose", own, perm=[1, 0]) for own in rows)
    return Sequences(values, _first(graph, mask, end), graph.size(tokens, 1))


def frame_sequences(
    graph: Graph,
    frames: str,
    length: int,
    standardize: str = "none",
    statistics: Sequence[Standardization] = (),
) -> Sequences:
    """Prepare frames (B, T, M), standardised as in the recipe: by fold, where it has statistics, or by utterance."""
    fixed = _fixed(graph, frames, 1, length, np.float32(0))
    # A frame is masked where its absolute values sum to 0.
    total = graph.add("ReduceSum", graph.add("Abs", fixed), graph.ints(2), keepdims=0)
    mask = graph.add("Not", graph.add("Equal", total, graph.scalar(0)))
    end = _longest(graph, mask, length)
    real = graph.add("Unsqueeze", graph.add("Cast", mask, to=FLOAT), graph.ints(2))
    if standardize == "utterance":
        fixed = _by_utterance(graph, fixed, real)
    kept, real = (_first(graph, value, end) for value in (fixed, real))
    folds = [kept]
    if statistics:  # a bundle knows no speakers, so `standardize: speaker` takes these too
        folds = [_by_corpus(graph, kept, real, own) for own in statistics]
    values = tuple(graph.add("Transpose", own, perm=[1, 0, 2]) for own in folds)
    return Sequences(values, _first(graph, mask, end), graph.size(frames, 0))


def missing_tokens(graph: Graph, batch: str) -> Sequences:
    """Stand in for a text that the recipe leaves out: one masked position."""
    shape = graph.join(graph.ints(1), batch)
    return Sequences((_zeros(graph, shape, 0),), _nothing(graph, batch), batch)


def missing_frames(graph: Graph, batch: str, width: int) -> Sequences:
    """Stand in for frames that the recipe leaves out: one masked position."""
    shape = graph.join(graph.ints(1), batch, graph.ints(width))
    return Sequences((_zeros(graph, shape, np.float32(0)),), _nothing(graph, batch), batch)


def _nothing(graph: Graph, batch: str) -> str:
    zeros = _zeros(graph, graph.join(batch, graph.ints(1)), 0)
    return graph.add("Cast", zeros, to=BOOL)


def _zeros(graph: Graph, shape: str, zero: int | np.float32) -> str:
    return graph.add("ConstantOfShape", shape, value=numpy_helper.from_array(np.array([zero])))


def _span(graph: Graph, first: int, last: int, axis: int) -> tuple[str, str, str]:
    return graph.ints(first), graph.ints(last), graph.ints(axis)


def _first(graph: Graph, value: str, end: str) -> str:
    """Keep the positions before ``end`` along axis 1."""
    return graph.add("Slice", value, graph.ints(0), end, graph.ints(1))


def _fixed(graph: Graph, value: str, axis: int, length: int, zero: int | np.float32) -> str:
    """Cut (X, Y, Z) along an axis to a length, or pad it with zeros."""
    sizes = [graph.ints(length) if place == axis else graph.size(value, place) for place in range(3)]
    longer = graph.add("Concat", value, _zeros(graph, graph.join(*sizes), zero), axis=axis)
    return graph.add("Slice", longer, *_span(graph, 0, length, axis))


def _longest(graph: Graph, mask: str, length: int) -> str:
    """Return the length that must be computed for a batch: see ``models.inputs.lengths``."""
    places = graph.constant(np.arange(1, length + 1))
    reached = graph.add("Mul", graph.add("Cast", mask, to=INT64), places)
    last = graph.add("ReduceMax", reached, axes=[1], keepdims=0)
    nothing = graph.add("Equal", last, graph.scalar(0, np.int64))
    needed = graph.add("Where", nothing, graph.scalar(length, np.int64), last)
    return graph.add("ReduceMax", needed, axes=[0], keepdims=1)


def _by_corpus(graph: Graph, frames: str, real: str, statistics: Standardization) -> str:
    mean, std = (graph.constant(np.array(values, np.float32)) for values in (statistics.mean, statistics.std))
    return graph.add("Mul", graph.add("Div", graph.add("Sub", frames, mean), std), real)


def _by_utterance(graph: Graph, frames: str, real: str) -> str:
    def mean_of(values: str) -> str:
        total = graph.add("ReduceSum", graph.add("Mul", values, real), graph.ints(1), keepdims=1)
        return graph.add("Div", total, count)

    count = graph.add("Max", graph.add("ReduceSum", real, graph.ints(1), keepdims=1), graph.scalar(1))
    centred = graph.add("Sub", frames, mean_of(frames))
    deviation = graph.add("Sqrt", mean_of(graph.add("Mul", centred, centred)))
    return graph.add("Mul", graph.add("Div", centred, graph.add("Max", deviation, graph.scalar(1e-3))), real)
