"""A corpus of tones with models trained on it, and `sertool predict` on both."""

import json
import shutil
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from sertool.cli import app

RATE = 22050
CLASSES = ("high", "low")
RECIPE = """
name: tones
about: a test's
dataset: {reader: corpus, path: TONES, max_text_length: 4, max_audio_length: 6, standardize: corpus%s}
splits: %s
model: {hidden_size: 8, ffn_size: 8, num_heads: 2, num_layers: 1, embedding_size: 6}
training: {runs: 2, batch_size: 8, max_epochs: 2, learning_rate: 0.01, precision: fp32}
"""
HOLDOUT = "{scheme: holdout, group: speaker, valid_fraction: 0.2, test_fraction: 0.2}"
RECIPES = {
    "tones": ("", HOLDOUT),
    "folds": ("", "{scheme: folds, folds: 3, group: speaker}"),
    "text": (", modalities: [text]", HOLDOUT),
    "audio": (", modalities: [audio]", HOLDOUT),
}
TABLE = "utterance,audio,text,label,speaker\n"


def tone(seconds: float, high: bool, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.02, round(seconds * RATE))
    return 0.3 * np.sin(np.arange(len(noise)) * (0.4 if high else 0.03)) + noise


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def places(folder) -> list[str]:
    return ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]


def own_model(here: Path, name: str = "tones") -> Path:
    """A copy of a model that a test may change, as ckpt/mine."""
    models = (here / "ckpt").resolve()
    (here / "ckpt").unlink()
    shutil.copytree(models / name, here / "ckpt/mine")
    return here / "ckpt/mine"


def predict(*arguments: str, name: str = "tones", code: int = 0):
    result = run("predict", "--name", name, *arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def refusal(*arguments: str, name: str = "tones", code: int = 1) -> str:
    result = predict(*arguments, name=name, code=code)
    assert result.stdout == ""
    return result.stderr


def written(*arguments: str, name: str = "tones") -> list[dict]:
    predict(*arguments, "--json", "p.json", name=name)
    return json.loads(Path("p.json").read_text())["predictions"]
