"""One side of ``benchmarks.against``: trains a stack in turns; run as a script, with a commit's code on the path.

It may call only what old commits have too. It writes one line of JSON when it is ready and one for each line it reads.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Read the task from the first argument, then train a turn for each line on standard input."""
    task = json.loads(sys.argv[1])
    try:
        side = _open(task)
    except Exception as error:  # of any kind, as the code is that of another commit
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return
    print(json.dumps({"steps": -(-side.epoch_utterances // side.settings.batch_size)}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        utterances = side.train()
        seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({"utterances": utterances, **seconds}), flush=True)


def _open(task: dict[str, Any]) -> Any:
    """Build the stack and train one turn as a warm-up."""
    import torch

    import sertool

    if Path(sertool.__file__).parents[1] != Path.cwd():  # an installed one, which is not the commit's
        raise ImportError("it has no package sertool")
    from sertool.core.bench.stack_side import StackSide
    from sertool.core.bench.workload import open_workload
    from sertool.core.compute.device import choose
    from sertool.core.recipe.load import load

    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)  # both sides draw the same utterances
    work = open_workload(load(task["recipe"], task["settings"]), Path("data"), choose("cpu", task["precision"]))
    side = StackSide(work, task["members"])
    side.settle(task["steps"])
    side.train()
    return side


if __name__ == "__main__":
    main()
