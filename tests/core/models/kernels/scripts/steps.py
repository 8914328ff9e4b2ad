"""The kernels of Adam and of the recurrence against plain torch; prints the worst distances as JSON."""

import json

import torch
from comparing import distance, plainly

from sertool.core.models.kernels import NAMES, use_triton
from sertool.core.models.kernels.adam import MemberNumbers, adam_step, adam_step_plain
from sertool.core.models.kernels.lstm import recurrence

worst = {}
torch.manual_seed(1)
assert all(use_triton(torch.zeros(1), name) for name in NAMES)
assert not plainly(use_triton, torch.zeros(1), "adam")

numbers = MemberNumbers(
    scale=torch.tensor([1.0, 0.3, 1.0]),
    kept=torch.tensor([1.0, 0.99, 1.0]),
    step_size=torch.tensor([1e-2, 1e-3, float("inf")]),
    root=torch.tensor([0.1, 0.9, 0.0]),
    moved=torch.tensor([1.0, 1.0, 0.0]),
)
for shape in ((3, 7), (3, 5, 11), (3, 1500), (3, 1)):
    for number in (torch.float32, torch.bfloat16):
        tensors = [
            torch.randn(shape),
            torch.randn(shape).to(number),
            torch.randn(shape) / 10,
            torch.rand(shape),
        ]
        copy = tensors[0].to(number, copy=True)
        ours, theirs = [t.clone() for t in tensors], [t.clone() for t in tensors]
        adam_step(*ours, numbers, copy)
        adam_step_plain(*theirs, numbers)
        for place in (0, 2, 3):
            assert torch.equal(ours[place][2], tensors[place][2])
            worst["adam"] = max(worst.get("adam", 0), float((ours[place] - theirs[place]).abs().max()))
        # The interpreter cuts off where a card rounds.
        torch.testing.assert_close(copy.float(), ours[0], rtol=2**-7, atol=0)

for number in (torch.float32, torch.bfloat16):
    gates = torch.randn(2, 3 + 3 + 2 + 1, 4 * 6, dtype=number, requires_grad=True)
    weight = torch.randn(2, 4 * 6, 6, dtype=number, requires_grad=True)
    bias = torch.randn(2, 4 * 6, requires_grad=True)
    up = torch.randn(2, 9, 6, dtype=number)
    for own in (bias, None):
        inputs = [part for part in (gates, own, weight) if part is not None]

        def run(own=own, inputs=inputs, gates=gates, weight=weight, up=up):
            hidden = recurrence(gates, own, weight, (3, 3, 2, 1))
            return [hidden.detach(), *torch.autograd.grad(hidden, inputs, up)]

        name = f"lstm {number}".replace("torch.", "")
        for one, other in zip(run(), plainly(run), strict=True):
            assert one.dtype == other.dtype
            worst[name] = max(worst.get(name, 0), distance(one, other))
print(json.dumps(worst))
