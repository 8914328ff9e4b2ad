"""Measure all figures of speed on the CPU: `sertool bench` at the sizes that have targets, then the commands.

`python -m benchmarks.gpu` measures the sizes with targets on a CUDA device, by :func:`throughput` too.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import commands
from sertool.core.bench.device import describe_machine
from sertool.core.bench.measure import measure
from sertool.core.bench.results import Wishes
from sertool.core.bench.table import lines
from sertool.core.compute.device import Precision, choose
from sertool.core.files import artifacts
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Recipe

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Case:
    """A size to measure, and what is wanted of it.

    Attributes:
        recipe: recipe whose corpus and model are measured.
        members: number of members.
        training, evaluation: the least ratios of the rates to those of plain PyTorch.
        finish_s: longest time in seconds until all members have stopped; None: they are not trained to their end.
        share: least share of the matrix rate.
        evaluated: evaluation is measured too.
    """

    recipe: str
    members: int
    training: float
    evaluation: float | None = None
    finish_s: float | None = None
    share: float | None = None
    evaluated: bool = True


CASES = {
    "cpu": (Case("iemocap", 10, 1.5, 2.0), Case("iemocap", 1, 1.5, 2.0)),
    # Evaluation has no targets there, so it is measured once.
    "cuda": (
        Case("iemocap", 10, 30.0, finish_s=15.0, share=0.15),
        Case("iemocap", 1, 4.0, evaluated=False),
        Case("mosei-2", 10, 20.0, evaluated=False),
    ),
}


Rows = list[dict[str, Any]]


def throughput(
    cases: Sequence[Case],
    precision: Precision,
    rounds: int,
    seconds: float,
    write: Callable[[Rows], None],
    fit: Callable[[Recipe], Recipe] = lambda recipe: recipe,
) -> Rows:
    """Measure each case and pass the results so far to ``write``, so that an interruption costs one case only.

    Args:
        cases: the sizes to measure.
        precision: device and number format.
        rounds: number of pairs of turns that count.
        seconds: length of a turn.
        write: called with all rows after each case.
        fit: changes a recipe before it is measured.
    """
    rows: Rows = []
    for case in cases:
        wishes = Wishes(case.members, rounds, seconds, evaluation=case.evaluated, finish=case.finish_s is not None)
        found = measure(fit(load(case.recipe)), Path("data"), precision, wishes, partial(print, flush=True))
        print("\n".join(lines(found)), flush=True)
        wanted = f"; evaluation {case.evaluation}" if case.evaluation is not None else ""
        print(f"wanted ratios: training {case.training}{wanted}\n", flush=True)
        rows.append({"wanted": asdict(case), **found.to_json()})
        write(rows)
    return rows


def main() -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count, default %(default)s")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn, default %(default)s")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, help="of torch on both sides; default: torch's")
    parser.add_argument("--only", choices=["throughput", "commands"], help="leave the rest out")
    parser.add_argument("--recipe", help="throughput of this one alone, beside what the file holds of others")
    parser.add_argument("--json", type=Path, default=RESULTS / "cpu.json", help="default benchmarks/results/cpu.json")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    precision, target = choose("cpu", options.precision), options.json
    result: dict[str, Any] = (
        artifacts.read_json(target) if (options.only or options.recipe) and target.is_file() else {}
    )
    result["machine"] = describe_machine(precision.device)
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()), flush=True)

    def write(rows: Rows) -> None:
        result["throughput"] = rows
        artifacts.write_json(target, result)

    if options.only in (None, "throughput"):
        kept = [row for row in result.get("throughput", []) if options.recipe not in (None, row["recipe"])]
        throughput(
            [case for case in CASES["cpu"] if options.recipe in (None, case.recipe)],
            precision,
            options.rounds,
            options.seconds,
            lambda rows: write([*kept, *rows]),
        )
    if options.only in (None, "commands"):
        result["commands"] = commands.measure("cpu")
    artifacts.write_json(target, result)


if __name__ == "__main__":
    main()
