"""The same code on a CUDA device: skipped, saying so, where there is none."""

import pytest
import torch
from builders import CPU, NO_DROPOUT, make_inputs, tiny_recipe, write_tiny

from sertool.core.experiment import open_experiment
from sertool.core.models.build import build, initialise
from sertool.core.planning import plan_training
from sertool.core.precision import choose
from sertool.core.runs import train_recipe
from sertool.core.training import Epoch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_logits_are_those_of_the_cpu(architecture):
    recipe = tiny_recipe(model={"architecture": architecture})
    model = build(recipe.model, members=3, text_rows=9, text_width=6, audio_width=5, num_classes=3)
    initialise(model, [1, 2, 3], [None] * 3)
    text = torch.randint(0, 9, (3, 4, 5))
    audio = torch.randn(3, 4, 8, 5)
    audio[:, 0] = 0  # an utterance without audio
    with torch.no_grad():
        expected = model(make_inputs(text, audio))
        got = model.cuda()(make_inputs(text.cuda(), audio.cuda()))
    torch.testing.assert_close(got.cpu(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_training_follows_the_cpu(precision, tmp_path):
    recipe = tiny_recipe(model=NO_DROPOUT, training={"precision": precision})
    experiment = open_experiment(recipe, write_tiny(tmp_path / "data"))
    losses = {}
    for where in (CPU, choose("cuda", precision)):
        plan = plan_training(experiment, tmp_path / where.device.type, [1, 2, 3], 3, where)
        epochs = [e for e in train_recipe(plan, tmp_path / "data", where) if isinstance(e, Epoch)]
        losses[where.device.type] = [row.loss for _, row in epochs[0].rows]
    tolerance = 1e-3 if precision == "fp32" else 5e-2
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=tolerance)
