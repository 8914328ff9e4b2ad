"""The stacked models against plain ones written from the formulas, one utterance at a time; members of a stack."""

import math

import pytest
import torch
from builders import make_inputs, member_state
from stacks import CLASSES, ROWS, SMALL, WIDTH, batch, stack

from sertool.core.models.build import FUSIONS, DataSizes, build, initialise, load_members
from sertool.core.recipe.schema import Model

# A plain model: the weights of one member by our names, one utterance at a time, everything padded


class Plain:
    """Layers by the reference's formulas (SYSTEM.md, "Models"), from one member's weights by name."""

    def __init__(self, weights, heads):
        self.w, self.heads = weights, heads

    def linear(self, rows, name):
        return rows @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def lstm(self, rows, name):
        w = self.w
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

    def norm(self, rows, name, gamma=0.0, beta=0.0):
        scaled = (rows - rows.mean(-1, keepdim=True)) / (rows.std(-1, keepdim=True) + 1e-6)
        return (self.w[f"{name}.gain"] + gamma) * scaled + self.w[f"{name}.bias"] + beta

    def attention(self, rows, memory, mask, name):
        query = self.linear(rows, f"{name}.query")
        key, value = (self.linear(memory, f"{name}.{part}") for part in ("key", "value"))
        size, parts = query.shape[1] // self.heads, []
        for head in range(self.heads):
            own = slice(head * size, (head + 1) * size)
            scores = query[:, own] @ key[:, own].T / math.sqrt(size)
            scores[:, ~mask] = -1e9
            parts.append(scores.softmax(1) @ value[:, own])
        return self.linear(torch.cat(parts, 1), f"{name}.output")

    def ffn(self, rows, name):
        return self.linear(self.linear(rows, f"{name}.inner").relu(), f"{name}.outer")

    def pool(self, rows, mask, name):
        scores = self.ffn(rows, f"{name}.score")[:, 0]
        scores[~mask] = -1e9
        return self.linear(scores.softmax(0) @ rows, f"{name}.output")


def plain_logits(weights, architecture, tokens, mels, heads=2, layers=2):
    """Compute the logits of tokens (L,) or frames (L, D), and mels (T, M)."""
    plain = Plain(weights, heads)
    norm, attention, ffn = plain.norm, plain.attention, plain.ffn
    text_mask = tokens != 0 if tokens.dim() == 1 else tokens.abs().sum(1) != 0
    audio_mask = mels.abs().sum(1) != 0
    rows = weights["text_encoder.embedding.weight"][tokens] if tokens.dim() == 1 else tokens
    text, audio = plain.lstm(rows, "text_encoder.lstm"), plain.lstm(mels, "audio_encoder.lstm")
    for layer in range(layers):
        name = f"text_blocks.{layer}"
        text = norm(text + attention(text, text, text_mask, f"{name}.self_attn"), f"{name}.norm1")
        text = norm(text + ffn(text, f"{name}.ffn"), f"{name}.norm2")
    summary = plain.pool(text, text_mask, "text_pool")
    if architecture == "mnt":
        pieces = plain.linear(summary, "modulation").relu().chunk(layers)
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
    return plain.linear(norm(summary + plain.pool(audio, audio_mask, "audio_pool"), "norm"), "classifier")


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
        plain = [plain_logits(weights, architecture, *pair) for pair in zip(tokens[member], mels[member], strict=True)]
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
        plain = [plain_logits(weights, architecture, *pair) for pair in zip(tokens[0], mels[0].double(), strict=True)]
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
        for architecture in FUSIONS
    }
    assert counts == {"mat": 15_507_462, "mnt": 14_977_030}


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
