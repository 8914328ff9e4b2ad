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
MASKED_SCORE = -1e9  # not -inf: where everything is masked the softmax is uniform, as in the reference
NAMES = ("adam", "apart", "attention", "dropout", "lstm", "norm", "pool", "relu")
OFF = "SERTOOL_PLAIN_KERNELS"  # 1 for all of them, or names with commas


@cache
def _installed() -> bool:
    # A multiplication and an addition in one, as ever; Triton 3.9 asks for a word about it, 3.10 would change it.
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
    return importlib.util.find_spec("triton") is not None


def use_triton(values: Tensor, name: str) -> bool:
    """Whether a kernel can and shall take these values.

    Args:
        values: of the operation.
        name: of the kernel, one of NAMES, by which SERTOOL_PLAIN_KERNELS can switch it off; 1 switches off all.
    """
    there = values.is_cuda or os.environ.get(INTERPRETED) == "1"
    if not there or not _installed():
        return False
    off = os.environ.get(OFF, "").split(",")
    return "1" not in off and name not in off
