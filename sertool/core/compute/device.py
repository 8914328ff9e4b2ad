"""Device and number format of a run, chosen in one place, with the reason in a sentence."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from sertool.core.errors import UsageError

Name = Literal["fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class Precision:
    """Where and how a stack computes; parameters and optimizer are float32 in every case.

    Attributes:
        device: CPU or CUDA.
        name: fp32, tf32 (matrix products of float32 in 19 bits) or bf16 (autocast).
        cores: of the CPU that may be used.
        reason: why this was chosen.
        graphs: whether training steps are recorded as a CUDA graph.
        memory: bytes of the CUDA device; 0 of a CPU.
        parts: of a lone member's batch in training that a CPU computes side by side.
        part_threads: of each.
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
        """Let each operation use so many threads inside the block, also in threads started there."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextlib.contextmanager
    def products(self) -> Iterator[None]:
        """Multiply matrices of float32 in this precision inside the block, backward passes included."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.name == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """Compute a forward pass in this precision inside the block; the backward pass takes its formats from there."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.name == "bf16")
        with self.products(), autocast:
            yield


def choose(
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "tf32", "bf16"],
    *,
    graphs: bool = True,
) -> Precision:
    """Resolve ``auto``: CUDA where there is a GPU, bf16 there and fp32 on a CPU.

    Args:
        device: what the user asked for.
        precision: the same.
        graphs: whether a CUDA device records training steps as a graph; a CPU never does.

    Raises:
        UsageError: CUDA is asked for and there is none, or tf32 on a CPU.
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
    cores = torch.get_num_threads()
    if use_cuda:
        card = torch.cuda.get_device_name()
        asked = ", asked for" if device == "cuda" else ""
        how = ", steps as a CUDA graph" if graphs else ""
        memory = torch.cuda.get_device_properties(torch.device("cuda")).total_memory
        return Precision(torch.device("cuda"), name, cores, f"{card}{asked}, {name}{how}", graphs, memory)
    why = "CPU, asked for" if device == "cpu" else "CPU, no CUDA device"
    count = f"{cores} core{'s' * (cores > 1)}"
    return Precision(torch.device("cpu"), name, cores, f"{why}, {count}, {name}")
