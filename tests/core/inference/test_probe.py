"""Probes: what a masked or shuffled modality means, and that only that modality is touched."""

import numpy as np
import pytest
import torch
from builders import CPU, make_corpus, tiny_recipe, write_tiny

from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.inference.probe import PROBES, probe
from sertool.core.runs.experiment import fit_inputs, open_experiment, tables_of
from sertool.core.runs.members import stack_of
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe
from sertool.core.training.logits import logits_of

TRAINING = {"runs": 2, "max_epochs": 1}


def trained(here, recipe, corpus=None):
    experiment = open_experiment(recipe, write_tiny(here / "data", corpus))
    list(train_recipe(plan_training(experiment, here / "ckpt/tiny", [1, 2], None, CPU), here / "data", CPU))
    return open_ensemble("tiny", here / "ckpt", here / "data")


def test_shuffling_gives_everybody_somebody_elses_and_leaves_the_rest(tmp_path):
    experiment = open_experiment(tiny_recipe(), write_tiny(tmp_path))
    tables = tables_of(experiment, fit_inputs(experiment), torch.device("cpu"))
    rows = experiment.folds[0].sets["test"]
    own = list(rows)
    others = [row for row in range(len(tables.text_mask)) if row not in rows]
    sound = PROBES["audio shuffled"](tables, rows)
    assert torch.equal(sound.text, tables.text)
    assert torch.equal(sound.audio[others], tables.audio[others])
    before, after = tables.audio[own].flatten(1), sound.audio[own].flatten(1)
    assert sorted(map(tuple, after.tolist())) == sorted(map(tuple, before.tolist()))
    filled = tables.audio_mask[own].any(1)
    assert not (before[filled] == after[filled]).all(1).any()
    words = PROBES["text shuffled"](tables, rows)
    assert torch.equal(words.audio, tables.audio)
    assert torch.equal(words.text_lengths[own].sort().values, tables.text_lengths[own].sort().values)
    assert not torch.equal(words.text[:, own], tables.text[:, own])


@pytest.mark.parametrize("text_frames", [0, 4])
def test_masked_is_what_the_models_make_of_a_missing_modality(tmp_path, text_frames):
    """Masking the text gives the logits of the same utterances in a corpus without texts."""
    corpus = make_corpus(text_frames=text_frames)
    ensemble = trained(tmp_path, tiny_recipe(training=TRAINING), corpus)
    probed = probe(ensemble, "test", CPU)
    (plain,) = predict_sets(ensemble, ["test"], CPU)
    assert set(probed) == {name for name in PROBES if not name.startswith("context")}
    for name, logits in probed.items():
        assert logits.shape == plain.logits.shape, name
        assert not np.allclose(logits, plain.logits), name
    without = tables_of(ensemble.experiment, ensemble.trained.inputs, torch.device("cpu"))
    without.text.zero_()
    without.text_mask.zero_()
    without.text_lengths.fill_(without.text_mask.shape[1])
    stack = stack_of(ensemble.trained, ensemble.members)
    rows = torch.tensor(ensemble.experiment.folds[0].sets["test"])
    logits = logits_of(stack, without, [rows, rows], [0, 0], CPU)
    np.testing.assert_allclose(probed["text masked"], torch.stack(logits).numpy(), atol=1e-5)


def test_a_model_of_one_modality_is_probed_in_that_one(tmp_path):
    ensemble = trained(tmp_path, tiny_recipe(dataset={"modalities": ["audio"]}, training=TRAINING))
    assert set(probe(ensemble, "test", CPU)) == {"audio masked", "audio shuffled"}


def test_in_cross_validation_each_fold_probes_its_own(tmp_path):
    folded = tiny_recipe(splits={"scheme": "folds", "group": "speaker", "folds": 3}, training=TRAINING)
    ensemble = trained(tmp_path, folded)
    (plain,) = predict_sets(ensemble, ["test"], CPU)
    probed = probe(ensemble, "test", CPU)
    assert {logits.shape for logits in probed.values()} == {plain.logits.shape} == {(2, 48, 3)}
