"""VGAF, emotions of groups in web videos: "1" positive, "2" neutral, "3" negative; valid is also the test set."""

from sertool.core.corpora.readers.pickles import PickleLayout
from sertool.core.corpora.tasks import Task


def groups(key: str, split: str) -> dict[str, str]:
    """Parse ``123_4`` into video 123."""
    video = key.rpartition("_")[0]
    return {"video": video} if video else {}


LAYOUT = PickleLayout(
    name="VGAF",
    prefixes={"train": "train", "valid": "valid"},
    labels={"emotion": "emotions"},
    tasks={("emotion", None): Task("emotion", ("positive", "neutral", "negative"), "index-from-one")},
    groups=groups,
)
