"""Places of utterances in their dialogues, as stored predictions hold them."""

from collections.abc import Sequence
from typing import NamedTuple

from sertool.core.corpora.corpus import Utterance
from sertool.core.corpora.dialogues import dialogues_of
from sertool.core.errors import DataError
from sertool.core.runs.prediction_files import ANOTHER, SAME


class Turn(NamedTuple):
    """The place of an utterance in its dialogue.

    Attributes:
        number: its position, from 1; None without a dialogue.
        follows: ``same`` or ``another``, of the speaker of the utterance before it; None where there is none, or where
            one of the two speakers is unknown.
    """

    number: int | None
    follows: str | None


UNKNOWN = Turn(None, None)


def turns_of(utterances: Sequence[Utterance]) -> list[Turn]:
    """Return the place of each utterance of a corpus in its dialogue.

    Nothing is known of a corpus that gives a position twice: only a model with context needs the order, and refuses it.
    """
    try:
        dialogues = dialogues_of(utterances)
    except DataError:
        return [UNKNOWN] * len(utterances)
    turns = [UNKNOWN] * len(utterances)
    for places in dialogues:
        for number, place in enumerate(places, 1):
            if utterances[place].dialogue is None:
                continue
            before = utterances[places[number - 2]].speaker if number > 1 else None
            turns[place] = Turn(number, _relation(before, utterances[place].speaker))
    return turns


def _relation(before: str | None, speaker: str | None) -> str | None:
    if before is None or speaker is None:
        return None
    return SAME if before == speaker else ANOTHER
