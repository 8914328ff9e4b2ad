"""Steps of a training on fixed shapes, with all kernels and without any: losses and logits, distances as JSON."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[4] / "support"))

from builders import NO_DROPOUT, tiny_recipe
from comparing import distance, plainly

from sertool.core.compute.device import choose
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.inputs import lengths
from sertool.core.models.kernels.interpreter import let_dot_take_bfloat16
from sertool.core.training.batches import Tables
from sertool.core.training.graph_steps import StaticSteps
from sertool.core.training.optimizer import StackedAdam
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import Stack

UTTERANCES = 10


def tables():
    text, audio = torch.randint(1, 9, (1, UTTERANCES, 3)), torch.randn(UTTERANCES, 4, 5)
    text[0, 1], audio[2] = 0, 0  # one without words, one without sound
    text_mask, audio_mask = text[0] != 0, audio.abs().sum(-1) != 0
    targets = torch.arange(UTTERANCES) % 3
    return Tables(text, text_mask, lengths(text_mask), audio, audio_mask, lengths(audio_mask), targets)


def trained(corpus, architecture, precision):
    """Return the summed losses, and the logits of both members after the steps."""
    recipe = tiny_recipe(
        model={**NO_DROPOUT, "architecture": architecture},
        training={"batch_size": 4, "learning_rate": 1e-3, "clip_norm": 1.0},
    )
    model = build(recipe.model, DataSizes(9, 6, 5, 3), 2)
    initialise(model, [1, 2], [None] * 2)
    adam = StackedAdam(list(model.parameters()), recipe.training)
    stack = Stack(model, adam, [0, 0], corpus, recipe.training, None, precision)
    # The second member has fewer utterances, and no batch in the last step.
    schedule = plan_epoch([torch.arange(UTTERANCES), torch.arange(5)], recipe.training, 0, [0, 0])
    steps = StaticSteps(stack, schedule)
    losses = steps.run(schedule, 0)
    logits = steps.evaluate([torch.arange(UTTERANCES)] * 2)
    return {"losses": losses, "logits": torch.stack(logits)}


let_dot_take_bfloat16()
torch.manual_seed(1)
corpus, worst = tables(), {}
for architecture in ("mat", "mnt"):
    for name in ("fp32", "bf16"):
        precision = replace(choose("cpu", name), graphs=True)
        ours = trained(corpus, architecture, precision)
        theirs = plainly(trained, corpus, architecture, replace(precision, name="fp32"))
        for key, values in ours.items():
            worst[f"{architecture} {name} {key}"] = distance(values, theirs[key])
print(json.dumps(worst))
