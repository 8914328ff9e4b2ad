"""Tiny corpora with scores, and with the votes of raters, and recipes for them.

Words carry valence and sentiment, the level of the frames carries arousal, and words decide what raters vote for. So a
model of a few epochs learns something, and a modality that is masked or shuffled costs it something.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import CLASSES, WORDS, tiny_recipe, write_tiny

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.files import artifacts
from sertool.core.recipe.load import Recipe, resolved

RANGES = {"valence": (1.0, 5.0), "arousal": (0.0, 10.0), "sentiment": (-3.0, 3.0)}
SIZES = {"train": 60, "valid": 30, "test": 30}
WIDTH = 5  # values of a frame
TRAINING = {"runs": 2, "max_epochs": 6, "batch_size": 8, "learning_rate": 0.02}
_VALUES = {"awful": -1.0, "poor": -0.5, "table": 0.0, "nice": 0.5, "great": 1.0}
_RATERS = ("ann", "bob", "cas", "dan")


def scored_corpus(
    sizes: dict[str, int] | None = None,
    *,
    scores: tuple[str, ...] = ("valence", "arousal"),
    speakers: int = 18,
    missing: int = 7,
    raters: int = 0,
    seed: int = 0,
) -> Corpus:
    """Make a corpus with scores.

    Args:
        sizes: utterances of each split; those of ``private`` have no labels.
        scores: names of ``RANGES``.
        speakers: speakers of all splits together; each split has its own.
        missing: every utterance of this number in a row lacks the second score; 0: none does.
        raters: number of raters, whose mean is the score; 0: it is not known who rated.
        seed: seed of the random numbers.
    """
    random = np.random.default_rng(seed)
    utterances, frames = [], []
    for number, (split, speaker) in enumerate(_places(sizes or SIZES, speakers)):
        words = tuple(random.choice(list(_VALUES), int(random.integers(2, 5))).tolist())
        told, level = float(np.mean([_VALUES[word] for word in words])), float(random.uniform(-1, 1))
        planted = {"valence": told, "arousal": level, "sentiment": told}
        labels: dict[str, float] = {}
        ratings: dict[str, dict[str, float]] = {}
        for place, name in enumerate(scores):
            low, high = RANGES[name]
            said = planted[name] + random.normal(0, 0.15, max(raters, 1))
            rated = np.clip((low + high) / 2 + said * (high - low) / 2, low, high).round(3)
            if place == 1 and missing and number % missing == 0:
                continue
            labels[name] = float(rated.mean())
            if raters:
                ratings[name] = dict(zip(_RATERS, rated.tolist(), strict=False))
        own = Utterance(f"{split}{number}", split, " ".join(words), words, labels, speaker, ratings=ratings or None)
        utterances.append(own if split != "private" else replace(own, labels={}, ratings=None))
        frames.append(random.normal(level, 0.3, (int(random.integers(2, 9)), WIDTH)).astype(np.float32))
    return Corpus(
        name="TINY",
        utterances=tuple(utterances),
        audio=Frames.join(frames, WIDTH),
        classes={},
        ranges={name: RANGES[name] for name in scores},
        source="random numbers",
    )


def voted_corpus(sizes: dict[str, int] | None = None, *, speakers: int = 18, raters: int = 4, seed: int = 0) -> Corpus:
    """Make a corpus with the votes of raters, who disagree; where they tie, an utterance has no label.

    Args:
        sizes: utterances of each split; those of ``private`` have neither labels nor votes.
        speakers: speakers of all splits together; each split has its own.
        raters: number of raters, at most four.
        seed: seed of the random numbers.
    """
    random = np.random.default_rng(seed)
    utterances, frames = [], []
    for number, (split, speaker) in enumerate(_places(sizes or SIZES, speakers)):
        true = int(random.integers(len(CLASSES)))
        shares = np.full(len(CLASSES), 0.15) + (1 - 0.15 * len(CLASSES)) * np.eye(len(CLASSES))[true]
        votes = [CLASSES[choice] for choice in random.choice(len(CLASSES), raters, p=shares)]
        (first, most), *others = Counter(votes).most_common()
        labels = {"emotion": first} if not others or others[0][1] < most else {}
        words = (f"says{CLASSES[true]}", str(random.choice(WORDS)))
        ratings = {"emotion": dict(zip(_RATERS, votes, strict=False))}
        own = Utterance(f"{split}{number}", split, " ".join(words), words, labels, speaker, ratings=ratings)
        utterances.append(own if split != "private" else replace(own, labels={}, ratings=None))
        frames.append(random.normal(true / 2, 1, (int(random.integers(2, 9)), WIDTH)).astype(np.float32))
    return Corpus(
        name="TINY",
        utterances=tuple(utterances),
        audio=Frames.join(frames, WIDTH),
        classes={"emotion": CLASSES},
        source="random numbers",
    )


def scored_recipe(**sections: dict) -> Recipe:
    """Return a recipe for :func:`scored_corpus`; keyword arguments change sections, as ``training={"loss": "ccc"}``."""
    dataset = {"target": "scores", **sections.pop("dataset", {})}
    training = {**TRAINING, "loss": "mse", "select": "ccc", **sections.pop("training", {})}
    return tiny_recipe(dataset=dataset, training=training, **sections)


def voted_recipe(labels: str = "soft", **sections: dict) -> Recipe:
    """Return a recipe for :func:`voted_corpus` that learns majority or soft labels."""
    dataset = {"labels": labels, **sections.pop("dataset", {})}
    training = {**TRAINING, **sections.pop("training", {})}
    return tiny_recipe(dataset=dataset, training=training, **sections)


def write_scored(folder: Path, corpus: Corpus | None = None, **sections: dict) -> None:
    """Put a corpus with scores below ``folder``/data, and its recipe into ``folder``/tiny.yaml."""
    write_tiny(folder / "data", corpus or scored_corpus())
    artifacts.write_text(folder / "tiny.yaml", resolved(scored_recipe(**sections)))


def write_voted(folder: Path, corpus: Corpus | None = None, *, labels: str = "soft", **sections: dict) -> None:
    """Put a corpus with votes below ``folder``/data, and its recipe into ``folder``/tiny.yaml."""
    write_tiny(folder / "data", corpus or voted_corpus())
    artifacts.write_text(folder / "tiny.yaml", resolved(voted_recipe(labels, **sections)))


def _places(sizes: dict[str, int], speakers: int) -> list[tuple[str, str]]:
    """Return split and speaker of each utterance; every split has the same number of speakers."""
    each = max(1, speakers // len(sizes))
    return [(split, f"{split}-{index % each}") for split, number in sizes.items() for index in range(number)]
