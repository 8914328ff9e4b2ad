"""Accesses to the labels of the test split, as a report shows them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelRead:
    """An access to the labels of the test split, as the log of the run has it.

    ``use`` is ``class counts``, or ``decisions`` if predictions were compared with the labels.
    """

    time: str
    by: str
    purpose: str
    use: str
    utterances: int
