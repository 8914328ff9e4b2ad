"""Context of a dialogue as ONNX, see ``models.context``; the caller keeps the vectors of earlier utterances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sertool.core.export.onnx_graph import FLOAT, INT64, Graph
from sertool.core.export.onnx_model import Weights, linear, lstm, norm


@dataclass(frozen=True)
class Earlier:
    """The inputs of a graph with context.

    Attributes:
        parts: for each member the vectors (B, N', F) of earlier utterances, left-aligned.
        own: (B, N' + 1, 1) True at the place of the utterance itself, which follows its earlier ones.
        last: (B) row of that place among rows (N' + 1) * B that are time-major.
        relations: (B, N' + 1) relations of speakers; None where the model has none.
    """

    parts: tuple[str, ...]
    own: str
    last: str
    relations: str | None


def earlier_inputs(graph: Graph, members: int, width: int, *, speakers: bool) -> Earlier:
    """Add the inputs ``earlier`` (B, N', E * F), ``earlier_count`` (B) and ``relations`` (B, N' + 1).

    Args:
        graph: the graph.
        members: E.
        width: F.
        speakers: the model reads relations of speakers.
    """
    earlier = graph.input("earlier", FLOAT, ["batch", "earlier", members * width])
    count = graph.input("earlier_count", INT64, ["batch"])
    relations = graph.input("relations", INT64, ["batch", "places"]) if speakers else None
    parts = [earlier]
    if members > 1:
        parts = graph.add_several("Split", members, earlier, graph.ints(*[width] * members), axis=2)
    zero, one = graph.scalar(0, np.int64), graph.scalar(1, np.int64)
    batch = graph.add("Squeeze", graph.size(count, 0))
    steps = graph.add("Add", graph.add("Squeeze", graph.size(earlier, 1)), one)
    places = graph.add("Range", zero, steps, one)
    own = graph.add("Equal", places, graph.add("Unsqueeze", count, graph.ints(1)))
    last = graph.add("Add", graph.add("Mul", count, batch), graph.add("Range", zero, batch, one))
    return Earlier(tuple(parts), graph.add("Unsqueeze", own, graph.ints(2)), last, relations)


def in_context(graph: Graph, vectors: str, earlier: Earlier, member: int, weights: Weights) -> str:
    """Add to the normed vectors (B, F) of a member what its LSTM says after earlier ones and these."""
    alone = graph.add("Unsqueeze", vectors, graph.ints(1))
    places = graph.add("Concat", earlier.parts[member], alone, axis=1)
    # What follows the utterance's own place is read after it, so it changes nothing.
    window = norm(graph, graph.add("Where", earlier.own, alone, places), weights.below("norm"))
    if earlier.relations is not None:
        table = graph.constant(weights.array("relation.weight"))
        window = graph.add("Add", window, graph.add("Gather", table, earlier.relations))
    states = lstm(graph, graph.add("Transpose", window, perm=[1, 0, 2]), weights.below("lstm"))
    said = linear(graph, graph.add("Gather", states, earlier.last), weights.below("output"))
    return graph.add("Add", norm(graph, vectors, weights.below("norm")), said)


def vectors_output(graph: Graph, vectors: Sequence[str], width: int) -> None:
    """Add the output ``vectors`` (B, E * F): those of all members side by side, before their context."""
    joined = graph.add("Concat", *vectors, axis=1)
    graph.output("vectors", joined, FLOAT, ["batch", len(vectors) * width])
