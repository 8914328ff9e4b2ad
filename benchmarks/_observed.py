"""Run sertool's command line and write down when the first batch went through a model, and the peak memory.

``python -m benchmarks._observed BEGUN FILE.json ARGUMENT...``; BEGUN is the caller's ``time.monotonic()`` from before
it started this process, so that the interpreter's own start counts.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from sertool.__main__ import main as sertool


def main() -> None:
    """Run the command; its exit code is ours."""
    begun, file, *arguments = sys.argv[1:]
    from sertool.core.models.mat import MAT

    seen: dict[str, float] = {}
    forward = MAT.forward

    def observed(self: MAT, *inputs: Any) -> Any:
        logits = forward(self, *inputs)
        seen.setdefault("first_batch_s", time.monotonic() - float(begun))
        return logits

    MAT.forward = observed  # type: ignore[assignment,method-assign]
    sys.argv = ["sertool", *arguments]
    try:
        sertool()
    finally:
        seen["total_s"] = time.monotonic() - float(begun)
        seen["peak_gb"] = _peak_bytes() / 1e9
        Path(file).write_text(json.dumps(seen))


def _peak_bytes() -> int:
    """Most memory this process had resident. Unlike ``ru_maxrss``, it does not start from the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


if __name__ == "__main__":
    main()
