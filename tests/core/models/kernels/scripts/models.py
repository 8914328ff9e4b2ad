"""Whole models in a full layout with all kernels, against plain ones in float32: logits and every gradient, as JSON."""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[4] / "support"))

from builders import make_inputs, tiny_recipe
from comparing import distance, plainly

from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.inputs import Inputs
from sertool.core.models.kernels.interpreter import let_dot_take_bfloat16
from sertool.core.models.kernels.noise import Noise

SIZES = {"hidden_size": 24, "ffn_size": 40, "num_heads": 2, "num_layers": 2}
OFF = {"dropout_input": 0.0, "dropout_residual": 0.0, "dropout_output": 0.0}


def inputs():
    text, audio = torch.randint(1, 9, (3, 4, 5)), torch.randn(3, 4, 8, 5)
    text[:, 1, 3:] = 0
    audio[:, 2, 5:] = 0
    audio[:, 0] = 0  # an utterance without sound
    text[:, 3] = 0  # and one without words
    made = make_inputs(text, audio)
    return Inputs(made.text, made.text_mask, None, made.audio, made.audio_mask, None)


def model_of(architecture, dropouts):
    recipe = tiny_recipe(model={"architecture": architecture, **SIZES, **dropouts})
    model = build(recipe.model, DataSizes(9, 6, 5, 3), 3)
    initialise(model, [1, 2, 3], [None] * 3)
    return model


let_dot_take_bfloat16()
worst = {}
torch.manual_seed(2)
batch = inputs()
for architecture in ("mat", "mnt"):
    model = model_of(architecture, OFF)

    def run(autocast, model=model):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = model(batch, None)
        logits.float().square().sum().backward()
        return {"logits": logits.detach(), **{name: p.grad.clone() for name, p in model.named_parameters()}}

    right = plainly(run, False)
    for number, autocast in (("float32", False), ("bfloat16", True)):
        for name, ours in run(autocast).items():
            if name.endswith((".key.bias", "score.outer.bias")):
                continue  # nothing but rounding: a shift of all scores changes no softmax
            worst[f"{architecture} {number} {name}"] = distance(ours, right[name])
    # Dropout: another draw at every call, the same one from the same seed.
    noisy, noise = model_of(architecture, {"dropout_residual": 0.3, "dropout_output": 0.3}), Noise(3)
    with torch.no_grad():
        first, second = noisy(batch, noise), noisy(batch, noise)
        noise.seed(3)
        assert torch.equal(noisy(batch, noise), first)
    assert not torch.equal(first, second)
print(json.dumps(worst))
