"""What the time of one training step goes to: ``python -m benchmarks.profile_step --members 3``.

Two tables: the operators by torch's profiler, and the Python functions by cProfile. Shares are more telling than times,
which the profilers lengthen.
"""

import argparse
import cProfile
import pstats

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed import Ours, open_bench
from sertool.core.precision import choose


def main() -> None:
    """Warm up, then run a few steps under each profiler."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile_step", description=__doc__)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, help="of torch; default: torch's")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--evaluation", action="store_true", help="one pass over the test utterances instead")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    ours = Ours(open_bench(choose(options.device, "fp32")), options.members)

    def work(steps: int) -> None:
        if options.evaluation:
            ours.evaluate()
        else:
            ours.train(steps * options.members * ours.settings.batch_size)

    work(1)
    activities = [ProfilerActivity.CPU]
    if options.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as operators:
        work(options.steps)
    print(operators.key_averages().table(sort_by=f"self_{options.device}_time_total", row_limit=25))
    functions = cProfile.Profile()
    functions.runcall(work, options.steps)
    pstats.Stats(functions).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
