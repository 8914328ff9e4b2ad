"""Operations with two forms: plain torch, and a Triton kernel that takes one pass over the memory of a CUDA device.

The plain form is the definition. It runs where Triton is missing (PyTorch's CUDA builds bring it), and where a kernel
was not found equal to it (:mod:`~sertool.core.models.kernels.proof`). Without a GPU, Triton's interpreter runs the
kernels for the tests.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from sertool.core.models.kernels.proof import NAMES as NAMES
from sertool.core.models.kernels.proof import lines, peek, proof_of

# Triton's own variable: at 1 kernels run in Python, on tensors in main memory.
INTERPRETED = "TRITON_INTERPRET"
MASKED_SCORE = -1e9  # not -inf: where everything is masked the softmax must be uniform, as in the reference
OFF = "SERTOOL_PLAIN_KERNELS"  # 1 switches all of them off; else their names, separated by commas

shown_lines: set[str] = set()  # lines of kernel_lines that this process has returned
_forced: list[bool] = []  # innermost last; one for all threads, because autograd runs backward passes in its own

# Keep fused multiply-add: Triton 3.9 warns unless this is set when it is imported, and 3.10 changes the default.
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")


@cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Check whether Triton's interpreter runs the kernels."""
    return os.environ.get(INTERPRETED) == "1"


@contextmanager
def forced(kernels: bool) -> Iterator[None]:
    """Use all kernels, or none, inside the block, whatever is known about them; for their comparison."""
    _forced.append(kernels and _installed())
    try:
        yield
    finally:
        _forced.pop()


def switched_off() -> list[str]:
    """Return the names of the kernels that the environment switches off; ``1`` stands for all of them."""
    return os.environ.get(OFF, "").split(",")


def kernel_lines(device: torch.device, first_time: Callable[[], None]) -> list[str]:
    """Find out which kernels may run on a device, and tell the user in lines what is left out and why.

    Args:
        device: on any other than a CUDA device there is nothing to tell.
        first_time: called before kernels are compared on a card for the first time, which takes up to a minute.
    """
    if device.type != "cuda" or interpreted() or "1" in switched_off():
        return []
    if peek(device) is None:
        first_time()
    found = lines(proof_of(device))
    shown_lines.update(found)
    return found


def new_kernel_lines(device: torch.device) -> list[str]:
    """Return the lines of :func:`kernel_lines` that are new in this process, as in a worker with its own card."""
    before = set(shown_lines)
    return [line for line in kernel_lines(device, lambda: None) if line not in before]


def use_triton(values: Tensor, name: str) -> bool:
    """Check whether a kernel is to be used: it is available, not switched off, and equal to its definition here.

    The first call for a CUDA device takes up to a minute if the kernels were never compared there.

    Args:
        values: an input of the operation, in whose number format the kernel computes unless autocast is on.
        name: kernel, one of NAMES.
    """
    if _forced:
        return _forced[-1]
    if not (values.is_cuda or interpreted()) or not _installed():
        return False
    off = switched_off()
    if "1" in off or name in off:
        return False
    return interpreted() or proof_of(values.device).allows(name, _number(values))


def _number(values: Tensor) -> str:
    kind = values.device.type
    number = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else values.dtype
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}.get(number, "")  # no kernel is compared in others
