"""IEMOCAP, four emotions: session 1 is the test set, sessions 2 to 5 train (the reference validates on test)."""

import re

from sertool.core.corpora.readers.pickles import PickleLayout
from sertool.core.corpora.tasks import Task


def groups(key: str, split: str) -> dict[str, str]:
    """Parse ``Ses01F_impro01_M003`` into session Ses01, speaker Ses01M (of the turn), dialogue Ses01F_impro01, male."""
    found = re.match(r"(Ses\d\d)([FM])(?=_)", key)
    dialogue, _, turn = key.rpartition("_")
    if not found:
        return {"dialogue": dialogue} if dialogue else {}
    session, recorded = found.groups()
    # The turn's letter is the speaker's; the session's is whose motion was captured, and serves if there is no turn.
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
