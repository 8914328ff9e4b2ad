"""The tokens of texts, by a model's own tokenizer."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sertool.core.errors import DataError
from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.features.encoders.text_pooling import Tokens, tokens_of, unknown_share

_NO_LIMIT = 1_000_000  # tokens; tokenizers without a limit state a huge number


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
        start = len(self.prefix)
        return [tokens_of(text, start, encoding) for text, encoding in zip(given, encodings, strict=True)]

    def unknown(self, texts: Sequence[str]) -> list[float]:
        """Return for each text the share of its tokens that are unknown; 0 for an empty text, 1 for one without any."""
        unknown = self.own.unk_token_id
        given = zip(texts, self.tokens(texts), strict=True)
        return [unknown_share(text, tokens, unknown) for text, tokens in given]
