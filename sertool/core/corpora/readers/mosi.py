"""CMU-MOSI, sentiment from -3 to 3: two classes without the zeros, or seven (validated on test)."""

from sertool.core.corpora.readers.pickles import PickleLayout, video_of
from sertool.core.corpora.tasks import SEVEN, SIGN, Task

LAYOUT = PickleLayout(
    name="MOSI",
    prefixes={"train": "trainval", "test": "test"},
    labels={"sentiment": "sentiment"},
    tasks={
        ("sentiment", 2): Task("sentiment", SIGN, "sign-without-zero"),
        ("sentiment", 7): Task("sentiment", SEVEN, "seven"),
    },
    groups=video_of,
)
