"""Utterances a second of training and evaluation, sertool against the plain implementation, in one process.

The two sides take turns (A B A B ...), so that whatever else the machine does meets both; each turn is one pair's
half, and the ratio is taken pair by pair. The first pair warms up and does not count.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import baseline, commands
from benchmarks.corpora import fill, make_corpus
from benchmarks.machine import describe_machine
from sertool.core import artifacts
from sertool.core.batches import Tables
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.experiment import Experiment, FoldInputs, fit_inputs, open_experiment, tables_of
from sertool.core.inference import EVALUATION_ROWS, compute_logits, compute_logits_apart
from sertool.core.models.build import initialise
from sertool.core.planning import divide, new_stack
from sertool.core.precision import Precision, choose
from sertool.core.recipe import load
from sertool.core.training import Member, StackState, start, train_epoch

RECIPE = "iemocap"
OVERRIDES = ["dataset.vectors=none"]
TARGETS = {"training": 1.5, "evaluation": 2.0}
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Bench:
    """What both sides work on."""

    experiment: Experiment
    inputs: list[FoldInputs]
    tables: Tables
    precision: Precision
    train: torch.Tensor
    test: torch.Tensor


def open_bench(precision: Precision) -> Bench:
    """The random corpus of IEMOCAP's size, read the way the toolkit reads one, under the recipe ``iemocap``."""
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(make_corpus(), Path(folder) / "IEMOCAP")
        experiment = open_experiment(load(RECIPE, OVERRIDES), Path(folder))
    inputs = fit_inputs(experiment)
    sets = experiment.folds[0].sets
    return Bench(
        experiment=experiment,
        inputs=inputs,
        tables=tables_of(experiment, inputs, precision.device),
        precision=precision,
        train=torch.tensor(sets["train"]),
        test=torch.tensor(sets["test"]),
    )


class Ours:
    """E members in the groups, side by side, that ``sertool train`` would choose for them."""

    def __init__(self, bench: Bench, members: int) -> None:
        self.bench, self.members = bench, members
        self.settings = bench.experiment.recipe.training
        self.size, self.workers, self.threads = divide(bench.experiment, members, None, bench.precision)
        seeds = list(range(1, members + 1))
        self.groups = [
            self._start(seeds[first : first + self.size]) for first in range(0, members, self.size)
        ]
        self.everyone = new_stack(bench.experiment, bench.inputs, members).to(bench.precision.device)
        initialise(self.everyone, seeds, [None] * members)

    def _start(self, seeds: Sequence[int]) -> StackState:
        model = new_stack(self.bench.experiment, self.bench.inputs, len(seeds))
        initialise(model, seeds, [None] * len(seeds))
        who = [Member(seed, 0, self.bench.train, self.bench.test) for seed in seeds]
        return start(model.to(self.bench.precision.device), who, self.settings)

    def train(self, utterances: int) -> int:
        """About that many utterances over all members, in whole batches: a short epoch of utterances drawn anew."""
        bench, size = self.bench, self.settings.batch_size
        each = max(1, utterances // self.members // size) * size

        def epoch(state: StackState) -> None:
            state.members = [
                Member(member.seed, 0, bench.train[torch.randperm(len(bench.train))[:each]], bench.test)
                for member in state.members
            ]
            # Without the validation that `train` would add; it is the other figure.
            train_epoch(state, bench.tables, self.settings, None, bench.precision)
            state.epoch += 1

        with bench.precision.threaded(self.threads), ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(epoch, self.groups))
        return each * self.members

    def evaluate(self) -> int:
        """Test utterances once through every member, fewer where there are many members."""
        rows = self.bench.test[: max(2 * EVALUATION_ROWS, len(self.bench.test) // self.members)]
        apart = self.bench.precision.device.type == "cpu"
        compute = compute_logits_apart if apart else compute_logits
        every = [rows] * self.members
        compute(self.everyone, self.bench.tables, every, [0] * self.members, self.bench.precision)
        return self.members * len(rows)


class Plain:
    """One plain model. Its loader's processes are started before the first turn and stay for all of them."""

    def __init__(self, bench: Bench) -> None:
        self.device = bench.precision.device
        vocabulary = bench.inputs[0].vocabulary
        self.model = baseline.MAT(vocabulary.rows).to(self.device)
        settings = bench.experiment.recipe.training
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.train_set, self.test_set = (_utterances(bench, rows) for rows in (bench.train, bench.test))
        self.batches = self._endless()

    def _endless(self) -> Iterator[Sequence[torch.Tensor]]:
        while True:
            yield from baseline.loader(self.train_set, shuffle=True)

    def train(self, utterances: int) -> int:
        """That many utterances, in whole batches."""
        seen = 0
        while seen < utterances:
            batch = next(self.batches)
            baseline.train_step(self.model, self.optimizer, batch, self.device)
            seen += len(batch[2])
        return seen

    def evaluate(self) -> int:
        """The test utterances once."""
        return len(baseline.evaluate(self.model, self.test_set, self.device))


def _utterances(bench: Bench, rows: torch.Tensor) -> baseline.Utterances:
    corpus, vocabulary = bench.experiment.corpus, bench.inputs[0].vocabulary
    places = rows.tolist()
    return baseline.Utterances(
        [vocabulary.encode(corpus.utterances[place].words, 15) for place in places],
        [corpus.audio[place] for place in places],
        [int(bench.experiment.targets[place]) for place in places],
    )


@dataclass(frozen=True)
class Turn:
    """Utterances a second of wall time, and a second that the process's threads computed."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Both sides turn by turn, and their ratio pair by pair."""

    members: int
    plain: list[Turn]
    sertool: list[Turn]

    def row(self) -> dict[str, Any]:
        """As plain data: medians of both sides, minimum, median and maximum of the ratios."""
        pairs = list(zip(self.plain, self.sertool, strict=True))
        return {
            "members": self.members,
            "ratio": _spread([ours.wall / plain.wall for plain, ours in pairs]),
            "cpu_ratio": _spread([ours.cpu / plain.cpu for plain, ours in pairs]),
            "plain_per_second": round(statistics.median(turn.wall for turn in self.plain), 1),
            "sertool_per_second": round(statistics.median(turn.wall for turn in self.sertool), 1),
            "pairs": [[round(plain.wall, 1), round(ours.wall, 1)] for plain, ours in pairs],
        }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "min": round(min(values), 3),
        "median": round(statistics.median(values), 3),
        "max": round(max(values), 3),
    }


def compare(
    members: int, plain: Callable[[], int], ours: Callable[[], int], rounds: int, device: torch.device
) -> Comparison:
    """Let both sides take turns; a turn returns how many utterances it saw."""
    result = Comparison(members, [], [])
    for number in range(rounds + 1):
        pair = _timed(plain, device), _timed(ours, device)
        if number:
            result.plain.append(pair[0])
            result.sertool.append(pair[1])
    return result


def _timed(turn: Callable[[], int], device: torch.device) -> Turn:
    wall, cpu = time.perf_counter(), time.process_time()
    utterances = turn()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return Turn(utterances / (time.perf_counter() - wall), utterances / (time.process_time() - cpu))


def throughput(precision: Precision, stacks: Sequence[int], rounds: int, utterances: int) -> dict[str, Any]:
    """Training and evaluation for ensembles of several sizes."""
    bench = open_bench(precision)
    plain = Plain(bench)
    rows: dict[str, Any] = {
        "training": [],
        "evaluation": [],
        "corpus": asdict(fill(bench.experiment.corpus)),
        "targets": TARGETS,
        "rounds": rounds,
        "utterances_a_turn": utterances,
    }
    for members in stacks:
        ours = Ours(bench, members)
        sides: dict[str, tuple[Callable[[], int], Callable[[], int]]] = {
            "training": (partial(plain.train, utterances), partial(ours.train, utterances)),
            "evaluation": (plain.evaluate, ours.evaluate),
        }
        for kind, turns in sides.items():
            row = compare(members, *turns, rounds, precision.device).row()
            rows[kind].append(row)
            print(line(kind, row), flush=True)
        del ours, sides, turns  # before the next stack is made
    return rows


def line(kind: str, row: dict[str, Any]) -> str:
    """A comparison in a line."""
    ratio, cpu = row["ratio"], row["cpu_ratio"]
    return (
        f"{kind:<10} {row['members']:>2} members: {row['sertool_per_second']:>7.1f} utterances/s, "
        f"plain {row['plain_per_second']:>7.1f}; ratio {ratio['median']:.2f} "
        f"({ratio['min']:.2f} to {ratio['max']:.2f}), "
        f"of CPU time {cpu['median']:.2f} ({cpu['min']:.2f} to {cpu['max']:.2f}), target {TARGETS[kind]}"
    )


def main() -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--members", default="1,10", help="members of the ensemble, default %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count, default %(default)s")
    parser.add_argument(
        "--utterances", type=int, default=640, help="of a turn of training, default %(default)s"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="of torch on both sides; default: torch's")
    parser.add_argument("--only", choices=["throughput", "commands"], help="leave the other figures out")
    parser.add_argument("--json", type=Path, help="default benchmarks/results/DEVICE.json for all figures")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    # torch warns where there are fewer cores than loader processes; the reference asks for eight all the same.
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    precision = choose(options.device, "fp32")
    result: dict[str, Any] = {"machine": describe_machine(precision.device)}
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()), flush=True)
    if options.only != "commands":
        stacks = [int(part) for part in options.members.split(",")]
        result["throughput"] = throughput(precision, stacks, options.rounds, options.utterances)
    if options.only != "throughput":
        result["commands"] = commands.measure(options.device)
    target = options.json or (None if options.only else RESULTS / f"{options.device}.json")
    if target is not None:
        artifacts.write_json(target, result)


if __name__ == "__main__":
    main()
