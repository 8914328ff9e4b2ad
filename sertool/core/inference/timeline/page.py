"""A time line as one HTML page that needs no network: style, script and data are in it, the sound is beside it."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from sertool.core.files.page_text import as_json, environment_of, policy_hash
from sertool.core.formatting import in_range, plural
from sertool.core.inference.prediction import percent
from sertool.core.inference.timeline.contents import Stretch, Timeline, clock
from sertool.core.inference.timeline.peaks import Waveform
from sertool.core.inference.timeline.summary import summarise, summary_columns

TEMPLATES = Path(__file__).parent / "templates"
PATTERNS = 8  # of the style and the script; as many colours
NEXT = 2  # classes that are named beside the answer
LEAST = 0.05  # probability below which a class is not named beside the answer


@dataclass(frozen=True)
class Row:
    """A segment in the list; ``place`` is that of its class, or -1 where it has none."""

    start: str
    end: str
    speaker: str
    answer: str
    percent: str
    place: int
    unsure: bool
    next: str
    text: str


@dataclass(frozen=True)
class Page:
    """Content of the template.

    Attributes:
        title: name of the recording's file.
        model: the model in words.
        length: length of the recording.
        summary: header and a row for each speaker.
        explained: how the summary is read.
        named: speakers are known.
        classes: names of classes or scores.
        scores: they are scores.
        segments: the segments.
        texts: any of them has a text.
        audio: address of the recording, as the page sees it.
        file: name of the recording's file.
    """

    title: str
    model: str
    length: str
    summary: list[list[str]]
    explained: str
    named: bool
    classes: tuple[str, ...]
    scores: bool
    segments: list[Row]
    texts: bool
    audio: str
    file: str


def render(timeline: Timeline, waves: Mapping[int | None, Waveform], model: str, audio: str) -> str:
    """Return the page of a recording.

    All texts of recordings and models are escaped, and the content security policy of the page lets a browser run only
    the script written here.

    Args:
        timeline: the segments.
        waves: waveform of each channel that is shown; None is the mean of all.
        model: the model in words.
        audio: address of the recording, as the page sees it, see :func:`address`.
    """
    style, script = (_asset(name) for name in ("style.css", "script.js"))
    policy = (
        f"default-src 'none'; style-src {policy_hash(style)}; script-src {policy_hash(script)}; img-src data:; "
        "media-src data: 'self' file:; base-uri 'none'; form-action 'none'"
    )
    seconds = max([*(own.seconds for own in waves.values()), *(one.end for one in timeline.stretches), 0.1])
    return (
        _environment()
        .get_template("page.html")
        .render(
            own=_page(timeline, model, audio, seconds),
            data=as_json(_data(timeline, waves, seconds)),
            style=style,
            script=Markup(script),
            policy=policy,
        )
    )


def address(recording: Path, page: Path) -> str:
    """Return the address of a recording as a page sees it: relative, so that both can move together.

    A recording on another drive than the page has an address from the root.
    """
    try:
        below = os.path.relpath(recording.absolute(), page.absolute().parent)
    except ValueError:
        return recording.absolute().as_uri()
    return quote(below.replace(os.sep, "/"), errors="surrogateescape")


def _page(timeline: Timeline, model: str, audio: str, seconds: float) -> Page:
    rows = [_row(timeline, own) for own in timeline.stretches]
    named = any(own.speaker for own in timeline.stretches)
    time = "Means over the time of speech." if timeline.ranges else "Shares of the time of speech in percent."
    return Page(
        title=timeline.path.name,
        model=model,
        length=clock(seconds),
        summary=summary_columns(timeline, summarise(timeline)),
        explained=time if timeline.ranges else f"{time} Changes: from one sure answer to another.",
        named=named,
        classes=timeline.classes,
        scores=bool(timeline.ranges),
        segments=rows,
        texts=any(row.text for row in rows),
        audio=audio,
        file=timeline.path.name,
    )


def _row(timeline: Timeline, own: Stretch) -> Row:
    unsure, prediction = timeline.unsure(own), own.prediction
    shown = "" if unsure or prediction.probability is None or not prediction.labels else percent(prediction.probability)
    return Row(
        start=clock(own.start),
        end=clock(own.end),
        speaker=own.speaker or "",
        answer=timeline.answer(own),
        percent=f"{shown}\u00a0%" if shown else "",
        place=_place(timeline, own),
        unsure=unsure,
        next=_next(own, unsure),
        text=prediction.text,
    )


def _place(timeline: Timeline, own: Stretch) -> int:
    """Return the place of the class that colours a segment: the most probable one that is predicted; -1 for none."""
    prediction = own.prediction
    if timeline.unsure(own) or (not prediction.labels and not timeline.ranges):
        return -1
    return 0 if timeline.ranges else timeline.classes.index(prediction.label)


def _next(own: Stretch, unsure: bool) -> str:
    """Name the next most probable classes, or of scores their intervals; of an unsure answer the most probable ones."""
    prediction = own.prediction
    if prediction.uninformed:
        return ""
    if prediction.ranges:
        return ", ".join(filter(None, (prediction.written_interval(name) for name in prediction.scores)))
    others = [(name, p) for name, p in prediction.ranking.items() if unsure or name not in prediction.labels]
    return ", ".join(f"{name} {percent(p)}" for name, p in others[:NEXT] if p >= LEAST)


def _data(timeline: Timeline, waves: Mapping[int | None, Waveform], seconds: float) -> dict[str, Any]:
    """Return what the script draws: lanes with their peaks, and segments with the probabilities in thousandths.

    A segment is: start, end, its lane, the place of its class, its answer, and a value for each class or score; no
    values where nothing is claimed.
    """
    lanes = {channel: place for place, channel in enumerate(waves)}
    names = {own.channel: own.speaker for own in timeline.stretches}
    return {
        "seconds": round(seconds, 3),
        "rate": next(iter(waves.values())).rate if waves else 1.0,
        "classes": timeline.classes,
        "ranges": [list(timeline.ranges[name]) for name in timeline.classes] if timeline.ranges else None,
        "lanes": [
            {"name": names.get(channel) or "", "peaks": base64.b64encode(own.peaks.tobytes()).decode()}
            for channel, own in waves.items()
        ],
        "segments": [
            [
                round(own.start, 3),
                round(own.end, 3),
                lanes.get(own.channel, 0),
                _place(timeline, own),
                own.caption(timeline.abstain) if not timeline.ranges else _scores(own, timeline),
                _values(own, timeline.classes),
            ]
            for own in timeline.stretches
        ],
    }


def _scores(own: Stretch, timeline: Timeline) -> str:
    scores = own.prediction.scores
    return ", ".join(f"{name} {in_range(scores[name], *timeline.ranges[name])}" for name in scores) or "unsure"


def _values(own: Stretch, names: Sequence[str]) -> list[float]:
    prediction = own.prediction
    if prediction.uninformed:
        return []
    if prediction.ranges:
        return [round(prediction.scores[name], 4) for name in names]
    return [round(1000 * prediction.probabilities[name]) for name in names]


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = environment_of(TEMPLATES)
    environment.filters |= {
        "plural": plural,
        "pattern": lambda place: (place + place // PATTERNS) % PATTERNS,
    }
    return environment
