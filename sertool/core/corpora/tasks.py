"""Tasks, and the rules that turn a corpus's raw label into a target.

A raw label is a class number, a class name, a score, or six intensities. A task names the classes; its rule maps a raw
label to a class index (single-label), to one 0 or 1 per class (multi-label), or to None (the utterance is not part of
the task). Source of the published sets' rules: SYSTEM.md of the reference, cited in docs/reference.md.

The rules ``scores``, ``votes`` and ``any`` need more of an utterance than one raw label:
:mod:`~sertool.core.corpora.targets` has them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sertool.core.errors import DataError
from sertool.core.formatting import LONGEST_NAME, cut, names_of

SCORES, VOTES, ANY = "scores", "votes", "any"  # rules of corpora/targets.py


@dataclass(frozen=True)
class Votes:
    """Target of an utterance with raters.

    Attributes:
        label: index of the class that counts as right; None where the raters tie.
        shares: (C,) share of the raters that chose each class.
    """

    label: int | None
    shares: tuple[float, ...]


# A class index; one 0 or 1 per class; votes; or a number for each score, NaN where it is missing.
Target = int | tuple[int, ...] | Votes | tuple[float, ...]
SIGN = ("negative", "positive")  # of scores without zeros
NOT_NEGATIVE = ("negative", "not negative")  # of scores with zeros
SEVEN = ("-3", "-2", "-1", "0", "1", "2", "3")


@dataclass(frozen=True)
class Task:
    """Task that a model is trained for.

    Attributes:
        name: key of the raw label in the corpus, for example ``emotion`` or ``sentiment``; of several scores their
            names, separated by ``, ``.
        classes: names of the classes, in the order of the logits; of a task of scores the names of the scores.
        rule: rule that turns a raw label into a target, one of ``RULE_NAMES``.
        ranges: lowest and highest value of each score; empty for tasks of classes.
    """

    name: str
    classes: tuple[str, ...]
    rule: str
    ranges: tuple[tuple[float, float], ...] = ()

    @property
    def kind(self) -> Literal["single", "multi", "scores"]:
        """``single``: an utterance has one class; ``multi``: a 0 or 1 per class; ``scores``: a number per score."""
        if self.rule == SCORES:
            return "scores"
        return "multi" if self.rule in ("present", ANY) else "single"

    @property
    def per_utterance(self) -> str:
        """Words for what an utterance has: ``one class``, ``several classes`` or ``scores``."""
        return {"single": "one class", "multi": "several classes", "scores": "scores"}[self.kind]

    @property
    def is_soft(self) -> bool:
        """True if the model learns the shares of the raters rather than one class."""
        return self.rule == VOTES

    @property
    def shown(self) -> str:
        """Name and number of classes, such as ``emotion, 4 classes``; of scores their names and ranges."""
        if self.kind != "scores":
            return f"{self.name}, {len(self.classes)} classes"
        return ", ".join(
            f"{name} {low:g} to {high:g}" for name, (low, high) in zip(self.classes, self.ranges, strict=True)
        )

    def target(self, raw: Any) -> Target | None:
        """Turn a raw label into a target, or None if the task leaves such utterances out (MOSI's zeros).

        Raises:
            DataError: the raw label is of the wrong kind or out of range.
        """
        return RULES[self.rule](raw, self.classes)


def shown(raw: Any) -> str:
    """Write a raw label for a message; a file may hold one of any length.

    >>> shown("sad"), len(shown("s" * 1000))
    ("'sad'", 60)
    """
    return cut(repr(raw), LONGEST_NAME)


def number_within(raw: Any, low: float, high: float, name: str = "label") -> float:
    """Return a raw label that is a number of a range.

    Raises:
        DataError: it is no finite number, or out of range; the message calls it ``name``.
    """
    # math.isfinite would raise an OverflowError for an integer beyond the range of floats.
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not -math.inf < raw < math.inf:
        raise DataError(f"{name} {shown(raw)} is not a finite number")
    if not low <= raw <= high:
        raise DataError(f"{name} {shown(raw)} is out of range, expected {low:g} to {high:g}")
    return float(raw)


def _index(raw: Any, classes: Sequence[str]) -> int:
    value = number_within(raw, 0, len(classes) - 1)
    if value != int(value):
        raise DataError(f"label {shown(raw)} is not a class number")
    return int(value)


def _index_from_one(raw: Any, classes: Sequence[str]) -> int:
    """Read a class number that counts from 1; VGAF writes the texts "1", "2", "3"."""
    try:
        number = int(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise DataError(f"label {shown(raw)} is not a class number from 1 to {len(classes)}")
    if not 1 <= number <= len(classes):
        raise DataError(f"label {shown(raw)} is out of range, expected 1 to {len(classes)}")
    return number - 1


def _sign(raw: Any, classes: Sequence[str]) -> int:
    return int(number_within(raw, -3, 3) >= 0)  # MOSEI counts 0 among those that are not negative


def _sign_without_zero(raw: Any, classes: Sequence[str]) -> int | None:
    value = number_within(raw, -3, 3)
    return None if value == 0 else int(value > 0)


def _seven(raw: Any, classes: Sequence[str]) -> int:
    """Assign a score to the reference's seven intervals: [-3, -2), [-2, -1), [-1, 0), 0, (0, 1], (1, 2], (2, 3]."""
    value = number_within(raw, -3, 3)
    if value < 0:
        return 0 if value < -2 else 1 if value < -1 else 2
    return 3 if value == 0 else 4 if value <= 1 else 5 if value <= 2 else 6


def _present(raw: Any, classes: Sequence[str]) -> tuple[int, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != len(classes):
        raise DataError(f"label {shown(raw)} is not a list of {len(classes)} numbers")
    return tuple(int(number_within(value, 0, 3) > 0) for value in raw)  # MOSEI's intensities; any above 0 is present


def _name(raw: Any, classes: Sequence[str]) -> int:
    if raw not in classes:
        raise DataError(f"label {shown(raw)} is not one of {names_of(classes)}")
    return classes.index(raw)


SCORED = ("sign", "sign-without-zero", "seven")  # rules for a score from -3 to 3
RULES: dict[str, Callable[[Any, Sequence[str]], Target | None]] = {
    "index": _index,
    "index-from-one": _index_from_one,
    "sign": _sign,
    "sign-without-zero": _sign_without_zero,
    "seven": _seven,
    "present": _present,
    "name": _name,
}
RULE_NAMES = (*RULES, SCORES, VOTES, ANY)


def current_names(rule: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that a stored file names, by the names of this version.

    Earlier versions called the class that includes zero "positive".

    >>> current_names("sign", ["negative", "positive"]), current_names("sign-without-zero", ["negative", "positive"])
    (('negative', 'not negative'), ('negative', 'positive'))
    """
    return NOT_NEGATIVE if rule == "sign" and tuple(classes) == SIGN else tuple(classes)
