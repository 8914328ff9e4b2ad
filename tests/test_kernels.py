"""The Triton kernels against their plain definitions, in Triton's interpreter where there is no GPU."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch
from builders import tiny_recipe

from sertool.core.kernels.adam import adam_step_plain
from sertool.core.kernels.adam_numbers import MemberNumbers
from sertool.core.kernels.lstm import step_backward, step_forward
from sertool.core.models.recurrence import recurrence
from sertool.core.optim import StackedAdam

HAS_TRITON = importlib.util.find_spec("triton") is not None
interpreted = pytest.mark.skipif(
    not HAS_TRITON, reason="Triton is not installed; `make test-kernels` does it"
)

# Runs in a process of its own: Triton decides when it is imported whether it interprets.
KERNELS = """
import json, torch
from sertool.core.kernels.adam import adam_step, adam_step_plain
from sertool.core.kernels.adam_numbers import MemberNumbers
from sertool.core.kernels import use_triton
from sertool.core.models.recurrence import recurrence

torch.manual_seed(1)
assert use_triton(torch.zeros(1))
import os
worst = {}

def plainly(function):
    os.environ["SERTOOL_PLAIN_KERNELS"] = "1"
    try:
        return function()
    finally:
        del os.environ["SERTOOL_PLAIN_KERNELS"]

for shape in ((3, 7), (3, 5, 11), (3, 1500), (3, 1)):
    tensors = [torch.randn(shape), torch.randn(shape), torch.randn(shape) / 10, torch.rand(shape)]
    numbers = MemberNumbers(
        torch.tensor([1.0, 0.3, 1.0]), torch.tensor([1.0, 0.99, 1.0]), torch.tensor([1e-2, 1e-3, float("inf")]),
        torch.tensor([0.1, 0.9, 0.0]), torch.tensor([1.0, 1.0, 0.0]))
    ours, theirs = [t.clone() for t in tensors], [t.clone() for t in tensors]
    adam_step(*ours, numbers)
    adam_step_plain(*theirs, numbers)
    assert torch.equal(ours[0][2], tensors[0][2]) and torch.equal(ours[3][2], tensors[3][2])
    worst["adam"] = max(worst.get("adam", 0), max(float((a - b).abs().max()) for a, b in zip(ours, theirs)))

def pass_through(dtype):
    gates = torch.randn(2, 3 + 3 + 2 + 1, 4 * 6, dtype=dtype, requires_grad=True)
    weight = torch.randn(2, 4 * 6, 6, dtype=dtype, requires_grad=True)
    up = torch.randn(2, 9, 6, dtype=dtype)
    def run():
        gates.grad = weight.grad = None
        hidden = recurrence(gates, weight, (3, 3, 2, 1))
        hidden.backward(up)
        return [hidden.detach().clone(), gates.grad.clone(), weight.grad.clone()]
    kernel, plain = run(), plainly(run)
    return [float((a - b).norm() / b.norm()) for a, b in zip(kernel, plain)]

worst["lstm"] = max(pass_through(torch.float32))
worst["lstm bf16"] = max(pass_through(torch.bfloat16))
print(json.dumps(worst))
"""


@interpreted
def test_kernels_are_their_definitions():
    done = subprocess.run(
        [sys.executable, "-c", KERNELS],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    worst = json.loads(done.stdout)
    assert worst["adam"] < 1e-6
    assert worst["lstm"] < 1e-6
    assert worst["lstm bf16"] < 2e-2  # the plain form rounds after every operation, the kernel once


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_all_members_at_once_move_as_each_alone(optimizer, clip_norm):
    """Against torch's own Adam, over steps in which members miss a batch now and then."""
    decay = 0.1 if optimizer == "adamw" else 0.0
    settings = tiny_recipe(
        training={"optimizer": optimizer, "clip_norm": clip_norm, "weight_decay": decay}
    ).training
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
    assert torch.autograd.gradcheck(lambda g, w: recurrence(g, w, (3, 2, 1)), (gates, weight))


def test_a_first_step_knows_no_step_before():
    gates = torch.randn(1, 2, 8)
    activated, states = torch.empty(1, 2, 8), [torch.empty(1, 2, 2) for _ in range(3)]
    step_forward(gates, None, activated, *states)
    into, _, cell, out = activated.chunk(4, dim=-1)
    torch.testing.assert_close(states[0], into * cell)
    torch.testing.assert_close(states[2], out * (into * cell).tanh())
    d_gates, d_cell = torch.empty(1, 2, 8), torch.zeros(1, 2, 2)
    step_backward(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), d_cell, activated, states[1], None, d_gates)
    assert torch.equal(d_gates[..., 2:4], torch.zeros(1, 2, 2))
