"""Parts of a GPU run that need no GPU, and a run of them: ``python -m gpu_fakes FOLDER PART...``."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.child import FailedError, LeftOutError, Settings, serve
from benchmarks.gpu.runner import Part, Run
from benchmarks.gpu.summary import write_summary

FACTS = {"started": "today", "commit": "abc", "python": "3", "device": "cpu", "tiny": True, "total": 60}
LONG = "60"  # seconds


def good(settings: Settings) -> None:
    settings.write({"done": True})


def hang(settings: Settings) -> None:
    """Write a part of the results, start a process, and wait for ever."""
    started = subprocess.Popen(["sleep", LONG], stdin=subprocess.DEVNULL)
    settings.write({"processes": [os.getpid(), started.pid]})
    started.wait()


def hide(settings: Settings) -> None:
    """Hang in a process with a session of its own."""
    hidden = subprocess.Popen(["sleep", LONG], stdin=subprocess.DEVNULL, start_new_session=True)
    settings.write({"processes": [os.getpid(), hidden.pid]})
    hidden.wait()


def crash(settings: Settings) -> None:
    print("about to crash", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def wrong(settings: Settings) -> None:
    settings.write({"done": True})
    raise FailedError("the result is wrong")


def lacking(settings: Settings) -> None:
    raise LeftOutError("no soundfile")


def wordy(settings: Settings) -> None:
    for _ in range(1500):
        print("x" * 999)
    print("the end", flush=True)


PARTS = {work.__name__: work for work in (good, hang, hide, crash, wrong, lacking, wordy)}


def parts(*names: str, limit: float = 20.0) -> list[Part]:
    """Return these parts in this order; a name may have a suffix behind a dash to be there twice."""
    return [Part(name, "gpu_fakes", limit, (name.partition("-")[0],)) for name in names]


def main() -> None:
    name, *names = sys.argv[1:]
    if name in PARTS:
        sys.argv = [sys.argv[0], *names]
        serve(PARTS[name])
        return
    folder = Path(name)
    run = Run(folder, FACTS, 60.0, lambda outcome: write_summary(folder))
    run.parts(parts(*names), ["--with-parent"])


def ended(process: int, seconds: float = 10.0) -> bool:
    """Wait until a process is gone or a zombie; return whether it is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


if __name__ == "__main__":
    main()
