"""Preparing a release of IEMOCAP of full size: seconds, and peak memory of all processes together.

``python -m benchmarks.layouts`` writes 10,039 turns of noise with the published counts in the owner's form, and runs
``sertool prepare`` on them. Memory is sampled every 50 ms: resident pages of the command and its workers, where a
page that several share counts once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from sertool.core.bench.device import describe_machine
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.files import artifacts
from tests.support.made_iemocap import PUBLISHED, make_iemocap

TARGETS = {"seconds": 180, "peak_gb": 1.0}
RESULT = Path(__file__).parent / "results" / "layouts.json"
PAUSE = 0.05  # seconds between two looks at the memory


def measure(seconds: float) -> dict[str, Any]:
    """Prepare a release with recordings of some seconds each; return time, memory, and the counts of the corpus."""
    with tempfile.TemporaryDirectory() as name:
        release, out = make_iemocap(Path(name), PUBLISHED, seconds=seconds), Path(name) / "IEMOCAP"
        command = [sys.executable, "-m", "sertool", "prepare", str(release), "--layout", "iemocap"]
        begun = time.perf_counter()
        command += ["--recipe", "iemocap", "--out", str(out)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        peak = processes = 0
        with subprocess.Popen(command, **quiet) as child:
            while child.poll() is None:
                family = _family(child.pid)
                peak, processes = max(peak, sum(map(_resident, family))), max(processes, len(family))
                time.sleep(PAUSE)
        took = time.perf_counter() - begun
        corpus = read_corpus(out)
    emotions = [(utterance.split, utterance.labels.get("emotion")) for utterance in corpus.utterances]
    return {
        "utterances": len(emotions),
        "hours": round(sum(utterance.seconds or 0 for utterance in corpus.utterances) / 3600, 2),
        "counts": {
            split: {name: emotions.count((split, name)) for name in corpus.classes["emotion"]}
            for split in ("train", "test")
        },
        "seconds": round(took, 1),
        "peak_gb": round(peak / 1e9, 3),
        "processes": processes,
    }


def _family(pid: int) -> list[int]:
    """List a process and those below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it ended just now
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _resident(pid: int) -> int:
    """Return a process's share of the memory in bytes: a page of several processes is divided among them."""
    try:
        content = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it ended just now
        return 0
    return int(content.partition("\nPss:")[2].split()[0] or 0) * 1024


def main() -> None:
    """Measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layouts", description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.5, 4.45], help="length of a recording")
    parser.add_argument("--json", type=Path, default=RESULT, help="default benchmarks/results/layouts.json")
    options = parser.parse_args()
    results = []
    machine = describe_machine(torch.device("cpu"))
    for seconds in options.seconds:
        results.append(measure(seconds))
        print(
            "{utterances:,} recordings, {hours} hours: {seconds} s, peak {peak_gb} GB of {processes} processes".format(
                **results[-1]
            )
        )
    print("targets: {seconds} s, {peak_gb} GB".format(**TARGETS))
    artifacts.write_json(options.json, {"machine": machine, "targets": TARGETS, "results": results})


if __name__ == "__main__":
    main()
