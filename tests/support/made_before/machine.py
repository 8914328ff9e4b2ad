"""Describe the parts of a machine that decide the last digits of a figure: processor and numeric libraries.

python machine.py
"""

import json
import re
from pathlib import Path

import numpy as np
import torch


def machine() -> dict[str, object]:
    """Return the description; machines with equal ones are expected to give equal bytes."""
    facts = Path("/proc/cpuinfo")
    text = facts.read_text(encoding="utf-8") if facts.is_file() else ""
    cpu = {name: re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE) for name in ("cpu family", "model", "model name")}
    return {
        **{name: found and found[1] for name, found in cpu.items()},
        "numpy": np.__version__,
        "numpy uses": np.show_config(mode="dicts")["SIMD Extensions"].get("found"),
        "torch": torch.__version__,
        "torch uses": torch.backends.cpu.get_cpu_capability(),
    }


if __name__ == "__main__":
    print(json.dumps(machine(), indent=2))
