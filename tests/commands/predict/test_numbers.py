"""``sertool predict`` gives the numbers that `sertool ensemble` gives, with one modality too."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import CPU, make_inputs
from tones import (
    CLASSES,
    own_model,
    places,
    predict,
    refusal,
    run,
    written,
)

import sertool
from sertool.core.inference.certainty import Certainty
from sertool.core.inference.predictor import Predictor
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.ensemble_size import all_members
from sertool.core.runs.members import open_runs, stack_of
from sertool.core.runs.temperature import read_calibration, write_calibration


@pytest.mark.parametrize("name", ["tones", "text", "audio"])
def test_the_logits_are_those_of_ensemble(here, trained, name):
    done = run("ensemble", "--name", name, "--sets", "valid,test", "--predictions", "e.csv", *places(trained))
    assert done.exit_code == 0
    for stored in ("calibration.json", "size.json"):
        (trained / "ckpt" / name / stored).unlink()
    rows = {own["id"]: own["logits"] for own in written("--table", str(trained / "tones.csv"), name=name)}
    with Path("e.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            wanted = [float(row[f"logit_{label}"]) for label in CLASSES]
            np.testing.assert_allclose(rows[row["utterance"]], wanted, rtol=0, atol=1e-5)


def test_members_of_all_folds_are_averaged_each_with_its_own_vocabulary(here):
    opened = open_runs(Path("ckpt/folds"))
    assert len(opened.members) == 6
    assert len({tuple(own.vocabulary.index.items()) for own in opened.inputs}) == 3
    text = "sky sea word0 word1"
    alone = [
        Predictor(replace(opened, members=(member,)), all_members([member], ""), Certainty(), CPU)
        .predict("00.wav", text)
        .logits
        for member in opened.members
    ]
    together = sertool.load("ckpt/folds", device="cpu").predict("00.wav", text).logits
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=0, atol=1e-5)
    assert np.std(alone, axis=0).min() > 1e-3


def test_the_temperature_is_used_where_it_fits(here):
    folder = own_model(here)
    given = ("00.wav", "--text", "sky is up")
    (before,) = written(*given, name="mine")
    order = sertool.load(folder).members
    write_calibration(folder, Calibration(order, 0.5, "valid", 60, 0.2, 0.1, 1.0, 0.9))
    (after,) = written(*given, name="mine")
    assert (before["calibrated"], after["calibrated"]) == (False, True)
    assert after["logits"] == before["logits"]
    assert after["label"] == before["label"]
    powers = np.exp(np.array(before["logits"]) * 2)
    assert list(after["probabilities"].values()) == pytest.approx(powers / powers.sum())
    assert (before["uncalibrated"], after["uncalibrated"]) == ("no temperature was fitted for these members", "")
    said = predict(*given, name="mine").stdout.splitlines()[0]
    assert said == "mine · 2 members, all that were trained · calibrated on 60 validation utterances"
    fewer = predict(*given, "--index", "1", name="mine")
    assert fewer.stdout.splitlines()[0] == "mine · 1 member, chosen by the user · uncalibrated"
    assert "sertool ensemble --name mine --members 1 fits one" in fewer.stderr


def test_ensemble_fits_what_predict_uses(here):
    folder = own_model(here)
    (before,) = written("00.wav", name="mine")
    done = run("ensemble", "--name", "mine", "--index", "1")
    assert done.exit_code == 0
    assert read_calibration(folder).members == sertool.load(folder).members == sertool.load(folder, members=1).members
    assert written("00.wav", name="mine")[0]["uncalibrated"].startswith("1 validation speaker")
    assert written("00.wav", "--index", "2", name="mine") == [before]


def test_one_modality_is_enough_and_is_told(here):
    notes = predict("00.wav").stderr
    assert notes.startswith("note: 00.wav: predicted from audio alone; the model was trained on both\n")
    notes = predict("--text", "sky is up").stderr
    assert notes.startswith("note: text: predicted from text alone; the model was trained on both\n")
    notes = predict("00.wav", "01.wav").stderr
    assert notes.startswith("note: all 2: predicted from audio alone")


def test_a_missing_modality_is_masked(here):
    """No recording is frames of zeros that are masked, as in training."""
    model = sertool.load("ckpt/tones")
    own = model.predict(text="sky is")
    ids = torch.tensor([[model.trained.inputs[0].vocabulary.encode(["sky", "is"], 4)]] * 2)
    stack = stack_of(model.trained, model.trained.members)
    with torch.no_grad():
        logits = stack(make_inputs(ids, torch.zeros(2, 1, 6, 80)))[:, 0]
    np.testing.assert_allclose(own.logits, logits.mean(0).numpy(), rtol=0, atol=1e-6)


def test_a_model_of_one_modality_ignores_the_other(here):
    with_text = written("00.wav", "--text", "sky", name="audio")
    assert with_text[0]["logits"] == written("00.wav", name="audio")[0]["logits"]
    assert with_text[0]["modalities"] == ["audio"]
    assert (
        "note: this model uses audio alone; the text is ignored\n"
        in predict("00.wav", "--text", "sky", name="audio").stderr
    )
    assert refusal("--text", "sky", name="audio") == ("error: text: has no audio, and this model uses audio alone\n")
    # The recording is not even opened.
    assert (
        "note: this model uses text alone; the audio is ignored\n"
        in predict("gone.wav", "--text", "sky", name="text").stderr
    )
    assert refusal("00.wav", name="text") == ("error: 00.wav: has no text, and this model uses text alone\n")
    assert refusal("00.wav", "--window", "1", name="text", code=2) == (
        "error: --window: this model uses text alone, which cannot be divided\n"
    )


@pytest.mark.parametrize("text", ["...", " ?! "])
def test_a_text_without_words_is_none(here, text):
    assert refusal("--text", text) == "error: text: its text contains no words\n"
    (own,) = written("00.wav", "--text", text)
    assert own["modalities"] == ["audio"]


def test_words_that_training_never_had_are_counted(here):
    said = predict("00.wav", "--text", "Привет мир, sky привет ещё раз").stderr
    assert "note: 00.wav: only the first 4 words of the text are used\n" in said
    assert "note: 3 words not seen in training: привет, мир\n" in said
    assert "1 word not seen in training: zebra\n" in predict("--text", "sky zebra").stderr
    assert "not seen in training" not in predict("00.wav", "--text", "zebra", name="audio").stderr
