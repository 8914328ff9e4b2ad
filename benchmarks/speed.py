"""Measure all figures of speed: `sertool bench` at the sizes that have targets, then the commands.

On a CUDA device it needs no more than torch, numpy, pydantic, PyYAML, safetensors, jaxtyping, Typer and rich.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import commands
from benchmarks.training_ablation import ablation
from sertool.core.bench.device import describe_machine
from sertool.core.bench.measure import measure
from sertool.core.bench.results import Wishes
from sertool.core.bench.table import lines
from sertool.core.compute.device import Precision, choose
from sertool.core.files import artifacts
from sertool.core.recipe.load import load

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Case:
    """A recipe, how many members, and the ratios that are wanted; ``finish``: whether they train to their end."""

    recipe: str
    members: int
    training: float
    evaluation: float | None = None
    finish: bool = False


CASES = {
    "cpu": (Case("iemocap", 10, 1.5, 2.0), Case("iemocap", 1, 1.5, 2.0)),
    "cuda": (Case("iemocap", 10, 30.0, finish=True), Case("iemocap", 1, 4.0), Case("mosei-2", 10, 20.0)),
}


Rows = list[dict[str, Any]]


def throughput(
    cases: Sequence[Case], precision: Precision, rounds: int, seconds: float, write: Callable[[Rows], None]
) -> Rows:
    """Measure each case and pass the results so far to ``write``, so that an interruption costs one case only."""
    rows: Rows = []
    for case in cases:
        wishes = Wishes(case.members, rounds, seconds, finish=case.finish)
        found = measure(load(case.recipe), Path("data"), precision, wishes, partial(print, flush=True))
        print("\n".join(lines(found)), flush=True)
        wanted = f"; evaluation {case.evaluation}" if case.evaluation is not None else ""
        print(f"wanted ratios: training {case.training}{wanted}\n", flush=True)
        rows.append({"wanted": asdict(case), **found.to_json()})
        write(rows)
    return rows


def result_file(device: torch.device) -> Path:
    """Return the file for the figures of a device."""
    if device.type == "cpu":
        return RESULTS / "cpu.json"
    name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name(device).lower()).strip("-")
    return RESULTS / f"gpu-{name}.json"


def main() -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count, default %(default)s")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn, default %(default)s")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["auto", "fp32", "tf32", "bf16"], default="auto")
    parser.add_argument("--no-graphs", action="store_true", help="launch every operation on its own")
    parser.add_argument("--threads", type=int, help="of torch on both sides; default: torch's")
    parser.add_argument("--only", choices=["throughput", "without", "commands"], help="leave the rest out")
    parser.add_argument("--recipe", help="throughput of this one alone, beside what the file holds of others")
    parser.add_argument("--json", type=Path, help="default benchmarks/results/cpu.json or gpu-NAME.json")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    precision = choose(options.device, options.precision, graphs=not options.no_graphs)
    target = options.json or result_file(precision.device)
    result: dict[str, Any] = (
        artifacts.read_json(target) if (options.only or options.recipe) and target.is_file() else {}
    )
    result["machine"] = describe_machine(precision.device)
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()), flush=True)

    def write(key: str, rows: Any) -> None:
        result[key] = rows
        artifacts.write_json(target, result)

    if options.only in (None, "throughput"):
        kept = [row for row in result.get("throughput", []) if options.recipe not in (None, row["recipe"])]
        throughput(
            [case for case in CASES[precision.device.type] if options.recipe in (None, case.recipe)],
            precision,
            options.rounds,
            options.seconds,
            lambda rows: write("throughput", [*kept, *rows]),
        )
    # There is nothing like it on a CPU.
    if options.only in (None, "without") and precision.device.type == "cuda":
        ablation(load("iemocap"), Path("data"), precision, partial(write, "without"))
    # The commands are for a whole installation, and are the same on a CUDA device.
    if options.only in (None, "commands") and options.device == "cpu":
        result["commands"] = commands.measure(options.device)
    artifacts.write_json(target, result)


if __name__ == "__main__":
    main()
