"""Reading a corpus of MOSEI's true size: once from pickles, with the copy that is kept, and then from that copy.

``python -m benchmarks.reading`` makes 22,860 utterances of 20 words and 50 frames, all random, in the reference's
layout, and reads them in this process; the first reading of the copy warms up and does not count.
"""

import argparse
import pickle
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sertool.core.bench.device import describe_machine
from sertool.core.corpora.load import convert_corpus, load_corpus
from sertool.core.files import artifacts

SPLITS = {"train": 16327, "valid": 1871, "test": 4662}
FRAMES, BANDS, WORDS, VOCABULARY = 50, 80, 20, 15_000
TARGETS = {"read_s": 1.0, "convert_s": 60.0}
RESULT = Path(__file__).parent / "results" / "reading.json"


def make_pickles(folder: Path) -> None:
    """Random content under the names of MOSEI's files."""
    random = np.random.default_rng(0)
    words = [f"w{number}" for number in range(VOCABULARY)]
    for split, count in SPLITS.items():
        keys = [f"{split}{number // 5}[{number % 5}]" for number in range(count)]
        tables = {
            "sentences": {key: [words[i] for i in random.integers(0, VOCABULARY, WORDS)] for key in keys},
            "mels": {key: random.random((FRAMES, BANDS), dtype=np.float32) for key in keys},
            "sentiment": {key: float(random.uniform(-3, 3)) for key in keys},
        }
        for kind, table in tables.items():
            (folder / f"{split}_{kind}.p").write_bytes(pickle.dumps(table, 4))


def measure(rounds: int) -> dict[str, Any]:
    """Seconds of one conversion and of each reading of the copy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pickles(folder)
        convert_s = _seconds(lambda: convert_corpus("mosei", folder))
        read_s = [_seconds(lambda: load_corpus("mosei", folder)) for _ in range(rounds + 1)][1:]
    return {"utterances": sum(SPLITS.values()), "targets": TARGETS, "convert_s": convert_s, "read_s": read_s}


def _seconds(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 3)


def main() -> None:
    """Measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="readings that count, default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULT, help="default benchmarks/results/reading.json")
    options = parser.parse_args()
    result = {"machine": describe_machine(torch.device("cpu")), **measure(options.rounds)}
    times = result["read_s"]
    print(
        f"{result['utterances']} utterances: from pickles, with the copy written, {result['convert_s']:.1f} s "
        f"(target {TARGETS['convert_s']:.0f}); from the copy {statistics.median(times):.2f} s "
        f"({min(times):.2f} to {max(times):.2f}, target {TARGETS['read_s']:.0f})"
    )
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
