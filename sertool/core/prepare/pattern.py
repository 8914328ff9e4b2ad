"""Facts in the names of recordings: ``{speaker}_{label}_{utterance}.wav`` reads ``03_happy_7.wav``.

A part in braces is any text without a slash. A name that can be read in two ways is refused, never guessed:
``a_b_c_d.wav`` has no one speaker. ``{label:1}`` is exactly one character long; ``{utterance:*}`` may hold what stands
between the other parts, which then do not hold it; ``{-}`` and ``{take}`` are not used. ``{text}`` is the code of a
sentence.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sertool.core.corpora.corpus import KNOWN_OF_SPEECH
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.prepare.audio_paths import AUDIO_SUFFIXES
from sertool.core.prepare.labels import TASKS
from sertool.core.prepare.rows import ID_COLUMNS

TEXT = "text"
FIELDS = (*TASKS, *ID_COLUMNS, TEXT, "split", *KNOWN_OF_SPEECH)
UNUSED = "-"
_OTHER_NAMES = {"class": "label", "take": UNUSED, "": UNUSED}  # class as --layout calls it
_REST = "*"
_LENGTH = re.compile("[1-9][0-9]{0,3}")
_MOST_PARTS = 40


@dataclass(frozen=True)
class _Part:
    """A part of a name: a text that is there, or a field of a length (None: any) or with all that is left."""

    literal: str = ""
    field: str = ""
    length: int | None = None
    rest: bool = False

    def ends(self, name: str, start: int) -> Iterator[int]:
        """Yield the places where this part may end, the likeliest first."""
        if self.literal:
            yield from [start + len(self.literal)] if name.startswith(self.literal, start) else []
            return
        slash = name.find("/", start)
        last = len(name) if slash < 0 else slash
        if self.length is not None:
            yield from [start + self.length] if start + self.length <= last else []
            return
        ends = range(start + 1, last + 1)
        yield from reversed(ends) if self.rest else ends


@dataclass(frozen=True)
class Pattern:
    """A pattern of names.

    Attributes:
        text: the pattern as given.
        parts: its texts and fields in order.
        suffix: ending of the files; empty for any ending of recordings.
    """

    text: str
    parts: tuple[_Part, ...]
    suffix: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the names fill."""
        return tuple(part.field for part in self.parts if part.field not in ("", UNUSED))

    def facts(self, path: str) -> dict[str, str]:
        """Read the facts in the last parts of a path, as many as the pattern has.

        Raises:
            ValueError: the path does not fit, or fits in several ways.
        """
        levels = self.text.count("/") + 1
        name = "/".join(path.replace("\\", "/").split("/")[-levels:])
        endings = (self.suffix,) if self.suffix else AUDIO_SUFFIXES
        ending = next((ending for ending in endings if name.lower().endswith(ending)), None)
        readings = [] if ending is None else self._readings(name[: -len(ending)])
        if not readings:
            raise ValueError(f"the name does not fit --pattern {self.text}")
        if len(readings) > 1 and not any(part.rest for part in self.parts):
            raise ValueError(
                f"the name fits --pattern {self.text} in several ways: give a part its length, as {{speaker:2}}, "
                "or let one hold the rest, as {utterance:*}"
            )
        return readings[0]

    def _readings(self, name: str) -> list[dict[str, str]]:
        """Return the first two readings of a name, the likeliest first."""

        @cache
        def tails(place: int, start: int) -> tuple[tuple[str, ...], ...]:
            if place == len(self.parts):
                return ((),) if start == len(name) else ()
            found: list[tuple[str, ...]] = []
            for end in self.parts[place].ends(name, start):
                found += [(name[start:end], *tail) for tail in tails(place + 1, end)]
                if len(found) > 1:
                    break
            return tuple(found[:2])

        return [
            {part.field: value for part, value in zip(self.parts, values, strict=True) if part.field in self.columns}
            for values in tails(0, 0)
        ]


def parse_pattern(text: str) -> Pattern:
    """Parse a pattern such as ``{speaker}_{label}_{utterance}.wav``; ``{{`` is a brace in a name.

    Raises:
        UsageError: a part is unknown or given twice, or two parts have nothing between them.
    """
    suffix = next((suffix for suffix in AUDIO_SUFFIXES if text.lower().endswith(suffix)), "")
    try:
        pieces = list(string.Formatter().parse(text[: len(text) - len(suffix)]))
    except ValueError as error:
        raise _wrong(text, f"{error}; a part is a name in braces") from error
    parts: list[_Part] = []
    for literal, name, length, conversion in pieces:
        parts += [_Part(literal)] if literal else []
        if name is not None:
            parts.append(_field(text, name.strip().lower() + (f"!{conversion}" if conversion else ""), length or ""))
    pattern = Pattern(text, tuple(parts), suffix)
    _check(pattern)
    return pattern


def _field(text: str, name: str, length: str) -> _Part:
    name = _OTHER_NAMES.get(name, name)
    if name not in (*FIELDS, UNUSED):
        expected = did_you_mean(name, list(FIELDS)) or f", expected {', '.join(FIELDS)} or {UNUSED}"
        raise _wrong(text, f"no part is called {name!r}{expected}")
    if length == _REST:
        return _Part(field=name, rest=True)
    if length and not _LENGTH.fullmatch(length):
        raise _wrong(text, f"{{{name}:{length}}} has no length: expected a number of characters, or {_REST}")
    return _Part(field=name, length=int(length) if length else None)


def fact_of(column: str) -> str:
    """Return the fact that a column holds: label and emotion are one fact, and so are utterance and id.

    >>> fact_of("label"), fact_of("utterance"), fact_of("speaker")
    ('emotion', 'id', 'speaker')
    """
    return "id" if column in ID_COLUMNS else TASKS.get(column, column)


def _check(pattern: Pattern) -> None:
    columns = pattern.columns
    facts = [fact_of(name) for name in columns]
    if twice := next((name for name in columns if facts.count(fact_of(name)) > 1), None):
        raise _wrong(pattern.text, f"{{{twice}}} is given twice; {{{UNUSED}}} is a part that is not used")
    if not columns:
        raise _wrong(pattern.text, "names no fact, expected parts such as {speaker}")
    if len(pattern.parts) > _MOST_PARTS:
        raise _wrong(pattern.text, f"has more than {_MOST_PARTS} parts")
    if sum(part.rest for part in pattern.parts) > 1:
        raise _wrong(pattern.text, f"only one part may be of any length and hold all signs, {{...:{_REST}}}")
    free = None
    for part in pattern.parts:
        if part.literal:
            free = None
        elif part.length is None:
            if free is not None:
                raise _wrong(
                    pattern.text,
                    f"nothing stands between {{{free}}} and {{{part.field}}}: give one its length, as {{{free}:2}}",
                )
            free = part.field


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"--pattern {text}: {why}", hint="--pattern '{speaker}_{label}_{utterance}.wav'")
