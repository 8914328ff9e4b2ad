"""Frames standardised by the mean and deviation of the same speaker's recordings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import CPU, make_corpus, open_tiny, tiny_recipe, write_tiny

from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.inference.mean_logits import tables_for
from sertool.core.inference.probe import PROBES
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, train_recipe
from sertool.core.training.batches import fit_speakers

NAMELESS, ALONE = 3, 30  # an utterance without a speaker, and the only recording of one
LONGEST = 8  # frames, of the tiny recipe


def corpus():
    made = make_corpus()
    speakers = {NAMELESS: None, ALONE: "alone"}
    return replace(
        made,
        utterances=tuple(
            replace(own, speaker=speakers.get(row, own.speaker)) for row, own in enumerate(made.utterances)
        ),
    )


def recipe(standardize="speaker", **sections):
    return tiny_recipe(dataset={"standardize": standardize}, **sections)


@pytest.mark.parametrize("full", [False, True])
def test_each_speakers_frames_have_mean_0_and_deviation_1(tmp_path, full):
    experiment, tables = open_tiny(tmp_path, recipe(), corpus())
    _, by_corpus = open_tiny(tmp_path / "other", recipe("corpus"), corpus())
    rows = torch.arange(48).unsqueeze(0)
    inputs, others = (
        own.gather_full(rows, torch.tensor([0])) if full else own.gather(rows, [0]) for own in (tables, by_corpus)
    )
    for speaker in {own.speaker for own in experiment.corpus.utterances} - {None, "alone"}:
        own = [row for row, one in enumerate(experiment.corpus.utterances) if one.speaker == speaker]
        frames = inputs.audio[0, own][inputs.audio_mask[0, own]].numpy()
        np.testing.assert_allclose(frames.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(frames.std(0), 1, atol=1e-5)
    assert not inputs.audio[~inputs.audio_mask].any()
    assert tables.by_fold.nonzero().flatten().tolist() == [NAMELESS, ALONE]
    left = [NAMELESS, ALONE]
    assert torch.equal(inputs.audio[0, left], others.audio[0, left])


def test_statistics_are_of_frames_that_the_model_sees():
    made = corpus()
    longer = [np.concatenate([made.audio[row], np.zeros((1, 5)), np.full((9, 5), 100)]) for row in range(48)]
    speaker = made.utterances[0].speaker
    seen = [longer[row][:3] for row, one in enumerate(made.utterances) if one.speaker == speaker]
    real = np.concatenate([own[own.any(1)] for own in seen])
    fitted = fit_speakers(replace(made, audio=made.audio.join(longer, 5)), 3)
    np.testing.assert_allclose(fitted[speaker].mean, real.mean(0))
    np.testing.assert_allclose(fitted[speaker].std, real.std(0))
    assert not {None, "alone"} & set(fitted)


def test_a_training_says_how_many_take_the_training_frames_and_its_run_predicts(tmp_path):
    settings = recipe(training={"runs": 2, "max_epochs": 1})
    experiment = open_experiment(settings, write_tiny(tmp_path / "data", corpus()))
    plan = plan_training(experiment, tmp_path / "ckpt/tiny", [1, 2], None, CPU)
    notes = [event.text for event in train_recipe(plan, tmp_path / "data", CPU) if isinstance(event, Note)]
    assert notes[-1] == (
        "standardize: speaker: for 2 of 48 utterances the mean and deviation of the training frames stand in: "
        "1 name no speaker, 1 have a speaker with fewer than two recordings"
    )
    ensemble = open_ensemble("tiny", tmp_path / "ckpt", tmp_path / "data")
    (predicted,) = predict_sets(ensemble, ["test"], CPU)
    assert np.isfinite(predicted.logits).all()
    trained, own = ensemble.trained, ensemble.experiment.corpus
    unknown, known = (tables_for(trained, own, CPU.device, s) for s in (None, fit_speakers(own, LONGEST)))
    assert unknown.by_fold.all()
    assert known.by_fold.sum() == 2


def test_shuffled_audio_keeps_its_own_statistics(tmp_path):
    _, tables = open_tiny(tmp_path, recipe(), corpus())
    shuffled = PROBES["audio shuffled"](tables, range(48))
    place = int((tables.audio == shuffled.audio[NAMELESS]).flatten(1).all(1).nonzero()[0])
    assert shuffled.by_fold.sum() == 2
    assert bool(shuffled.by_fold[NAMELESS]) == bool(tables.by_fold[place])


def test_all_speakers_known_leave_nothing_to_the_fold(tmp_path):
    _, tables = open_tiny(tmp_path, recipe())
    assert tables.mean is None
    assert tables.gather(torch.arange(4).unsqueeze(0), [0]).audio.shape == (1, 4, LONGEST, 5)
