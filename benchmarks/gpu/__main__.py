"""``python -m benchmarks.gpu``: test and measure everything on a CUDA device, in less than eight minutes.

Needs no network and no installation of sertool, only a checkout and Python with torch, numpy, pydantic, PyYAML,
safetensors, jaxtyping, Typer and rich; a part that needs more is left out where that is missing.
"""

import argparse
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.parts import PARTS, TOTAL
from benchmarks.gpu.runner import CHECKOUT, RUNNING, Outcome, Run
from benchmarks.gpu.summary import SUMMARY, write_summary

RESULTS = Path(__file__).resolve().parent.parent / "results"


def main() -> int:
    """Parse the command line, run the parts, print the summary; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument("--out", type=Path, help="folder for the results; default: benchmarks/results/gpu-CARD")
    parser.add_argument("--only", help=f"run these parts only: {','.join(names)}", metavar="NAME,...")
    parser.add_argument("--total", type=float, default=TOTAL, help="seconds for all parts, default %(default)s")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu needs --tiny")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to try the script out; figures mean nothing")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else []
    if unknown := sorted(set(only) - set(names)):
        parser.error(f"--only {','.join(unknown)}: no such part; there are {', '.join(names)}")
    if options.device == "cpu" and not (options.tiny and options.out):
        parser.error("--device cpu only tries the script out: it needs --tiny and --out DIR")
    folder = options.out
    if options.device == "cuda":
        found = subprocess.run([sys.executable, "-m", "benchmarks.gpu.card"], capture_output=True, text=True)
        if found.returncode:
            sys.stderr.write(found.stderr)
            return 2
        card = found.stdout.strip().splitlines()[-1]
        folder = folder or RESULTS / f"gpu-{re.sub(r'[^a-z0-9]+', '-', card.lower()).strip('-')}"
    return _run(folder, only, options)


def _run(folder: Path, only: list[str], options: argparse.Namespace) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _commit(),
        "python": platform.python_version(),
        "device": options.device,
        "tiny": options.tiny,
        "total": options.total,
    }

    def changed(outcome: Outcome) -> None:
        write_summary(folder)
        if outcome.state == RUNNING:
            print(f"{outcome.name}, at most {outcome.limit:.0f} s ...", flush=True)
        else:
            reason = f": {outcome.note.splitlines()[0]}" if outcome.note else ""
            print(f"  {outcome.state} in {outcome.seconds:.0f} s{reason}", flush=True)

    tiny = ["--tiny"] if options.tiny else []
    run = Run(folder, facts, options.total, changed, only)
    try:
        good = run.parts(PARTS, ["--device", options.device, *tiny, "--with-parent"])
    except KeyboardInterrupt:
        good = False
    print("\n" + (folder / SUMMARY).read_text(encoding="utf-8"))
    print(f"results: {folder}")
    return 0 if good else 1


def _commit() -> str:
    """Return the commit of the checkout, if git is there to tell it."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
