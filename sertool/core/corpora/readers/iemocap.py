"""IEMOCAP, four emotions: session 1 tests, sessions 2 to 5 train (the reference validates on test)."""

import re

from sertool.core.corpora.readers.pickles import PickleLayout
from sertool.core.corpora.tasks import Task


def groups(key: str, split: str) -> dict[str, str]:
    """Of ``Ses01F_impro01_M003``: session Ses01, speaker Ses01M (the turn's), dialogue Ses01F_impro01, male."""
    found = re.match(r"(Ses\d\d)([FM])(?=_)", key)
    dialogue, _, turn = key.rpartition("_")
    if not found:
        return {"dialogue": dialogue} if dialogue else {}
    session, recorded = found.groups()
    gender = turn[0] if re.fullmatch(r"[FM]\d+", turn) else recorded
    return {
        "session": session,
        "speaker": session + gender,
        "dialogue": dialogue,
        "gender": "female" if gender == "F" else "male",
    }


LAYOUT = PickleLayout(
    name="IEMOCAP",
    prefixes={"train": "traindev", "test": "test"},
    labels={"emotion": "emotions"},
    tasks={("emotion", None): Task("emotion", ("neutral", "happy", "sad", "angry"), "index")},
    groups=groups,
)
