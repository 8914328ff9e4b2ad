"""What a figure was measured on, without naming the machine."""

import os
import platform
from pathlib import Path

import torch


def describe_machine(device: torch.device) -> dict[str, str | float]:
    """Processor, cores, threads, versions, and the GPU where it is one that is measured."""
    described: dict[str, str | float] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_before": round(os.getloadavg()[0], 2),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()
