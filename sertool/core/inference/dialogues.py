"""Division of many inputs into parts that hold whole dialogues."""

from collections.abc import Iterator, Sequence

from sertool.core.corpora.dialogues import Placed


def whole_dialogues(inputs: Sequence[Placed], size: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 of parts that hold at least ``size`` inputs, but for the last, and whole dialogues.

    A part is longer where a dialogue goes on. One whose inputs lie far apart keeps all between them together.
    """
    ends = {own.dialogue: place for place, own in enumerate(inputs) if own.dialogue is not None}
    first, end = 0, -1  # of this part, and of the dialogues that have begun in it
    for place, own in enumerate(inputs):
        if own.dialogue is not None:
            end = max(end, ends[own.dialogue])
        if place >= end and place + 1 - first >= size:
            yield first, place + 1
            first = place + 1
    if first < len(inputs):
        yield first, len(inputs)
