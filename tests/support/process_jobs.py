"""Work for the tests of child processes, which import this module, and a parent that is ended from outside."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from counting import Counted, Counting
from torch import Tensor

from sertool.core.compute.jobs import Job, Share
from sertool.core.compute.processes import ProcessLauncher


@dataclass
class Telling:
    """Yields the process's number, then lasts for an hour."""

    table: Tensor

    def open(self):
        print("printed by a child")
        print("warned of by a child", file=sys.stderr)

        def tell(seconds):
            yield os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"), torch.get_num_threads()
            yield self.table
            time.sleep(seconds)

        return tell


@dataclass
class Failing:
    """Fails with an error of Python, or ends the process with words on stderr."""

    hard: bool

    def open(self):
        def fail(_):
            os.kill(os.getpid(), signal.SIGINT)
            yield "survived an interrupt"
            if self.hard:
                print("the reason\n", file=sys.stderr, flush=True)
                os._exit(3)
            raise ValueError("a bug")

        return fail


def hold(folder: str) -> None:
    """Run two jobs that do not end, and write the numbers of their processes into files."""
    jobs = [Job(f"job {number}", lambda: 3600) for number in range(2)]
    for event in ProcessLauncher().run(Telling(torch.zeros(1)), jobs, Share(2)):
        if isinstance(event, tuple):
            (Path(folder) / str(event[0])).touch()


def count_in_a_child() -> list:
    return list(ProcessLauncher().run(Counting(), [Counted("a", last=2).job], Share()))
