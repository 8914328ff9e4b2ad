"""A time line as lines for other programs: labels of Audacity, and turns of speakers as RTTM.

Audacity's labels are described at https://manual.audacityteam.org/man/importing_and_exporting_labels.html. RTTM is that
of NIST's Rich Transcription evaluations (RT-09, appendix A), of which tools for diarisation read the ``SPEAKER`` lines.
"""

import re

from sertool.core.errors import UsageError
from sertool.core.formatting import printable
from sertool.core.inference.timeline.contents import Timeline


def audacity(timeline: Timeline) -> str:
    """Write labels of Audacity: start and end in seconds and the answer, separated by tabs."""
    lines = []
    for own in timeline.stretches:
        who = f"{own.speaker}: " if own.speaker else ""
        text = f" | {own.prediction.text}" if own.prediction.text.strip() else ""
        label = printable(" ".join(f"{who}{own.caption(timeline.abstain)}{text}".split()))
        lines.append(f"{own.start:.6f}\t{max(own.end, own.start):.6f}\t{label}\n")
    return "".join(lines)


def rttm(timeline: Timeline) -> str:
    """Write who speaks when: a SPEAKER line for each segment, with its channel, start, length and speaker.

    Raises:
        UsageError: nothing tells the speakers.
    """
    if any(own.speaker is None for own in timeline.stretches):
        raise UsageError(
            f"--rttm: nothing tells who speaks in {timeline.name}",
            hint="--channel each, for a recording that has each speaker in a channel of their own",
        )
    name = _word(timeline.path.stem)
    return "".join(
        f"SPEAKER {name} {own.channel or 1} {own.start:.3f} {max(own.seconds, 0.001):.3f} <NA> <NA> "
        f"{_word(own.speaker or '')} <NA> <NA>\n"
        for own in timeline.stretches
    )


def _word(text: str) -> str:
    """Write a name as one word, because spaces separate the fields."""
    return re.sub(r"\s+", "_", printable(text).strip()) or "unnamed"
