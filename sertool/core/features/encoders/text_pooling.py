"""Frames of a text from the states of its tokens: one a token, one a word, or one for all.

This file imports nothing else of the package: a bundle holds a copy of it, so that its frames are made in the same way.
"""

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, kana, Chinese characters. A character is a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")


def words_of_tokens(
    text: str, start: int, offsets: Sequence[tuple[int, int]], special: Sequence[int]
) -> NDArray[np.int64]:
    """Return the number of the word that each token belongs to; -1 for special tokens and for those of the prefix.

    Args:
        text: the text with its prefix.
        start: number of characters of the prefix.
        offsets: first character of each token and the one after its last.
        special: 1 for each token that is not of the text, such as ``[CLS]``, else 0.
    """
    numbers = np.zeros(len(text) + 1, np.int64)  # of each character's word; a space goes with the word after it
    end = own = number = 0
    for number, word in enumerate(chain(_WORD.finditer(text, 0, start), _WORD.finditer(text, start))):
        numbers[end : word.end()] = number
        end = word.end()
        if word.end() <= start:
            own = number + 1
    numbers[end:] = number
    found = numbers[[begin for begin, _ in offsets]]
    found[(np.asarray(special) != 0) | (found < own)] = -1
    return found


def pooled(states: NDArray[np.float32], words: NDArray[np.int64], pool: str) -> NDArray[np.float32]:
    """Return the frames of a text.

    Args:
        states: (T, D) states of all its tokens.
        words: number of each token's word, as :func:`words_of_tokens` returns them.
        pool: ``tokens`` and ``words`` give frames of the text alone; ``mean`` gives one, the mean of all states,
            those of special tokens and of the prefix included, as in sentence-transformers.

    Returns:
        (frames, D) float32.
    """
    if pool == "mean":
        mean: NDArray[np.float64] = states.mean(0, keepdims=True, dtype=np.float64)
        return mean.astype(np.float32)
    states, words = states[words >= 0], words[words >= 0]
    if pool == "tokens":
        return states
    _, places, counts = np.unique(words, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), states.shape[1]), np.float64)
    np.add.at(sums, places, states)
    return (sums / counts[:, None]).astype(np.float32)
