"""MELD, seven emotions or three sentiments; dialogue numbers start again in each split."""

import re

from sertool.core.corpora.readers.pickles import PickleLayout
from sertool.core.corpora.tasks import Task

EMOTIONS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


def groups(key: str, split: str) -> dict[str, str]:
    """Parse ``dia12_utt3`` of train into dialogue train_dia12."""
    found = re.fullmatch(r"(dia\d+)_utt\d+", key)
    return {"dialogue": f"{split}_{found[1]}"} if found else {}


def order(key: str) -> int | None:
    """Return the number of an utterance in its dialogue: 3 of ``dia12_utt3``."""
    found = re.fullmatch(r"dia\d+_utt(\d{1,15})", key)
    return int(found[1]) if found else None


LAYOUT = PickleLayout(
    name="MELD",
    prefixes={"train": "train", "valid": "valid", "test": "test"},
    labels={"emotion": "emotion", "sentiment": "sentiment"},
    tasks={
        ("emotion", None): Task("emotion", EMOTIONS, "index"),
        ("sentiment", None): Task("sentiment", ("neutral", "positive", "negative"), "index"),
    },
    groups=groups,
    order=order,
)
