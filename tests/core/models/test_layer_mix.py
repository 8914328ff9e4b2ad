"""Layers of an encoder side by side in a frame, mixed by one weight a layer and member."""

from dataclasses import replace

import pytest
import torch
from builders import CPU, make_corpus, make_inputs, member_state, open_tiny, tiny_recipe, write_tiny
from stacks import CLASSES, SMALL, batch

from sertool.core.errors import UsageError
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.recipe.frontends import SpeechEncoder
from sertool.core.recipe.schema import Model
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.members import sizes_for, stack_of
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe

ENCODER = {"model": "here", "layer": [0, 1, 2]}
NOTE = {"name": "encoder", **SpeechEncoder(**ENCODER).model_dump(), "weights": "0", "width": 15}
SIZES = DataSizes(None, 6, 15, CLASSES, text_layers=2, audio_layers=3)


def mixed(architecture, sizes=SIZES, members=2):
    model = build(Model(architecture=architecture, **SMALL), sizes, members)
    initialise(model, list(range(members)), [None] * members)
    return model


@pytest.mark.parametrize("architecture", ["mat", "mnt", "linear"])
def test_a_member_reads_its_own_mean_of_the_layers(architecture):
    model = mixed(architecture)
    plain = mixed(architecture, DataSizes(None, 3, 5, CLASSES))
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            parameter.copy_(dict(model.named_parameters())[name])
        for encoder in (model.text_encoder, model.audio_encoder):
            assert not encoder.mix.weight.any()  # all layers count equally at first
            encoder.mix.weight.normal_(generator=torch.Generator().manual_seed(1))
    draw = torch.Generator().manual_seed(2)
    words, _ = batch(2, 6, frames=True)
    text = (words.abs().sum(-1, keepdim=True) != 0) * torch.randn(2, 6, 7, 6, generator=draw)
    audio = torch.randn(2, 6, 9, 15, generator=draw)
    audio[:, 2, 4:] = 0
    parts = []
    for frames, layers in ((text, 2), (audio, 3)):
        encoder = model.text_encoder if layers == 2 else model.audio_encoder
        each = torch.stack(frames.chunk(layers, dim=-1), dim=-1)
        parts.append(torch.stack([own @ encoder.mix.weight[row].softmax(0) for row, own in enumerate(each)]))
    logits = model(make_inputs(text, audio))
    torch.testing.assert_close(logits, plain(make_inputs(*parts)), rtol=0, atol=1e-5)
    logits.square().sum().backward()
    assert model.audio_encoder.mix.weight.grad.abs().min() > 0


def test_members_learn_weights_that_are_stored_and_read(tmp_path):
    recipe = tiny_recipe(frontend=ENCODER, training={"runs": 2, "max_epochs": 2})
    corpus = replace(make_corpus(width=15), frontend=NOTE)
    experiment = open_experiment(recipe, write_tiny(tmp_path / "data", corpus))
    list(train_recipe(plan_training(experiment, tmp_path / "ckpt/tiny", [1, 2], None, CPU), tmp_path / "data", CPU))
    ensemble = open_ensemble("tiny", tmp_path / "ckpt", tmp_path / "data")
    weights = [member_state(stack_of(ensemble.trained, ensemble.members), place) for place in range(2)]
    first, second = (own["audio_encoder.mix.weight"] for own in weights)
    assert first.shape == (3,)
    assert first.abs().min() > 0
    assert not torch.equal(first, second)
    assert len(predict_sets(ensemble, ["test"], CPU)[0].logits) == 2


def test_frames_that_cannot_hold_the_layers_are_refused_where_they_are_read(tmp_path):
    recipe = tiny_recipe(frontend=ENCODER)
    experiment, _ = open_tiny(tmp_path, recipe, replace(make_corpus(width=16), frontend=NOTE))
    with pytest.raises(UsageError, match=r"^frontend\.layer: lists 3 layers, which frames of 16 values cannot hold"):
        sizes_for(experiment, 9)
    text_alone, _ = open_tiny(tmp_path / "text", tiny_recipe(frontend=ENCODER, dataset={"modalities": ["text"]}))
    assert sizes_for(text_alone, 9).audio_layers == 1
