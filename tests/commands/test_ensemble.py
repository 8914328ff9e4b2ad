"""`sertool ensemble --probe`: what is shown, and the sentence for a model that uses one modality only."""

from dataclasses import replace

import numpy as np
import pytest
from builders import make_corpus, tiny_recipe, write_tiny
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import Frames
from sertool.core.recipe.load import resolved

SIZES = {"train": 90, "valid": 60, "test": 60}
TRAINING = {"runs": 2, "max_epochs": 12, "learning_rate": 0.02}


def one_sided(modality):
    """A corpus whose labels stand in one modality alone."""
    corpus = make_corpus(SIZES, speakers=18)
    random = np.random.default_rng(1)
    labels = [utterance.labels["emotion"] for utterance in corpus.utterances]
    told = [(f"says{label}", f"says{label}") for label in labels]
    words = told if modality == "text" else [("well", "then")] * len(labels)
    utterances = [
        replace(utterance, words=own, text=" ".join(own))
        for utterance, own in zip(corpus.utterances, words, strict=True)
    ]
    means = [("angry", "happy", "sad").index(label) * 2.0 if modality == "audio" else 0.0 for label in labels]
    frames = [random.normal(mean, 0.3, (6, 5)).astype(np.float32) for mean in means]
    return replace(corpus, utterances=tuple(utterances), audio=Frames.join(frames, 5))


@pytest.mark.parametrize(
    ("modality", "sentence"),
    [
        (
            "text",
            "it uses the text and ignores the audio: with the audio of other utterances the accuracy stays at ",
        ),
        (
            "audio",
            "it uses the audio and ignores the text: with the text of other utterances the accuracy stays at ",
        ),
    ],
)
def test_a_model_of_one_modality_is_told(tmp_path, modality, sentence):
    write_tiny(tmp_path / "data", one_sided(modality))
    (tmp_path / "r.yaml").write_text(resolved(tiny_recipe(training=TRAINING)))
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    run = CliRunner()
    done = run.invoke(app, ["train", "--recipe", str(tmp_path / "r.yaml"), "--name", "one", *places])
    assert done.exit_code == 0, done.output
    done = run.invoke(app, ["ensemble", "--name", "one", "--sets", "test", "--probe", *places])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    first = lines.index("reading or listening?  accuracy  falls by  95 % interval")
    assert [line[:14].strip() for line in lines[first + 1 : first + 6]] == [
        "as it is",
        "text masked",
        "text shuffled",
        "audio masked",
        "audio shuffled",
    ]
    assert lines[first + 6].startswith(sentence)
    without = run.invoke(app, ["ensemble", "--name", "one", "--sets", "test", *places])
    assert "listen" not in without.output
