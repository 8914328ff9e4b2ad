"""Mistakes with checkpoints and pickles of the reference: one message each, and nothing written."""

import math
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import REFERENCE
from commands_run import files, peak_mb, refusal, run


def ensemble(*extra: str) -> list[str]:
    return ["ensemble", "--name", "ref", *extra]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (
            ["--sets", "tset"],
            "error: --split: no split 'tset', did you mean 'test'?; there are valid, test, private\n",
        ),
        (["--sets", "test,private"], "error: --split: IEMOCAP has no private utterances\n"),
        (["--index", "3"], "error: --members 3: there are 2 members to average\n"),
        (["--index", "0"], "error: --members 0: there are 2 members to average\n"),
        (
            ["--name", "reff"],
            "error: ckpt/reff: holds neither runs of sertool nor checkpoints of the reference (best*.pkl), "
            "did you mean 'ref'?\n  try: ckpt holds: ref\n",
        ),
    ],
)
def test_a_mistake_of_ensemble(case, extra, text):
    result = run(*ensemble(*extra, "--json", "r.json", "--predictions", "p.csv"))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.endswith(text)
    assert result.stderr.count("\n") <= 3
    assert not list(case.glob("*.json"))
    assert not list(case.glob("*.csv"))


def test_other_formats_of_names_are_told(case):
    (case / "ckpt/ref/best_model.pkl").write_bytes(b"")
    assert refusal(*ensemble(), code=1) == (
        "error: ckpt/ref/best_model.pkl: expected a name like best72.5_1234.pkl (accuracy from 0 to 100, seed)\n"
    )


@pytest.mark.filterwarnings("ignore::torch.serialization.SourceChangeWarning")
def change_checkpoint(folder: Path, change) -> Path:
    """Apply ``change`` to the content of the case's zip checkpoint."""
    path = folder / "ckpt/ref/best73.91304347826086_93324.pkl"
    content = torch.load(path, map_location="cpu", weights_only=False)
    change(content)
    torch.save(content, path)
    return path.relative_to(folder)


def test_a_checkpoint_of_another_vocabulary(case):
    def change(content):
        weights = content["state_dict"]
        weights["embedding.weight"] = weights["embedding.weight"][:-2].clone()

    path = change_checkpoint(case, change)
    rows = len(np.load(case / "data/IEMOCAP/train_glove.npy"))
    text = refusal(*ensemble(), code=1)
    assert text.endswith(
        f"error: ref: {path.name} was trained with another vocabulary ({rows - 2} rows, the one here has {rows})\n"
    )


def test_a_checkpoint_of_another_architecture(case):
    shutil.copy(next((REFERENCE / "iemocap-mnt/ckpt/ref").glob("best60*.pkl")), case / "ckpt/ref")
    text = refusal(*ensemble(), code=1)
    assert text == (
        "error: ckpt/ref/best60.86956521739131_3422027.pkl: a checkpoint of another architecture "
        "than best78.26086956521739_8682907.pkl\n"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda content: content["state_dict"].pop("proj.bias"),
            "error: {path}: weight 'proj.bias' is missing or unknown\n",
        ),
        (
            lambda content: content["state_dict"].update({"extra.weight": torch.zeros(2)}),
            "error: {path}: weight 'extra.weight' is missing or unknown\n",
        ),
        (
            lambda content: content["state_dict"].update({"proj.bias": torch.zeros(7)}),
            "error: ref: a checkpoint of another architecture: weight classifier.bias is (7,), expected (4,)\n",
        ),
        (
            lambda content: content["state_dict"]["proj.bias"].fill_(float("nan")),
            "error: {path}: its weights proj.bias hold NaN or infinite values\n",
        ),
        (
            lambda content: vars(content["args"]).update(dataset="RAVDESS"),
            "error: {path}: data set 'RAVDESS', task 'emotion', 4 outputs: not known\n",
        ),
        (
            lambda content: vars(content["args"]).pop("multi_head"),
            "error: {path}: missing or wrong in its settings: 'multi_head'\n",
        ),
    ],
    ids=["missing", "extra", "shape", "nan", "dataset", "settings"],
)
def test_a_damaged_checkpoint(case, change, text):
    path = change_checkpoint(case, change)
    assert refusal(*ensemble(), code=1).endswith(text.format(path=path))


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("layer", 2**31 - 1, "its settings say layer 2147483647, its weights have {own}"),
        ("hidden_size", 2**30, "its settings say hidden_size 1073741824, its weights have {own}"),
        ("ff_size", 10**400, f"its settings say ff_size 1{'0' * 59}, its weights have {{own}}"),
        ("word_embed_size", 1, "its settings say word_embed_size 1, its weights have {own}"),
        ("hidden_size", math.inf, "its settings say hidden_size inf, expected a whole number"),
        ("layer", math.nan, "its settings say layer nan, expected a whole number"),
        ("layer", True, "its settings say layer True, expected a whole number"),
        ("multi_head", 3, "its settings are no model's: model.hidden_size {width} is not a multiple of num_heads 3"),
        (
            "multi_head",
            2**40,
            "its settings are no model's: model.num_heads: must be at most 65536 (got 1099511627776)",
        ),
        ("ans_size", math.nan, "data set 'IEMOCAP', task 'emotion', nan outputs: not known"),
    ],
)
def test_sizes_that_the_weights_do_not_have(case, setting, value, text):
    own = {}

    def change(content):
        own.update(vars(content["args"]))
        setattr(content["args"], setting, value)

    path = change_checkpoint(case, change)
    before = peak_mb()
    wanted = text.format(own=own[setting], width=own["hidden_size"])
    assert refusal(*ensemble(), code=1).endswith(f"error: {path}: {wanted}\n")
    assert peak_mb() - before < 100


def test_a_truncated_checkpoint(case):
    path = case / "ckpt/ref/best78.26086956521739_8682907.pkl"
    path.write_bytes(path.read_bytes()[:-1000])
    text = refusal(*ensemble(), code=1)
    assert text.startswith(f"error: {path.relative_to(case)}: ")
    assert len(text.splitlines()) <= 2


def change_pickle(path: Path, change) -> None:
    table = pickle.loads(path.read_bytes())
    change(table)
    path.write_bytes(pickle.dumps(table))


def a_key(table) -> str:
    return sorted(table)[3]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda table, key: table[key].__setitem__((2, 5), np.nan),
            "utterance {key!r} holds NaN or infinite values in frame 2",
        ),
        (
            lambda table, key: table.update({key: table[key][:, :79]}),
            "utterance {key!r} is an array of shape ({frames}, 79), expected frames of shape (any, 80)",
        ),
        (
            lambda table, key: table.update({key: table[key][0]}),
            "utterance {key!r} is an array of shape (80,), expected frames of shape (any, 80)",
        ),
        (
            lambda table, key: table.update({key: "text"}),
            "utterance {key!r} is of type str, expected frames of shape (any, 80)",
        ),
    ],
    ids=["nan", "width", "rank", "type"],
)
def test_mels_that_cannot_be_used(case, change, text):
    path = case / "data/IEMOCAP/test_mels.p"
    table = pickle.loads(path.read_bytes())
    key, frames = a_key(table), len(table[a_key(table)])
    change_pickle(path, lambda own: change(own, key))
    before = files(case)
    wanted = f"error: {path.relative_to(case)}: {text.format(key=key, frames=frames)}\n"
    assert refusal(*ensemble("--json", "r.json"), code=1) == wanted
    assert refusal("train", "--recipe", "iemocap", code=1) == wanted
    assert files(case) == before


def test_a_label_out_of_range(case):
    path = case / "data/IEMOCAP/test_emotions.p"
    key = a_key(pickle.loads(path.read_bytes()))
    change_pickle(path, lambda table: table.update({key: 4}))
    assert refusal(*ensemble(), code=1) == (
        f"error: data/IEMOCAP/test_emotions.p: utterance {key!r}: label 4 is out of range, expected 0 to 3\n"
    )


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_an_empty_or_truncated_pickle(case, cut):
    path = case / "data/IEMOCAP/test_mels.p"
    path.write_bytes(path.read_bytes()[:cut])
    before = files(case)
    text = refusal(*ensemble(), code=1)
    assert text.startswith("error: data/IEMOCAP/test_mels.p: ")
    assert "empty" in text or "truncated" in text
    assert files(case) == before


def test_a_pickle_that_names_a_class(case):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch planted",)

    path = case / "data/IEMOCAP/test_mels.p"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    text = refusal(*ensemble(), code=1)
    assert text.startswith("error: data/IEMOCAP/test_mels.p: ")
    assert "system" in text
    assert not (case / "planted").exists()


def test_a_missing_file(case):
    (case / "data/IEMOCAP/test_sentences.p").unlink()
    assert refusal(*ensemble(), code=1) == (
        "error: data/IEMOCAP: the test split lacks test_sentences.p (there: test_mels.p, test_emotions.p)\n"
    )
