"""Recorded steps against plain ones: wrong replays are found, nothing remains of the check, and training goes on."""

from dataclasses import replace

import pytest
import torch
from builders import CPU, NO_DROPOUT, open_tiny, tiny_recipe, write_tiny

from sertool.core.compute.device import choose
from sertool.core.models.build import initialise
from sertool.core.runs.experiment import fit_inputs, open_experiment
from sertool.core.runs.members import new_stack
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, train_recipe
from sertool.core.training import graph_steps
from sertool.core.training.graph_steps import StaticSteps, UnrecordedError
from sertool.core.training.loop import Epoch, Member, start, train
from sertool.core.training.recorded_check import check_evaluation, check_steps
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import Stack

STATIC = replace(CPU, graphs=True)
DROPOUT = {"dropout_input": 0.2, "dropout_residual": 0.2, "dropout_output": 0.2}
DIFFERS = "the recorded training step differs from plain operations"


def opened(tmp_path, precision=STATIC, **model):
    """Return the state of two members and an epoch of their recorded steps."""
    recipe = tiny_recipe(model=model, training={"batch_size": 4, "max_epochs": 3})
    experiment, tables = open_tiny(tmp_path, recipe)
    rows = [torch.tensor(experiment.folds[0].sets[name]) for name in ("train", "valid")]
    members = [Member(seed, 0, *rows) for seed in (1, 2)]
    stacked = new_stack(experiment, fit_inputs(experiment), 2)
    initialise(stacked, [1, 2], [None] * 2)
    state = start(stacked, members, recipe.training)
    stack = Stack(state.model, state.adam, [0, 0], tables, recipe.training, None, precision)
    schedule = plan_epoch([member.train for member in members], recipe.training, 0, [0, 0])
    return state, stack, schedule


def numbers(stack):
    adam = stack.adam
    return [part.detach().clone() for part in (*adam.parameters, *adam.first, *adam.second)]


@pytest.mark.parametrize("name", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_right_steps_pass_and_the_epoch_begins_as_if_there_was_no_check(tmp_path, architecture, name):
    precision = replace(choose("cpu", name), graphs=True)
    results = []
    for checked in (True, False):
        _, stack, schedule = opened(tmp_path / str(checked), precision, architecture=architecture, **DROPOUT)
        static = StaticSteps(stack, schedule)
        before = numbers(stack)
        if checked:
            check_steps(static, schedule, 7)
            check_evaluation(static.evaluation([torch.arange(12)] * 2))
            assert all(torch.equal(*pair) for pair in zip(before, numbers(stack), strict=True))
            assert all(parameter.grad is None for parameter in stack.model.parameters())
        results.append([static.run(schedule, 7), *static.evaluate([torch.arange(12)] * 2), *numbers(stack)])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def still(static):
    """Return a replay that does nothing but count."""

    def step():
        static.counter += 1
        static.updates += 1

    return step


def first_batch_again(static):
    """Return a replay that always reads the first batch."""

    def step():
        count = static.counter.clone()
        static.counter.zero_()
        static.plain_step()
        static.counter.copy_(count + 1)

    return step


def loss_alone(static):
    """Return a replay that moves no weight."""

    def step():
        kept = [part.clone() for part in static.stack.adam.parameters]
        static.plain_step()
        with torch.no_grad():
            for parameter, part in zip(static.stack.adam.parameters, kept, strict=True):
                parameter.copy_(part)

    return step


def one_weight_apart(static):
    """Return a replay that leaves one small parameter as it was."""

    def step():
        parameter = static.stack.model.classifier.bias
        first = static.stack.adam.first[[p is parameter for p in static.stack.adam.parameters].index(True)]
        kept = first.clone()
        static.plain_step()
        first.copy_(kept)

    return step


def not_a_number(static):
    def step():
        static.plain_step()
        static.stack.adam.second[0].fill_(float("nan"))

    return step


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (lambda static: lambda: None, "0 steps, not 2"),
        (still, "loss by 1"),
        (first_batch_again, "loss by "),
        (loss_alone, "loss by "),
        (one_weight_apart, "gradients"),
        (not_a_number, "moments"),
    ],
)
def test_a_wrong_replay_is_found_and_leaves_nothing_behind(tmp_path, wrong, found):
    _, stack, schedule = opened(tmp_path, **NO_DROPOUT)
    static = StaticSteps(stack, schedule)
    static.step = wrong(static)
    before = numbers(stack)
    with pytest.raises(UnrecordedError) as error:
        check_steps(static, schedule, 7)
    assert str(error.value).startswith(f"{DIFFERS} ({found}")
    assert all(torch.equal(*pair) for pair in zip(before, numbers(stack), strict=True))


def test_the_last_step_that_moves_no_weight_is_found_by_the_weights(tmp_path):
    _, stack, schedule = opened(tmp_path, **NO_DROPOUT)
    short = replace(schedule, index=schedule.index[:1], sizes=schedule.sizes[:1], rates=schedule.rates[:1])
    static = StaticSteps(stack, short)
    static.step = loss_alone(static)
    with pytest.raises(UnrecordedError, match=r"\(weights\)"):
        check_steps(static, short, 7)


def test_dropout_that_is_not_drawn_anew_is_found(tmp_path):
    _, stack, schedule = opened(tmp_path, dropout_output=0.5)
    static = StaticSteps(stack, schedule)

    def step():
        static.noise.seed(7)
        static.plain_step()

    static.step = step
    with pytest.raises(UnrecordedError):
        check_steps(static, schedule, 7)


def test_a_wrong_evaluation_is_found(tmp_path):
    _, stack, schedule = opened(tmp_path)
    forward = StaticSteps(stack, schedule).evaluation([torch.arange(12)] * 2)
    forward.step = lambda: None
    with pytest.raises(UnrecordedError, match="the recorded evaluation differs from plain operations"):
        check_evaluation(forward)


def trained(tmp_path, precision):
    state, stack, _ = opened(tmp_path, **NO_DROPOUT)
    return list(train(state, stack.tables, stack.settings, None, precision))


def losses(epochs):
    return [[row.loss for _, row in epoch.rows] for epoch in epochs]


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["training", "evaluation"])
def test_training_goes_on_with_plain_steps_and_says_so_once(tmp_path, monkeypatch, broken):
    record = graph_steps.record

    def recorded(step, counter, noise):
        replay = record(step, counter, noise)
        return (lambda: None) if (noise is None) == (broken == "evaluation") else replay

    plain = trained(tmp_path / "a", CPU)
    monkeypatch.setattr(graph_steps, "record", recorded)
    ours = trained(tmp_path / "b", STATIC)
    what = (
        f"{DIFFERS} (0 steps, not 2)"
        if broken == "training"
        else "the recorded evaluation differs from plain operations"
    )
    assert ours[0].notes == (f"{what}: training goes on without recording (slower)",)
    assert not any(epoch.notes for epoch in ours[1:])
    for own, other in zip(losses(ours), losses(plain), strict=True):
        assert own == pytest.approx(other, rel=1e-4)


def test_a_step_that_cannot_be_recorded_is_a_note_of_the_run(tmp_path, monkeypatch):
    def refuse(step, counter, noise):
        raise UnrecordedError("the step cannot be recorded as a CUDA graph (no reason)")

    monkeypatch.setattr(graph_steps, "record", refuse)
    experiment = open_experiment(tiny_recipe(training={"max_epochs": 2}), write_tiny(tmp_path / "data"))
    plan = plan_training(experiment, tmp_path / "run", [1, 2], 1, STATIC)  # two groups
    events = list(train_recipe(plan, tmp_path / "data", STATIC))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes[1:] == [  # the first one is about word vectors
        "the step cannot be recorded as a CUDA graph (no reason): training goes on without recording (slower)"
    ]
    assert sum(isinstance(event, Epoch) for event in events) == 4


def test_memory_that_runs_out_while_recording_is_for_others_to_handle(tmp_path, monkeypatch):
    def refuse(step, counter, noise):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(graph_steps, "record", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        trained(tmp_path, STATIC)
