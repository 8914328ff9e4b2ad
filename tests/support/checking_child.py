"""A child process that compares: the name of a comparison says how it ends. Run by ``device_checks.compare``."""

import os
import signal
import subprocess
import sys
import time

import torch

from sertool.core.compute.device_checks import serve

# A process that the child starts and that holds its pipe open, as a compiler may.
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def check(name: str, device: str) -> str:
    assert device == "cpu"
    match name.partition(" ")[0]:
        case "differs":
            return "differs by 0.3"
        case "raises":
            raise ValueError("a long story\n\nthe end of it\t\n")
        case "hangs":
            subprocess.Popen(SLEEPER, close_fds=False)
            time.sleep(600)
        case "dies":
            subprocess.Popen(SLEEPER, close_fds=False)
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exits":
            os._exit(3)
        case "full":
            raise torch.OutOfMemoryError
    print("a library says something")
    return ""


if __name__ == "__main__":
    if "unstarted" in sys.argv:
        sys.exit("no device\nis there")
    serve(check)
