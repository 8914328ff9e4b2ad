"""The exported graph in 8 bits: dynamic quantisation of the learned layers, and what it costs in accuracy."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import SertoolError, UsageError
from sertool.core.export.check import Feeds, Trial, onnx_logits, open_session
from sertool.core.metrics.classification import METRICS, decide

MOST_LOSS = 0.5  # points of accuracy


@dataclass(frozen=True)
class Loss:
    """Accuracy of the same utterances by both graphs, as fractions; None where none is labelled."""

    full: float | None
    int8: float | None
    utterances: int

    @property
    def points(self) -> float | None:
        """What is lost, in points of accuracy; negative where something is won."""
        return None if self.full is None or self.int8 is None else 100 * (self.full - self.int8)


def quantise(source: Path, target: Path, *, external: bool) -> None:
    """Write a graph with the weights of its linear layers, LSTMs and embeddings as 8-bit integers.

    Args:
        source: model file.
        target: where it goes.
        external: keep the weights in a file of their own beside ``target``.
    """
    import onnx  # onnx and onnxruntime are an extra
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(source, load_external_data=False).graph
    # Learned layers are Gemm, LSTM and Gather; what is MatMul is attention, and the frontend's filters.
    products = [node.name for node in graph.node if node.op_type == "MatMul"]
    chatter = logging.getLogger()
    before = chatter.level
    chatter.setLevel(logging.ERROR)  # it advises to preprocess, which is for traced graphs
    try:
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=products,
            use_external_data_format=external,
        )
    finally:
        chatter.setLevel(before)


def measure_loss(
    path: Path, full: NDArray[np.float32], trial: Trial, feeds: list[Feeds], kind: str, classes: int
) -> Loss:
    """Accuracy of a trial's labelled utterances by the full graph's logits (N, C), and by the one in 8 bits."""
    rows = trial.labelled
    if not rows:
        return Loss(None, None, 0)
    logits = onnx_logits(open_session(path), [feeds[row] for row in rows])
    targets = np.array([trial.targets[row] for row in rows], np.int64)
    before, after = (METRICS["accuracy"](targets, decide(own, kind), classes) for own in (full[rows], logits))
    return Loss(before, after, len(rows))


def require_small_loss(loss: Loss) -> None:
    """Refuse a graph in 8 bits that is worse, or of which that is not known.

    Raises:
        SertoolError: more than half a point of accuracy is lost.
        UsageError: there is no labelled utterance to judge by.
    """
    if loss.points is None:
        raise UsageError(
            "--int8: what it costs in accuracy could not be judged, the corpus is not at hand; nothing was written",
            hint="--data names the folder that holds the corpora; --force writes it all the same",
        )
    if loss.points > MOST_LOSS:
        raise SertoolError(
            f"--int8: loses {loss.points:.1f} points of accuracy on {loss.utterances} validation utterances, at most "
            f"{MOST_LOSS} is accepted; nothing was written",
            hint="leave --int8 out, or --force writes it all the same",
        )
