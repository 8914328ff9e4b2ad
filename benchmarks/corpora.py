"""A corpus of IEMOCAP's size with random content: what counts for speed is how many utterances, words and frames."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import CachedVocabulary, Corpus, Frames, Utterance

TRAIN, TEST = 4446, 1085
WORDS = 3000
BANDS = 80
CLASSES = 4
MAX_WORDS, MAX_FRAMES = 15, 40


@dataclass(frozen=True)
class Fill:
    """How much of the padded positions is real: mean words and frames after cutting, and the share that is cut."""

    words: float
    frames: float
    words_cut: float
    frames_cut: float


def make_corpus(seed: int = 0, *, train: int = TRAIN, test: int = TEST) -> Corpus:
    """Utterances with Zipf-distributed words and mel-like frames that tell their class a little.

    Lengths are log-normal and go together, as an utterance with more words lasts longer: on average about 11 of at
    most 15 words and 26 of at most 40 frames are left after cutting. See :func:`fill` for what came of it.

    Args:
        seed: decides everything.
        train: utterances of the training split; sessions 2 to 5.
        test: utterances of the test split; session 1.
    """
    random = np.random.default_rng(seed)
    ranks = np.arange(1, WORDS + 1)
    zipf = (1 / ranks) / (1 / ranks).sum()
    patterns = random.uniform(-0.1, 0.1, (CLASSES, BANDS))
    favourites = random.integers(0, WORDS, (CLASSES, 50))
    utterances, mels = [], []
    for number in range(train + test):
        label = int(random.integers(CLASSES))
        length = random.lognormal(0, 0.75)
        words = _words(random, zipf, favourites[label], max(1, round(12.5 * length)))
        utterances.append(_utterance(number, train, label, words))
        mels.append(_mels(random, patterns[label], max(2, round(26 * length * random.lognormal(0, 0.35)))))
    return Corpus(
        name="IEMOCAP-size random",
        utterances=tuple(utterances),
        audio=Frames.join(mels, BANDS),
        source="random numbers of benchmarks/corpora.py",
        synthetic=True,
    )


def shorten(corpus: Corpus, *, train: int, test: int) -> Corpus:
    """The same corpus with all but a few utterances moved to the unlabelled split, and its vocabulary fixed.

    What is read and laid out stays of full size, and so does the embedding; only the epoch is short.
    """
    words = dict.fromkeys(word for utterance in corpus.utterances for word in utterance.words)
    index = {word: row for row, word in enumerate(words, start=1)}
    vectors = np.random.default_rng(0).normal(size=(len(words) + 1, 300)).astype(np.float32)
    left = {"train": train, "test": test}
    utterances = []
    for utterance in corpus.utterances:
        left[utterance.split] -= 1
        kept = left[utterance.split] >= 0
        utterances.append(utterance if kept else replace(utterance, split="private", labels={}))
    return replace(corpus, utterances=tuple(utterances), vocabulary=CachedVocabulary(index, vectors))


def fill(corpus: Corpus) -> Fill:
    """Measure the lengths of a corpus after cutting to the recipe's."""
    words = np.array([len(utterance.words) for utterance in corpus.utterances])
    frames = np.diff(corpus.audio.offsets)
    return Fill(
        words=float(np.minimum(words, MAX_WORDS).mean()),
        frames=float(np.minimum(frames, MAX_FRAMES).mean()),
        words_cut=float((words > MAX_WORDS).mean()),
        frames_cut=float((frames > MAX_FRAMES).mean()),
    )


def _words(
    random: np.random.Generator, zipf: NDArray[np.float64], favourites: NDArray[np.int64], count: int
) -> tuple[str, ...]:
    drawn = random.choice(len(zipf), count, p=zipf)
    own = random.random(count) < 0.1
    drawn[own] = random.choice(favourites, own.sum())
    return tuple(f"w{word}" for word in drawn)


def _mels(random: np.random.Generator, pattern: NDArray[np.float64], frames: int) -> NDArray[np.float32]:
    """(T, 80) in (0, 1]."""
    values = 0.4 + pattern + random.normal(0, 0.15, (frames, len(pattern)))
    return np.clip(values, 1e-8, 1).astype(np.float32)


def _utterance(number: int, train: int, label: int, words: tuple[str, ...]) -> Utterance:
    split = "train" if number < train else "test"
    session = 2 + number % 4 if split == "train" else 1
    dialogue = f"Ses{session:02d}F_impro{number % 30:02d}"
    return Utterance(
        id=f"{dialogue}_F{number:05d}",
        split=split,
        text=" ".join(words),
        words=words,
        labels={"emotion": label},
        speaker=f"Ses{session:02d}F",
        session=f"Ses{session:02d}",
        dialogue=dialogue,
    )
