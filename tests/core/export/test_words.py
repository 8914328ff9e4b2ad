"""A run remembers how its texts were split: predict, from Python and the command line, and a bundle do the same."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from builders import CPU, make_corpus, open_tiny, tiny_recipe
from bundle_running import run_alone
from export_runs import run
from fake_tokenizers import installed, write_fakes
from typer.testing import CliRunner

import sertool
from sertool.cli import app
from sertool.core.corpora import words
from sertool.core.corpora.words import split_words
from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe

TEXTS = ("我今天很高兴。", "他们都走了", "你为什么这样,真气人！")
ASKED = "我气他们, OK！"


def train(folder: Path, splitting: str, **dataset) -> None:
    """Train three tiny members on Chinese texts, which are split in a way."""
    made = make_corpus(width=80)
    texts = [TEXTS[number % 3] for number in range(len(made.utterances))]
    spoken = [
        replace(utterance, text=text, words=split_words(text, splitting))
        for utterance, text in zip(made.utterances, texts, strict=True)
    ]
    recipe = tiny_recipe(dataset={"max_text_length": 12, **dataset})
    corpus = replace(made, utterances=tuple(spoken), word_splitting=splitting)
    experiment, _ = open_tiny(folder / "data", recipe, corpus)
    plan = plan_training(experiment, folder / "ckpt" / "tiny", range(1, 4), None, CPU)
    for _ in train_recipe(plan, folder / "data", CPU):
        pass


def answer(bundle: Path, *arguments: str) -> dict:
    done = run_alone(bundle, *arguments, "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    (own,) = json.loads(done.stdout)["predictions"]
    return own


@pytest.mark.parametrize(
    ("splitting", "parts", "unknown"),
    [("spaces", ("我气他们", "ok"), ("我气他们", "ok")), ("characters", (*"我气他们", "ok"), ("ok",))],
)
def test_predict_and_run_py_split_as_the_training_did(tmp_path, splitting, parts, unknown):
    train(tmp_path, splitting)
    model = sertool.load(tmp_path / "ckpt" / "tiny")
    own = model.predict(text=ASKED)
    assert split_words(ASKED, splitting) == parts
    assert own.unknown_words == unknown
    artifacts.write_text(tmp_path / "texts.csv", f'id,text\none,"{ASKED}"\n')
    command = ["predict", "--name", "tiny", "--output", str(tmp_path / "ckpt"), "--device", "cpu"]
    for given in (["--text", ASKED], ["--table", str(tmp_path / "texts.csv")]):
        told = CliRunner().invoke(app, [*command, *given, "--json", str(tmp_path / "p.json")])
        assert told.exit_code == 0, told.output
        (other,) = json.loads((tmp_path / "p.json").read_text())["predictions"]
        assert other["logits"] == pytest.approx(own.logits, abs=1e-6)
    assert run(tmp_path, "--out", str(tmp_path / "b")).exit_code == 0
    assert (tmp_path / "b" / "words.py").read_bytes() == Path(words.__file__).read_bytes()
    assert json.loads((tmp_path / "b" / "settings.json").read_text())["words"] == {"splitting": splitting}
    assert "`words.py`: splits a text" in (tmp_path / "b" / "README.md").read_text()
    alone = answer(tmp_path / "b", "--text", ASKED)
    assert alone["probabilities"] == pytest.approx(own.probabilities, abs=2e-4)
    assert (alone["label"], tuple(alone["lacking"])) == (own.label, own.lacking)


def test_a_run_that_needs_a_package_names_it_where_it_is_missing(tmp_path, monkeypatch):
    with installed(tmp_path / "fakes", monkeypatch, "jieba"):
        train(tmp_path, "zh", words="zh")
        own = sertool.load(tmp_path / "ckpt" / "tiny").predict(text=ASKED)
        assert own.unknown_words == ("我气", "ok")
        assert run(tmp_path, "--out", str(tmp_path / "b")).exit_code == 0
    assert "needs numpy, onnxruntime, soundfile, spacy, jieba;" in (tmp_path / "b" / "README.md").read_text()
    monkeypatch.setattr(words, "find_spec", lambda name: None if name == "jieba" else name)
    with pytest.raises(UsageError, match="Chinese texts are split into words by jieba, which is not installed"):
        sertool.load(tmp_path / "ckpt" / "tiny").predict(text=ASKED)
    assert sertool.load(tmp_path / "ckpt" / "tiny").predict(text="OK").unknown_words == ("ok",)  # needs none
    if find_spec("jieba") is None:
        done = run_alone(tmp_path / "b", "--text", ASKED)
        assert done.returncode == 1
        assert done.stderr == ("error: Chinese texts are split into words by jieba, not installed: pip install jieba\n")
    write_fakes(tmp_path / "b", "jieba")
    assert answer(tmp_path / "b", "--text", ASKED)["probabilities"] == pytest.approx(own.probabilities, abs=2e-4)


def test_training_refuses_a_corpus_that_was_split_in_another_way(tmp_path):
    with pytest.raises(UsageError, match=r"TINY: was prepared with dataset.words=characters \(recipe: spaces\)"):
        train(tmp_path, "characters", words="spaces")
    train(tmp_path, "characters", words="spaces", modalities=["audio"])  # which reads no words
    note = artifacts.read_json(tmp_path / "ckpt" / "tiny" / "corpus.json")
    assert note["word_splitting"] == "characters"
