"""The stacked models against plain ones written from the formulas, one utterance at a time."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders import NO_DROPOUT, make_inputs, member_state
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.models.build import ARCHITECTURES, DataSizes, build, initialise, load_members
from sertool.core.models.inputs import lengths
from sertool.core.models.kernels.dropout import drop
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.kernels.norm import Branch, Modulation
from sertool.core.models.layers import LayerNorm
from sertool.core.models.layout import packed_layout
from sertool.core.recipe.schema import Model

SMALL = {"hidden_size": 8, "ffn_size": 12, "num_heads": 2, "num_layers": 2, "embedding_size": 6, **NO_DROPOUT}
ROWS, WIDTH, CLASSES = 9, 5, 3


def stack(architecture="mat", members=1, text_rows=ROWS, seeds=None, **changes):
    model = build(
        Model(architecture=architecture, **{**SMALL, **changes}),
        DataSizes(text_rows, 6, WIDTH, CLASSES),
        members,
    )
    initialise(model, seeds or list(range(members)), [None] * members)
    return model


def batch(members, utterances, *, text=7, audio=9, frames=False, seed=0):
    """Random inputs: each utterance of its own length, a masked hole in some, one without text, one without audio."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, ROWS, (members, utterances, text), generator=draw)
    mels = torch.randn(members, utterances, audio, WIDTH, generator=draw)
    for member in range(members):
        for row in range(utterances):
            tokens[member, row, 1 + int(torch.randint(text, (1,), generator=draw)) :] = 0
            mels[member, row, 1 + int(torch.randint(audio, (1,), generator=draw)) :] = 0
            if row == 1:
                mels[member, row, 2] = 0
    tokens[:, -1], mels[:, 0] = 0, 0
    if frames:
        tokens = (tokens != 0).unsqueeze(-1) * torch.randn(members, utterances, text, 6, generator=draw)
    return tokens, mels


# A plain model: the weights of one member by our names, one utterance at a time, everything padded


def plain_logits(weights, architecture, tokens, mels, heads=2, layers=2):
    """The reference's formulas (SYSTEM.md, "Models") for tokens (L,) or frames (L, D), and mels (T, M)."""
    w = weights

    def linear(rows, name):
        return rows @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def lstm(rows, name):
        hidden = cell = torch.zeros(w[f"{name}.weight_hh"].shape[1], dtype=rows.dtype)
        out = []
        for row in rows:
            gates = w[f"{name}.weight_ih"] @ row + w[f"{name}.bias_ih"]
            gates = gates + w[f"{name}.weight_hh"] @ hidden + w[f"{name}.bias_hh"]
            into, forget, new, show = gates.chunk(4)
            cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
            hidden = show.sigmoid() * cell.tanh()
            out.append(hidden)
        return torch.stack(out)

    def norm(rows, name, gamma=0.0, beta=0.0):
        scaled = (rows - rows.mean(-1, keepdim=True)) / (rows.std(-1, keepdim=True) + 1e-6)
        return (w[f"{name}.gain"] + gamma) * scaled + w[f"{name}.bias"] + beta

    def attention(rows, memory, mask, name):
        query, key, value = (
            linear(rows, f"{name}.query"),
            linear(memory, f"{name}.key"),
            linear(memory, f"{name}.value"),
        )
        size, parts = query.shape[1] // heads, []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            scores = query[:, own] @ key[:, own].T / math.sqrt(size)
            scores[:, ~mask] = -1e9
            parts.append(scores.softmax(1) @ value[:, own])
        return linear(torch.cat(parts, 1), f"{name}.output")

    def ffn(rows, name):
        return linear(linear(rows, f"{name}.inner").relu(), f"{name}.outer")

    def pool(rows, mask, name):
        scores = ffn(rows, f"{name}.score")[:, 0]
        scores[~mask] = -1e9
        return linear(scores.softmax(0) @ rows, f"{name}.output")

    text_mask = tokens != 0 if tokens.dim() == 1 else tokens.abs().sum(1) != 0
    audio_mask = mels.abs().sum(1) != 0
    rows = w["text_encoder.embedding.weight"][tokens] if tokens.dim() == 1 else tokens
    text, audio = lstm(rows, "text_encoder.lstm"), lstm(mels, "audio_encoder.lstm")
    for layer in range(layers):
        name = f"text_blocks.{layer}"
        text = norm(text + attention(text, text, text_mask, f"{name}.self_attn"), f"{name}.norm1")
        text = norm(text + ffn(text, f"{name}.ffn"), f"{name}.norm2")
    summary = pool(text, text_mask, "text_pool")
    if architecture == "mnt":
        pieces = linear(summary, "modulation").relu().chunk(layers)
    for layer in range(layers):
        name = f"audio_blocks.{layer}"
        attended = audio + attention(audio, audio, audio_mask, f"{name}.self_attn")
        if architecture == "mat":
            audio = norm(attended, f"{name}.norm1")
            audio = norm(audio + attention(audio, text, text_mask, f"{name}.cross_attn"), f"{name}.norm2")
            audio = norm(audio + ffn(audio, f"{name}.ffn"), f"{name}.norm3")
        else:
            gamma1, beta1, gamma2, beta2 = pieces[layer].chunk(4)
            audio = norm(attended, f"{name}.norm1", gamma1, beta1)
            audio = norm(audio + ffn(audio, f"{name}.ffn"), f"{name}.norm2", gamma2, beta2)
    return linear(norm(summary + pool(audio, audio_mask, "audio_pool"), "norm"), "classifier")


@pytest.mark.parametrize("frames", [False, True], ids=["words", "frames"])
@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_logits_and_gradients_are_those_of_plain_models(architecture, frames):
    members, utterances = 2, 18  # more than one block of attention
    model = stack(architecture, members, text_rows=None if frames else ROWS).double()
    tokens, mels = batch(members, utterances, frames=frames)
    tokens, mels = tokens.double() if frames else tokens, mels.double()
    logits = model(make_inputs(tokens, mels))
    # Some utterances count more, so that every one shows in the gradients.
    worth = torch.arange(1.0, utterances * CLASSES + 1).view(utterances, CLASSES).double()
    (logits * worth).sum().backward()
    for member in range(members):
        weights = {k: v.clone().requires_grad_() for k, v in member_state(model, member).items()}
        plain = [
            plain_logits(weights, architecture, *pair)
            for pair in zip(tokens[member], mels[member], strict=True)
        ]
        torch.testing.assert_close(logits[member], torch.stack(plain), rtol=0, atol=2e-5)
        (torch.stack(plain) * worth).sum().backward()
        for name, parameter in model.named_parameters():
            own, theirs = parameter.grad[member], weights[name].grad
            assert (own - theirs).abs().max() <= 1e-4 * max(theirs.abs().max(), 1e-3), name


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_large_scores_do_not_reach_through_a_mask(architecture):
    """-1e9 is added in float32 by some ways to mask, where it has steps of 64: a score of 200 would come through."""
    model = stack(architecture)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".query." in name or ".key." in name or ".score.outer" in name:
                parameter.mul_(40)
    tokens, mels = batch(1, 6)
    weights = {name: value.double() for name, value in member_state(model, 0).items()}
    with torch.no_grad():
        logits = model(make_inputs(tokens, mels))[0]
        plain = [
            plain_logits(weights, architecture, *pair)
            for pair in zip(tokens[0], mels[0].double(), strict=True)
        ]
    torch.testing.assert_close(logits, torch.stack(plain).float(), rtol=0, atol=1e-3)


def test_sizes_are_the_published_ones():
    counts = {
        architecture: sum(
            parameter.numel()
            for name, parameter in build(
                Model(architecture=architecture, hidden_size=512, ffn_size=1024, num_heads=4, num_layers=2),
                DataSizes(text_rows=1, text_width=300, audio_width=80, num_classes=4),
                members=1,
            ).named_parameters()
            if "embedding" not in name
        )
        for architecture in ARCHITECTURES
    }
    assert counts == {"mat": 15_507_462, "mnt": 14_977_030}


# Packing: what stands beside an utterance does not matter


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000), st.sampled_from([1, 2, 5, 33]), st.integers(1, 3), st.sampled_from(["mat", "mnt"])
)
def test_an_utterance_alone_has_the_logits_it_has_in_a_batch(seed, utterances, members, architecture):
    model = stack(architecture, members)
    tokens, mels = batch(members, utterances, seed=seed)
    with torch.no_grad():
        together = model(make_inputs(tokens, mels))
        for row in range(utterances):
            alone = model(make_inputs(tokens[:, row : row + 1], mels[:, row : row + 1]))
            torch.testing.assert_close(alone[:, 0], together[:, row], rtol=0, atol=1e-5)
        order = torch.randperm(utterances, generator=torch.Generator().manual_seed(seed))
        turned = model(make_inputs(tokens[:, order], mels[:, order]))
        torch.testing.assert_close(turned, together[:, order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_padding_beyond_the_last_real_position_changes_nothing(architecture):
    """Except where everything is masked: there the weights are uniform over the whole padded length."""
    model = stack(architecture)
    tokens, mels = batch(1, 5)
    longer = F.pad(tokens, (0, 4)), F.pad(mels, (0, 0, 0, 6))
    with torch.no_grad():
        before, after = model(make_inputs(tokens, mels)), model(make_inputs(*longer))
    torch.testing.assert_close(after[:, 1:-1], before[:, 1:-1], rtol=0, atol=1e-5)
    for masked in (0, -1):
        assert (after[:, masked] - before[:, masked]).abs().max() > 1e-4
        assert torch.isfinite(after).all()


def unpacked(layout, packed, length):
    """Packed rows (E, P, D) at their places (E, B, T, D), NaN where there are none."""
    members, batch = layout.mask.shape[:2]
    steps = torch.repeat_interleave(torch.arange(len(layout.step_sizes)), torch.tensor(layout.step_sizes))
    padded = torch.full((members, batch, length, packed.shape[2]), torch.nan, dtype=packed.dtype)
    padded[torch.arange(members).unsqueeze(1), layout.utterance, steps] = packed
    return padded


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 2**6 - 1), min_size=12, max_size=12))
def test_packed_rows_hold_every_real_position_once(utterances, members, masks):
    bits = [[bool(row >> place & 1) for place in range(6)] for row in masks[: utterances * members]]
    mask = torch.tensor(bits).view(members, utterances, 6)
    layout = packed_layout(mask, lengths(mask))
    assert sorted(layout.step_sizes, reverse=True) == list(layout.step_sizes)
    places = torch.arange(1.0, mask.numel() + 1).view(*mask.shape, 1)
    packed = layout.pack(places)
    assert packed.shape == (members, sum(layout.step_sizes), 1)
    assert all(len(rows.unique()) == len(rows) for rows in packed)
    there = unpacked(layout, packed, 6)
    # Where nothing is real, everything is computed.
    wanted = mask | ~mask.any(-1, keepdim=True)
    assert torch.equal(there[wanted], places[wanted])


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_lengths_reach_behind_the_last_real_position(mask):
    wanted = max((place + 1 for place, real in enumerate(mask) if real), default=len(mask))
    assert lengths(torch.tensor(mask)).item() == wanted


# Members of a stack


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_a_stack_is_each_of_its_members_alone(architecture):
    seeds = [7, 1, 12]
    together = stack(architecture, 3, seeds=seeds)
    tokens, mels = batch(3, 4)
    with torch.no_grad():
        logits = together(make_inputs(tokens, mels))
        for place, seed in enumerate(seeds):
            alone = stack(architecture, 1, seeds=[seed])
            for name, parameter in alone.named_parameters():
                assert torch.equal(parameter[0], dict(together.named_parameters())[name][place]), name
            own = alone(make_inputs(tokens[place : place + 1], mels[place : place + 1]))
            torch.testing.assert_close(own[0], logits[place], rtol=0, atol=1e-5)


def test_initial_weights_follow_torchs_default_schemes():
    state = member_state(stack(hidden_size=64, ffn_size=128, embedding_size=6, num_heads=2), 0)
    for name, bound in (
        ("text_blocks.0.ffn.inner.weight", 1 / 8),
        ("text_blocks.0.ffn.outer.bias", 1 / math.sqrt(128)),
        ("audio_encoder.lstm.weight_ih", 1 / 8),
        ("audio_encoder.lstm.bias_hh", 1 / 8),
    ):
        assert 0.85 * bound < state[name].abs().max() <= bound, name
        assert state[name].mean().abs() < 0.2 * bound, name
    assert torch.equal(state["norm.gain"], torch.ones(128))
    assert torch.equal(state["norm.bias"], torch.zeros(128))
    assert 0.7 < state["text_encoder.embedding.weight"].std() < 1.3
    assert not torch.equal(state["text_blocks.0.ffn.inner.weight"], state["text_blocks.1.ffn.inner.weight"])


def test_word_vectors_fill_a_members_own_rows():
    model = build(Model(**SMALL), DataSizes(5, 6, WIDTH, CLASSES), 2)
    table = torch.arange(18.0).view(3, 6)
    initialise(model, [1, 2], [table, None])
    weight = member_state(model, 0)["text_encoder.embedding.weight"]
    assert torch.equal(weight[:3], table)
    assert not weight[3:].any()
    longer = stack("mat", 1, text_rows=50, seeds=[2])
    drawn = member_state(model, 1)["text_encoder.embedding.weight"]
    assert torch.equal(member_state(longer, 0)["text_encoder.embedding.weight"][:5], drawn)


def test_weights_that_do_not_fit_are_named():
    model = stack()
    state = dict(member_state(model, 0))
    missing = {name: value for name, value in state.items() if name != "norm.gain"}
    with pytest.raises(ValueError, match=r"^weight norm\.gain is missing$"):
        load_members(model, [missing])
    wrong = state | {"classifier.bias": torch.zeros(4)}
    with pytest.raises(ValueError, match=r"^weight classifier\.bias is \(4,\), expected \(3,\)$"):
        load_members(model, [wrong])


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
    ours = unpacked(layout, lstm(layout.pack(mels), layout), mels.shape[2])
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
    torch.testing.assert_close(
        dropped[kept], torch.full((int(kept.sum()),), 1 / (1 - probability)), rtol=1e-4, atol=0
    )


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
