"""`sertool bench`: operations counted on paper are those that torch counts, turns, workloads, text and JSON."""

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
from builders import CPU, NO_DROPOUT, make_inputs, tiny_recipe, write_tiny
from places import ROOT
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from benchmarks.training_ablation import ablation
from sertool.cli import app
from sertool.core.bench import device
from sertool.core.bench import measure as measuring
from sertool.core.bench import plain_side as plain
from sertool.core.bench.device import Rates, describe_machine, peak_bytes, reset_peak
from sertool.core.bench.measure import measure
from sertool.core.bench.operations import Positions, forward_operations, training_operations
from sertool.core.bench.plain_side import PlainSide, batches_of, utterances_of
from sertool.core.bench.random_corpus import random_corpus
from sertool.core.bench.results import Bench, Measured, Wishes
from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.table import lines
from sertool.core.bench.turns import Comparison, Spread, Turn, compare, take_turn
from sertool.core.bench.workload import fill, open_workload
from sertool.core.compute.device import choose
from sertool.core.files import artifacts
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.kernels import NAMES, OFF
from sertool.core.models.kernels.noise import Noise
from sertool.core.recipe.load import USERS_PATH, load, names, resolved

PUBLISHED = [name for name in names() if load(name, users_path=USERS_PATH).dataset.reader != "corpus"]
SMALL = {"train": 60, "valid": 40, "test": 40, "private": 8}
SIZES = DataSizes(text_rows=30, text_width=6, audio_width=5, num_classes=3)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """The eight processes of the plain side's loader take seconds to start, and so do large products."""
    assert plain.WORKERS == 8
    monkeypatch.setattr(plain, "WORKERS", 1)
    monkeypatch.setitem(device.MATRIX_SIZE, "cpu", 256)
    monkeypatch.setitem(device.COPIED_BYTES, "cpu", 2**20)


@pytest.fixture
def small(monkeypatch):
    """Random corpora of a few utterances."""

    def few(recipe):
        wanted = {"train", recipe.splits.valid, recipe.splits.test} & set(SMALL) | set(recipe.expected)
        return random_corpus(recipe, 0, {split: SMALL[split] for split in SMALL if split in wanted})

    monkeypatch.setattr("sertool.core.bench.workload.random_corpus", few)


def tiny_workload(folder: Path, precision=CPU, **sections):
    return open_workload(tiny_recipe(**sections), write_tiny(folder), precision)


# Operations


def counted(architecture: str, text_lengths: list[int], audio_lengths: list[int]) -> tuple[float, float]:
    """What torch counts of forward, and of forward and backward, for utterances of such lengths."""
    recipe = tiny_recipe(model={**NO_DROPOUT, "architecture": architecture, "num_layers": 2, "ffn_size": 12})
    model = build(recipe.model, SIZES, 1)
    initialise(model, [1], [None])
    text = torch.zeros(1, len(text_lengths), max(text_lengths), dtype=torch.int64)
    audio = torch.zeros(1, len(audio_lengths), max(audio_lengths), 5)
    for row, (words, frames) in enumerate(zip(text_lengths, audio_lengths, strict=True)):
        text[0, row, :words] = torch.arange(1, words + 1)
        audio[0, row, :frames] = 1
    with FlopCounterMode(display=False) as forward:
        logits = model(make_inputs(text, audio), Noise(0))
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    flops = forward.get_total_flops()
    return flops, flops + backward.get_total_flops()


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
@pytest.mark.parametrize(("words", "frames"), [(4, 9), (6, 6), (1, 1)])
def test_the_operations_are_those_that_torch_counts(architecture, words, frames):
    recipe = tiny_recipe(model={"architecture": architecture, "num_layers": 2, "ffn_size": 12})
    each = Positions.padded(words, frames)
    forward, both = counted(architecture, [words] * 3, [frames] * 3)
    assert 3 * forward_operations(recipe.model, SIZES, each) == forward
    # The audio's gradient, and that of the recurrent weight at the last step, are what is counted too much.
    inputs = 2 * 4 * 8 * 5 * frames
    assert both == pytest.approx(3 * (training_operations(recipe.model, SIZES, each) - inputs), rel=0.01)


def test_positions_are_means_over_utterances():
    real = Positions.real(torch.tensor([2, 4]), torch.tensor([10, 20]))
    assert (real.text, real.audio) == (3, 15)
    assert (real.text_pairs, real.audio_pairs, real.cross_pairs) == (10, 250, 50)
    assert Positions.padded(4, 20) == Positions.real(torch.tensor([4]), torch.tensor([20]))


def test_the_count_of_the_published_model():
    """2 operations a weight and position, nearly: the 13 million weights of products that see positions."""
    recipe = load("iemocap")
    sizes = DataSizes(text_rows=3000, text_width=300, audio_width=80, num_classes=4)
    operations = forward_operations(recipe.model, sizes, Positions.padded(15, 40))
    assert operations == pytest.approx(0.77e9, rel=0.1)


# Turns


def test_the_ratio_is_taken_pair_by_pair():
    plain = [Turn(10.0, 10.0), Turn(20.0, 10.0), Turn(10.0, 10.0)]
    ours = [Turn(30.0, 20.0), Turn(30.0, 20.0), Turn(20.0, 20.0)]
    row = Comparison(2, plain, ours).row()
    assert row["ratio"] == {"min": 1.5, "median": 2.0, "max": 3.0}
    assert row["cpu_ratio"] == {"min": 2.0, "median": 2.0, "max": 2.0}
    assert row["pairs"] == [[10.0, 30.0], [20.0, 30.0], [10.0, 20.0]]


def test_sides_take_turns_and_the_first_pair_warms_up():
    order = []

    def turn(name: str) -> int:
        order.append(name)
        return 1

    result = compare(1, lambda: turn("plain"), lambda: turn("sertool"), 2, torch.device("cpu"))
    assert order == ["plain", "sertool"] * 3
    assert len(result.plain) == len(result.sertool) == 2


# Workloads


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_recipe_has_a_workload(name, small):
    recipe = load(name)
    work = open_workload(recipe, Path("nowhere"), CPU)
    assert work.generated
    assert work.tables.audio.shape[1] == recipe.dataset.max_audio_length
    assert work.experiment.recipe.dataset.vectors == "none"
    # Every class is there, and nothing but the label says that it is so.
    targets = [work.experiment.targets[row] for row in work.train.tolist()]
    kinds = {target.index(1) if isinstance(target, tuple) else target for target in targets}
    assert len(kinds) >= min(4, len(work.experiment.task.classes))


def test_the_sizes_are_those_of_the_published_corpora(monkeypatch):
    monkeypatch.setattr("sertool.core.bench.random_corpus._Content.frames", lambda *_: 0)
    monkeypatch.setattr("sertool.core.bench.random_corpus.Frames.join", lambda arrays, width: None)
    for name, counts in (
        ("iemocap", {"train": 4446, "test": 1085}),
        ("mosei-2", {"train": 16327, "valid": 1871, "test": 4662, "private": 1800}),
        ("vgaf", {"train": 2000, "valid": 500}),
    ):
        assert random_corpus(load(name)).counts() == counts


def test_the_content_tells_the_class_and_sometimes_a_wrong_one():
    """The nearest class mean of the frames is right for most utterances, and wrong for a part."""
    corpus = random_corpus(load("iemocap"), 0, {"train": 600, "test": 200})
    labels = torch.tensor([utterance.labels["emotion"] for utterance in corpus.utterances])
    means = torch.stack([torch.from_numpy(corpus.audio[row]).mean(0) for row in range(800)])
    centres = torch.stack([means[:600][labels[:600] == label].mean(0) for label in range(4)])
    right = (torch.cdist(means[600:], centres).argmin(1) == labels[600:]).float().mean()
    assert 0.4 < right < 0.9


def test_a_corpus_of_ones_own_is_taken(tmp_path):
    work = tiny_workload(tmp_path)
    assert not work.generated
    assert (len(work.train), len(work.held_out)) == (24, 12)
    filled = fill(work.experiment.corpus, 5, 8)
    assert 0 < filled.words < 5
    assert 0 < filled.frames <= 8


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
    assert (
        next(batches_of(utterances_of(sealed, sealed.held_out[:4]), 4, shuffle=False))[2].tolist() == [0] * 4
    )


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

    monkeypatch.setattr("benchmarks.training_ablation.TURNS", 1)
    monkeypatch.setattr("benchmarks.training_ablation.MEMBERS", 2)
    monkeypatch.setattr("benchmarks.training_ablation.take_turn", spied)
    found = ablation(
        tiny_recipe(), write_tiny(tmp_path), replace(CPU, graphs=True), lambda rows: written.append(len(rows))
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
        "from sertool.core.bench import plain_side as plain, workload\nplain.WORKERS = 1\n"
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
    found = measure(
        tiny_recipe(), write_tiny(tmp_path), choose("cuda", name), Wishes(2, 1, 0.05, finish=True)
    )
    assert found.training.memory[0] > 0
    assert len(found.ended) == 2
    assert max(map(len, lines(found))) <= 110
