"""Measure the overhead of a Ray cluster: starts, events, and the bytes of a corpus, a state and a member.

``python -m benchmarks.compute`` needs the extra [cluster]. It starts a cluster of this machine alone and sends it what
``sertool train --recipe iemocap --launcher ray`` would send, without training. Workers and driver share the machine, so
bytes a second are those of its memory and disk, not of a network.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks._corpus import make_corpus
from sertool.core.bench.device import describe_machine
from sertool.core.compute.device import choose
from sertool.core.compute.jobs import Began, Job, Share
from sertool.core.compute.launchers import open_launcher
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.files import artifacts
from sertool.core.models.build import initialise
from sertool.core.recipe.load import load
from sertool.core.runs.checkpoint import PackedState, pack_state, write_state
from sertool.core.runs.experiment import fit_inputs, open_experiment, tables_of
from sertool.core.runs.members import new_stack
from sertool.core.training.loop import Finished, Member, MemberProgress, start

RECIPE, OVERRIDES = "iemocap", ["dataset.vectors=none"]
EVENTS = 1000
STATES = 5
JOBS = 100
RESULT = Path(__file__).parent / "results" / "scale.json"


@dataclass(frozen=True)
class Echo:
    """Gives what it holds as often as a job says."""

    content: Any

    def open(self) -> Callable[[int], Iterator[Any]]:
        """Return a function that does a job."""

        def do(times: int) -> Iterator[Any]:
            for _ in range(times):
                yield self.content

        return do


@dataclass(frozen=True)
class Sizes:
    """The objects that a training at IEMOCAP's size sends and writes."""

    tables: Any
    state: PackedState
    finished: Finished


def make_sizes() -> Sizes:
    """Make the tables of a random corpus, the state of one member and its weights."""
    precision = choose("cpu", "fp32")
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(make_corpus(), Path(folder) / "IEMOCAP")
        experiment = open_experiment(load(RECIPE, OVERRIDES), Path(folder))
    inputs = fit_inputs(experiment)
    sets = experiment.folds[0].sets
    member = Member(1, 0, torch.tensor(sets["train"]), torch.tensor(sets["valid"]))
    model = new_stack(experiment, inputs, 1)
    initialise(model, [1], [None])
    state = start(model, [member], experiment.recipe.training)
    weights = {name: parameter.detach()[0] for name, parameter in model.named_parameters()}
    tables = tables_of(experiment, inputs, precision.device)
    return Sizes(tables, pack_state(state), Finished(member, weights, MemberProgress()))


def measure(rounds: int) -> dict[str, Any]:
    """Bytes, and seconds of every round."""
    sizes = make_sizes()
    tables = [getattr(sizes.tables, field.name) for field in fields(sizes.tables)]
    result: dict[str, Any] = {
        "corpus_bytes": sum(t.numel() * t.element_size() for t in tables if t is not None),
        "state_bytes": sum(array.nbytes for array in sizes.state.arrays.values()),
        "member_bytes": sum(weight.numel() * 4 for weight in sizes.finished.weights.values()),
        "rounds": [],
    }
    for _ in range(rounds):
        begun = time.perf_counter()
        with open_launcher("ray") as launcher:
            row = {"cluster_s": time.perf_counter() - begun}
            none = Echo(None)
            row["worker_s"], _ = _times(launcher, none, 1, 1)
            _, row["event_s"] = _times(launcher, none, 1, EVENTS)
            _, seconds = _times(launcher, none, JOBS, 1)
            row["job_s"] = seconds * JOBS / (JOBS - 1)
            with_corpus, _ = _times(launcher, Echo(sizes.tables), 1, 0)
            row["corpus_s"] = with_corpus - row["worker_s"]
            with tempfile.TemporaryDirectory() as folder:
                write = partial(write_state, Path(folder) / "state.safetensors")
                _, row["state_s"] = _times(launcher, Echo(sizes.state), 1, STATES, write)
                row["write_state_s"] = _seconds(partial(write, sizes.state))
        result["rounds"].append({name: round(value, 5) for name, value in row.items()})
    result["median"] = {name: statistics.median(row[name] for row in result["rounds"]) for name in result["rounds"][0]}
    return result


def _times(
    launcher: Any, work: Echo, jobs: int, events: int, take: Callable[[Any], None] = lambda event: None
) -> tuple[float, float]:
    """Seconds until the first job begins, and from then on, of each event."""
    begun = first = time.perf_counter()
    listed = [Job(f"job {number}", lambda: events, take) for number in range(jobs)]
    for event in launcher.run(work, listed, Share()):
        if isinstance(event, Began) and first == begun:
            first = time.perf_counter()
    return first - begun, (time.perf_counter() - first) / max(1, jobs * events)


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compute", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULT, help="default %(default)s")
    options = parser.parse_args()
    machine = describe_machine(torch.device("cpu"))
    result = {"machine": machine, **measure(options.rounds)}
    for name, value in {**result, **result["median"]}.items():
        if isinstance(value, int | float):
            print(f"{name}: {value:,}")
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
