"""The child process that compares kernels, with one of them broken: ``relu``, as the variable BROKEN says."""

import os
import signal
import time
from collections.abc import Callable

from torch import Tensor

from sertool.core.models.kernels import compare, relu_triton


def broken(launch: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def launch_broken(*arguments: object) -> Tensor:
        match os.environ["BROKEN"]:
            case "hangs":
                time.sleep(600)
            case "dies":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "is unwritten":
                result = launch(*arguments)
                return result.new_empty(result.shape)
        return launch(*arguments) * 1.5

    return launch_broken


if __name__ == "__main__":
    relu_triton.launch_forward = broken(relu_triton.launch_forward)
    compare.main()
