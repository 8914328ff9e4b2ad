"""Helpers of the scripts that run in Triton's interpreter."""

from collections.abc import Callable

from torch import Tensor

from sertool.core.models.kernels import forced


def plainly(function: Callable, *arguments: object) -> object:
    """Call a function with all kernels switched off."""
    with forced(False):
        return function(*arguments)


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Norm of the difference over the norm of what is right."""
    return float((ours - theirs).double().norm() / theirs.double().norm().clamp(min=1e-12))
