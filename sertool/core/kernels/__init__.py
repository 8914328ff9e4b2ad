"""Operations that a CUDA device does in one pass by a Triton kernel, each beside the same in plain torch.

The plain form is the definition: it runs where there is no Triton (which PyTorch's CUDA builds bring), and the tests
hold the kernels to it, without a GPU in Triton's interpreter.
"""

import importlib.util
import os
from functools import cache

from torch import Tensor

INTERPRETED = (
    "TRITON_INTERPRET"  # Triton's own variable: kernels run in Python, on tensors in the main memory
)
OFF = "SERTOOL_PLAIN_KERNELS"


@cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def use_triton(values: Tensor) -> bool:
    """Whether a kernel can and shall take these values; SERTOOL_PLAIN_KERNELS=1 says no to all of them."""
    there = values.is_cuda or os.environ.get(INTERPRETED) == "1"
    return there and os.environ.get(OFF) != "1" and _installed()
