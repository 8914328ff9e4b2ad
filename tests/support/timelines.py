"""Time lines made of given or drawn segments, for tests of what shows them."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from sertool.core.inference.prediction import Prediction
from sertool.core.inference.timeline.contents import Stretch, Timeline

CLASSES = ("angry", "happy", "sad")


def predicted(shares=(0.1, 0.7, 0.2), text="", *, labels=None, uninformed=False, classes=CLASSES) -> Prediction:
    """A prediction of classes; of several labels those given."""
    best = classes[int(np.argmax(shares))]
    return Prediction(
        name="call.wav",
        label="unsure" if uninformed else best,
        labels=() if uninformed else ((best,) if labels is None else labels),
        probability=max(shares),
        probabilities=dict(zip(classes, shares, strict=True)),
        calibrated=True,
        logits=tuple(shares),
        text=text,
        uninformed=uninformed,
    )


def scored(value: float | None, text="") -> Prediction:
    """A prediction of one score from 1 to 5; None claims nothing."""
    scores = {} if value is None else {"valence": value}
    intervals = {name: (score - 0.5, score + 0.5) for name, score in scores.items()}
    more = {"scores": scores, "intervals": intervals, "ranges": {"valence": (1.0, 5.0)}}
    return Prediction("call.wav", "", (), None, {}, True, (0.0,), text, uninformed=value is None, **more)


def line_of(*stretches: Stretch, abstain=None, path="calls/call.wav", classes=CLASSES) -> Timeline:
    """A time line of segments; of scores where the first of them is one."""
    ranges = stretches[0].prediction.ranges if stretches else {}
    names = tuple(ranges) or classes
    return Timeline(path, Path(path), stretches, names, ranges, abstain)


TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["a --> b", "1\n\n2\n00:00:01,000 --> 00:00:02,000", "<b>x</b>", "{\\an8}x", "a\tb", "&lt;", "</script><script>"]
)


@st.composite
def timelines(draw, *, speakers=True) -> Timeline:
    """Time lines of up to five segments with any texts and speakers."""
    stretches, start = [], 0.0
    for _ in range(draw(st.integers(0, 5))):
        start += draw(st.floats(0, 4000))
        length = draw(st.floats(0, 20))
        low = draw(st.floats(0, 0.5))
        channel = draw(st.integers(1, 2)) if speakers else None
        name = (draw(TEXTS) or None) if speakers else None
        own = predicted((low, 0.5, 0.5 - low), draw(TEXTS), uninformed=draw(st.booleans()))
        stretches.append(Stretch(start, start + length, own, name, channel))
    return line_of(*stretches, abstain=draw(st.none() | st.floats(0, 1)))
