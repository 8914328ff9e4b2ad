"""Compare the exported graph in onnxruntime with the same members in PyTorch, in utterances per second at batch 1.

Both predict the same utterances of the random corpus of IEMOCAP's size in one process, in turns (A B A B ...); a ratio
belongs to a pair, and the first pair does not count. PyTorch is what `sertool` itself does in a warm process, on tables
of one utterance: the stack, or members side by side, whichever is faster.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from benchmarks._corpus import make_corpus
from sertool.core.bench.device import describe_machine
from sertool.core.compute.device import choose
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.export.check import Trial, feeds_of
from sertool.core.export.onnx_ensemble import ensemble_model
from sertool.core.export.onnx_file import save
from sertool.core.files import artifacts
from sertool.core.models.build import StackModel, initialise
from sertool.core.recipe.load import load
from sertool.core.runs.experiment import fit_inputs, open_experiment
from sertool.core.runs.members import Trained, TrainedMember, new_stack
from sertool.core.training.batches import make_tables
from sertool.core.training.logits import logits_of

TARGET = 2.0
RESULTS = Path(__file__).parent / "results"


def make_trained(architecture: str, members: int) -> tuple[Trained, Trial, StackModel]:
    """Members with random weights, and test utterances of the random corpus."""
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(make_corpus(), Path(folder) / "IEMOCAP")
        recipe = load("iemocap", ["dataset.vectors=none", f"model.architecture={architecture}"])
        experiment = open_experiment(recipe, Path(folder))
    inputs = fit_inputs(experiment)
    stack = new_stack(experiment, inputs, members)
    initialise(stack, list(range(members)), [None] * members)
    weights = [{name: values.detach()[m] for name, values in stack.named_parameters()} for m in range(members)]
    own = tuple(TrainedMember(f"run-{m}", 0, 0.0, each) for m, each in enumerate(weights))
    corpus = experiment.corpus
    trained = Trained("bench", recipe, experiment.task, tuple(inputs), own, corpus.audio.width, None, corpus.name, True)
    rows = list(experiment.folds[0].sets["test"])
    return trained, Trial(corpus.select(rows), (None,) * len(rows), "test utterances"), stack


def torch_sides(trained: Trained, stack: StackModel, trial: Trial, count: int) -> dict[str, Callable[[], None]]:
    """Take a turn of PyTorch: predict utterances one by one, with the stack and with members side by side."""
    precision = choose("cpu", "fp32")
    tables = [
        make_tables(
            trial.corpus.select([row]),
            [None],
            vocabularies=[own.vocabulary for own in trained.inputs],
            standardizations=[None],
            dataset=trained.recipe.dataset,
            task=trained.task,
            device=precision.device,
        )
        for row in range(count)
    ]
    members = len(trained.members)

    def turn(side_by_side: bool) -> Callable[[], None]:
        def predict() -> None:
            for one in tables:
                logits_of(
                    stack,
                    one,
                    [torch.tensor([0])] * members,
                    [0] * members,
                    precision,
                    side_by_side=side_by_side,
                )

        return predict

    return {"stack": turn(False), "side by side": turn(True)}


def onnx_side(trained: Trained, trial: Trial, count: int, threads: int) -> tuple[Callable[[], None], dict[str, float]]:
    """Take a turn of onnxruntime; also return the model's size and loading time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save(ensemble_model(trained, trained.members, 1.0, with_frontend=False), path)
        begun = time.perf_counter()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        loaded = {
            "load_s": round(time.perf_counter() - begun, 2),
            "megabytes": round(path.stat().st_size / 1e6, 1),
        }
    feeds = feeds_of(trained, Trial(trial.corpus.select(list(range(count))), (None,) * count, ""))

    def predict() -> None:
        for one in feeds:
            session.run(["logits"], one)

    return predict, loaded


def timed(turn: Callable[[], None]) -> tuple[float, float]:
    """Wall time and CPU time of the process, in seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    turn()
    return time.perf_counter() - wall, time.process_time() - cpu


def spread(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {
        "min": round(min(values), 3),
        "median": round(statistics.median(values), 3),
        "max": round(max(values), 3),
    }


def measure(architecture: str, members: int, count: int, rounds: int) -> dict[str, Any]:
    """Utterances a second of all sides, and the ratio to the faster PyTorch pair by pair."""
    trained, trial, stack = make_trained(architecture, members)
    onnx_turn, loaded = onnx_side(trained, trial, count, torch.get_num_threads())
    sides = {**torch_sides(trained, stack, trial, count), "onnxruntime": onnx_turn}
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, turn in sides.items():
            taken = timed(turn)
            if number:
                turns[name].append(taken)
    result: dict[str, Any] = {"architecture": architecture, "members": members, "utterances": count, **loaded}
    for name, taken in turns.items():
        result[name] = {"per_second": spread([count / wall for wall, _ in taken])}
        result[name]["cpu_ms"] = spread([1e3 * cpu / count for _, cpu in taken])
    for key, place in (("ratio", 0), ("cpu_ratio", 1)):
        pairs = zip(*turns.values(), strict=True)
        result[key] = spread([min(a[place], b[place]) / c[place] for a, b, c in pairs])
    return result


def main() -> None:
    """Parse the command line, measure, print, write the JSON file where one is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("--members", type=int, default=10, help="default %(default)s")
    parser.add_argument("--architecture", choices=["mat", "mnt"], default="mat")
    parser.add_argument("--rounds", type=int, default=5, help="turns that count, default %(default)s")
    parser.add_argument("--utterances", type=int, default=20, help="of a turn, default %(default)s")
    parser.add_argument("--threads", type=int, help="of both sides; default: torch's")
    parser.add_argument("--json", type=Path, default=RESULTS / "export.json")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    machine = {**describe_machine(torch.device("cpu")), "onnxruntime": onnxruntime.__version__}
    found = measure(options.architecture, options.members, options.utterances, options.rounds)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    for name in ("stack", "side by side", "onnxruntime"):
        rate = found[name]["per_second"]
        print(f"{name:<13} {rate['median']:>7.2f} utterances/s ({rate['min']:.2f} to {rate['max']:.2f})")
    for key in ("ratio", "cpu_ratio"):
        own = found[key]
        print(f"{key:<9} {own['median']:.2f} ({own['min']:.2f} to {own['max']:.2f}), target {TARGET}")
    artifacts.write_json(options.json, {"machine": machine, "target": TARGET, "batch_1": found})


if __name__ == "__main__":
    main()
