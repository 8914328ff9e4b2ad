"""Tasks, and the rules that turn a corpus's raw label into a target.

A raw label is a class number, a class name, a score from -3 to 3, or six intensities. A task names the classes; its
rule maps a raw label to a class index (single-label), to one 0 or 1 per class (multi-label), or to None (the
utterance is not part of the task). Source of the published sets' rules: SYSTEM.md of the reference, cited in
docs/reference.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sertool.core.errors import DataError

Target = int | tuple[int, ...]  # a class index, or one 0 or 1 per class
SIGN = ("negative", "positive")  # of scores without zeros
NOT_NEGATIVE = ("negative", "not negative")  # of scores with zeros
SEVEN = ("-3", "-2", "-1", "0", "1", "2", "3")


@dataclass(frozen=True)
class Task:
    """Task that a model is trained for.

    Attributes:
        name: key of the raw label in the corpus, for example ``emotion`` or ``sentiment``.
        classes: names of the classes, in the order of the logits.
        rule: rule that turns a raw label into a target, a key of ``RULES``.
    """

    name: str
    classes: tuple[str, ...]
    rule: str

    @property
    def kind(self) -> Literal["single", "multi"]:
        """``multi`` if an utterance has a 0 or 1 per class, ``single`` if it has one class."""
        return "multi" if self.rule == "present" else "single"

    def target(self, raw: Any) -> Target | None:
        """Turn a raw label into a target, or None if the task leaves such utterances out (MOSI's zeros).

        Raises:
            DataError: the raw label is of the wrong kind or out of range.
        """
        return RULES[self.rule](raw, self.classes)


def _number(raw: Any, low: float, high: float) -> float:
    # math.isfinite would raise an OverflowError for an integer beyond the range of floats.
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not -math.inf < raw < math.inf:
        raise DataError(f"label {raw!r} is not a finite number")
    if not low <= raw <= high:
        raise DataError(f"label {raw!r} is out of range, expected {low:g} to {high:g}")
    return float(raw)


def _index(raw: Any, classes: Sequence[str]) -> int:
    value = _number(raw, 0, len(classes) - 1)
    if value != int(value):
        raise DataError(f"label {raw!r} is not a class number")
    return int(value)


def _index_from_one(raw: Any, classes: Sequence[str]) -> int:
    """Read a class number that counts from 1; VGAF writes the texts "1", "2", "3"."""
    try:
        number = int(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise DataError(f"label {raw!r} is not a class number from 1 to {len(classes)}")
    if not 1 <= number <= len(classes):
        raise DataError(f"label {raw!r} is out of range, expected 1 to {len(classes)}")
    return number - 1


def _sign(raw: Any, classes: Sequence[str]) -> int:
    return int(_number(raw, -3, 3) >= 0)  # MOSEI counts 0 among those that are not negative


def _sign_without_zero(raw: Any, classes: Sequence[str]) -> int | None:
    value = _number(raw, -3, 3)
    return None if value == 0 else int(value > 0)


def _seven(raw: Any, classes: Sequence[str]) -> int:
    """Assign a score to the reference's seven intervals: [-3, -2), [-2, -1), [-1, 0), 0, (0, 1], (1, 2], (2, 3]."""
    value = _number(raw, -3, 3)
    if value < 0:
        return 0 if value < -2 else 1 if value < -1 else 2
    return 3 if value == 0 else 4 if value <= 1 else 5 if value <= 2 else 6


def _present(raw: Any, classes: Sequence[str]) -> tuple[int, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != len(classes):
        raise DataError(f"label {raw!r} is not a list of {len(classes)} numbers")
    return tuple(int(_number(value, 0, 3) > 0) for value in raw)  # MOSEI's intensities; any above 0 is present


def _name(raw: Any, classes: Sequence[str]) -> int:
    if raw not in classes:
        raise DataError(f"label {raw!r} is not one of {', '.join(classes)}")
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


def current_names(rule: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes that a stored file names, by the names of this version.

    Earlier versions called the class that includes zero "positive".

    >>> current_names("sign", ["negative", "positive"]), current_names("sign-without-zero", ["negative", "positive"])
    (('negative', 'not negative'), ('negative', 'positive'))
    """
    return NOT_NEGATIVE if rule == "sign" and tuple(classes) == SIGN else tuple(classes)
