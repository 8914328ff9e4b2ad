"""Intervals of a test set of 5,000 utterances and seven classes, by jackknife over its clusters, on one core.

A turn computes what the report needs for a model: its metrics, a paired difference to another, or everything (metrics,
every class, scores, calibration error). By 10,000 resamples of the clusters it took 2 to 45 times as long.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from sertool.core.bench.device import describe_machine
from sertool.core.corpora.tasks import SEVEN
from sertool.core.files import artifacts
from sertool.core.metrics import (
    Clusters,
    Jackknife,
    class_estimates,
    decision_differences,
    decision_estimates,
)
from sertool.core.metrics.reliability import ece_estimate
from sertool.core.metrics.sentiment import score_estimates

CLASSES = len(SEVEN)
TARGET_S = 1.0
RESULTS = Path(__file__).parent / "results"


def turns(utterances: int, clusters: Clusters) -> dict[str, Callable[[], Any]]:
    """Return the functions to time, by name."""
    draw = np.random.default_rng(0)
    targets = draw.integers(0, CLASSES, utterances)
    logits = draw.normal(size=(utterances, CLASSES)) + 2 * np.eye(CLASSES)[targets]
    a, b = logits.argmax(-1), draw.integers(0, CLASSES, utterances)

    jackknife = Jackknife(clusters)

    def everything() -> None:
        decision_estimates(targets, a, CLASSES, jackknife)
        class_estimates(targets, a, CLASSES, jackknife)
        score_estimates(targets - 3.0, logits, SEVEN, jackknife)
        ece_estimate(logits, targets, "single", 1.0, jackknife)

    return {
        "metrics": lambda: decision_estimates(targets, a, CLASSES, jackknife),
        "difference": lambda: decision_differences(targets, a, b, CLASSES, jackknife),
        "everything": everything,
    }


def timed(turn: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Wall time in seconds, after a turn that does not count."""
    turn()
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        turn()
        taken.append(time.perf_counter() - begun)
    return {
        "min": round(min(taken), 3),
        "median": round(statistics.median(taken), 3),
        "max": round(max(taken), 3),
    }


def main() -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--utterances", type=int, default=5000, help="default %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="turns that count, default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULTS / "statistics.json", help="default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "machine": describe_machine(torch.device("cpu")),
        "target_s": TARGET_S,
        "utterances": options.utterances,
        "classes": CLASSES,
        "seconds": {},
    }
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()), flush=True)
    count = options.utterances
    with threadpool_limits(1):
        for number, unit in ((20, "speaker"), (300, "dialogue"), (count, "utterance")):
            clusters = Clusters(np.arange(count) % number, number, unit)
            result["seconds"][f"{number} {unit}s"] = row = {}
            for name, turn in turns(count, clusters).items():
                row[name] = own = timed(turn, options.rounds)
                text = f"{own['median']:.3f} s ({own['min']:.3f} to {own['max']:.3f}), target {TARGET_S:g} s"
                print(f"{number:>6} {unit + 's':<11} {name:<11} {text}", flush=True)
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
