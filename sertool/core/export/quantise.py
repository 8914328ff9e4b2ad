"""Quantise the exported graph to 8 bits, and measure the accuracy that this costs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import SertoolError, UsageError
from sertool.core.export.check import Feeds, Trial, onnx_logits, open_session
from sertool.core.metrics.classification import METRICS, decide

MOST_LOSS = 0.5  # points of accuracy, less than two seeds usually differ by


@dataclass(frozen=True)
class Loss:
    """Accuracy of both graphs on the same utterances, as fractions; None without labelled utterances.

    Attributes:
        full, int8: accuracy of the full graph, and of the one with weights of less precision.
        utterances: number of utterances.
        why: reason why it was not measured.
    """

    full: float | None
    int8: float | None
    utterances: int
    why: str = "the corpus is not available"

    @property
    def points(self) -> float | None:
        """Loss in points of accuracy; negative for a gain."""
        # Rounded, so that one utterance of 200 costs half a point and no more.
        return None if self.full is None or self.int8 is None else round(100 * (self.full - self.int8), 6)


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
    path: Path, full: NDArray[np.float32], trial: Trial, feeds: list[Feeds], kind: str, classes: int
) -> Loss:
    """Compare the accuracy of the 8-bit graph with that of the full graph's logits (N, C) on labelled utterances."""
    rows = trial.labelled
    if not rows:
        return Loss(None, None, 0)
    logits = onnx_logits(open_session(path), [feeds[row] for row in rows])
    targets = np.array([trial.targets[row] for row in rows], np.int64)
    before, after = (METRICS["accuracy"](targets, decide(own, kind), classes) for own in (full[rows], logits))
    return Loss(before, after, len(rows))


def require_small_loss(loss: Loss, option: str = "--int8") -> None:
    """Refuse weights of less precision that lose accuracy, or whose loss is not known.

    Args:
        loss: the accuracies.
        option: option that asked for them.

    Raises:
        SertoolError: more than half a point of accuracy is lost.
        UsageError: there are no labelled utterances to measure it on.
    """
    if loss.points is None:
        raise UsageError(
            f"{option}: its loss of accuracy was not measured, {loss.why}; nothing was written",
            hint="--data names the folder that holds the corpora; --force writes it anyway",
        )
    if loss.points > MOST_LOSS:
        raise SertoolError(
            f"{option}: loses {loss.points:.1f} points of accuracy on {loss.utterances} validation utterances, at most "
            f"{MOST_LOSS} is accepted; nothing was written",
            hint=f"leave {option} out; --force writes it anyway",
        )
