"""A CUDA device against the CPU, and kernels against the plain path; skipped where there is no such device."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import CPU, NO_DROPOUT, REFERENCE, copy_case, make_inputs, open_tiny, tiny_recipe, write_tiny
from dialogue_corpora import context_recipe, dialogue_corpus
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.compute.device import choose
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.inference.probe import probe
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.kernels import NAMES
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.models.kernels.proof import COMPARED
from sertool.core.runs.experiment import fit_inputs, open_experiment, tables_of
from sertool.core.runs.members import new_stack
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe
from sertool.core.training.graph_steps import StaticSteps, UnrecordedError
from sertool.core.training.logits import logits_of
from sertool.core.training.loop import Epoch, Member, start, train
from sertool.core.training.recorded_check import check_evaluation, check_steps
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import Stack, run_steps

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]
CASES = sorted(path.parent.name for path in REFERENCE.glob("*/expected.json"))
LARGER = {"hidden_size": 64, "ffn_size": 128, "num_heads": 4, "num_layers": 2, "embedding_size": 32}


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_logits_are_those_of_the_cpu(architecture):
    recipe = tiny_recipe(model={"architecture": architecture})
    model = build(recipe.model, DataSizes(9, 6, 5, 3), 3)
    initialise(model, [1, 2, 3], [None] * 3)
    text = torch.randint(0, 9, (3, 4, 5))
    audio = torch.randn(3, 4, 8, 5)
    audio[:, 0] = 0  # an utterance without audio
    with torch.no_grad():
        expected = model(make_inputs(text, audio))
        got = model.cuda()(make_inputs(text.cuda(), audio.cuda()))
    torch.testing.assert_close(got.cpu(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("context", [False, True], ids=["alone", "context"])
@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_training_follows_the_cpu(precision, graphs, context, tmp_path):
    make = context_recipe if context else tiny_recipe
    recipe = make(model=NO_DROPOUT, training={"precision": precision})
    experiment = open_experiment(recipe, write_tiny(tmp_path / "data", dialogue_corpus() if context else None))
    losses = {}
    for where in (CPU, choose("cuda", precision, graphs=graphs)):
        plan = plan_training(experiment, tmp_path / where.device.type, [1, 2, 3], 3, where)
        epochs = [e for e in train_recipe(plan, tmp_path / "data", where) if isinstance(e, Epoch)]
        losses[where.device.type] = [row.loss for _, row in epochs[0].rows]
    tolerance = 1e-3 if precision == "fp32" else 5e-2
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=tolerance)


def a_stack(tmp_path, precision, **sections):
    """Return a stack of two members on the device, and an epoch of 51 steps for it."""
    model = {**NO_DROPOUT, **LARGER, **sections.pop("model", {})}
    recipe = tiny_recipe(model=model, training={"batch_size": 4, "learning_rate": 1e-4}, **sections)
    experiment, _ = open_tiny(tmp_path, recipe)
    inputs = fit_inputs(experiment)
    stacked = new_stack(experiment, inputs, 2)
    initialise(stacked, [1, 2], [None] * 2)
    tables = tables_of(experiment, inputs, precision.device)
    rows = [torch.tensor(experiment.folds[0].sets[name]) for name in ("train", "valid")]
    members = [Member(seed, 0, *rows) for seed in (1, 2)]
    state = start(stacked.to(precision.device), members, recipe.training)
    stack = Stack(state.model, state.adam, [0, 0], tables, recipe.training, None, precision)
    orders = [rows[0][torch.randint(len(rows[0]), (204,))] for _ in members]
    return stack, plan_epoch(orders, recipe.training, 0, [0, 0])


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
@pytest.mark.parametrize(("name", "tolerance"), [("fp32", 1e-4), ("bf16", 2e-2)])
def test_fifty_recorded_steps_are_fifty_plain_ones(tmp_path, architecture, name, tolerance):
    results = []
    for graphs in (True, False):
        torch.manual_seed(1)
        precision = choose("cuda", name, graphs=graphs)
        stack, schedule = a_stack(tmp_path / str(graphs), precision, model={"architecture": architecture})
        assert len(schedule) == 51
        total = StaticSteps(stack, schedule).run(schedule, 1) if graphs else run_steps(stack, schedule, 1)
        with torch.no_grad(), precision.context():
            logits = stack.model(stack.tables.gather(torch.arange(48).expand(2, -1), [0, 0]))
        results.append((total, logits.float().cpu()))
    (fast, fast_logits), (plain, plain_logits) = results
    torch.testing.assert_close(fast, plain, rtol=tolerance, atol=0)
    assert float((fast_logits - plain_logits).norm() / plain_logits.norm()) < 10 * tolerance


@pytest.mark.parametrize("number", [1, 2])
def test_an_epoch_may_be_shorter_than_the_rehearsals_of_its_step(tmp_path, number):
    results = []
    for graphs in (True, False):
        torch.manual_seed(1)
        precision = choose("cuda", "fp32", graphs=graphs)
        stack, long = a_stack(tmp_path / str(graphs), precision)
        short = replace(long, index=long.index[:number], sizes=long.sizes[:number], rates=long.rates[:number])
        rows = [torch.arange(5), torch.arange(3)]
        if graphs:
            steps = StaticSteps(stack, short)
            results.append((steps.run(short, 1), *steps.evaluate(rows)))
        else:
            total = run_steps(stack, short, 1)
            results.append((total, *logits_of(stack.model, stack.tables, rows, [0, 0], precision)))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-3)


def test_an_epoch_draws_new_dropout_at_every_replay(tmp_path):
    precision = choose("cuda", "fp32")
    stack, schedule = a_stack(tmp_path, precision, model={"dropout_output": 0.5})
    still = replace(schedule, rates=torch.zeros_like(schedule.rates))
    steps = StaticSteps(stack, still)
    first, again, other = (steps.run(still, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_the_recurrence_against_float64(dtype):
    torch.manual_seed(1)
    gates, bias, weight = (
        torch.randn(3, 40, 4 * 64),
        torch.randn(3, 4 * 64),
        torch.randn(3, 4 * 64, 64) / 8,
    )
    up, sizes = torch.randn(3, 40, 64), (12, 12, 10, 6)
    results = {}
    for device, kind in (("cpu", torch.float64), ("cuda", dtype)):
        # Biases are float32 in every format.
        kinds = (kind, torch.float32 if device == "cuda" else kind, kind)
        own = [part.to(device, k).requires_grad_() for part, k in zip((gates, bias, weight), kinds, strict=True)]
        hidden = recurrence(*own, sizes)
        hidden.backward(up.to(device, kind))
        results[device] = [part.detach().cpu().double() for part in (hidden, *(o.grad for o in own))]
    for ours, theirs in zip(results["cuda"], results["cpu"], strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < (1e-5 if dtype == torch.float32 else 2e-2)


def test_the_doctor_finds_every_kernel_equal(tmp_path, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "--device", "--json", str(tmp_path / "out.json")])
    assert result.exit_code == 0, result.output
    for card in json.loads((tmp_path / "out.json").read_text())["cards"]:
        assert [one for one in card["comparisons"] if not one["equal"]] == []
        assert len(card["comparisons"]) >= len(COMPARED)
    assert "equal to plain operations on this card" in CliRunner().invoke(app, ["doctor"]).stdout


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_recorded_steps_pass_their_check_with_dropout(tmp_path, architecture, name):
    """A wrong alarm would cost a factor of twenty, so the check must pass, and find a replay that does nothing."""
    dropout = {"dropout_input": 0.1, "dropout_residual": 0.1, "dropout_output": 0.1}
    precision = choose("cuda", name)
    stack, schedule = a_stack(tmp_path, precision, model={"architecture": architecture, **dropout})
    with precision.products():
        static = StaticSteps(stack, schedule)
        check_steps(static, schedule, 1)
        check_evaluation(static.evaluation([torch.arange(48)] * 2))
        static.step = lambda: None
        with pytest.raises(UnrecordedError, match="0 steps, not 2"):
            check_steps(static, schedule, 1)


def test_a_training_on_the_device_says_nothing_about_its_recording(tmp_path):
    experiment = open_experiment(tiny_recipe(training={"max_epochs": 2}), write_tiny(tmp_path / "data"))
    precision = choose("cuda", "auto")
    plan = plan_training(experiment, tmp_path / "run", [1, 2], 2, precision)
    events = train_recipe(plan, tmp_path / "data", precision)
    assert [event.notes for event in events if isinstance(event, Epoch)] == [(), ()]


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
@pytest.mark.parametrize("name", NAMES)
def test_each_kernel_is_its_definition(monkeypatch, tmp_path, name, architecture):
    """Compare steps with a single kernel and without any."""
    pytest.importorskip("triton")
    results = []
    for off in (",".join(set(NAMES) - {name}), "1"):
        monkeypatch.setenv("SERTOOL_PLAIN_KERNELS", off)
        torch.manual_seed(1)
        stack, schedule = a_stack(tmp_path / off, choose("cuda", "fp32"), model={"architecture": architecture})
        results.append(StaticSteps(stack, schedule).run(schedule, 1))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=0)


def test_copies_of_weights_follow_them(tmp_path):
    stack, schedule = a_stack(tmp_path, choose("cuda", "bf16"))
    static = StaticSteps(stack, schedule)
    static.run(schedule, 1)
    for parameter, copy in zip(stack.model.parameters(), static.working.copies(), strict=True):
        if copy is not None:
            assert torch.equal(copy, parameter.bfloat16())


def test_members_that_stop_leave_the_recorded_stack(tmp_path):
    precision = choose("cuda", "fp32")
    recipe = tiny_recipe(training={"max_epochs": 12, "patience": 1})
    experiment, _ = open_tiny(tmp_path, recipe)
    inputs = fit_inputs(experiment)
    rows = [torch.tensor(experiment.folds[0].sets[name]) for name in ("train", "valid")]
    stacked = new_stack(experiment, inputs, 4)
    initialise(stacked, [1, 2, 3, 4], [None] * 4)
    state = start(stacked.cuda(), [Member(seed, 0, *rows) for seed in (1, 2, 3, 4)], recipe.training)
    tables = tables_of(experiment, inputs, precision.device)
    epochs = list(train(state, tables, recipe.training, None, precision))
    sizes = [len(epoch.rows) for epoch in epochs]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(len(epoch.finished) for epoch in epochs) == 4
    assert not state.members


@pytest.mark.parametrize("case", CASES)
def test_the_reference_cases(case, tmp_path):
    numbers = json.loads((REFERENCE / case / "expected.json").read_text())
    folder = copy_case(case, tmp_path)
    ensemble = open_ensemble("ref", folder / "ckpt", folder / "data")
    for result in predict_sets(ensemble, list(numbers["sets"]), choose("cuda", "fp32")):
        both = numbers["sets"][result.set]["ensemble_logits"]
        np.testing.assert_allclose(result.ensemble_logits(2), np.array(both), rtol=0, atol=1e-4)


@pytest.mark.parametrize("graphs", [True, False])
def test_probes_are_those_of_the_cpu(graphs, tmp_path):
    folder = copy_case(CASES[0], tmp_path)
    ensemble = open_ensemble("ref", folder / "ckpt", folder / "data")
    ours, theirs = (probe(ensemble, "test", precision) for precision in (choose("cuda", "fp32", graphs=graphs), CPU))
    assert set(ours) == set(theirs)
    for name, logits in ours.items():
        np.testing.assert_allclose(logits, theirs[name], rtol=0, atol=1e-4)
