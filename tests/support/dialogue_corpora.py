"""Tiny corpora of dialogues whose labels depend on the utterance before, and recipes with context."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import CLASSES, NO_DROPOUT, make_corpus, tiny_recipe

from sertool.core.corpora.corpus import Corpus
from sertool.core.recipe.schema import Recipe

SIZES = {"train": 30, "valid": 14, "test": 14}


def dialogue_corpus(*, seed: int = 0, text_frames: int = 0, longest: int = 7, alone: bool = True) -> Corpus:
    """Make random utterances in dialogues of 1 to ``longest``, shuffled in the file; some have no label.

    With ``alone`` some have no dialogue either.
    """
    random = np.random.default_rng(seed)
    corpus = make_corpus(SIZES, seed=seed, text_frames=text_frames)
    placed, dialogue, order, left = [], 0, 0, 0
    for number, utterance in enumerate(corpus.utterances):
        if not left or (number and corpus.utterances[number - 1].split != utterance.split):
            dialogue, order, left = dialogue + 1, 0, int(random.integers(1, longest + 1))
        left -= 1
        order += int(random.integers(1, 4))  # with gaps
        speaker = ("ann", "bob", None)[int(random.integers(3))]
        place = {"dialogue": f"{utterance.split}-d{dialogue}", "order": order} if number % 11 or not alone else {}
        label = utterance.labels if number % 7 else {}
        placed.append(replace(utterance, speaker=speaker, labels=label, **place))
    mixed = [
        int(row)
        for split in SIZES
        for row in random.permutation([at for at, own in enumerate(placed) if own.split == split])
    ]
    return replace(corpus, utterances=tuple(placed)).select(mixed)


def context_recipe(previous: int = 3, *, speakers: bool = True, **sections: dict) -> Recipe:
    """Return a recipe for :func:`dialogue_corpus`."""
    return tiny_recipe(
        **{"context": {"previous": previous, "speakers": speakers}, "model": dict(NO_DROPOUT), **sections}
    )


def planted_dialogues(folder: Path, number: int = 40) -> Path:
    """Write a table of texts whose class is told by the text before it alone; returns the table."""
    random = np.random.default_rng(1)
    lines = ["id,text,label,split,dialogue,order,speaker"]
    for dialogue in range(number):
        split = "train" if dialogue < number // 2 else "valid" if dialogue < number * 3 // 4 else "test"
        said = None
        for order in range(8):
            word = int(random.integers(3))
            label = CLASSES[said if said is not None else 0]
            lines.append(f"d{dialogue}u{order},word{word},{label},{split},d{dialogue},{order},{'ab'[order % 2]}")
            said = word
    table = folder / "talk.csv"
    table.write_text("\n".join(lines) + "\n")
    return table
