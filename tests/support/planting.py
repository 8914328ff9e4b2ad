"""A small clean corpus as plain tables, written in either format, for defects to be planted in."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.words import clean_words
from sertool.core.recipe import load as recipes
from sertool.core.recipe.frontends import Frontend
from sertool.core.recipe.schema import Recipe

SIZES = {"train": 12, "valid": 6, "test": 6}
EXPECTED = {split: {"utterances": size, "classes": [size // 2, size // 2]} for split, size in SIZES.items()}
FORMATS = ("reference", "own")
Tables = dict[str, dict[str, dict[str, Any]]]  # by split and by what a file holds: sentences, mels, sentiment


def clean_tables() -> Tables:
    """Utterances of MOSEI's kind: all different, labels alternating between the two classes.

    Training has two of a video, valid and test one, so that they have the five videos that an interval needs.
    """
    random = np.random.default_rng(0)
    tables: Tables = {}
    for split, size in SIZES.items():
        each = 2 if split == "train" else 1
        keys = [f"{split}{number // each}[{number % each}]" for number in range(size)]
        tables[split] = {
            "sentences": {key: ["So", f"{split}-word", f"number{n}."] for n, key in enumerate(keys)},
            "mels": {key: random.uniform(0.1, 0.9, (3, 80)).astype(np.float32) for key in keys},
            "sentiment": {key: (-1.0, 2.0)[n % 2] for n, key in enumerate(keys)},
        }
    return tables


def recipe_for(form: str, *overrides: str) -> Recipe:
    """A recipe for the clean corpus; ``overrides`` are ``key=value``."""
    name, own = ("mosei-2", ["dataset.vectors=none"]) if form == "reference" else ("custom", OWN)
    counts = [f"expected.{split}={table}" for split, table in EXPECTED.items()]
    return recipes.load(name, [*own, *counts, *overrides])


OWN = [
    "dataset.path=MOSEI",
    "dataset.task=sentiment",
]


def write(tables: Tables, folder: Path, form: str, **changes: Any) -> Path:
    """Write the tables below ``folder``; ``changes`` are of the corpus in the project's own format."""
    target = folder / "MOSEI"
    if form == "reference":
        target.mkdir(parents=True)
        for split, files in tables.items():
            for name, table in files.items():
                (target / f"{split}_{name}.p").write_bytes(pickle.dumps(table))
        return target
    utterances, frames = [], []
    for split, files in tables.items():
        for key in files["mels"]:
            words = files["sentences"].get(key, [])
            score = files["sentiment"].get(key)
            label = score if not isinstance(score, float) else "negative" if score < 0 else "positive"
            video = key.partition("[")[0]
            utterances.append(
                Utterance(
                    key,
                    split,
                    " ".join(words),
                    clean_words(words),
                    {} if label is None else {"sentiment": label},
                    video=video,
                    **changes.get("groups", {}),
                )
            )
            frames.append(files["mels"][key])
    corpus = Corpus(
        name="MOSEI",
        utterances=tuple(utterances),
        audio=Frames.join(frames, 80),
        classes={"sentiment": ("negative", "positive")},
        frontend=Frontend().model_dump() | changes.get("frontend", {}),
        left_out=changes.get("left_out", ()),
    )
    write_corpus(corpus, target)
    return target


A, B = "train0[0]", "train0[1]"  # negative, positive


def sound(tables, value, key=A):
    tables["train"]["mels"][key] = np.full((3, 80), value, np.float32)


def nan_frame(tables, value=np.nan):
    tables["train"]["mels"][A][1, 2] = value
