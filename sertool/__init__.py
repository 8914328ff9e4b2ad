"""Emotion and sentiment recognition from speech and its transcript."""

from __future__ import annotations

from sertool.version import __version__

# Nothing else is imported here: `python -m sertool` imports this before it can handle Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from sertool.core.inference.predictor import Predictor

__all__ = ["__version__", "load"]


def load(
    folder: str | Path,
    *,
    index: int | None = None,
    data: str | Path = "data",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "fp32",
) -> Predictor:
    """Open a trained ensemble to predict recordings and texts: ``sertool.load("ckpt/demo").predict(audio="x.wav")``.

    PyTorch is imported only when this is called, so that ``import sertool`` is quick.

    Args:
        folder: run of `sertool train`, or a folder of the reference's checkpoints.
        index: number of members to average, best first. Default: all.
        data: folder of the corpora; needed only by the reference's checkpoints, which lack the vocabulary.
        device: ``auto`` uses CUDA if there is a GPU.
        precision: number format of the computation.

    Raises:
        sertool.core.errors.SertoolError: the folder cannot be opened, or an argument is of another kind; the message
            says why, ``hint`` what to try.
    """
    from os import PathLike
    from pathlib import Path

    from sertool.core.compute.device import choose
    from sertool.core.errors import UsageError
    from sertool.core.inference.predictor import open_predictor

    for name, value in (("folder", folder), ("data", data)):
        if not isinstance(value, str | PathLike):
            raise UsageError(f"{name}: a value of type {type(value).__name__}, expected a path")
    return open_predictor(Path(folder), Path(data), index, choose(device, precision))
