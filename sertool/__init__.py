"""Emotion and sentiment recognition from speech and its transcript."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sertool.version import __version__

if TYPE_CHECKING:
    from sertool.core.inference.predictor import Predictor

__all__ = ["__version__", "load"]


def load(
    folder: str | Path,
    *,
    index: int | None = None,
    data: str | Path = "data",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "fp32",
) -> "Predictor":
    """Open a trained ensemble to judge recordings and texts: ``sertool.load("ckpt/demo").predict(audio="x.wav")``.

    PyTorch is imported here, so that ``import sertool`` takes no time.

    Args:
        folder: what `sertool train` made, or one with checkpoints of the reference.
        index: members that are averaged, best first; all if not given.
        data: folder that holds the corpora; only checkpoints of the reference need theirs, for its vocabulary.
        device: ``auto`` takes CUDA where there is a GPU.
        precision: of the arithmetic.

    Raises:
        sertool.core.errors.SertoolError: it cannot be opened; the message says why, ``hint`` what to try.
    """
    from sertool.core.compute.device import choose
    from sertool.core.inference.predictor import open_predictor

    return open_predictor(Path(folder), Path(data), index, choose(device, precision))
