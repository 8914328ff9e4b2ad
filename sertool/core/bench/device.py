"""What a figure was measured on, and what that can do: its rate of matrix products and of copies, and the memory used.

No name of a machine is told.
"""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from sertool.core.compute.device import Precision
from sertool.version import __version__

MATRIX_SIZE = {"cpu": 2048, "cuda": 8192}  # rows and columns: large enough to reach the highest rate
COPIED_BYTES = {"cpu": 2**28, "cuda": 2**30}  # more than any cache holds
REPEATS = {"cpu": 3, "cuda": 50}
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def describe_machine(device: torch.device) -> dict[str, str | float]:
    """Processor, cores, threads, versions, and the GPU where it is one that is measured."""
    described: dict[str, str | float] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sertool": __version__,
        "load_before": round(os.getloadavg()[0], 2),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
        described["cuda"] = torch.version.cuda or "unknown"
    return described


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()


@dataclass(frozen=True)
class Rates:
    """Measures operations a second of a large matrix product, and bytes a second of a copy, on all cores."""

    precision: Precision

    def matrix(self) -> float:
        """Operations a second, in the precision's number format."""
        device = self.precision.device
        size, number = MATRIX_SIZE[device.type], torch.float32
        if self.precision.name == "bf16":
            number = torch.bfloat16
        a, b, c = (torch.ones(size, size, device=device, dtype=number) for _ in range(3))
        with self.precision.context():
            return 2.0 * size**3 / self._seconds(lambda: torch.mm(a, b, out=c))

    def copy(self) -> float:
        """Bytes a second, read and written ones both counted."""
        source = torch.ones(COPIED_BYTES[self.precision.device.type] // 4, device=self.precision.device)
        target = torch.empty_like(source)
        return 2 * source.nbytes / self._seconds(lambda: target.copy_(source))

    def _seconds(self, work: Callable[[], object]) -> float:
        device, repeats = self.precision.device, REPEATS[self.precision.device.type]
        with self.precision.threaded(self.precision.cores):
            work()
            _wait(device)
            begun = time.perf_counter()
            for _ in range(repeats):
                work()
            _wait(device)
            return (time.perf_counter() - begun) / repeats


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Let :func:`peak_bytes` count from now on, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # no Linux, or not allowed: it counts from the start of the process
            _CLEAR.write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Most memory in use: of the CUDA device by tensors, or of the main memory by the process; 0 where unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
