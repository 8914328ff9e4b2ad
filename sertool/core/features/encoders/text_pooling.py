"""Frames of a text from the states of its tokens: one a token, one a word, or one for all.

A bundle holds a copy of this file and of :mod:`~sertool.core.features.encoders.pieces`, so that its frames are made in
the same way; they import nothing else of the package.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.features.encoders.pieces import Span, spans

_CONTEXT = 64  # tokens on each side of those that are kept of a piece, at most a quarter of it

# Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, kana, Chinese characters. A character is a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")


@dataclass(frozen=True)
class Tokens:
    """A text in tokens.

    Attributes:
        ids: number of each token in the vocabulary, T of them, with the special ones at both ends.
        words: (T,) number of each token's word; -1 for special ones and the prefix.
        first, last: the tokens between the special ones at both ends.
    """

    ids: list[int]
    words: NDArray[np.int64]
    first: int
    last: int


def tokens_of(text: str, start: int, encoding: Any) -> Tokens:
    """Return the tokens of a text.

    Args:
        text: the text with its prefix.
        start: number of characters of the prefix.
        encoding: its encoding by the library tokenizers.
    """
    special = encoding.special_tokens_mask
    inner = [place for place, is_special in enumerate(special) if not is_special]
    first, last = (inner[0], inner[-1] + 1) if inner else (len(special), len(special))
    return Tokens(encoding.ids, words_of_tokens(text, start, encoding.offsets, special), first, last)


def unknown_share(text: str, tokens: Tokens, unknown: int | None) -> float:
    """Return the share of a text's tokens that are ``unknown``; 0 for an empty text, 1 for one without any token."""
    own = np.asarray(tokens.ids)[tokens.words >= 0]
    if not text.strip() or (len(own) and unknown is None):
        return 0.0
    return float(np.mean(own == unknown)) if len(own) else 1.0


def pieces_of(tokens: Tokens, longest: int | None) -> Iterator[tuple[list[int], Span]]:
    """Yield the ids of a text, or of overlapping pieces of a long one, and the span of the states that each gives.

    Args:
        tokens: the text.
        longest: tokens that the encoder takes; None without a limit.
    """
    head, tail = tokens.ids[: tokens.first], tokens.ids[tokens.last :]
    own = tokens.ids[tokens.first : tokens.last]
    size = len(own) if longest is None else max(1, longest - len(head) - len(tail))
    if len(own) <= size:
        yield tokens.ids, Span(0, 0, len(tokens.ids))
        return
    for begin, first, last in spans(len(own), size, min(_CONTEXT, size // 4)):
        # The special tokens at the ends of the text are kept of the first and the last piece.
        start = 0 if first == 0 else first + len(head)
        end = len(tokens.ids) if last == len(own) else last + len(head)
        yield head + own[begin : begin + size] + tail, Span(begin, start, end)


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
