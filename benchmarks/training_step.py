"""Profile one training step: ``python -m benchmarks.training_step --members 3``.

Two tables: the operators by torch's profiler, and the Python functions by cProfile. Shares are more telling than times,
which the profilers lengthen.
"""

import argparse
import cProfile
import pstats
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.workload import open_workload
from sertool.core.compute.device import choose
from sertool.core.recipe.load import load


def main() -> None:
    """Warm up, then run a few steps under each profiler."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_step", description=__doc__)
    parser.add_argument("--recipe", default="iemocap")
    parser.add_argument("--precision", choices=["auto", "fp32", "tf32", "bf16"], default="fp32")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, help="of torch; default: torch's")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--evaluation", action="store_true", help="one pass over the test utterances instead")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    precision = choose(options.device, options.precision)
    ours = StackSide(open_workload(load(options.recipe), Path("data"), precision), options.members)
    ours.settle(options.steps)

    def work() -> None:
        if options.evaluation:
            ours.evaluate(len(ours.work.held_out))
        else:
            ours.train()

    work()
    activities = [ProfilerActivity.CPU]
    if options.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as operators:
        work()
    times = operators.key_averages()
    print(times.table(sort_by=f"self_{options.device}_time_total", row_limit=40, max_name_column_width=100))
    functions = cProfile.Profile()
    functions.runcall(work)
    pstats.Stats(functions).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
