"""`sertool bench`: both sides of a measurement, the command, and what the benchmarks need."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bench_workloads import tiny_workload
from builders import CPU, tiny_recipe, write_tiny
from places import ROOT
from typer.testing import CliRunner

from benchmarks.training_ablation import Amount, ablation
from sertool.cli import app
from sertool.core.bench import measure as measuring
from sertool.core.bench.device import Rates, describe_machine, peak_bytes, reset_peak
from sertool.core.bench.measure import measure
from sertool.core.bench.plain_side import PlainSide, batches_of, utterances_of
from sertool.core.bench.random_corpus import random_corpus
from sertool.core.bench.results import Bench, Measured, Wishes
from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.table import lines
from sertool.core.bench.turns import Spread, Turn, take_turn
from sertool.core.bench.workload import fill, open_workload
from sertool.core.compute.device import choose
from sertool.core.files import artifacts
from sertool.core.models.kernels import NAMES, OFF
from sertool.core.recipe.load import load, resolved


# Both sides
@pytest.mark.parametrize("architecture", ["mat", "mnt"])
@pytest.mark.parametrize("modalities", [["text", "audio"], ["text"], ["audio"]])
def test_both_sides_do_the_work_they_report(architecture, modalities, tmp_path):
    work = tiny_workload(tmp_path, model={"architecture": architecture}, dataset={"modalities": modalities})
    ours, theirs = StackSide(work, 3), PlainSide(work)
    before = [p.detach().clone() for p in theirs.model.parameters()]
    assert theirs.train(10) == 16
    assert not all(torch.equal(a, b) for a, b in zip(before, theirs.model.parameters(), strict=True))
    assert theirs.evaluate(5) == 5
    ours.settle(2)
    assert ours.train(epochs=2) == 2 * 3 * 16
    assert ours.evaluate(5) == 15
    assert ours.steps_an_epoch == 3
    ours.settle(50)
    assert ours.train() == 3 * 24


def test_the_plain_side_sees_what_ours_sees(tmp_path):
    work = tiny_workload(tmp_path)
    utterances = utterances_of(work, work.train[:5])
    text, mels, targets = next(batches_of(utterances, 5, shuffle=False))
    assert torch.equal(text, work.tables.text[0, work.train[:5]])
    assert torch.equal(mels, work.tables.audio[work.train[:5]])
    assert torch.equal(targets, work.tables.targets[work.train[:5]])


def test_the_loaders_processes_end_with_the_plain_side(tmp_path):
    side = PlainSide(tiny_workload(tmp_path))
    side.train(8)
    began = time.monotonic()
    del side
    assert time.monotonic() - began < 4  # torch ends those that do not answer within 5 seconds
    assert not multiprocessing.active_children()


def test_several_labels_and_sealed_ones(small):
    work = open_workload(load("mosei-emotion"), Path("nowhere"), CPU)
    targets = next(batches_of(utterances_of(work, work.train[:8]), 8, shuffle=False))[2]
    assert targets.shape == (8, 6)
    assert targets.sum() == 8
    sealed = open_workload(load("mosei-2-honest"), Path("nowhere"), CPU)
    assert next(batches_of(utterances_of(sealed, sealed.held_out[:4]), 4, shuffle=False))[2].tolist() == [0] * 4


def test_recorded_steps_are_timed_as_a_training_does_them(tmp_path):
    """The fixed-shape path that a CUDA device records, on the CPU."""
    work = tiny_workload(tmp_path, replace(CPU, graphs=True))
    ours = StackSide(work, 2)
    ours.settle(2)
    assert ours.train(epochs=2) == 2 * 2 * 16
    state = next(iter(ours.stacks.values()))
    static = state.static
    assert static is not None
    assert ours.evaluate(12) == 24
    ours.settle(2)
    assert state.static is static
    ours.settle(3)
    assert state.static is None
    assert ours.train() == 2 * 24


def test_a_stack_is_held_for_each_worker_not_for_each_member(tmp_path, monkeypatch):
    monkeypatch.setattr("sertool.core.bench.stack_side.divide", lambda *_: (1, 2, 1))
    ours = StackSide(tiny_workload(tmp_path), 5)
    assert ours.train() == 5 * 24
    assert len(ours.stacks) == 2


def test_members_of_folds_are_counted_like_a_training_counts_them(small):
    ours = StackSide(open_workload(load("iemocap-folds"), Path("nowhere"), CPU), 7)
    assert [(member.seed, member.fold) for member in ours.members] == [
        *((1, fold) for fold in range(5)),
        (2, 0),
        (2, 1),
    ]


# A whole bench
def test_a_bench_from_warm_up_to_finish(tmp_path):
    told = []
    wishes = Wishes(members=2, rounds=2, seconds=0.05, finish=True)
    found = measure(tiny_recipe(), write_tiny(tmp_path), CPU, wishes, told.append)
    assert told[0] == "TINY: 48 utterances; CPU, as requested, 2 cores, fp32".replace(
        "2 cores", f"{CPU.cores} core{'s' * (CPU.cores > 1)}"
    )
    assert told[1:4] == ["warmed up", "round 1 of 2", "round 2 of 2"]
    assert [line.split(" after")[0] for line in sorted(told[4:])] == ["seed 1 stopped", "seed 2 stopped"]
    assert len(found.training.sertool) == len(found.training.plain) == len(found.training.memory) == 2
    assert len(found.ended) == 2
    assert all(1 <= member.epochs <= 4 for member in found.ended)
    content = json.loads(json.dumps(found.to_json()))
    assert content["training"]["baseline"]["ratio"]["min"] > 0
    assert len(content["evaluation"]["turns"]) == 2
    assert content["machine"]["torch"] == torch.__version__
    assert content["finished"]["members"][0]["epochs"] == found.ended[0].epochs
    assert content["corpus"]["counts"] == {"train": 24, "valid": 12, "test": 12}


def test_what_is_not_wanted_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "PlainSide", None)
    wishes = Wishes(members=1, rounds=1, seconds=0.0, training=False, baseline=False)
    found = measure(tiny_recipe(), write_tiny(tmp_path), CPU, wishes)
    assert found.training is None
    assert found.evaluation.comparison(1) is None
    assert found.to_json()["training"] is None
    assert found.to_json()["evaluation"]["baseline"] is None
    assert not [line for line in lines(found) if "plain" in line or "step" in line]


def test_what_each_part_of_the_cuda_path_is_worth(tmp_path, monkeypatch):
    seen, written = [], []

    def spied(work, device):
        seen.append(os.environ[OFF])
        return take_turn(work, device)

    monkeypatch.setattr("benchmarks.training_ablation.take_turn", spied)
    found = ablation(
        tiny_recipe(),
        write_tiny(tmp_path),
        replace(CPU, graphs=True),
        Amount(members=2, turns=1),
        lambda rows: written.append(len(rows)),
    )
    assert list(found) == ["nothing", *NAMES, "nothing again", "all kernels", "graph"]
    assert written == [*range(1, len(found) + 1)]
    assert seen == ["", *NAMES, "", "1", ""]
    assert OFF not in os.environ
    assert found["nothing"]["ratio"] == 1
    assert all(row["utterances_s"]["median"] > 0 for row in found.values())


def a_bench(**changes) -> Bench:
    """Ten members at a step of 8 ms, made up."""
    recipe = load("iemocap")
    training = Measured(1e9, 2e9, [Turn(40_000.0, 1.0)] * 3, [Turn(1000.0, 1.0)] * 3, [5 * 10**9] * 3)
    evaluation = Measured(0.3e9, 0.6e9, [Turn(200_000.0, 1.0)], [], [10**9])
    given = {
        "recipe": recipe,
        "precision": replace(CPU, device=torch.device("cuda"), name="bf16", reason="A card, bf16"),
        "wishes": Wishes(),
        "machine": {"torch": "2.11"},
        "corpus": {"name": "IEMOCAP-size random", "source": "random", "generated": True},
        "counts": {"train": 4446, "test": 1085},
        "filled": fill(random_corpus(recipe, 0, {"train": 20, "test": 20}), 15, 40),
        "parameters": 16_000_000,
        "groups": {"size": 10, "side_by_side": 1, "threads": 16, "parts": 1},
        "steps_an_epoch": 139,
        "validated": 1085,
        "training": training,
        "evaluation": evaluation,
        "matrix": Spread(6e14, 6e14, 6e14),
        "copy": Spread(2.8e12, 2.8e12, 2.8e12),
        "ended": [],
        "finish_s": None,
    }
    return Bench(**{**given, **changes})


def test_what_follows_from_the_figures():
    found = a_bench()
    assert found.step_s == Spread(0.008, 0.008, 0.008)
    assert found.matrix_floor_s == pytest.approx(320 * 1e9 / 6e14)
    assert found.adam_floor_s == pytest.approx(10 * 16e6 * 28 / 2.8e12)
    assert found.epoch_s == pytest.approx(139 * 0.008 + 10_850 / 200_000)
    assert found.training.share(found.matrix) == pytest.approx(40e12 / 6e14)


def test_the_text():
    shown = lines(a_bench())
    assert shown[0] == "iemocap · 10 members of 16.0 M parameters"
    assert shown[1] == "A card, bf16 · torch 2.11"
    assert shown[2] == "IEMOCAP-size random · train 4,446 · test 1,085"
    assert "training, utterances/s                       40,000       40,000       40,000" in shown
    assert "  ratio, pair by pair                          40.0         40.0         40.0" in shown
    assert "step 8.00 ms; matrix products alone 0.53 ms, Adam's memory 1.60 ms" in shown
    assert "training reaches 7 % of the matrix rate" in shown
    assert shown[-2:] == [
        "an epoch of 139 steps and validation: 1.17 s",
        "at most 99 epochs, as the recipe allows: 1:55 min",
    ]
    assert max(map(len, shown)) <= 80


def test_machine_rates_and_memory():
    machine = describe_machine(torch.device("cpu"))
    assert {"cpu", "cores", "threads", "python", "torch", "sertool", "load_before"} == set(machine)
    rates = Rates(CPU)
    assert 1e9 < rates.matrix() < 1e14
    assert 1e8 < rates.copy() < 1e13
    reset_peak(torch.device("cpu"))
    before = peak_bytes(torch.device("cpu"))
    torch.ones(2**26)
    assert peak_bytes(torch.device("cpu")) >= before + 2**27


# The command
def run(*arguments: str):
    return CliRunner().invoke(app, ["bench", *arguments])


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "data")
    artifacts.write_text(tmp_path / "tiny.yaml", resolved(tiny_recipe()))
    options = ["--members", "2", "--rounds", "1", "--seconds", "0", "--device", "cpu", "--no-baseline"]
    result = run("--recipe", "tiny.yaml", *options, "--json", "out/bench.json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("tiny · 2 members of ")
    assert result.stderr.splitlines()[-1] == "round 1 of 1"
    assert json.loads((tmp_path / "out/bench.json").read_text())["members"] == 2


def test_the_command_refuses_what_it_cannot_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("--no-training", "--no-evaluation")
    assert result.exit_code == 2
    assert result.stderr == "error: --no-training and --no-evaluation: nothing is left to measure\n"
    artifacts.write_text(tmp_path / "tiny.yaml", resolved(tiny_recipe()))
    result = run("--recipe", "tiny.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: data/TINY: no such corpus\n")


@pytest.mark.slow
def test_the_benchmarks_need_little(tmp_path):
    """A machine with a GPU may have no more than torch and the command line's packages."""
    blocked = [
        "spacy",
        "sklearn",
        "scipy",
        "requests",
        "matplotlib",
        "jinja2",
        "soundfile",
        "soxr",
        "filelock",
    ]
    code = (
        f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\n"
        "from benchmarks.speed import CASES, measure\n"
        "from sertool.core.recipe.load import load\nfrom sertool.core.compute.device import choose\n"
        "from sertool.core.bench import device, plain_side as plain, workload\nplain.WORKERS = 1\n"
        "device.MATRIX_SIZE['cpu'] = 64\n"
        "from sertool.core.bench.results import Wishes\n"
        "from pathlib import Path\nfull = workload.random_corpus\n"
        "workload.random_corpus = lambda recipe: full(recipe, 0, {'train': 16, 'test': 16})\n"
        "changes = ['model.hidden_size=8', 'model.ffn_size=8', 'training.batch_size=8']\n"
        "wishes = Wishes(members=2, rounds=1, seconds=0)\n"
        "found = measure(load('iemocap', changes), Path('data'), choose('cpu', 'fp32'), wishes)\n"
        "assert found.training.sertool and found.training.plain\n"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.parametrize("name", ["bf16", "fp32"])
def test_a_bench_on_a_cuda_device(name, tmp_path):
    found = measure(tiny_recipe(), write_tiny(tmp_path), choose("cuda", name), Wishes(2, 1, 0.05, finish=True))
    assert found.training.memory[0] > 0
    assert len(found.ended) == 2
    assert max(map(len, lines(found))) <= 110
