"""Losses against torch's, class weights against scikit-learn's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders import make_corpus, open_tiny, tiny_recipe

from sertool.core.recipe.schema import Training
from sertool.core.runs.experiment import class_weights_of
from sertool.core.training.steps import losses


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_torchs(smoothing):
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 6, 4, generator=draw)
    targets = torch.randint(4, (10,), generator=draw)
    index = torch.randint(10, (2, 6), generator=draw)
    weights = torch.rand(3, 4, generator=draw) + 0.5
    chosen = Training(label_smoothing=smoothing)
    folds = torch.tensor([0, 2])
    plain = losses(logits, targets[index], folds, chosen, None)
    weighted = losses(logits, targets[index], folds, chosen, weights)
    for member, fold in enumerate((0, 2)):
        own = targets[index[member]]
        wanted = F.cross_entropy(logits[member], own, reduction="none", label_smoothing=smoothing)
        torch.testing.assert_close(plain[member], wanted)
        torch.testing.assert_close(weighted[member], wanted * weights[fold][own])
        if not smoothing:
            torch.testing.assert_close(
                weighted[member].sum(),
                F.cross_entropy(logits[member], own, weight=weights[fold], reduction="sum"),
            )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy_is_torchs_summed_over_classes(smoothing):
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 6, generator=draw)
    targets = torch.randint(2, (9, 6), generator=draw).float()
    index = torch.randint(9, (2, 5), generator=draw)
    found = losses(logits, targets[index], torch.zeros(2, dtype=torch.int64), Training(label_smoothing=smoothing), None)
    soft = targets[index] * (1 - smoothing) + 0.5 * smoothing
    wanted = F.binary_cross_entropy_with_logits(logits, soft, reduction="none").sum(-1)
    torch.testing.assert_close(found, wanted)


def test_balanced_class_weights_are_scikit_learns(tmp_path):
    from sklearn.utils.class_weight import compute_class_weight

    recipe = tiny_recipe(
        splits={"scheme": "folds", "folds": 3, "group": "speaker"}, training={"class_weights": "balanced"}
    )
    experiment, _ = open_tiny(tmp_path, recipe, make_corpus(seed=4))
    found = class_weights_of(experiment)
    for fold, weights in zip(experiment.folds, found, strict=True):
        own = np.array([experiment.targets[row] for row in fold.sets["train"]])
        wanted = compute_class_weight("balanced", classes=np.arange(3), y=own)
        np.testing.assert_allclose(weights.numpy(), wanted, rtol=1e-6)
