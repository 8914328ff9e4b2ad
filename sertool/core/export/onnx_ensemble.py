"""A trained ensemble as one ONNX model: inputs, all members, their average, probabilities."""

from collections.abc import Sequence

import onnx

from sertool.core.export.onnx_context import Earlier, earlier_inputs, in_context, vectors_output
from sertool.core.export.onnx_frontend import waveform_frames
from sertool.core.export.onnx_graph import FLOAT, Graph
from sertool.core.export.onnx_inputs import (
    Sequences,
    frame_sequences,
    missing_frames,
    missing_tokens,
    token_sequences,
)
from sertool.core.export.onnx_model import Weights, average, classify, member_vectors, member_weights
from sertool.core.formatting import plural
from sertool.core.recipe.frontends import Frontend
from sertool.core.runs.members import Trained, TrainedMember, in_units


def ensemble_model(
    trained: Trained, members: Sequence[TrainedMember], temperature: float, *, with_frontend: bool
) -> onnx.ModelProto:
    """Build the graph of some members.

    Inputs, for the modalities of the recipe: ``tokens`` (B, L) int64, or (V, B, L) if cross-validation gives V
    vocabularies, or ``text`` (B, L, D) frames; ``mels`` (B, T, M), or with the frontend ``waveform`` (samples,), one
    recording per call. Outputs: ``logits`` (B, C), the mean over members, and ``probabilities`` (B, C); of a task of
    scores ``scores`` (B, D) alone, the mean over members in the units of the scores, not clipped.

    A model with context has the further inputs ``earlier``, ``earlier_count`` and ``relations``, see
    :func:`~sertool.core.export.onnx_context.earlier_inputs`, and the further output ``vectors`` (B, E * F), which is
    what later utterances get as a place of ``earlier``.

    Args:
        trained: recipe, task, vocabularies and statistics.
        members: the members to average.
        temperature: divisor of the logits before they become probabilities.
        with_frontend: take a waveform instead of frames.
    """
    graph = Graph()
    text, audio = _sequences(graph, trained, with_frontend)
    context = _earlier(graph, trained, members)
    logits, vectors = list[str](), list[str]()
    for number, member in enumerate(members):
        weights = member_weights(graph, in_units(trained, member))
        vectors.append(member_vectors(graph, text, audio, weights, member.fold, trained.recipe.model))
        logits.append(_logits(graph, vectors[-1], context, number, weights))
    mean = average(graph, logits)
    title = f"{trained.name}: {plural(len(members), 'member')}, {', '.join(trained.task.classes)}"
    classes = len(trained.task.classes)
    if trained.task.kind == "scores":
        graph.output("scores", mean, FLOAT, ["batch", classes])
        if context is not None:
            vectors_output(graph, vectors, context_width(members))
        return graph.model(title)
    scaled = graph.add("Div", mean, graph.scalar(temperature))
    multi = trained.task.kind == "multi"
    shares = graph.add("Sigmoid", scaled) if multi else graph.add("Softmax", scaled, axis=-1)
    graph.output("logits", mean, FLOAT, ["batch", classes])
    graph.output("probabilities", shares, FLOAT, ["batch", classes])
    if context is not None:
        vectors_output(graph, vectors, context_width(members))
    return graph.model(title)


def context_width(members: Sequence[TrainedMember]) -> int:
    """Return F, the values of an utterance's vector in each member of a model with context."""
    return len(members[0].weights["context.norm.gain"])


def _earlier(graph: Graph, trained: Trained, members: Sequence[TrainedMember]) -> Earlier | None:
    context = trained.recipe.context
    if context is None:
        return None
    return earlier_inputs(graph, len(members), context_width(members), speakers=context.speakers)


def _logits(graph: Graph, vectors: str, context: Earlier | None, number: int, weights: Weights) -> str:
    """Compute the logits (B, C) of a member, in context if the model has one."""
    if context is not None:
        vectors = in_context(graph, vectors, context, number, weights.below("context"))
    return classify(graph, vectors, weights)


def _sequences(graph: Graph, trained: Trained, with_frontend: bool) -> tuple[Sequences, Sequences]:
    """Build the inputs for text and audio; a modality that the recipe leaves out is one masked position."""
    dataset, width = trained.recipe.dataset, trained.audio_width
    text = audio = None
    if "text" in dataset.modalities:
        if trained.text_width is None:
            text = token_sequences(graph, len(trained.inputs), dataset.max_text_length)
        else:
            frames = graph.input("text", FLOAT, ["batch", "words", trained.text_width])
            text = frame_sequences(graph, frames, dataset.max_text_length)
    if "audio" in dataset.modalities:
        if with_frontend:
            frontend = trained.recipe.frontend
            assert isinstance(frontend, Frontend)  # export.py refuses others
            frames = waveform_frames(graph, frontend, dataset.max_audio_length)
        else:
            frames = graph.input("mels", FLOAT, ["batch", "frames", width])
        statistics = [own.standardization for own in trained.inputs if own.standardization is not None]
        audio = frame_sequences(graph, frames, dataset.max_audio_length, dataset.standardize, statistics)
    if text is None:
        assert audio is not None  # a recipe has a modality
        if trained.text_width is None:
            text = missing_tokens(graph, audio.batch)
        else:
            text = missing_frames(graph, audio.batch, trained.text_width)
    return text, audio or missing_frames(graph, text.batch, width)
