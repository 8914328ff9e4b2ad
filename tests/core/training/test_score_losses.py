"""Losses of scores: against formulas and audmetric, their gradients, padded batches, and what no correlation has."""

import audmetric
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.recipe.losses import weights_of
from sertool.core.training.score_losses import batch_ccc_loss, score_loss

NAN = float("nan")


def drawn(shape, seed=0, *, missing=0.0):
    draw = torch.Generator().manual_seed(seed)
    outputs = torch.randn(shape, generator=draw, dtype=torch.float64)
    targets = torch.randn(shape, generator=draw, dtype=torch.float64)
    targets[torch.rand(shape, generator=draw) < missing] = NAN
    return outputs, targets


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 3))
def test_ccc_is_one_minus_that_of_audmetric(seed, batch, scores):
    outputs, targets = drawn((2, batch, scores), seed)
    found = score_loss(outputs, targets, torch.ones(2, batch), {"ccc": 1.0})
    for member in range(2):
        pairs = zip(targets[member].T.numpy(), outputs[member].T.numpy(), strict=True)
        wanted = batch * np.mean([1 - audmetric.concordance_cc(true, said) for true, said in pairs])
        assert float(found[member]) == pytest.approx(wanted, abs=1e-9)


def test_errors_are_means_over_the_scores_summed_over_utterances():
    outputs, targets = drawn((1, 5, 2), missing=0.3)
    apart = torch.nan_to_num(outputs - targets)[0]
    ones = torch.ones(1, 5)
    assert float(score_loss(outputs, targets, ones, {"mse": 1.0})) == pytest.approx(float(apart.square().sum() / 2))
    assert float(score_loss(outputs, targets, ones, {"mae": 1.0})) == pytest.approx(float(apart.abs().sum() / 2))


def test_a_mixture_is_the_weighted_sum():
    outputs, targets = drawn((2, 6, 2), missing=0.2)
    alone = {name: score_loss(outputs, targets, torch.ones(2, 6), {name: 1.0}) for name in ("ccc", "mse")}
    mixed = score_loss(outputs, targets, torch.ones(2, 6), weights_of({"ccc": 1.0, "mse": 0.2}))
    torch.testing.assert_close(mixed, alone["ccc"] + 0.2 * alone["mse"])


@pytest.mark.parametrize("mixture", [{"ccc": 1.0}, {"mse": 1.0}, {"mae": 1.0}, {"ccc": 1.0, "mse": 0.2}], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_gradients_are_finite_differences(mixture, missing):
    """In float64, with missing scores and fillers of weight 0, which have no gradient."""
    outputs, targets = drawn((2, 7, 3), seed=3, missing=missing)
    weight = torch.ones(2, 7, dtype=torch.float64)
    weight[1, 5:] = 0
    outputs.requires_grad_()

    def loss(values):
        return score_loss(values, targets, weight, mixture).sum()

    assert torch.autograd.gradcheck(loss, (outputs,), eps=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(loss(outputs), outputs)
    assert (gradient[1, 5:] == 0).all()
    assert (gradient[targets.isnan()] == 0).all()


@pytest.mark.parametrize("mixture", [{"ccc": 1.0}, {"mse": 1.0}, {"mae": 1.0}], ids=str)
def test_fillers_of_a_batch_change_nothing(mixture):
    """A CUDA device repeats one step on full batches, so the last batch is filled up with weight 0."""
    outputs, targets = drawn((2, 5, 2), missing=0.2)
    filled = [torch.cat([part, part[:, :1].expand(-1, 3, -1)], 1) for part in (outputs, targets)]
    weight = torch.cat([torch.ones(2, 5), torch.zeros(2, 3)], 1)
    plain = score_loss(outputs, targets, torch.ones(2, 5), mixture)
    torch.testing.assert_close(score_loss(*filled, weight, mixture), plain)


@pytest.mark.parametrize(
    "targets",
    [[1.5], [1.5, 1.5, 1.5], [NAN, 2.0, NAN], [NAN, NAN], [0.1, 0.1 + 1e-9]],
    ids=["one utterance", "always the same", "one known", "none known", "the same but for rounding"],
)
def test_fewer_than_two_different_targets_count_by_their_squared_error(targets):
    """No correlation is defined for them; a score without any known target adds nothing."""
    targets = torch.tensor(targets, dtype=torch.float64).view(1, -1, 1)
    outputs = torch.linspace(0, 1, targets.shape[1], dtype=torch.float64).view(1, -1, 1).requires_grad_()
    there = ~targets.isnan()
    wanted = ((outputs - targets)[there].square().sum() / max(int(there.sum()), 1)).detach()
    found = batch_ccc_loss(outputs, torch.nan_to_num(targets), there)
    assert float(found.detach()) == pytest.approx(float(wanted))
    (gradient,) = torch.autograd.grad(found.sum(), outputs)
    assert gradient.isfinite().all()
    assert bool((gradient != 0).any()) == bool(there.any())


def test_constant_outputs_have_a_loss_of_one_and_a_finite_gradient():
    outputs = torch.zeros(1, 4, 1, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 4, 1)
    loss = score_loss(outputs, targets, torch.ones(1, 4), {"ccc": 1.0})
    assert float(loss.detach()) == pytest.approx(4.0)
    loss.sum().backward()
    assert outputs.grad.isfinite().all()
