"""Results of writing the graphs of a bundle."""

from dataclasses import dataclass
from typing import Any, Literal

from sertool.core.export.check import BundleComparison
from sertool.core.export.losses import Loss

Bits = Literal["fp32", "fp16", "int8"]  # precision of the weights of pretrained encoders


@dataclass(frozen=True)
class Brought:
    """The pretrained encoders of a bundle.

    Attributes:
        bits: precision of their weights.
        settings: what ``run.py`` needs to know of them, by modality.
        compared: comparison of the whole chain with PyTorch, from recordings and texts to logits.
        loss: accuracy lost by weights of less precision than 32 bits; None for these.
    """

    bits: Bits
    settings: dict[str, Any]
    compared: BundleComparison
    loss: Loss | None


@dataclass(frozen=True)
class Written:
    """The graphs of a bundle, compared with PyTorch.

    Attributes:
        compared: the comparisons.
        loss: accuracy lost by the 8-bit graph; None without one.
        brought: its pretrained encoders; None without any.
    """

    compared: tuple[BundleComparison, ...]
    loss: Loss | None
    brought: Brought | None
