"""Quantise the exported graph to 8 bits, and measure the accuracy that this costs."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.tasks import Task
from sertool.core.export.check import Feeds, Trial, in_context, onnx_logits, open_session
from sertool.core.export.losses import Loss, loss_between, not_measured


def quantise(source: Path, target: Path, *, external: bool) -> None:
    """Write an ensemble's graph with the weights of its linear layers, LSTMs and embeddings as 8-bit integers.

    Args:
        source: model file.
        target: file to write.
        external: keep the weights in a second file beside ``target``.
    """
    import onnx  # onnx and onnxruntime are an extra

    graph = onnx.load(source, load_external_data=False).graph
    # Learned layers are Gemm, LSTM and Gather. MatMul nodes are attention, whose operands are not constant, and the
    # frontend's filters, which need their precision.
    write_int8(source, target, external=external, keep=[node.name for node in graph.node if node.op_type == "MatMul"])


def write_int8(
    source: Path, target: Path, *, external: bool, keep: Sequence[str], operators: Sequence[str] | None = None
) -> None:
    """Write a graph with weights as 8-bit integers.

    Args:
        source: model file.
        target: file to write.
        external: keep the weights in a second file beside ``target``.
        keep: names of nodes whose weights keep their precision.
        operators: operators whose weights are quantised; None for all that onnxruntime has in 8 bits.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    chatter = logging.getLogger()
    before = chatter.level
    chatter.setLevel(logging.ERROR)  # it recommends preprocessing, which changes nothing for these graphs
    try:
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=list(keep),
            op_types_to_quantize=None if operators is None else list(operators),
            use_external_data_format=external,
        )
    finally:
        chatter.setLevel(before)


def measure_loss(
    path: Path, full: NDArray[np.float32], trial: Trial, feeds: list[Feeds], task: Task, *, clip: bool
) -> Loss:
    """Compare what the 8-bit graph reaches on labelled utterances with the full graph's logits (N, C) or scores."""
    rows = trial.labelled
    if not rows:
        return not_measured()
    session = open_session(path)
    given = in_context(session, feeds, trial.dialogues)
    less = onnx_logits(session, [given[row] for row in rows])
    return loss_between([trial.targets[row] for row in rows], full[rows], less, task, clip=clip)
