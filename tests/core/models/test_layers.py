"""Single layers against torch's or against their formulas, and dropout."""

import math

import numpy as np
import pytest
import torch
from builders import NO_DROPOUT, make_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import WIDTH, batch, stack, unpacked

from sertool.core.models.inputs import lengths
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.models.kernels.noise import Noise, drop
from sertool.core.models.kernels.norm import Branch, Modulation
from sertool.core.models.layers import LayerNorm, pool
from sertool.core.models.layout import packed_layout

# Layers


@pytest.mark.parametrize("step_sizes", [(3, 3, 2, 1), (2, 2, 2), (1, 1, 1), (4,)])
def test_the_recurrence_has_the_gradient_of_its_formula(step_sizes):
    draw = torch.Generator().manual_seed(0)
    rows = sum(step_sizes)
    gates = torch.randn(2, rows, 12, dtype=torch.double, generator=draw, requires_grad=True)
    weight = torch.randn(2, 12, 3, dtype=torch.double, generator=draw, requires_grad=True)
    assert torch.autograd.gradcheck(lambda g, w: recurrence(g, None, w, step_sizes), (gates, weight))


def test_the_lstm_is_torchs():
    model = stack("mat", 2).double()
    lstm = model.audio_encoder.lstm
    _, mels = batch(2, 5, seed=3)
    mels = mels.double()
    mask = torch.ones(mels.shape[:3], dtype=torch.bool)
    layout = packed_layout(mask, lengths(mask))
    ours = unpacked(layout, lstm(layout.pack(mels), layout.step_sizes), mels.shape[2])
    ours.square().sum().backward()
    for member in range(2):
        theirs = torch.nn.LSTM(WIDTH, 8, batch_first=True).double()
        with torch.no_grad():
            for name, parameter in theirs.named_parameters():
                parameter.copy_(getattr(lstm, name.removesuffix("_l0"))[member])
        out, _ = theirs(mels[member])
        torch.testing.assert_close(ours[member], out)
        out.square().sum().backward()
        for name, parameter in theirs.named_parameters():
            torch.testing.assert_close(getattr(lstm, name.removesuffix("_l0")).grad[member], parameter.grad)


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(-3, 3), st.integers(0, 1000))
def test_layer_norm_is_the_references_formula(width, magnitude, seed):
    draw = torch.Generator().manual_seed(seed)
    scale = 10**magnitude
    rows = scale * torch.randn(2, 5, width, dtype=torch.double, generator=draw) + scale
    norm = LayerNorm(members=2, width=width).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    std = rows.std(-1, keepdim=True)
    scaled = (rows - rows.mean(-1, keepdim=True)) / (std + 1e-6)
    wanted = norm.gain.unsqueeze(1) * scaled + norm.bias.unsqueeze(1)
    # The epsilon's place is another: a relative difference of about 1e-6 / std in what is added to the bias.
    allowed = 1e-9 + 2 * norm.gain.unsqueeze(1).abs() * scaled.abs() * (1e-6 / std)
    assert ((norm(rows) - wanted).abs() <= allowed).all()
    gamma, beta = torch.randn(2, 2, 5, width, dtype=torch.double, generator=draw)
    wanted = wanted + gamma * scaled + beta
    allowed = allowed + 2 * gamma.abs() * scaled.abs() * (1e-6 / std)
    utterance = torch.tensor([4, 0, 3, 1, 2]).expand(2, -1)  # of each row
    by_utterance = (part[:, utterance[0].argsort()] for part in (gamma, beta))
    modulation = Modulation(*by_utterance, utterance, full=False)
    half = Branch(rows / 2, None)
    assert ((norm.join(rows / 2, half, 0.0, None, modulation) - wanted).abs() <= allowed).all()


def test_a_row_without_variance_becomes_the_bias():
    norm = LayerNorm(members=1, width=4)
    with torch.no_grad():
        norm.bias.copy_(torch.arange(4.0).view(1, 4))
    for value in (0.0, 3.0, 1e4):
        torch.testing.assert_close(norm(torch.full((1, 1, 4), value))[0, 0], torch.arange(4.0))


# Dropout


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.75])
def test_dropout_zeroes_the_share_that_is_asked_for_and_keeps_the_mean(probability):
    values = torch.ones(40, 50, 101)
    dropped = drop(values, probability, Noise(1))
    kept = dropped != 0
    sigma = math.sqrt(probability * (1 - probability) / values.numel())
    assert abs((~kept).double().mean() - probability) < 5 * sigma
    torch.testing.assert_close(dropped[kept], torch.full((int(kept.sum()),), 1 / (1 - probability)), rtol=1e-4, atol=0)


def test_dropout_masks_are_independent():
    """Between members, neighbours and draws: the share of joint zeros is the product of the shares."""
    noise, probability = Noise(5), 0.4
    first, second = (drop(torch.ones(4, 100_000), probability, noise) == 0 for _ in range(2))
    pairs = [(first[a], first[b]) for a in range(4) for b in range(a)]
    pairs += [(first[0, :-shift], first[0, shift:]) for shift in range(1, 9)]
    pairs += [(first[0], second[0]), (first[3], second[0])]
    for a, b in pairs:
        covariance = (a.double() - probability) * (b.double() - probability)
        assert abs(covariance.mean()) < 5 * probability * (1 - probability) / math.sqrt(len(covariance))


def test_dropout_is_the_seeds_and_passes_gradients_where_it_keeps():
    values = torch.randn(3, 7, requires_grad=True)
    one, same, other = (drop(values, 0.5, Noise(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    one.sum().backward()
    assert torch.equal(values.grad, torch.where(one != 0, 2.0, 0.0))
    assert drop(values, 0.5, None) is values
    assert torch.equal(drop(values, 0.0, Noise(1)), values)


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_each_dropout_of_a_model_is_used_in_training_alone(architecture):
    tokens, mels = batch(1, 3)
    for key in NO_DROPOUT:
        model = stack(architecture, **{key: 0.5})
        with torch.no_grad():
            plain, again = model(make_inputs(tokens, mels)), model(make_inputs(tokens, mels))
            noisy = model(make_inputs(tokens, mels), Noise(3))
        assert torch.equal(plain, again)
        assert not torch.allclose(plain, noisy), key


@pytest.mark.slow
def test_members_see_different_masks():
    model = stack("mat", 2, seeds=[4, 4], dropout_input=0.5, dropout_residual=0.2, dropout_output=0.5)
    tokens, mels = batch(1, 4)
    twice = make_inputs(tokens.expand(2, -1, -1), mels.expand(2, -1, -1, -1))
    with torch.no_grad():
        torch.testing.assert_close(*model(twice), rtol=0, atol=1e-6)
        spread = np.std([model(twice, Noise(seed)).numpy() for seed in range(200)], axis=0)
        one, other = model(twice, Noise(0))
    assert not torch.allclose(one, other)
    # The same distribution: the spread over 200 draws is about the same for both.
    np.testing.assert_allclose(spread[0], spread[1], rtol=0.35)


def test_a_pool_counts_only_real_positions_and_all_where_none_is_real():
    torch.manual_seed(1)
    scores, rows = torch.randn(2, 4 * 3), torch.randn(2, 4 * 3, 5)  # four positions, three utterances
    lengths = torch.tensor([[4, 2, 0], [1, 0, 3]])
    pooled = pool(scores, rows, torch.arange(4) < lengths.unsqueeze(-1))
    for member in range(2):
        for utterance in range(3):
            own_scores, own_rows = scores[member, utterance::3], rows[member, utterance::3]
            real = int(lengths[member, utterance])
            weights = own_scores[:real].softmax(0) if real else torch.full((4,), 0.25)
            wanted = weights @ own_rows[: len(weights)]
            torch.testing.assert_close(pooled[member, utterance], wanted)
