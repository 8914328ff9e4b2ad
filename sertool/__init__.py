"""Emotion and sentiment recognition from speech and its transcript."""

from __future__ import annotations

from sertool.version import __version__

# Nothing else is imported here: `python -m sertool` imports this before it can handle Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Literal

    from sertool.core.errors import DataError, SertoolError, UsageError
    from sertool.core.inference.prediction import Prediction
    from sertool.core.inference.predictor import Predictor
    from sertool.core.inference.results import PredictionList

__all__ = [
    "DataError",
    "Prediction",
    "PredictionList",
    "Predictor",
    "SertoolError",
    "UsageError",
    "__version__",
    "load",
]

_PLACES = {
    "DataError": "sertool.core.errors",
    "Prediction": "sertool.core.inference.prediction",
    "PredictionList": "sertool.core.inference.results",
    "Predictor": "sertool.core.inference.predictor",
    "SertoolError": "sertool.core.errors",
    "UsageError": "sertool.core.errors",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


def load(
    run: str | Path,
    *,
    members: int | None = None,
    output: str | Path = "ckpt",
    data: str | Path = "data",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "tf32", "bf16"] = "fp32",
) -> Predictor:
    """Open a trained ensemble to predict recordings and texts: ``sertool.load("demo").predict(audio="x.wav")``.

    PyTorch is imported only when this is called, so that ``import sertool`` is quick.

    Args:
        run: name of a run below ``output``, or the folder of a run or of the reference's checkpoints.
        members: number of members to average, best first. Default: the number that `sertool ensemble` chose.
        output: folder that holds the trained models.
        data: folder of the corpora; needed only by the reference's checkpoints, which lack the vocabulary.
        device: ``auto`` uses CUDA if there is a GPU.
        precision: number format of the computation.

    Raises:
        SertoolError: the run cannot be opened, or an argument is of another kind; the message says why, ``hint`` what
            to try.
    """
    from os import PathLike
    from pathlib import Path

    from sertool.core.compute.device import choose
    from sertool.core.errors import UsageError
    from sertool.core.inference.predictor import open_predictor
    from sertool.core.runs.members import find_folder

    for name, value in (("run", run), ("output", output), ("data", data)):
        if not isinstance(value, str | PathLike):
            raise UsageError(f"{name}: a value of type {type(value).__name__}, expected a path")
    return open_predictor(find_folder(Path(run), Path(output)), Path(data), members, choose(device, precision))
