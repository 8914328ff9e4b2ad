"""A lone member's batch in parts: the same gradients as the whole, the same bytes at every run."""

from dataclasses import replace

import pytest
import torch
from builders import CPU, NO_DROPOUT, make_corpus, open_tiny, tiny_recipe

from sertool.core.models.build import initialise
from sertool.core.runs.experiment import fit_inputs
from sertool.core.runs.members import new_stack
from sertool.core.runs.plan import parted
from sertool.core.training.loop import Member, start, train_epoch
from sertool.core.training.parallel_steps import _deal, run_parted_steps
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import Stack, run_steps


def a_stack(folder, parts, **sections):
    """Return one member, in so many parts, and an epoch of two full steps and one of a single utterance."""
    recipe = tiny_recipe(**sections)
    experiment, tables = open_tiny(folder, recipe, make_corpus({"train": 17, "valid": 6, "test": 6}))
    model = new_stack(experiment, fit_inputs(experiment), 1)
    initialise(model, [1], [None])
    rows = torch.tensor(experiment.folds[0].sets["train"])
    state = start(model, [Member(1, 0, rows, rows)], recipe.training)
    precision = replace(CPU, parts=parts)
    stack = Stack(model, state.adam, [0], tables, recipe.training, None, precision)
    return stack, plan_epoch([rows], recipe.training, 0, [0]), state


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("clip_norm", [None, 0.01])
@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_parts_are_the_whole_up_to_rounding(architecture, clip_norm, parts, tmp_path):
    sections = {
        "model": {**NO_DROPOUT, "architecture": architecture},
        # Adam divides by the root of the second moment, which makes much of rounding where a gradient is zero.
        "training": {"clip_norm": clip_norm, "learning_rate": 1e-4},
    }
    whole, schedule, _ = a_stack(tmp_path / "whole", 1, **sections)
    expected = run_steps(whole, schedule, 1)
    divided, schedule, _ = a_stack(tmp_path / "parts", parts, **sections)
    got = run_parted_steps(divided, schedule, 1)
    assert len(schedule) == 3
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)
    assert divided.adam.steps.tolist() == [3.0]
    for ours, theirs in zip(divided.adam.first, whole.adam.first, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_every_run_gives_the_same_bytes_and_parts_drop_on_their_own(tmp_path):
    results = []
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        stack, schedule, _ = a_stack(tmp_path / name, 2, model={"dropout_residual": 0.3})
        loss = run_parted_steps(stack, schedule, seed)
        results.append([loss, *(p.detach().clone() for p in stack.model.parameters())])
    first, again, other = results
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_an_epoch_takes_parts_where_they_are_wanted(tmp_path, monkeypatch):
    calls = []

    def noted(stack, schedule, seed):
        calls.append(stack.precision.parts)
        return torch.zeros(1)

    monkeypatch.setattr("sertool.core.training.loop.run_parted_steps", noted)
    for parts in (1, 2):
        stack, _, state = a_stack(tmp_path / str(parts), parts)
        train_epoch(state, stack.tables, stack.settings, None, stack.precision)
    assert calls == [2]


def test_the_number_of_threads_stays(tmp_path):
    before = torch.get_num_threads()
    stack, schedule, _ = a_stack(tmp_path, 2)
    run_parted_steps(stack, schedule, 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("number", [1, 2, 3, 7, 17])
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_every_utterance_is_dealt_once_and_parts_are_as_long(number, parts, tmp_path):
    stack, _, _ = a_stack(tmp_path, parts)
    dealt = _deal(stack, torch.arange(number), parts)
    assert sorted(torch.cat(dealt).tolist()) == list(range(number))
    lengths = stack.tables.audio_lengths + stack.tables.text_lengths
    assert all(len(part) for part in dealt)
    sums = [int(lengths[part].sum()) for part in dealt]
    if number == 17:
        assert max(sums) - min(sums) <= int(lengths[:number].max())


@pytest.mark.parametrize(
    ("batch", "size", "threads", "expected"),
    [(32, 1, 2, (2, 1)), (32, 1, 16, (4, 4)), (8, 1, 16, (1, 16)), (32, 10, 2, (1, 1)), (32, 1, 1, (1, 1))],
)
def test_parts_depend_on_batch_and_threads(batch, size, threads, expected):
    own = parted(CPU, tiny_recipe(training={"batch_size": batch}).training, size, threads)
    assert (own.parts, own.part_threads) == expected


def test_a_cuda_device_has_no_parts():
    device = replace(CPU, device=torch.device("cuda"))
    assert parted(device, tiny_recipe(training={"batch_size": 32}).training, 1, 16) is device
