"""Runs of ours that no longer fit, or are damaged."""

import pytest
from builders import make_corpus
from commands_run import files, peak_mb, refusal, run, tiny, train

from sertool.core.corpora.corpus_files import write_corpus


@pytest.fixture
def trained(here):
    tiny(here, dataset={"standardize": "corpus"})
    assert run(*train("--name", "mine")).exit_code == 0
    return here


def test_a_run_on_other_data(trained):
    write_corpus(make_corpus({"train": 10, "valid": 5, "test": 5}), trained / "data/TINY")
    assert refusal("ensemble", "--name", "mine", code=1) == (
        "error: ckpt/mine: was trained on other data than TINY as it is now (then {'train': 24, 'valid': 12, "
        "'test': 12}, now {'train': 10, 'valid': 5, 'test': 5})\n"
        "  try: --data names the folder that holds the data sets; train again if the data have changed\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("run-1/run.json", "{", "error: ckpt/mine/run-1/run.json: not valid JSON ("),
        (
            "run-1/run.json",
            "{}",
            "error: ckpt/mine/run-1/run.json: 5 problems\n  format: is missing\n  seed: is missing\n",
        ),
        ("run-1/run.json", "[]", "error: ckpt/mine/run-1/run.json: expected a table of keys (got [])\n"),
        (
            "run-1/model.safetensors",
            "x",
            "error: ckpt/mine/run-1/model.safetensors: not a readable safetensors file (",
        ),
        (
            "vocabulary.json",
            "{}",
            "error: ckpt/mine/vocabulary.json: 2 problems\n  rows: is missing\n  index: is missing\n",
        ),
        (
            "standardization.json",
            '{"mean": [0.5], "std": [0]}',
            "error: ckpt/mine/standardization.json: std[0]: must be at least 1e-30 (got 0)\n",
        ),
        (
            "standardization.json",
            '{"mean": [0.5], "std": [2]}',
            "error: ckpt/mine: the statistics of fold 0 are of 1 values a frame, corpus.json says 5\n",
        ),
        (
            "corpus.json",
            "[]",
            "error: ckpt/mine/corpus.json: expected a table of keys (got [])\n"
            "  try: it may come from an older sertool: train the run again\n",
        ),
    ],
)
def test_a_damaged_run(trained, name, content, text):
    (trained / "ckpt/mine" / name).write_text(content)
    assert refusal("ensemble", "--name", "mine", code=1).startswith(text)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("num_layers: 1", "num_layers: 256", "mine: its recipe says model.num_layers 256, the weights of run-1 have 1"),
        ("hidden_size: 8", "hidden_size: 65536", "mine: its recipe says model.hidden_size 65536, the weights of run-1"),
        ("ffn_size: 8", "ffn_size: 65536", "mine: its recipe says model.ffn_size 65536, the weights of run-1 have 8"),
    ],
)
def test_a_recipe_of_other_sizes_than_the_weights(trained, old, new, text):
    recipe = (trained / "ckpt/mine/recipe.yaml").read_text()
    assert old in recipe
    (trained / "ckpt/mine/recipe.yaml").write_text(recipe.replace(old, new))
    before = peak_mb()
    for command in (["ensemble", "--name", "mine"], train("--name", "new", "--from", "mine")):
        assert f"error: {text}" in refusal(*command, code=1)
    assert peak_mb() - before < 100


def test_a_run_that_lacks_a_file(trained):
    (trained / "ckpt/mine/run-1/model.safetensors").unlink()
    assert refusal("ensemble", "--name", "mine", code=1) == ("error: ckpt/mine/run-1/model.safetensors: no such file\n")
    (trained / "ckpt/mine/run-1/run.json").unlink()
    assert refusal("ensemble", "--name", "mine", code=2) == (
        "error: ckpt/mine: no run is finished\n"
        "  try: sertool train --name mine --recipe ckpt/mine/recipe.yaml resumes the training\n"
    )


def test_another_recipe_in_the_folder(trained):
    before = {name: (trained / name).read_bytes() for name in files(trained)}
    assert refusal(*train("--name", "mine", "--set", "model.num_heads=4"), code=2) == (
        "error: ckpt/mine: holds a run of another recipe: model.num_heads 2 -> 4\n"
        "  try: choose another --name, or delete the folder\n"
    )
    assert {name: (trained / name).read_bytes() for name in files(trained)} == before
