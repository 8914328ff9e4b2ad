"""Models and steps with Triton kernels against those without, in Triton's interpreter, and the plain definitions."""

import pytest
import torch
from builders import tiny_recipe
from kernel_running import interpret, needs_triton

from sertool.core.models.kernels.adam import MemberNumbers, adam_step_plain
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.training.optimizer import StackedAdam


@needs_triton
def test_whole_models_are_those_without_kernels():
    worst = interpret("models.py")
    assert len(worst) > 200
    for name, distance in worst.items():
        # The gradients of the pools' scores are small differences.
        rounded = 0.2 if "pool.score" in name else 0.1
        assert distance < (rounded if "bfloat16" in name else 1e-4), name


@needs_triton
@pytest.mark.slow
def test_steps_with_kernels_train_as_those_without():
    worst = interpret("training.py")
    assert len(worst) == 8
    for name, distance in worst.items():
        assert distance < (2e-2 if "bf16" in name else 1e-4), name


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_all_members_at_once_move_as_each_alone(optimizer, clip_norm):
    """Against torch's own Adam, over steps in which members miss a batch now and then."""
    decay = 0.1 if optimizer == "adamw" else 0.0
    settings = tiny_recipe(training={"optimizer": optimizer, "clip_norm": clip_norm, "weight_decay": decay}).training
    torch.manual_seed(1)
    start = [torch.randn(3, 4, 5), torch.randn(3, 6)]
    one, all_ = ([torch.nn.Parameter(values.clone()) for values in start] for _ in range(2))
    apart, together = StackedAdam(one, settings), StackedAdam(all_, settings)
    steps = torch.zeros(3, dtype=torch.float64)
    for step in range(12):
        sizes = [8, 8 if step % 3 else 0, 5]
        rates = [1e-2, 3e-3 / (step + 1), 1e-1]
        for ours, theirs in zip(one, all_, strict=True):
            ours.grad = torch.randn(ours.shape) * 3
            theirs.grad = ours.grad.clone()
        apart.update(rates, sizes)
        together.update_at_once(torch.tensor(rates), torch.tensor(sizes, dtype=torch.float32), steps)
    assert steps.tolist() == apart.steps.tolist() == [12, 8, 12]
    for ours, theirs in zip(one, all_, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=2e-6, atol=2e-6)


def test_a_member_without_a_batch_stays_as_it_is():
    parameter, first, second = torch.randn(2, 3), torch.randn(2, 3), torch.rand(2, 3)
    before = [part.clone() for part in (parameter, first, second)]
    nothing = MemberNumbers(
        torch.tensor([1.0, float("nan")]),
        torch.ones(2),
        torch.tensor([0.1, float("inf")]),
        torch.tensor([0.5, 0.0]),
        torch.tensor([1.0, 0.0]),
    )
    adam_step_plain(parameter, torch.ones(2, 3), first, second, nothing)
    for now, then in zip((parameter, first, second), before, strict=True):
        assert torch.equal(now[1], then[1])
        assert not torch.equal(now[0], then[0])


def test_the_gradient_of_the_recurrence_in_float64():
    gates = torch.randn(2, 6, 12, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 12, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 12, dtype=torch.float64, requires_grad=True)
    for sizes in ((3, 2, 1), (2, 2, 2)):
        assert torch.autograd.gradcheck(lambda *parts, s=sizes: recurrence(*parts, s), (gates, bias, weight))


def test_a_first_step_knows_no_step_before():
    gates, weight = torch.randn(1, 2, 8, requires_grad=True), torch.randn(1, 8, 2)
    hidden = recurrence(gates, None, weight, (2,))
    into, _, cell, out = gates.chunk(4, dim=-1)
    torch.testing.assert_close(hidden, out.sigmoid() * (into.sigmoid() * cell.tanh()).tanh())
    (d_gates,) = torch.autograd.grad(hidden.sum(), gates)
    assert torch.equal(d_gates[..., 2:4], torch.zeros(1, 2, 2))
