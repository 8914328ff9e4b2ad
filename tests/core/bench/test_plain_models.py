"""The benchmarks compare like with like: the plain models compute what sertool's MAT and MNT compute."""

import numpy as np
import pytest
import torch
from builders import NO_DROPOUT, make_inputs, member_state
from torch import Tensor

from benchmarks._corpus import make_corpus, shorten
from sertool.core.bench import plain_models as baseline
from sertool.core.bench.plain_side import Utterances
from sertool.core.bench.random_corpus import WORDS
from sertool.core.bench.workload import fill
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.kernels.noise import Noise
from sertool.core.recipe.schema import Model

SIZES = {
    "hidden_size": 8,
    "ffn_size": 12,
    "num_heads": 2,
    "num_layers": 2,
    "num_classes": 3,
    "audio_width": 5,
}


def from_sertool(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """One member's weights by sertool's names as this model's state dict."""
    renamed = {}
    for name, value in weights.items():
        if "embedding." in name or ".mix." in name:
            modality, _, _ = name.partition("_encoder.")
            renamed[f"{modality}_enter.0.weight"] = value
        elif "_encoder.lstm." in name:
            modality, _, kind = name.partition("_encoder.lstm.")
            renamed[f"{modality}_lstm.{kind}_l0"] = value
        else:
            renamed[name] = value
    return renamed


def stack(architecture: str, members: int, layers: int = 1):
    sizes = {name: value for name, value in SIZES.items() if name not in ("num_classes", "audio_width")}
    model = build(
        Model(architecture=architecture, **sizes, **NO_DROPOUT),
        DataSizes(20, 6, layers * SIZES["audio_width"], SIZES["num_classes"], audio_layers=layers),
        members,
    )
    initialise(model, list(range(members)), [None] * members)
    return model


def plain(architecture: str, model, member: int, layers: int = 1) -> torch.nn.Module:
    sizes = {**SIZES, "audio_width": layers * SIZES["audio_width"], "audio_layers": layers}
    own = baseline.ARCHITECTURES[architecture](20, text_width=6, dropout_residual=0.0, dropout_output=0.0, **sizes)
    own.load_state_dict(from_sertool(member_state(model, member)))
    return own


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Four utterances: full, half, without words, silent."""
    draws = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 20, (4, 7), generator=draws)
    mels = torch.rand(4, 9, 5, generator=draws)
    tokens[1, 4:] = 0
    mels[1, 5:] = 0
    tokens[2] = 0
    mels[3] = 0
    return tokens, mels


def stacked(tokens: torch.Tensor, mels: torch.Tensor, members: int):
    return make_inputs(tokens.expand(members, *tokens.shape), mels.expand(members, *mels.shape))


@pytest.mark.parametrize("architecture", ["mat", "mnt", "linear"])
def test_the_plain_model_gives_the_logits_of_each_member(architecture):
    model = stack(architecture, 2)
    tokens, mels = batch()
    with torch.no_grad():
        ours = model(stacked(tokens, mels, 2))
        for member in range(2):
            own = plain(architecture, model, member).eval()
            torch.testing.assert_close(own(tokens, mels), ours[member], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["mat", "mnt", "linear"])
def test_the_plain_model_gives_the_gradients_of_a_member(architecture):
    model = stack(architecture, 1)
    tokens, mels = batch()
    targets = torch.tensor([0, 1, 2, 1])
    own = plain(architecture, model, 0)
    ours = model(stacked(tokens, mels, 1), Noise(0))[0]
    torch.nn.functional.cross_entropy(ours, targets, reduction="sum").backward()
    torch.nn.functional.cross_entropy(own(tokens, mels), targets, reduction="sum").backward()
    theirs = dict(own.named_parameters())
    expected = from_sertool({name: p.grad[0] for name, p in model.named_parameters()})
    # Rounding around gradients that are zero in exact arithmetic (a key's bias shifts all scores alike).
    for name, gradient in expected.items():
        torch.testing.assert_close(theirs[name].grad, gradient, atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("architecture", ["mat", "linear"])
def test_the_plain_model_mixes_layers_as_a_member_does(architecture):
    model = stack(architecture, 1, layers=3)
    torch.nn.init.normal_(model.audio_encoder.mix.weight, generator=torch.Generator().manual_seed(0))
    tokens, mels = batch()
    mels = torch.cat([mels, 2 * mels, mels.square()], -1)
    own = plain(architecture, model, 0, layers=3)
    torch.testing.assert_close(own(tokens, mels), model(stacked(tokens, mels, 1))[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("architecture", "parameters"), [("mat", 15_507_462), ("mnt", 14_977_030)])
def test_the_plain_models_have_the_published_number_of_parameters(architecture, parameters):
    model = baseline.ARCHITECTURES[architecture](1)
    own = sum(p.numel() for name, p in model.named_parameters() if name != "text_enter.0.weight")
    assert own == parameters


def test_utterances_are_padded_and_cut():
    mels = [np.ones((2, 5), np.float32), np.ones((9, 5), np.float32)]
    text = [np.array([3, 4]), np.array([5] * 9)]
    utterances = Utterances(text, mels, [0, 2], max_text_length=4, max_audio_length=3)
    tokens, frames, target = utterances[0]
    assert tokens.tolist() == [3, 4, 0, 0]
    assert frames.sum(1).tolist() == [5, 5, 0]
    assert target == 0
    tokens, frames, target = utterances[1]
    assert tokens.tolist() == [5] * 4
    assert frames.shape == (3, 5)
    assert target == 2


def test_the_corpus_fills_two_thirds_of_the_padded_positions():
    measured = fill(make_corpus(train=1500, test=500), 15, 40)
    assert measured.words == pytest.approx(11, abs=0.5)
    assert measured.frames == pytest.approx(26, abs=1)
    assert 0.2 < measured.words_cut < 0.5
    assert 0.2 < measured.frames_cut < 0.5


def test_the_corpus_is_the_same_again():
    one, two = make_corpus(train=20, test=5), make_corpus(train=20, test=5)
    assert one.utterances == two.utterances
    assert (one.audio.flat == two.audio.flat).all()
    assert one.counts() == {"train": 20, "test": 5}


def test_a_shortened_corpus_keeps_its_size():
    whole = make_corpus(train=200, test=50)
    short = shorten(whole, train=10, test=5)
    assert short.counts() == {"train": 10, "test": 5, "private": 235}
    assert all(not u.labels for u in short.utterances if u.split == "private")
    assert short.audio is whole.audio
    assert len(short.vocabulary.index) <= WORDS
    assert len(short.vocabulary.vectors) == max(short.vocabulary.index.values()) + 1
