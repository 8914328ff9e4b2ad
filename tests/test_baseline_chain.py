"""The classical baseline from recordings to predictions and a bundle: openSMILE's functionals and a linear model."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from export_runs import message
from fake_opensmile import install
from tones import HOLDOUT, RATE, TABLE, places, run, tone

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.features.opensmile import LICENCE

RECIPE = f"""
name: functionals
about: a test's
dataset: {{reader: corpus, path: TONES, modalities: [audio], max_audio_length: 1, standardize: corpus}}
frontend: {{opensmile: eGeMAPSv02}}
splits: {HOLDOUT}
model: {{architecture: linear, dropout_input: 0.1, dropout_output: 0.0}}
training: {{runs: 2, batch_size: 8, max_epochs: 40, learning_rate: 0.03, optimizer: adamw, precision: fp32}}
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The stand-in in the place of the package; returns a function that takes another version of it."""
    monkeypatch.delitem(sys.modules, "opensmile", raising=False)

    def take(version="2.6.0"):
        monkeypatch.syspath_prepend(install(tmp_path / f"packages-{version}", version))
        importlib.invalidate_caches()
        sys.modules.pop("opensmile", None)

    take()
    yield take
    sys.modules.pop("opensmile", None)


@pytest.fixture
def trained(fake, tmp_path):
    """A linear model on the stand-in's values of high and low tones, one of them silent."""
    rows = []
    for number in range(30):
        wave = tone(0.3 + number % 4 * 0.1, number % 2 == 0, number) * (number != 29)
        soundfile.write(tmp_path / f"{number:02}.wav", wave, RATE)
        rows.append(f"u{number},{number:02}.wav,,{('high', 'low')[number % 2]},s{number // 2 % 5}\n")
    (tmp_path / "tones.csv").write_text(TABLE + "".join(rows))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = ["--recipe", str(tmp_path / "recipe.yaml")]
    done = run("prepare", str(tmp_path / "tones.csv"), "--out", str(tmp_path / "data/TONES"), *recipe)
    assert done.exit_code == 0, done.output
    assert f"openSMILE's licence also binds the features and models that are made with it: {LICENCE}" in one_line(done)
    assert "1 silent recording kept" in done.output
    done = run("train", *recipe, "--name", "tones", *places(tmp_path))
    assert done.exit_code == 0, done.output
    return tmp_path


def one_line(done) -> str:
    return " ".join(done.output.split())


@pytest.mark.slow
def test_from_recordings_to_predictions_and_a_bundle(trained, fake):
    corpus = read_corpus(trained / "data/TONES")
    assert corpus.audio.flat.dtype == np.float32
    assert corpus.audio.flat.shape == (30, 88)
    assert corpus.audio.flat.max() > 1e6  # float16 ends at 65,504
    assert [one.id for one in corpus.utterances if one.silent] == ["u29"]
    assert corpus.frontend["licence"] == LICENCE

    done = run("ensemble", "--name", "tones", "--split", "valid,test", *places(trained))
    assert done.exit_code == 0, done.output
    done = run("doctor", "--data", str(trained / "data/TONES"), "--recipe", str(trained / "recipe.yaml"))
    assert "1 utterance silent from beginning to end" in done.output

    note = json.loads((trained / "ckpt/tones/corpus.json").read_text())
    assert (note["frontend"]["weights"], note["frontend"]["licence"]) == ("opensmile 2.6.0", LICENCE)
    files = [str(trained / f"{number:02}.wav") for number in (0, 1, 29)]
    done = run("predict", "--name", "tones", *files, "--json", str(trained / "p.json"), *places(trained)[2:])
    assert done.exit_code == 0, done.output
    high, low, silent = json.loads((trained / "p.json").read_text())["predictions"]
    assert (high["label"], low["label"]) == ("high", "low")
    assert (silent["silent"], silent["label"], silent["lacking"]) == (True, "unsure", ["no sound"])

    export = ["export", "--name", "tones", *places(trained), "--out", str(trained / "bundle")]
    refused = run(*export)
    assert refused.exit_code == 2
    assert "tones takes frames of openSMILE (eGeMAPSv02), whose licence is non-commercial" in message(refused)
    assert "--accept-licence" in message(refused)
    refused = run(*export, "--accept-licence", "--with-frontend")
    assert "--with-frontend: tones has none, a graph cannot hold the frontend opensmile" in message(refused)
    done = run(*export, "--accept-licence")
    assert done.exit_code == 0, done.output
    card = (trained / "bundle/README.md").read_text()
    assert "| functionals | openSMILE (eGeMAPSv02), package opensmile 2.6.0; licence: audEERING" in card
    assert "**audEERING Research License Agreement (non-commercial) is non-commercial, and it binds this folder" in card
    assert "Its audio frames come from openSMILE, which is not in this folder." in card

    fake("2.7.0")
    refused = run("predict", "--name", "tones", *files, *places(trained)[2:])
    assert refused.exit_code == 1
    assert "the frames here were made with opensmile 2.6.0, and opensmile 2.7.0 is installed" in message(refused)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "standardize", "uar"),
    [
        ("emodb-egemaps", "corpus", 0.775),
        ("emodb-egemaps", "speaker", 0.835),
        ("emodb-compare", "corpus", 0.824),
        ("emodb-compare", "speaker", 0.881),
    ],
)
def test_unseen_speakers_of_emodb(recipe, standardize, uar, data_folder, tmp_path, monkeypatch):
    """Figures of scikit-learn's linear SVM; ours are within 0.02, and other processors may round to other weights."""
    pytest.importorskip("opensmile")
    table = data_folder / "emodb" / "utterances.csv"
    if not table.is_file():
        pytest.skip(f"no EMO-DB in {data_folder}")
    monkeypatch.chdir(tmp_path)
    settings = ["--recipe", recipe, "--set", f"dataset.standardize={standardize}"]
    for words in (
        ["prepare", str(table), "--out", "data/EMODB", "--recipe", recipe],
        ["train", *settings],
        ["ensemble", "--name", recipe, "--split", "valid,test", "--json", "result.json"],
    ):
        done = run(*words)
        assert done.exit_code == 0, done.output
    test = json.loads(Path("result.json").read_text())["sets"]["test"]
    assert test["utterances"] == 339
    assert abs(test["uar"] - uar) <= 0.03
