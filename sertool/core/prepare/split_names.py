"""The names that tables and folders give to train, valid and test."""

import re
from collections.abc import Iterable

from sertool.core.corpora.corpus import SPLITS

SPLIT_NAMES = {
    **{split: split for split in SPLITS},
    **dict.fromkeys(("training", "trn"), "train"),
    **dict.fromkeys(("val", "validation", "validate", "dev", "devel", "development"), "valid"),
    **dict.fromkeys(("testing", "tst"), "test"),
}
# Of the two sets that are held out, corpora of speech call test so, and others valid.
_EVALUATION = ("eval", "evaluation")
_WORD = re.compile(r"[^\W\d_]+")


def read_splits(names: Iterable[str]) -> dict[str, str]:
    """Return the split of each name that is one, in any case.

    A split ``eval`` is test, unless there is a test beside it; then it is valid. If there are both, it is neither.
    """
    lower = {name: name.lower() for name in names}
    found = {name: SPLIT_NAMES[own] for name, own in lower.items() if own in SPLIT_NAMES}
    free = [split for split in ("test", "valid") if split not in found.values()]
    evaluated = [name for name, own in lower.items() if own in _EVALUATION]
    return {**found, **dict.fromkeys(evaluated, free[0])} if free else found


def is_split(name: str) -> bool:
    """Check whether a name is one of a split, in any case."""
    return name.lower() in SPLIT_NAMES or name.lower() in _EVALUATION


def split_word(folder: str) -> str:
    """Return the word in the name of a folder that names a split: ``test`` in ``test-clean``; empty without one."""
    words = _WORD.findall(folder.lower())
    return next((word for word in (*words[:1], *words[-1:]) if is_split(word)), "")
