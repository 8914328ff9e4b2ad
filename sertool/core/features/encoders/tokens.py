"""The tokens of texts, by a model's own tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.features.encoders.text_pooling import words_of_tokens

_NO_LIMIT = 1_000_000  # tokens; tokenizers without a limit state a huge number


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


class Tokenizer:
    """A model's own tokenizer.

    Args:
        files: the model.
        prefix: text before each text.

    Raises:
        DataError: it cannot be loaded, or does not tell where a token stands in the text.
    """

    def __init__(self, files: ModelFiles, prefix: str) -> None:
        from transformers import AutoTokenizer

        try:
            with quiet():
                self.own: Any = AutoTokenizer.from_pretrained(
                    files.folder, trust_remote_code=False, local_files_only=True
                )
        except Exception as error:  # transformers and tokenizers have errors of many kinds
            raise DataError(f"{files.name}: its tokenizer cannot be loaded ({error!s:.200})") from error
        if not self.own.is_fast:
            raise DataError(
                f"{files.name}: its tokenizer does not tell where a token stands in the text",
                hint="expected a model with a tokenizer.json, which transformers' save_pretrained of a fast tokenizer "
                "writes",
            )
        self.prefix = prefix

    @cached_property
    def longest(self) -> int | None:
        """Tokens that the model takes, special ones included; None if the tokenizer states no limit."""
        return self.own.model_max_length if self.own.model_max_length < _NO_LIMIT else None

    @cached_property
    def padding(self) -> int:
        """Number of the token that fills up shorter texts in a batch; a mask hides it."""
        return self.own.pad_token_id or 0

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Divide texts into tokens, however many."""
        given = [self.prefix + text for text in texts]
        if not given:
            return []
        with quiet():  # of texts that are longer than the model takes
            encodings = self.own(given, add_special_tokens=True, truncation=False, padding=False).encodings
        made = []
        for text, encoding in zip(given, encodings, strict=True):
            special = encoding.special_tokens_mask
            inner = [place for place, is_special in enumerate(special) if not is_special]
            first, last = (inner[0], inner[-1] + 1) if inner else (len(special), len(special))
            words = words_of_tokens(text, len(self.prefix), encoding.offsets, special)
            made.append(Tokens(encoding.ids, words, first, last))
        return made

    def unknown(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the share of its tokens that are unknown; 0 for an empty text, 1 for one without any."""
        shares = []
        for text, tokens in zip(texts, self.tokens(texts), strict=True):
            own = np.asarray(tokens.ids)[tokens.words >= 0]
            known = not text.strip() or (len(own) and self.own.unk_token_id is None)
            shares.append(0.0 if known else float(np.mean(own == self.own.unk_token_id)) if len(own) else 1.0)
        return shares
