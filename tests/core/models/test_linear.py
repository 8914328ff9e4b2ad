"""The linear probe: mean and deviation of each modality by their formulas, one linear layer, members of a stack."""

from dataclasses import replace

import pytest
import torch
from builders import CPU, make_corpus, make_inputs, member_state, open_tiny, tiny_recipe
from stacks import ROWS, WIDTH, batch, stack

from sertool.core.models.kernels.noise import Noise
from sertool.core.training.loop import Member, start, train


def pooled(rows, mask):
    """Mean and deviation of the rows that are real, one utterance at a time."""
    if not mask.any():
        return torch.zeros(2 * rows.shape[1], dtype=rows.dtype)
    own = rows[mask]
    return torch.cat([own.mean(0), own.std(0, correction=0)])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("frames", [False, True], ids=["words", "frames"])
def test_logits_are_a_linear_layer_on_mean_and_deviation(frames, full):
    """An utterance without text and one without audio are among them, and a silent frame within speech."""
    model = stack("linear", 2, text_rows=None if frames else ROWS).double()
    tokens, mels = batch(2, 6, frames=frames)
    inputs = make_inputs(tokens.double() if frames else tokens, mels.double())
    logits = model(replace(inputs, text_lengths=None, audio_lengths=None) if full else inputs)
    for member in range(2):
        weights = member_state(model, member)
        for row in range(6):
            text = inputs.text[member, row] if frames else weights["text_encoder.embedding.weight"][tokens[member, row]]
            parts = (
                pooled(text, inputs.text_mask[member, row]),
                pooled(inputs.audio[member, row], mels[member, row].any(-1)),
            )
            expected = weights["classifier.weight"] @ torch.cat(parts) + weights["classifier.bias"]
            torch.testing.assert_close(logits[member, row], expected, rtol=0, atol=1e-5)


def test_gradients_are_finite_where_a_deviation_is_zero():
    model = stack("linear", 1)
    tokens, mels = torch.tensor([[[3, 0], [0, 0]]]), torch.ones(1, 2, 1, WIDTH)
    model(make_inputs(tokens, mels)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_stack_is_each_of_its_members_alone():
    together, (tokens, mels) = stack("linear", 3, seeds=[7, 1, 12]), batch(3, 4)
    logits = together(make_inputs(tokens, mels))
    for place, seed in enumerate([7, 1, 12]):
        alone = stack("linear", 1, seeds=[seed])
        own = alone(make_inputs(tokens[place : place + 1], mels[place : place + 1]))
        torch.testing.assert_close(own[0], logits[place], rtol=0, atol=1e-6)


def test_dropout_acts_on_frames_and_before_the_linear_layer():
    inputs = make_inputs(*batch(1, 6))
    for name in ("dropout_input", "dropout_output"):
        model = stack("linear", 1, **{name: 0.5})
        assert not torch.equal(model(inputs, Noise(1)), model(inputs))


def test_a_probe_learns_and_is_saved_by_the_common_loop(tmp_path):
    recipe = tiny_recipe(model={"architecture": "linear"}, training={"learning_rate": 0.05, "max_epochs": 15})
    corpus = make_corpus({"train": 60, "valid": 30, "test": 3})
    experiment, tables = open_tiny(tmp_path, recipe, corpus)
    sets = experiment.folds[0].sets
    members = [Member(seed, 0, torch.tensor(sets["train"]), torch.tensor(sets["valid"])) for seed in (1, 2)]
    model = stack("linear", 2, text_rows=50)
    *_, last = train(start(model, members, recipe.training), tables, recipe.training, None, CPU)
    assert all(done.progress.best > 0.5 for done in last.finished)
    assert set(last.finished[0].weights) == {"text_encoder.embedding.weight", "classifier.weight", "classifier.bias"}
