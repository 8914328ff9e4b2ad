"""Device and number format of a run, chosen in one place, with the reason in a sentence."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from sertool.core.errors import UsageError
from sertool.core.formatting import plural

Name = Literal["fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class Precision:
    """Device and number format of a stack; parameters and optimizer state are always float32.

    Attributes:
        device: CPU or CUDA.
        name: fp32, tf32 (matrix products of float32 in 19 bits) or bf16 (autocast).
        cores: number of CPU cores that may be used.
        reason: why this was chosen, for the user.
        graphs: record training steps as a CUDA graph.
        memory: memory of the CUDA device in bytes; 0 on a CPU.
        parts: number of parts into which a CPU divides the training batch of a lone member.
        part_threads: number of threads for each part.
    """

    device: torch.device
    name: Name
    cores: int
    reason: str
    graphs: bool = False
    memory: int = 0
    parts: int = 1
    part_threads: int = 1

    @contextlib.contextmanager
    def threaded(self, threads: int) -> Iterator[None]:
        """Limit each operation inside the block to a number of threads, also in threads started there."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextlib.contextmanager
    def products(self) -> Iterator[None]:
        """Multiply float32 matrices in this precision inside the block, backward passes included."""
        # A global setting of torch: autocast alone would leave the products of the backward pass in full float32.
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.name == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """Compute a forward pass in this precision inside the block; the backward pass follows its formats."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.name == "bf16")
        with self.products(), autocast:
            yield


def choose(
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "tf32", "bf16"],
    *,
    graphs: bool = True,
) -> Precision:
    """Choose device and number format; ``auto`` takes CUDA with bf16 where there is a GPU, else the CPU with fp32.

    Args:
        device: the requested device.
        precision: the requested number format.
        graphs: record training steps as a graph on a CUDA device; a CPU never does.

    Raises:
        UsageError: CUDA is requested and there is none, or tf32 is requested on a CPU.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UsageError(
            "--device cuda: torch sees no CUDA device",
            hint="--device auto takes the CPU where there is no GPU",
        )
    use_cuda = available and device != "cpu"
    if not use_cuda and precision == "tf32":
        raise UsageError("--precision tf32: only a CUDA device has it; a CPU takes fp32 or bf16")
    name: Name = ("bf16" if use_cuda else "fp32") if precision == "auto" else precision
    # The thread count rather than the machine's cores: OMP_NUM_THREADS and containers limit it.
    cores = torch.get_num_threads()
    if use_cuda:
        card = torch.cuda.get_device_name()
        asked = ", as requested" if device == "cuda" else ""
        how = ", steps as a CUDA graph" if graphs else ""
        memory = torch.cuda.get_device_properties(torch.device("cuda")).total_memory
        return Precision(torch.device("cuda"), name, cores, f"{card}{asked}, {name}{how}", graphs, memory)
    why = "CPU, as requested" if device == "cpu" else "CPU, no CUDA device"
    return Precision(torch.device("cpu"), name, cores, f"{why}, {plural(cores, 'core')}, {name}")
