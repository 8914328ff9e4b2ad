"""Errors in single utterances: a reader stops at the first, or reports each to its caller and continues.

Training stops at the first (:func:`refuse`); ``doctor`` collects them all and inspects the rest.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from sertool.core.errors import DataError

Report = Callable[[DataError], None]
Kind = Literal["words", "width", "non-finite", "label"]


class UtteranceError(DataError):
    """An utterance cannot be used as it is.

    Args:
        message: file, utterance, and what was expected.
        kind: ``words`` are not texts, frames have another ``width`` or type, frames are ``non-finite``, or the
            ``label`` or what a rater said is not one of the task's.
        split: split of the utterance.
        id: id of the utterance.
    """

    def __init__(self, message: str, *, kind: Kind, split: str, id: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.split = split
        self.id = id


def refuse(error: DataError) -> None:
    """Raise the error: the report of a reader that stops at the first."""
    raise error


@contextmanager
def reporting(report: Report) -> Iterator[None]:
    """Pass a DataError of the block to ``report``; if that returns, execution continues after the block."""
    try:
        yield
    except DataError as error:
        report(error)
