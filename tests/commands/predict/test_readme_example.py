"""The example of README.md that predicts a text with the packaged demo gives the answer that stands beside it."""

import re

import pytest
from places import ROOT
from tones import run

from sertool.core.corpora.load import load_corpus
from sertool.core.corpora.words import split_words
from sertool.core.recipe.load import load
from sertool.core.runs.experiment import corpus_folder

EXAMPLE = re.compile(
    r'^sertool predict --name demo-text --text "(.+)" +# (\w+); a text of unknown words: unsure$', re.M
)
(TEXT, ANSWER) = EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8")).groups()


def test_the_demo_knows_the_words_of_the_example(tmp_path):
    corpus = load_corpus("corpus", corpus_folder(load("demo").dataset.path, tmp_path))
    known = {word for own in corpus.utterances if own.split == "train" for word in own.words}
    assert set(split_words(TEXT, None)) <= known
    assert not {"hello", "am", "so", "happy"} & known


@pytest.mark.slow
def test_the_example_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = ["--set", "dataset.modalities=[text]", "--set", "training.runs=1"]
    done = run("train", "--recipe", "demo", *changes, "--name", "demo-text")
    assert done.exit_code == 0, done.output
    assert run("ensemble", "--name", "demo-text").exit_code == 0
    said = run("predict", "--name", "demo-text", "--text", TEXT).stdout.splitlines()[-1]
    assert re.fullmatch(rf"{ANSWER}, probability \d\d\.\d %, uncalibrated", said)
    for text in ("I am so happy", "hello"):
        assert run("predict", "--name", "demo-text", "--text", text).stdout.splitlines()[-1].startswith("unsure: ")
