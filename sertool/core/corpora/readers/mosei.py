"""CMU-MOSEI, sentiment from -3 to 3 as two or seven classes, or six emotions that may be present together.

The order of the emotions is the reference authors'. The CMU SDK's is happy, sad, anger, surprise, disgust, fear, so
compare the supports in a report with those of your data.
"""

from sertool.core.corpora.readers.pickles import PickleLayout, video_of
from sertool.core.corpora.tasks import NOT_NEGATIVE, SEVEN, Task

EMOTIONS = ("happy", "sad", "angry", "fear", "disgust", "surprise")

LAYOUT = PickleLayout(
    name="MOSEI",
    prefixes={"train": "train", "valid": "valid", "test": "test", "private": "private"},
    labels={"sentiment": "sentiment", "emotion": "emotion"},
    tasks={
        ("sentiment", 2): Task("sentiment", NOT_NEGATIVE, "sign"),
        ("sentiment", 7): Task("sentiment", SEVEN, "seven"),
        ("emotion", None): Task("emotion", EMOTIONS, "present"),
    },
    groups=video_of,
    unlabelled=("private",),
)
