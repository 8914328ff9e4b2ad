"""Rows of a checked table or folder: missing splits are drawn at random, and likely mistakes reported."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import GROUPS, KNOWN_OF_SPEECH, SPLITS, LeftOut, Ratings
from sertool.core.features.audio import Segment
from sertool.core.formatting import first_few, first_lines, row_numbers
from sertool.core.prepare.draw_splits import DRAWN, deal
from sertool.core.prepare.emobox import Division, FoldFiles
from sertool.core.prepare.labels import TASKS, Label, label_warnings, names_of, spellings

ID_COLUMNS = ("utterance", "id")
COLUMNS = (*ID_COLUMNS, "audio", "text", *TASKS, "split", *KNOWN_OF_SPEECH, "order", "start", "end", "channel")
_TOGETHER = dict.fromkeys(("HIRAGANA", "KATAKANA", "HANGUL"), "CJK")  # written together with Chinese characters
_STEPS = 6  # between the ends of a range, as from -3 to 3
_DRAWN_BY = ("speaker", "dialogue", "session", "video", "recording")  # the most serious leak first


@dataclass(frozen=True)
class Row:
    """A row of a table, which is one utterance.

    Attributes:
        number: number of the row or line in the file; None without a table.
        id, split, text: see :class:`~sertool.core.corpora.corpus.Utterance`.
        labels: labels by task, see :mod:`~sertool.core.prepare.labels`.
        groups: speaker, session, dialogue, video, and the speaker's gender, if given.
        segment: the recording, or the part of it; None in a table of texts alone.
        ratings: what each rater said, by task and rater, if known.
        frames: (T, D) float32 frames that came with the corpus in the place of a recording.
        fold: name of the fold that tests it, if folds are given.
        order, start, end: its place in its dialogue, see :class:`~sertool.core.corpora.corpus.Utterance`.
        cut_from: the recording that it was cut from at pauses.
    """

    number: int | None
    id: str
    split: str
    text: str
    labels: Mapping[str, Label]
    groups: Mapping[str, str]
    segment: Segment | None
    ratings: Ratings | None = None
    frames: NDArray[np.float32] | None = None
    fold: str | None = None
    order: int | None = None
    start: float | None = None
    end: float | None = None
    cut_from: Segment | None = None


@dataclass(frozen=True)
class Table:
    """A checked table.

    Attributes:
        path: the table, or the folder used as one.
        rows: rows sorted by split, otherwise in the file's order.
        warnings: likely mistakes.
        drawn: group that splits were drawn by, such as ``speaker``; empty where the source gives them.
        choices: the user's choices on how it was read, see :class:`~sertool.core.prepare.choices.Choices`.
        layout: name of the published corpus that the folder holds, such as ``iemocap``; empty for others.
        classes: classes by task in their usual order; those of other tasks are sorted by name.
        ranges: lowest and highest score by task, for scores on another scale than -3 to 3.
        left_out: utterances of the folder that are no rows, with the reason.
    """

    path: Path
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    drawn: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)
    layout: str = ""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def divided(
    path: Path,
    header: Sequence[str],
    rows: Sequence[Row],
    draw: Division | None,
    *,
    transcribe: bool,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Table:
    """Make the table of checked rows: draw missing splits, sort rows by split, collect warnings.

    Args:
        path: table or folder.
        header: column names.
        rows: rows as read; those without a split are train.
        draw: settings of the random splits, or files that give them; None: the splits stay as they are.
        transcribe: texts are added later, so missing ones are not reported.
        ranges: lowest and highest score by task, where the user states them.
    """
    drawn = ""
    notes, left_out = list[str](), list[LeftOut]()
    if by_files := isinstance(draw, FoldFiles):
        rows, notes, left_out = _placed(rows, draw)
        header, draw = [*header, "split"], draw.draw
    present = {row.split for row in rows}
    missing = [split for split in DRAWN[1:] if split not in present]
    if draw is not None and missing and "train" in present:
        wanted = ("train", *missing)
        shares = {split: share for split, share in zip(DRAWN, draw.shares, strict=True) if split in wanted}
        rows, drawn, told = _draw(rows, shares, draw.seed, ranges or {})
        notes += told
        if drawn and "split" in header:
            notes.append(f"there is no split {' and '.join(missing)}: drawn from train by {drawn}")
    unknown = [row.number for row in rows if "speaker" not in row.groups]
    if unknown and not drawn and "speaker" in header:
        notes.append(f"{row_numbers(unknown)}: speaker is empty, so a voice may be in both training and test")
    # If splits were not drawn by speaker for a reason, the notes already give it.
    shared = [] if drawn not in ("", "speaker") else _shared_speakers(rows)
    ordered = sorted(rows, key=lambda row: SPLITS.index(row.split))
    warnings = (*_warnings(header, rows, transcribe, ranges or {}), *notes, *shared)
    return Table(path, tuple(ordered), warnings, "" if by_files else drawn, left_out=tuple(left_out))


def _placed(rows: Sequence[Row], folds: FoldFiles) -> tuple[list[Row], list[str], list[LeftOut]]:
    """Give the rows the splits and folds of files, and leave out those that the files do not name."""
    places, notes = folds.places([row.segment.path if row.segment else None for row in rows])
    found = list(zip(rows, places, strict=True))
    kept = [replace(row, split=place.split, fold=place.fold) for row, place in found if place is not None]
    left_out = [LeftOut(row.id, row.split, "not in EmoBox's folds") for row, place in found if place is None]
    return kept, notes, left_out


def _draw(
    rows: Sequence[Row], shares: Mapping[str, float], seed: int, ranges: Mapping[str, tuple[float, float]]
) -> tuple[list[Row], str, list[str]]:
    """Draw new splits for the rows of train; return the rows, the group splits are drawn by, and warnings."""
    places = [place for place, row in enumerate(rows) if row.split == "train"]
    notes: list[str] = []
    # The first group that every row has, and that is enough for all splits; an utterance is always one.
    for name in (*_DRAWN_BY, "utterance"):
        groups = [_group(rows[place], name) for place in places]
        number = len(set(groups))
        if None not in groups and number >= len(shares):
            break
        lacking = [rows[place].number for place, group in zip(places, groups, strict=True) if group is None]
        if name in GROUPS and len(lacking) < len(places):
            why = f"{name} is empty in {row_numbers(lacking)}" if lacking else _too_few(number, name)
            notes.append(f"{why}: splits are not drawn by {name}, so one {name} may be in several splits")
    else:
        listed = ", ".join(shares)
        return (
            list(rows),
            "",
            [f"{listed} cannot be drawn from so few utterances ({len(places)}): all are in train"],
        )
    classes = [
        [(task, cell) for task, label in rows[place].labels.items() for cell in _cells(label, ranges.get(task))]
        for place in places
    ]
    splits = dict(zip(places, deal(groups, classes, shares, seed), strict=True))
    return [replace(row, split=splits.get(place, row.split)) for place, row in enumerate(rows)], name, notes


def _too_few(number: int, name: str) -> str:
    return f"there is only 1 {name}" if number == 1 else f"there are only {number} {name}s"


def _group(row: Row, name: str) -> str | None:
    if name == "recording":  # segments of one recording are not independent
        return str(row.segment.path) if row.segment else None
    return f"{row.split}/{row.id}" if name == "utterance" else row.groups.get(name)


def _cells(label: Label, ends: tuple[float, float] | None) -> tuple[str, ...]:
    """Return what is spread evenly over splits: classes, or the nearest of a score's steps.

    These are whole numbers, or where the user states the range, which may be of any size, seven from end to end.
    """
    if not isinstance(label, float):
        return names_of(label)
    if ends is None:
        return (f"{round(label)}",)
    return (f"{round((label - ends[0]) / (ends[1] - ends[0]) * _STEPS)}",)


def _warnings(
    header: Sequence[str], rows: Sequence[Row], transcribe: bool, ranges: Mapping[str, tuple[float, float]]
) -> list[str]:
    """Report what is allowed but looks like a mistake."""
    warnings = []
    in_table = any(row.number is not None for row in rows)  # else from a folder, which has no columns
    if "audio" not in header:
        lack = "there is no column 'audio'" if in_table else "there are no recordings"
        warnings.append(f"{lack}: a corpus of texts, for models with dataset.modalities=[text]")
    wordless = [row.number for row in rows if not row.text and not transcribe]
    if "text" not in header and wordless:
        lack = "there is no column 'text'" if in_table else "there are no texts"
        warnings.append(f"{lack}: utterances have no words (--transcribe creates them)")
    elif wordless:
        warnings.append(f"{row_numbers(wordless)}: text is empty")
    speakers: dict[str, list[int | None]] = defaultdict(list)
    for row in rows:
        if speaker := row.groups.get("speaker"):
            speakers[speaker].append(row.number)
    warnings += spellings("speaker", "speakers", speakers)
    if "speaker" not in header:
        lack = "there is no column 'speaker'" if in_table else "no speakers are known"
        warnings.append(f"{lack}: the same voice may be in both training and test")
    warnings += script_warnings([(row.number, row.text) for row in rows])
    labelled = [(row.number, row.split, row.labels) for row in rows]
    warnings += first_lines(list(label_warnings(labelled, ranges)))
    return warnings


def _shared_speakers(rows: Sequence[Row]) -> list[str]:
    places: dict[str, dict[str, list[int | None]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if speaker := row.groups.get("speaker"):
            places[row.split][speaker].append(row.number)
    return [
        f"speakers in both {one} and {other}: "
        + first_few(
            f"{name} ({one} {row_numbers(places[one][name])}, {other} {row_numbers(places[other][name])})"
            for name in sorted(shared)
        )
        for one, other in combinations(SPLITS, 2)
        if (shared := places[one].keys() & places[other].keys())
    ]


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """Return the first word of a letter's Unicode name: ``LATIN``, ``CYRILLIC``, ``CJK``, ..."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    return _TOGETHER.get(script, script)


def script_of(text: str) -> str:
    """Return the script of most letters of a text; empty without letters."""
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    return max(counts, key=lambda script: (counts[script], script), default="")


def script_warnings(texts: Iterable[tuple[int | None, str]]) -> list[str]:
    """Report texts in another script than most; they come with their row numbers."""
    places: dict[str, list[int | None]] = defaultdict(list)
    for number, text in texts:
        if script := script_of(text):
            places[script].append(number)
    usual = max(places, key=lambda script: (len(places[script]), script), default="")
    return [
        f"{row_numbers(rows)}: text is in {_title(script)} letters, most are in {_title(usual)} ones"
        for script, rows in sorted(places.items())
        if script != usual
    ]


def _title(script: str) -> str:
    return script if script == "CJK" else script.capitalize()
