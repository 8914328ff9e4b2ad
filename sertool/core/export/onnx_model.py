"""MAT, MNT and linear probes as an ONNX graph: each member's layers are written out, and logits averaged.

Each member has matrix products of its own instead of one product with a member axis: a runtime packs a constant matrix
once, when it loads the model, and for a single utterance packing is most of the cost of a product. Rows are time-major,
(T * B, D), as the LSTM operator expects.

Padding has the same meaning as in the models (``models.layout``): inputs of any length are cut to the recipe's length,
and an utterance that is masked completely is computed over that whole length.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.export.onnx_graph import FLOAT, Graph
from sertool.core.export.onnx_inputs import Sequences
from sertool.core.models.kernels import MASKED_SCORE
from sertool.core.models.linear import LEAST_DEVIATION
from sertool.core.recipe.schema import Model

Array = NDArray[np.float32]


class Weights:
    """The parameters of a member below a prefix, as constants of the graph."""

    def __init__(self, graph: Graph, arrays: Mapping[str, Array], prefix: str = "") -> None:
        self.graph, self.arrays, self.prefix = graph, arrays, prefix

    def below(self, name: str) -> "Weights":
        """Return the parameters of a part."""
        return Weights(self.graph, self.arrays, f"{self.prefix}{name}.")

    def array(self, name: str) -> Array:
        """Return a parameter."""
        return self.arrays[self.prefix + name]

    def has(self, name: str) -> bool:
        """Check whether there is a parameter of that name."""
        return self.prefix + name in self.arrays


def linear(graph: Graph, rows: str, *layers: Weights, scales: Sequence[float] = ()) -> str:
    """Apply one or several linear layers to the same input (N, I), side by side: (N, O + O' + ...)."""
    factors = scales or [1.0] * len(layers)
    parts = list(zip(layers, factors, strict=True))
    weight = np.concatenate([layer.array("weight") * np.float32(factor) for layer, factor in parts])
    bias = np.concatenate([layer.array("bias") * np.float32(factor) for layer, factor in parts])
    return graph.add("Gemm", rows, graph.constant(weight), graph.constant(bias), transB=1)


def enter(graph: Graph, values: str, weights: Weights) -> str:
    """Embed token ids (T, B), or mix the layers of frames (T, B, L * D), see ``models.inputs.InputLayer``."""
    if weights.has("embedding.weight"):
        values = graph.add("Gather", graph.constant(weights.array("embedding.weight")), values)
    if weights.has("mix.weight"):
        powers = np.exp(weights.array("mix.weight").astype(np.float64))
        shares = (powers / powers.sum()).astype(np.float32)[:, None]
        apart = graph.add("Reshape", values, graph.ints(0, 0, len(shares), -1))
        values = graph.add("ReduceSum", graph.add("Mul", apart, graph.constant(shares)), graph.ints(2), keepdims=0)
    return values


def lstm(graph: Graph, sequence: str, weights: Weights) -> str:
    """Apply an LSTM: (T, B, I) -> (T * B, D)."""
    hidden = weights.array("weight_hh").shape[1]

    def gates(array: Array) -> Array:
        # Torch: input, forget, cell, output; ONNX: input, output, forget, cell.
        into, forget, cell, out = np.split(array, 4)
        return np.concatenate([into, out, forget, cell])[None]

    bias = gates(weights.array("bias_ih") + weights.array("bias_hh"))
    states = graph.add(
        "LSTM",
        sequence,
        graph.constant(gates(weights.array("weight_ih"))),
        graph.constant(gates(weights.array("weight_hh"))),
        graph.constant(np.concatenate([bias, np.zeros_like(bias)], axis=1)),
        hidden_size=hidden,
    )
    return graph.add("Reshape", states, graph.ints(-1, hidden))


def normalise(graph: Graph, rows: str, gain: Array, bias: Array) -> str:
    """Apply a layer norm with the unbiased standard deviation, see ``models.layers.LayerNorm``."""
    width = len(gain)
    # The operator divides by n, the models by n - 1: the factor goes into the gain.
    scale = gain * np.float32(math.sqrt((width - 1) / width))
    return graph.add("LayerNormalization", rows, graph.constant(scale), graph.constant(bias), axis=-1, epsilon=1e-12)


def norm(graph: Graph, rows: str, weights: Weights) -> str:
    """Apply a layer norm with its own gain and bias."""
    return normalise(graph, rows, weights.array("gain"), weights.array("bias"))


def masked_softmax(graph: Graph, scores: str, mask: str) -> str:
    """Apply softmax over the last axis, with masked scores at -1e9."""
    return graph.add("Softmax", graph.add("Where", mask, scores, graph.scalar(MASKED_SCORE)), axis=-1)


@dataclass(frozen=True)
class Blocks:
    """The layers of one member, with what they share.

    Attributes:
        graph: the graph that is built.
        heads: number of heads H.
        width: hidden size D.
        masks: masks (B, 1, 1, T) of text and audio.
        batch: vector of one integer, B.
    """

    graph: Graph
    heads: int
    width: int
    masks: Mapping[str, str]
    batch: str

    def split_heads(self, projected: str, parts: int) -> list[str]:
        """Split (T * B, parts * D) into parts (B, H, T, K)."""
        graph = self.graph
        shape = graph.join(graph.ints(-1), self.batch, graph.ints(parts * self.heads, self.width // self.heads))
        apart = graph.add("Transpose", graph.add("Reshape", projected, shape), perm=[1, 2, 0, 3])
        if parts == 1:
            return [apart]
        return graph.add_several("Split", parts, apart, graph.ints(*[self.heads] * parts), axis=1)

    def attend(self, query: str, key: str, value: str, memory: str, output: Weights) -> str:
        """Attend with queries (B, H, T, K) to keys and values (B, H, S, K) of ``memory``, a modality: (T * B, D)."""
        graph = self.graph
        scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
        weights = masked_softmax(graph, scores, self.masks[memory])
        mixed = graph.add("Transpose", graph.add("MatMul", weights, value), perm=[2, 0, 1, 3])
        return linear(graph, graph.add("Reshape", mixed, graph.ints(-1, self.width)), output)

    def self_attention(self, rows: str, weights: Weights, modality: str) -> str:
        """Let a sequence attend to itself."""
        layers = [weights.below(name) for name in ("query", "key", "value")]
        projected = linear(self.graph, rows, *layers, scales=[self.query_scale, 1, 1])
        query, key, value = self.split_heads(projected, 3)
        return self.attend(query, key, value, modality, weights.below("output"))

    def cross_attention(self, rows: str, key: str, value: str, weights: Weights) -> str:
        """Let the audio attend to keys and values of the text."""
        projected = linear(self.graph, rows, weights.below("query"), scales=[self.query_scale])
        return self.attend(self.split_heads(projected, 1)[0], key, value, "text", weights.below("output"))

    @property
    def query_scale(self) -> float:
        """Factor 1 / sqrt(K) of the scores, which is folded into the weights of the queries."""
        return 1 / math.sqrt(self.width // self.heads)

    def feed_forward(self, rows: str, weights: Weights) -> str:
        """Apply linear, ReLU, linear."""
        inner = self.graph.add("Relu", linear(self.graph, rows, weights.below("inner")))
        return linear(self.graph, inner, weights.below("outer"))

    def residual(self, rows: str, branch: str, weights: Weights) -> str:
        """Add a branch to its input and normalise the sum."""
        return norm(self.graph, self.graph.add("Add", rows, branch), weights)

    def pool(self, rows: str, weights: Weights, modality: str) -> str:
        """Pool (T * B, D) to (B, O): a score per position, softmax over real positions, weighted sum, linear."""
        graph = self.graph
        score = self.feed_forward(rows, weights.below("score"))
        shape = graph.join(graph.ints(-1), self.batch, graph.ints(1, 1))
        scores = graph.add("Transpose", graph.add("Reshape", score, shape), perm=[1, 2, 3, 0])  # (B, 1, 1, T)
        importance = masked_softmax(graph, scores, self.masks[modality])
        shape = graph.join(graph.ints(-1), self.batch, graph.ints(1, self.width))
        padded = graph.add("Transpose", graph.add("Reshape", rows, shape), perm=[1, 2, 0, 3])  # (B, 1, T, D)
        pooled = graph.add("Reshape", graph.add("MatMul", importance, padded), graph.ints(-1, self.width))
        return linear(graph, pooled, weights.below("output"))

    def text_blocks(self, text: str, weights: Weights, layers: int) -> str:
        """Apply the blocks over the text."""
        for number in range(layers):
            block = weights.below(f"text_blocks.{number}")
            attended = self.self_attention(text, block.below("self_attn"), "text")
            text = self.residual(text, attended, block.below("norm1"))
            text = self.residual(text, self.feed_forward(text, block.below("ffn")), block.below("norm2"))
        return text


def mat_vectors(blocks: Blocks, text: str, audio: str, weights: Weights, layers: int) -> str:
    """Compute vectors by modulated attention, see ``models.mat``; all keys and values come from the last text layer."""
    graph = blocks.graph
    text = blocks.text_blocks(text, weights, layers)
    owners = [weights.below(f"audio_blocks.{number}") for number in range(layers)]
    memory = [owner.below(f"cross_attn.{name}") for owner in owners for name in ("key", "value")]
    heads = blocks.split_heads(linear(graph, text, *memory), len(memory))
    for number, block in enumerate(owners):
        attended = blocks.self_attention(audio, block.below("self_attn"), "audio")
        audio = blocks.residual(audio, attended, block.below("norm1"))
        crossed = blocks.cross_attention(audio, heads[2 * number], heads[2 * number + 1], block.below("cross_attn"))
        audio = blocks.residual(audio, crossed, block.below("norm2"))
        audio = blocks.residual(audio, blocks.feed_forward(audio, block.below("ffn")), block.below("norm3"))
    pooled = [blocks.pool(text, weights.below("text_pool"), "text")]
    pooled.append(blocks.pool(audio, weights.below("audio_pool"), "audio"))
    return graph.add("Add", *pooled)


def mnt_vectors(blocks: Blocks, text: str, audio: str, weights: Weights, layers: int) -> str:
    """Compute vectors by modulated normalisation, see ``models.mnt``."""
    graph, width = blocks.graph, blocks.width
    text = blocks.text_blocks(text, weights, layers)
    summary = blocks.pool(text, weights.below("text_pool"), "text")
    modulation = graph.add("Relu", linear(graph, summary, weights.below("modulation")))
    # For each layer: gamma and beta of the first norm, then of the second; (B, D) each.
    pieces = graph.add_several("Split", 4 * layers, modulation, graph.ints(*[width] * 4 * layers), axis=1)
    spread = graph.join(graph.ints(-1), blocks.batch, graph.ints(width))

    def modulated(rows: str, branch: str, owner: Weights, gamma: str, beta: str) -> str:
        gain = graph.add("Add", gamma, graph.constant(owner.array("gain")))
        shift = graph.add("Add", beta, graph.constant(owner.array("bias")))
        one = np.ones(width, np.float32)
        plain = normalise(graph, graph.add("Add", rows, branch), one, np.zeros_like(one))
        timed = graph.add("Mul", graph.add("Reshape", plain, spread), gain)  # (T, B, D)
        return graph.add("Reshape", graph.add("Add", timed, shift), graph.ints(-1, width))

    for number in range(layers):
        block = weights.below(f"audio_blocks.{number}")
        gamma1, beta1, gamma2, beta2 = pieces[4 * number : 4 * number + 4]
        attended = blocks.self_attention(audio, block.below("self_attn"), "audio")
        audio = modulated(audio, attended, block.below("norm1"), gamma1, beta1)
        audio = modulated(audio, blocks.feed_forward(audio, block.below("ffn")), block.below("norm2"), gamma2, beta2)
    pooled = blocks.pool(audio, weights.below("audio_pool"), "audio")
    return graph.add("Add", summary, pooled)


def moments(graph: Graph, frames: str, mask: str) -> str:
    """Compute mean and deviation (B, 2 I) over the real frames of (T, B, I), see ``models.linear.moments``."""
    timed = graph.add("Transpose", graph.add("Cast", mask, to=FLOAT), perm=[1, 0])
    real = graph.add("Unsqueeze", timed, graph.ints(2))  # (T, B, 1)
    count = graph.add("Max", graph.add("ReduceSum", real, graph.ints(0), keepdims=1), graph.scalar(1))

    def mean_of(values: str) -> str:
        total = graph.add("ReduceSum", graph.add("Mul", values, real), graph.ints(0), keepdims=1)
        return graph.add("Div", total, count)

    mean = mean_of(frames)
    centred = graph.add("Sub", frames, mean)
    variance = mean_of(graph.add("Mul", centred, centred))
    deviation = graph.add("Sqrt", graph.add("Max", variance, graph.scalar(LEAST_DEVIATION**2)))
    return graph.add("Squeeze", graph.add("Concat", mean, deviation, axis=2), graph.ints(0))


def linear_vectors(graph: Graph, text: str, audio: str, masks: Mapping[str, str]) -> str:
    """Compute vectors of a linear probe, see ``models.linear``; masks are (B, T)."""
    parts = moments(graph, text, masks["text"]), moments(graph, audio, masks["audio"])
    return graph.add("Concat", *parts, axis=1)


VECTORS = {"mat": mat_vectors, "mnt": mnt_vectors}


def member_weights(graph: Graph, arrays: Mapping[str, Any]) -> Weights:
    """Return the parameters of one member."""
    return Weights(graph, {name: np.asarray(array, np.float32) for name, array in arrays.items()})


def member_vectors(graph: Graph, text: Sequences, audio: Sequences, weights: Weights, fold: int, model: Model) -> str:
    """Compute the vectors (B, F) of one member with the vocabulary and statistics of its fold, without context."""
    modalities = (text, weights.below("text_encoder")), (audio, weights.below("audio_encoder"))
    masks = {"text": text.mask, "audio": audio.mask}
    if model.architecture == "linear":
        words, frames = (enter(graph, own.of_fold(fold), encoder) for own, encoder in modalities)
        return linear_vectors(graph, words, frames, masks)
    four = {name: graph.add("Unsqueeze", mask, graph.ints(1, 2)) for name, mask in masks.items()}
    blocks = Blocks(graph, model.num_heads, model.hidden_size, four, audio.batch)
    words, frames = (
        lstm(graph, enter(graph, own.of_fold(fold), encoder), encoder.below("lstm")) for own, encoder in modalities
    )
    return VECTORS[model.architecture](blocks, words, frames, weights, model.num_layers)


def classify(graph: Graph, vectors: str, weights: Weights) -> str:
    """Turn vectors (B, F) into logits (B, C); a linear probe has no norm before its last layer."""
    rows = norm(graph, vectors, weights.below("norm")) if weights.has("norm.gain") else vectors
    return linear(graph, rows, weights.below("classifier"))


def average(graph: Graph, logits: Sequence[str]) -> str:
    """Average the logits of all members."""
    return graph.add("Div", graph.add("Sum", *logits), graph.scalar(len(logits)))
