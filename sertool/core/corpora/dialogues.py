"""Dialogues of a corpus: their utterances in the order in which they were said."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from sertool.core.corpora.splits import Fold
from sertool.core.errors import DataError
from sertool.core.formatting import cut, first_few, names_of, plural, printable

LONGEST_NAME = 60  # characters of a dialogue's name in a message


@runtime_checkable  # for the tests that check the arguments of every call
class Placed(Protocol):
    """Anything that may be part of a dialogue: an utterance of a corpus, a clip, a passage."""

    @property
    def dialogue(self) -> str | None:
        """Name of its dialogue; None where it has none."""

    @property
    def order(self) -> int | None:
        """Number that orders it in its dialogue."""

    @property
    def start(self) -> float | None:
        """Seconds at which it begins."""


def dialogues_of(utterances: Sequence[Placed]) -> list[list[int]]:
    """Return the positions of the utterances of each dialogue, in the order in which they were said.

    A dialogue is ordered by ``order`` if all of its utterances have one, else by ``start`` if all have one, else they
    stay as they come; utterances that begin at the same time stay so, too. An utterance without a dialogue is alone.

    Raises:
        DataError: two utterances of a dialogue have the same order.
    """
    dialogues: dict[str, list[int]] = {}
    alone = []
    for place, utterance in enumerate(utterances):
        if utterance.dialogue is None:
            alone.append([place])
        else:
            dialogues.setdefault(utterance.dialogue, []).append(place)
    return [*(_in_order(name, places, utterances) for name, places in dialogues.items()), *alone]


def _in_order(name: str, places: list[int], utterances: Sequence[Placed]) -> list[int]:
    orders, starts = ([getattr(utterances[place], key) for place in places] for key in ("order", "start"))
    if None not in orders:
        if repeated := sorted(order for order, number in Counter(orders).items() if number > 1):
            raise DataError(
                f"dialogue {printable(cut(name, LONGEST_NAME))!r}: {plural(len(repeated), 'position')} given more than "
                f"once ({first_few(map(str, repeated))})",
                hint="every utterance of a dialogue needs an order of its own; other dialogues need other names",
            )
        return _sorted(places, orders)
    return _sorted(places, starts) if None not in starts else places


def _sorted(places: Sequence[int], keys: Sequence[float]) -> list[int]:
    return [place for _, place in sorted(zip(keys, places, strict=True))]


def check_undivided(dialogues: Iterable[Sequence[int]], names: Sequence[str | None], folds: Sequence[Fold]) -> None:
    """Check that the utterances of each dialogue are in one set of every fold, as context asks for.

    Args:
        dialogues: from :func:`dialogues_of`.
        names: name of each utterance's dialogue.
        folds: division of the utterances.

    Raises:
        DataError: dialogues are divided; the message names some.
    """
    places = [list(dialogue) for dialogue in dialogues if len(dialogue) > 1]
    for fold in folds:
        sets = _set_of(fold)
        divided = [own[0] for own in places if len({sets[place] for place in own if place in sets}) > 1]
        if divided:
            shown = names_of(str(names[place]) for place in divided)
            verb = "is" if len(divided) == 1 else "are"
            raise DataError(
                f"context: {plural(len(divided), 'dialogue')} {verb} divided between sets ({shown}), so that "
                "utterances of one set would be context of another",
                hint="--set splits.group=dialogue never divides them under the schemes holdout and folds; of a corpus "
                "with splits of its own, dialogues of different splits need different names",
            )


def _set_of(fold: Fold) -> Mapping[int, str]:
    # Validation may be the test set under the paper's protocol; the later name stands for both.
    return {row: name for name, rows in fold.sets.items() for row in rows}
