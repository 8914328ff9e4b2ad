"""The random corpus of IEMOCAP's size that the benchmarks share; see :mod:`sertool.core.bench.random_corpus`."""

from dataclasses import replace

import numpy as np

from sertool.core.bench.random_corpus import random_corpus
from sertool.core.corpora.corpus import CachedVocabulary, Corpus
from sertool.core.recipe.load import load

TRAIN, TEST = 4446, 1085


def make_corpus(seed: int = 0, *, train: int = TRAIN, test: int = TEST) -> Corpus:
    """Utterances of IEMOCAP's lengths.

    Args:
        seed: decides everything.
        train: utterances of the training split; sessions 2 to 5.
        test: utterances of the test split; session 1.
    """
    return random_corpus(load("iemocap"), seed, {"train": train, "test": test})


def shorten(corpus: Corpus, *, train: int, test: int) -> Corpus:
    """Move all but a few utterances of a corpus to the unlabelled split, and keep its vocabulary.

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
