"""Tiny random corpora, recipes and inputs for the tests of several rooms."""

import shutil
from pathlib import Path

import numpy as np
import torch
from places import REFERENCE

from sertool.core.compute.device import choose
from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.models.inputs import Inputs, lengths
from sertool.core.recipe import load as recipes
from sertool.core.runs.experiment import Experiment, fit_inputs, open_experiment, tables_of
from sertool.core.training.batches import Tables

CPU = choose("cpu", "fp32")
CLASSES = ("angry", "happy", "sad")
WORDS = [f"word{number}" for number in range(40)]


def make_corpus(
    sizes: dict[str, int] | None = None,
    *,
    speakers: int = 6,
    width: int = 5,
    seed: int = 0,
    text_frames: int = 0,
) -> Corpus:
    """Random words and frames; each split has its own speakers, ``speakers`` in all splits together."""
    sizes = sizes or {"train": 24, "valid": 12, "test": 12}
    random = np.random.default_rng(seed)
    utterances, frames, text = [], [], []
    for part, (split, number) in enumerate(sizes.items()):
        for index in range(number):
            label = CLASSES[int(random.integers(len(CLASSES)))]
            words = tuple(random.choice(WORDS, int(random.integers(0, 6))).tolist())
            own = part + len(sizes) * (index % max(1, speakers // len(sizes)))
            utterances.append(
                Utterance(f"{split}{index}", split, " ".join(words), words, {"emotion": label}, f"s{own}")
            )
            length = int(random.integers(0, 9))
            frames.append(random.normal(CLASSES.index(label) / 2, 1, (length, width)).astype(np.float32))
            text.append(random.normal(size=(int(random.integers(0, 4)), max(text_frames, 1))).astype(np.float32))
    return Corpus(
        name="TINY",
        utterances=tuple(utterances),
        audio=Frames.join(list(frames), width),
        classes={"emotion": CLASSES},
        text_frames=Frames.join(list(text), text_frames) if text_frames else None,
        source="random numbers",
    )


def tiny_recipe(**sections: dict) -> recipes.Recipe:
    """Return a recipe for :func:`make_corpus`; keyword arguments change sections, as ``training={"runs": 2}``."""
    content = {
        "name": "tiny",
        "about": "a test's",
        "dataset": {"reader": "corpus", "path": "TINY", "max_text_length": 5, "max_audio_length": 8},
        "splits": {"scheme": "corpus"},
        "model": {"hidden_size": 8, "ffn_size": 8, "num_heads": 2, "num_layers": 1, "embedding_size": 6},
        "training": {"runs": 3, "batch_size": 8, "max_epochs": 4, "learning_rate": 0.01, "precision": "fp32"},
    }
    for section, changes in sections.items():
        content[section] = {**content.get(section, {}), **changes} if isinstance(changes, dict) else changes
    return recipes.validate(content, "tiny")


NO_DROPOUT = {"dropout_input": 0.0, "dropout_residual": 0.0, "dropout_output": 0.0}


def write_tiny(folder: Path, corpus: Corpus | None = None) -> Path:
    """Put a corpus below ``folder`` (the data folder), which is returned."""
    write_corpus(corpus or make_corpus(), folder / "TINY")
    return folder


def open_tiny(folder: Path, recipe: recipes.Recipe, corpus: Corpus | None = None) -> tuple[Experiment, Tables]:
    """Write a corpus; return the experiment on it and its tables."""
    experiment = open_experiment(recipe, write_tiny(folder, corpus))
    return experiment, tables_of(experiment, fit_inputs(experiment), torch.device("cpu"))


def make_inputs(text: torch.Tensor, audio: torch.Tensor) -> Inputs:
    """Inputs of token ids (E, B, L) or frames (E, B, L, D), and of frames (E, B, T, M); zeros are padding."""
    text_mask = text != 0 if text.dim() == 3 else text.abs().sum(-1) != 0
    audio_mask = audio.abs().sum(-1) != 0
    return Inputs(text, text_mask, lengths(text_mask), audio, audio_mask, lengths(audio_mask))


def member_state(model: torch.nn.Module, member: int) -> dict[str, torch.Tensor]:
    """Return one member's parameters without the member axis, as views."""
    return {name: parameter.detach()[member] for name, parameter in model.named_parameters()}


def copy_case(case: str, folder: Path) -> Path:
    """Copy ``data`` and ``ckpt`` of a reference case to ``folder``, without the files that an earlier reading left."""
    for part in ("data", "ckpt"):
        shutil.copytree(REFERENCE / case / part, folder / part, ignore=shutil.ignore_patterns("sertool"))
    return folder


def spoken(path: Path, seconds: float = 0.2, rate: int = 8000) -> Path:
    """Write a short tone as WAV, FLAC or Ogg, by the name's ending."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.3 * np.sin(np.arange(int(seconds * rate)) / 5)
    soundfile.write(path, samples, rate, format={".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}[path.suffix.lower()])
    return path
