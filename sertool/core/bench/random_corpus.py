"""Random content of a published corpus's size.

The published corpora cannot be redistributed, and what counts for speed is how many utterances, words and frames
there are. The content tells its class a little, and a part of it tells a wrong one, so that a training to its natural
end stops as on real data, where it learns neither nothing nor everything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.load import task_for
from sertool.core.corpora.readers.pickles import FRONTEND
from sertool.core.corpora.tasks import Task
from sertool.core.recipe.schema import Recipe

WORDS = 3000  # of the vocabulary, Zipf-distributed
COUNTS = {"train": 2000, "valid": 500, "test": 500}  # where the recipe expects no particular ones
WRONG = 0.2  # of the utterances have the content of a class drawn at random
GROUP = 30  # utterances a dialogue and a video
# Medians as shares of the recipe's lengths. Cut to those, an utterance has about three quarters of the words and two
# thirds of the frames on average; the lengths of the published corpora are not known, so this is an estimate.
MEDIAN_TEXT, MEDIAN_AUDIO = 12.5 / 15, 26 / 40


def random_corpus(recipe: Recipe, seed: int = 0, counts: Mapping[str, int] | None = None) -> Corpus:
    """Utterances with Zipf-distributed words and mel-like frames that tell their class a little.

    Lengths are log-normal and go together, as an utterance with more words lasts longer.

    Args:
        recipe: of a published corpus; its expected counts, classes and lengths are taken.
        seed: decides everything.
        counts: utterances of each split instead of the recipe's.
    """
    random = np.random.default_rng(seed)
    dataset = recipe.dataset
    empty = Corpus("empty", (), Frames.join([], FRONTEND.width))
    task = task_for(dataset.reader, dataset.task, dataset.num_classes, empty)
    raw = _raw_labels(task)
    content = _Content(random, len(task.classes))
    text, audio = MEDIAN_TEXT * dataset.max_text_length, MEDIAN_AUDIO * dataset.max_audio_length
    utterances: list[Utterance] = []
    mels: list[NDArray[np.float32]] = []
    classes: dict[str, list[int] | None] = {split: own.classes for split, own in recipe.expected.items()}
    for split, number in (counts or _counts(recipe)).items():
        shares = np.array(classes.get(split) or np.ones(len(task.classes)), float)
        for label in random.choice(len(task.classes), number, p=shares / shares.sum()).tolist():
            shown = label if random.random() >= WRONG else int(random.integers(len(task.classes)))
            length = random.lognormal(0, 0.75)
            words = content.words(shown, max(1, round(text * length)))
            frames = round(audio * length * random.lognormal(0, 0.35))
            mels.append(content.frames(shown, min(max(2, frames), 2 * dataset.max_audio_length)))
            labels = {} if split == "private" else {task.name: raw(label)}
            utterances.append(_utterance(len(utterances), split, words, labels))
    return Corpus(
        name=f"{dataset.reader.upper()}-size random",
        utterances=tuple(utterances),
        audio=Frames.join(mels, FRONTEND.width),
        source="random numbers, made for measuring speed",
        synthetic=True,
    )


def _counts(recipe: Recipe) -> dict[str, int]:
    """Return the number of utterances in each split: the published ones, and those of other splits in the recipe."""
    published: dict[str, int] = {split: own.utterances for split, own in recipe.expected.items()}
    if recipe.splits.scheme != "corpus":
        return {**({} if published else COUNTS), **published}
    wanted = ("train", recipe.splits.valid, recipe.splits.test)
    return {**{split: COUNTS[split] for split in wanted if split in COUNTS}, **published}


def _raw_labels(task: Task) -> Callable[[int], Any]:
    """Return a function that makes the raw label of a class."""
    makers: dict[str, Callable[[int], Any]] = {
        "index": int,
        "index-from-one": lambda label: str(label + 1),
        "sign": lambda label: 3.0 * label - 1.5,
        "sign-without-zero": lambda label: 3.0 * label - 1.5,
        "seven": lambda label: (-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5)[label],
        "present": lambda label: [float(number == label) for number in range(len(task.classes))],
    }
    return makers[task.rule]


class _Content:
    """A source of random words and frames that depend on the class."""

    def __init__(self, random: np.random.Generator, classes: int) -> None:
        self.random = random
        ranks = np.arange(1, WORDS + 1)
        self.zipf = (1 / ranks) / (1 / ranks).sum()
        self.patterns = random.uniform(-0.1, 0.1, (classes, FRONTEND.width)).astype(np.float32)
        self.favourites = random.integers(0, WORDS, (classes, 50))

    def words(self, label: int, count: int) -> tuple[str, ...]:
        """Draw words; a tenth of them are typical of the class."""
        drawn = self.random.choice(WORDS, count, p=self.zipf)
        own = self.random.random(count) < 0.1
        drawn[own] = self.random.choice(self.favourites[label], own.sum())
        return tuple(f"w{word}" for word in drawn)

    def frames(self, label: int, count: int) -> NDArray[np.float32]:
        """Draw frames (T, D) in (0, 1]; each utterance also has a pattern of its own, like a voice."""
        draws = self.random.standard_normal((count + 1, FRONTEND.width), np.float32) * np.float32(0.15)
        values: NDArray[np.float32] = np.float32(0.4) + self.patterns[label] + draws[:1] + draws[1:]
        return values.clip(FRONTEND.silence, FRONTEND.bounds[1])


def _utterance(number: int, split: str, words: Sequence[str], labels: Mapping[str, Any]) -> Utterance:
    session = f"Ses{1 if split == 'test' else 2 + number % 4:02d}"
    return Utterance(
        id=f"{session}F_{number:05d}",
        split=split,
        text=" ".join(words),
        words=tuple(words),
        labels=labels,
        speaker=f"{split}-{session}F",
        session=session,
        dialogue=f"{split}-{session}-{number // GROUP}",
        video=f"{split}-{session}-{number // GROUP}",
    )
