"""Parts of a set by place in the dialogue, by who spoke before, and by whether the label has changed."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.runs.prediction_files import ANOTHER, SAME, Spoken

# First and last position, from 1: twice as many from one part to the next, for there are ever fewer long dialogues.
TURNS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, None))
TURN, BEFORE, CHANGE = "turn", "speaker before", "change"  # kinds of these slices
KINDS = (TURN, BEFORE, CHANGE)
NOBODY = "none"  # name of the slice that has no utterance before

Mask = NDArray[np.bool_]
Named = tuple[str, str, Mask]  # kind, name, and (N,) True for the utterances that are in it


def by_turn(spoken: Sequence[Spoken]) -> Iterator[Named]:
    """Yield the slices by position in the dialogue, and by the speaker of the utterance before.

    There are none where no dialogue has two utterances, as nothing comes before any of them.

    Args:
        spoken: (N,) facts about the utterances.
    """
    turns = np.array([one.turn or 0 for one in spoken])
    if not (turns > 1).any():
        return
    for first, last in TURNS:
        inside = (turns >= first) & (turns <= (last or turns.max()))
        yield TURN, _span(first, last), inside
    follows = np.array([one.follows or "" for one in spoken])
    yield BEFORE, SAME, follows == SAME
    yield BEFORE, ANOTHER, follows == ANOTHER
    yield BEFORE, NOBODY, turns == 1


def _span(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} and later"
    return f"{first}" if first == last else f"{first} to {last}"


def after_changes(spoken: Sequence[Spoken], targets: NDArray[np.int64], task: str) -> Iterator[Named]:
    """Yield the slices by whether the label is that of the utterance before in the dialogue.

    Only utterances count whose predecessor is in the same set, where its label is known.

    Args:
        spoken: (N,) facts about the utterances.
        targets: (N,) class numbers, or (N, C) 0/1, of which all must be the same.
        task: name of the task, as ``emotion``.
    """
    places = {(one.dialogue, one.turn): row for row, one in enumerate(spoken) if one.turn}
    pairs = [(row, places.get((one.dialogue, one.turn - 1))) for row, one in enumerate(spoken) if one.turn]
    known = [(row, before) for row, before in pairs if before is not None]
    if not known:
        return
    rows, before = np.array(known).T
    alike = (targets[rows] == targets[before]).reshape(len(rows), -1).all(1)
    for name, here in ((f"{task} as before", alike), (f"after a change of {task}", ~alike)):
        inside = np.zeros(len(spoken), bool)
        inside[rows[here]] = True
        yield CHANGE, name, inside
