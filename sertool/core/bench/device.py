"""The machine of a benchmark: its description (no host name), its matrix and copy rates, its memory use."""

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
REPEATS = {"cpu": 3, "cuda": 50}  # a product takes a tenth of a second on a CPU, a millisecond on a GPU
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def describe_machine(device: torch.device) -> dict[str, str | float]:
    """Describe processor, cores, threads and versions, and the GPU if the benchmark runs on one."""
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
    """A meter for the operations per second of a large matrix product and the bytes per second of a copy."""

    precision: Precision

    def matrix(self) -> float:
        """Measure operations per second in the number format of the precision, on all cores."""
        device = self.precision.device
        size, number = MATRIX_SIZE[device.type], torch.float32
        if self.precision.name == "bf16":
            number = torch.bfloat16
        # Random numbers, because a GPU multiplies equal ones faster: its clock falls less.
        a, b, c = (torch.randn(size, size, device=device).to(number) for _ in range(3))
        with self.precision.context():
            return 2.0 * size**3 / self._seconds(lambda: torch.mm(a, b, out=c))

    def copy(self) -> float:
        """Measure bytes per second; bytes read and bytes written both count."""
        source = torch.ones(COPIED_BYTES[self.precision.device.type] // 4, device=self.precision.device)
        target = torch.empty_like(source)
        return 2 * source.nbytes / self._seconds(lambda: target.copy_(source))

    def _seconds(self, work: Callable[[], object]) -> float:
        device, repeats = self.precision.device, REPEATS[self.precision.device.type]
        with self.precision.threaded(self.precision.cores):
            work()  # a warm-up: the first product loads the library
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
    """Let :func:`peak_bytes` count from now on, if the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # not Linux, or not allowed: the peak is that of the whole process
            _CLEAR.write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Return the peak memory: of tensors on the CUDA device, or of the process in main memory; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
