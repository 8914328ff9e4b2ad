"""Operations with two forms: plain torch, and a Triton kernel that takes one pass over the memory of a CUDA device.

The plain form is the definition. It runs where Triton is missing (PyTorch's CUDA builds bring it), and the tests
compare the kernels with it; without a GPU they use Triton's interpreter.
"""

import importlib.util
import os
from functools import cache

from torch import Tensor

# Triton's own variable: at 1 kernels run in Python, on tensors in main memory.
INTERPRETED = "TRITON_INTERPRET"
MASKED_SCORE = -1e9  # not -inf: where everything is masked the softmax must be uniform, as in the reference
NAMES = ("adam", "apart", "attention", "lstm", "norm", "relu")
OFF = "SERTOOL_PLAIN_KERNELS"  # 1 switches all of them off; else their names, separated by commas


@cache
def _installed() -> bool:
    # Keep fused multiply-add: Triton 3.9 warns unless this is set, and 3.10 changes the default.
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
    return importlib.util.find_spec("triton") is not None


def use_triton(values: Tensor, name: str) -> bool:
    """Check whether a kernel is available for these values and not switched off.

    Args:
        values: an input of the operation.
        name: kernel, one of NAMES.
    """
    available = values.is_cuda or os.environ.get(INTERPRETED) == "1"
    if not available or not _installed():
        return False
    off = os.environ.get(OFF, "").split(",")
    return "1" not in off and name not in off
