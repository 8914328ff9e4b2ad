"""A corpus prepared for a recipe of the paper, and a tiny training with it."""

from pathlib import Path

from commands_run import run

SMALL = {
    "dataset.vectors": "none",  # the word vectors of the recipes are a download
    **{"model.hidden_size": 8, "model.ffn_size": 8, "model.num_heads": 2, "model.num_layers": 1},
    **{"model.embedding_size": 6, "training.max_epochs": 1, "training.precision": "fp32"},
}


def prepare_for(recipe: str, folder: Path, name: str) -> str:
    """Prepare ``data/NAME`` below the working folder; return what was printed."""
    result = run("prepare", str(folder), "--recipe", recipe, "--out", f"data/{name}", "--workers", "1")
    assert result.exit_code == 0, result.output
    return result.output


def train_small(recipe: str) -> None:
    """Train one tiny model with a recipe of the paper on the prepared corpus below ``data``."""
    changes = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    result = run("train", "--recipe", recipe, "--runs", "1", *changes)
    assert result.exit_code == 0, result.output
