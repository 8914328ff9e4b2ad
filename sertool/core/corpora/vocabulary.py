"""Number words as the reference does.

Released checkpoints depend on every oddity here: the vocabulary starts as ``{"UNK": 1}``, the first word of the
training sentences shares index 1 with it, later words get 2, 3, ...; index 0 is the padding.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sertool.core.errors import DataError

UNKNOWN = "UNK"
PADDING_INDEX = 0
UNKNOWN_INDEX = 1


@dataclass(frozen=True)
class Vocabulary:
    """Words and their rows in the embedding.

    Attributes:
        index: row by word; ``UNK`` and the first word both have row 1.
        rows: number of rows of the embedding, row 0 (the padding) included.
    """

    index: Mapping[str, int]
    rows: int

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]]) -> "Vocabulary":
        """Number the words of cleaned sentences in the order of their first appearance."""
        # With the length as the next number, the first word gets 1 too: the reference's oddity, kept.
        index = {UNKNOWN: UNKNOWN_INDEX}
        for words in sentences:
            for word in words:
                if word not in index:
                    index[word] = len(index)
        return cls.of(index)

    @classmethod
    def of(cls, index: Mapping[str, int]) -> "Vocabulary":
        """Make a vocabulary from the numbering of an earlier :meth:`build`."""
        # As many rows as entries, because two share row 1 and row 0 is the padding; an empty one has two rows.
        return cls(index, max(len(index), UNKNOWN_INDEX + 1))

    def encode(self, words: Sequence[str], length: int) -> list[int]:
        """Return the rows of cleaned words: 1 for unknown ones, cut at ``length``, padded on the right with 0."""
        rows = [self.index.get(word, UNKNOWN_INDEX) for word in words[:length]]
        return rows + [PADDING_INDEX] * (length - len(rows))

    def unknown(self, words: Iterable[str]) -> list[str]:
        """Return the words that have no row, in their order."""
        return [word for word in words if word not in self.index]

    def words_by_row(self) -> list[str]:
        """Return for each row the word whose vector initialises it: ``UNK`` for the padding and rows without a word."""
        words = [UNKNOWN] * self.rows
        for word, row in self.index.items():
            if word != UNKNOWN:
                words[row] = word
        return words

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a JSON file."""
        return {"rows": self.rows, "index": dict(self.index)}

    @classmethod
    def from_json(cls, content: Any, origin: str) -> "Vocabulary":
        """Read and check the data of :meth:`to_json`; ``origin`` names the file in errors.

        Raises:
            DataError: ``content`` is not a vocabulary, or a word's row is not among the rows.
        """
        index = content.get("index") if isinstance(content, dict) else None
        if not isinstance(index, dict) or set(content) != {"rows", "index"}:
            raise DataError(f"{origin}: not a vocabulary, expected the keys rows and index")
        rows = content["rows"]
        if not _is_number(rows) or rows <= UNKNOWN_INDEX:
            raise DataError(f"{origin}: rows is {rows!r}, expected a number of at least {UNKNOWN_INDEX + 1}")
        for word, row in index.items():
            if not _is_number(row) or not PADDING_INDEX < row < rows:
                raise DataError(f"{origin}: {word!r} has row {row!r}, expected 1 to {rows - 1}")
        return cls(index, rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
