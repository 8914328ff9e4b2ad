"""Subtitles of a time line: SubRip (``.srt``) and WebVTT (``.vtt``).

SubRip has no standard: players agree that a cue ends at an empty line and that ``-->`` stands between its times. WebVTT
is that of https://www.w3.org/TR/webvtt1/.
"""

from sertool.core.formatting import printable
from sertool.core.inference.timeline.contents import Stretch, Timeline

LEAST = 1  # milliseconds; a cue must not end where it starts
# SubRip has no escapes: players take <...> for markup and {\...} for commands, so that other signs take their place.
_SIGNS = str.maketrans({"<": "\u2039", ">": "\u203a", "{": "(", "}": ")"})


def srt(timeline: Timeline) -> str:
    """Write subtitles as SubRip: the answer with the speaker before it, and the text below it."""
    cues = []
    for number, own in enumerate(timeline.stretches, start=1):
        start, end = _milliseconds(own)
        who = f"{own.speaker}: " if own.speaker else ""
        lines = [who + own.caption(timeline.abstain), own.prediction.text]
        shown = "\n".join(_one_line(line).translate(_SIGNS) for line in lines if line.strip())
        cues.append(f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{shown}\n")
    return "\n".join(cues)


def vtt(timeline: Timeline) -> str:
    """Write subtitles as WebVTT: the speaker as the voice, the answer, and the text below it."""
    cues = []
    for number, own in enumerate(timeline.stretches, start=1):
        start, end = _milliseconds(own)
        lines = [own.caption(timeline.abstain), own.prediction.text]
        shown = "\n".join(_escaped(_one_line(line)) for line in lines if line.strip())
        who = _escaped(_one_line(own.speaker or ""))
        voice = f"<v {who}>" if who else ""  # a voice needs a name
        cues.append(f"{number}\n{_time(start, '.')} --> {_time(end, '.')}\n{voice}{shown}\n")
    return "\n".join(["WEBVTT\n", *cues])


def _milliseconds(own: Stretch) -> tuple[int, int]:
    start = round(1000 * own.start)
    return start, max(round(1000 * own.end), start + LEAST)


def _time(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def _one_line(text: str) -> str:
    """Put a text on one line: white space becomes a space, other signs that do not print are spelled out."""
    return printable(" ".join(text.split()))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
