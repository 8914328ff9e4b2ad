"""Adam for a stack against torch's, for each member."""

import pytest
import torch

from sertool.core.recipe.schema import Training
from sertool.core.training.optimizer import StackedAdam


@pytest.mark.parametrize("small", [0, 5, 2**15], ids=["none joined", "one joined", "all joined"])
@pytest.mark.parametrize(("optimizer", "theirs"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_each_member_is_stepped_as_torch_steps_it(optimizer, theirs, small, monkeypatch):
    monkeypatch.setattr("sertool.core.training.optimizer.SMALL", small)
    decay = 0.05 if optimizer == "adamw" else 0.0
    chosen = Training(optimizer=optimizer, weight_decay=decay)
    draw = torch.Generator().manual_seed(1)
    stacked = [torch.nn.Parameter(torch.randn(3, *shape, generator=draw)) for shape in ((4, 2), (5,))]
    alone = [[torch.nn.Parameter(p.detach()[member].clone()) for p in stacked] for member in range(3)]
    rates = (0.1, 0.01, 0.003)
    oracles = [theirs(own, lr=rate, weight_decay=decay) for own, rate in zip(alone, rates, strict=True)]
    adam = StackedAdam(stacked, chosen)
    adam.join()
    for step in range(20):
        for parameter in stacked:
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        counts = [8, 8 * (step % 2), 8 * (step < 5)]
        for member, (own, oracle) in enumerate(zip(alone, oracles, strict=True)):
            for parameter, of_stack in zip(own, stacked, strict=True):
                parameter.grad = of_stack.grad[member].clone()
            if counts[member]:
                oracle.step()
        adam.update(rates, counts)
        for member, own in enumerate(alone):
            for parameter, of_stack in zip(own, stacked, strict=True):
                torch.testing.assert_close(of_stack[member], parameter, rtol=1e-5, atol=1e-6)
    assert adam.steps.tolist() == [20, 10, 5]


def test_clipping_bounds_each_member_by_its_own_norm():
    """Check that the bound applies to the gradient of the mean loss: a sum over n utterances may be n times as long."""
    chosen = Training(clip_norm=0.5)
    stacked = [torch.nn.Parameter(torch.zeros(3, 4)), torch.nn.Parameter(torch.zeros(3, 2, 2))]
    adam = StackedAdam(stacked, chosen)
    draw = torch.Generator().manual_seed(2)
    gradients = [torch.randn(p.shape, generator=draw) for p in stacked]
    gradients = [g * torch.tensor([0.001, 1.0, 1000.0]).view(3, *[1] * (g.dim() - 1)) for g in gradients]
    for parameter, gradient in zip(stacked, gradients, strict=True):
        parameter.grad = gradient.clone()
    adam.update([0.1, 0.1, 0.1], [2, 2, 8])
    for member, size in enumerate((2, 2, 8)):
        own = [torch.nn.Parameter(torch.zeros_like(g[member])) for g in gradients]
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient[member] / size
        torch.nn.utils.clip_grad_norm_(own, 0.5)
        for moment, parameter in zip(adam.first, own, strict=True):
            torch.testing.assert_close(moment[member], 0.1 * size * parameter.grad, rtol=1e-4, atol=1e-7)


def test_parameters_keep_their_values_when_they_join_and_join_again_when_members_leave():
    stacked = [torch.nn.Parameter(torch.randn(3, *shape)) for shape in ((4, 2), (5,))]
    before = [parameter.detach().clone() for parameter in stacked]
    adam = StackedAdam(stacked, Training())
    for _ in range(2):
        adam.join()
        addresses = [parameter.data_ptr() for parameter in stacked]
        for parameter, values in zip(stacked, before, strict=True):
            assert torch.equal(parameter.detach(), values)
            assert parameter[0].is_contiguous()  # of one member, as a product wants it
        assert {p.untyped_storage().data_ptr() for p in stacked} == {stacked[0].untyped_storage().data_ptr()}
    adam.join()
    assert [parameter.data_ptr() for parameter in stacked] == addresses  # nothing moves without a reason
    for tensors in (before, adam.first, adam.second):
        tensors[:] = [tensor[1:] for tensor in tensors]
    for parameter, values in zip(stacked, before, strict=True):
        parameter.data = values.clone()
        parameter.grad = torch.ones_like(parameter)
    adam.steps = adam.steps[1:]
    adam.join()
    adam.update([0.1, 0.1], [1, 1])
    for parameter, values, moment in zip(stacked, before, adam.first, strict=True):
        torch.testing.assert_close(parameter.detach(), values - 0.1)  # Adam's first step is its rate
        torch.testing.assert_close(moment, torch.full_like(moment, 0.1))
