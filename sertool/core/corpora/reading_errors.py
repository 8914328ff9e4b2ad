"""What a reader does with data that cannot be used: stop at the first, or tell its caller and go on.

Training stops at the first (:func:`refuse`); an inspection takes them all and goes on with what can be used.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from sertool.core.errors import DataError

Report = Callable[[DataError], None]
Kind = Literal["words", "width", "non-finite", "label"]


class UtteranceError(DataError):
    """One utterance cannot be used as it is.

    Args:
        message: as of any :class:`~sertool.core.errors.DataError`.
        kind: what is wrong: ``words`` are no texts, frames have another ``width`` or kind, or are ``non-finite``,
            the ``label`` is none of the task's.
        split: of the utterance.
        id: of the utterance.
    """

    def __init__(self, message: str, *, kind: Kind, split: str, id: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.split = split
        self.id = id


def refuse(error: DataError) -> None:
    """The report of a reader that stops: raise the error."""
    raise error


@contextmanager
def told(report: Report) -> Iterator[None]:
    """Give a DataError of the block to ``report``; where that returns, the program goes on behind the block."""
    try:
        yield
    except DataError as error:
        report(error)
