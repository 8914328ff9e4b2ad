"""Recordings whose names hold the facts, and what the layouts of such corpora share.

The classes have the names that EmoBox gives them (Ma et al., Interspeech 2024), in small letters: ``angry``,
``disgust``, ``fear``, ``happy``, ``neutral``, ``sad``, ``surprise``. So a model of one of these corpora can be tested
on another.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sertool.core.corpora.corpus import Ratings
from sertool.core.features.audio import Segment
from sertool.core.formatting import first_few, plural, printable
from sertool.core.prepare.audio_paths import AUDIO_SUFFIXES, is_audio_name
from sertool.core.prepare.labels import Label
from sertool.core.prepare.layouts.corpus_layout import Found
from sertool.core.prepare.layouts.files import why_empty
from sertool.core.prepare.rows import Row
from sertool.core.prepare.split_names import is_split

_DEEPEST = 6  # levels of folders; corpora have up to four, and a link may lead in a circle
_STRAY = 20  # a folder is recognised with one recording of another name among so many
_FIRST = 100  # recordings that are enough to see that a folder holds another corpus


@dataclass(frozen=True)
class Named:
    """A recording and the facts in its name.

    Attributes:
        id: id of the utterance.
        path: the file.
        facts: the parts of the name.
        split: official split; empty if there is none.
    """

    id: str
    path: Path
    facts: Mapping[str, str]
    split: str = ""

    def row(self, labels: Mapping[str, Label], *, text: str = "", ratings: Ratings | None = None, **groups: str) -> Row:
        """Make the row of the utterance; groups are its speaker, gender, ..., empty where they are not known."""
        known = {name: value for name, value in groups.items() if value}
        return Row(None, self.id, self.split, text, labels, known, Segment(self.path), ratings)


@dataclass(frozen=True)
class Names:
    """The names that a corpus gives its recordings.

    Attributes:
        title: name of the corpus.
        pattern: regular expression for the end of a path, without the file's ending and with ``/`` between folders;
            its named groups are the facts. Large and small letters count as the same.
        id: id of an utterance, from the facts in braces and ``{name}``, the file's name without its ending.
        splits: official split by the fact ``split``.
    """

    title: str
    pattern: str
    id: str = "{name}"
    splits: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(f"(?:.*/)?{self.pattern}", re.IGNORECASE)

    def _facts(self, path: Path) -> dict[str, str] | None:
        # The user may name the folder of a speaker, whose name is then no part of the path as given.
        fits = self._expression.fullmatch(path.absolute().with_suffix("").as_posix())
        return fits and {name: value or "" for name, value in fits.groupdict().items()}

    def are_in(self, folder: Path) -> bool:
        """Check whether nearly all recordings of a folder, and at least one, have such names.

        A folder that its user divided into folders of training and test is to be read as divided.

        Raises:
            OSError: the folder cannot be read.
        """
        fit = other = 0
        for path in _recordings(folder):
            facts = self._facts(path)
            if facts is not None and (facts.get("split") or not _divided(folder, path)):
                fit += 1
            else:
                other += 1
            if other > max(_FIRST, fit):
                return False
        return fit > 0 and other * _STRAY <= fit

    def read(self, folder: Path, found: Found) -> list[Named]:
        """Return the recordings of a folder in the order of their ids; those of other names are noted.

        A recording that is there twice is used once. Files that hold nothing are told by ``Found.lacks``.

        Raises:
            OSError: the folder cannot be read.
        """
        named: dict[str, Named] = {}
        others, twice = list[Path](), list[Path]()
        for path in sorted(_recordings(folder), key=_preferred_first):
            facts = self._facts(path)
            if facts is None:
                others.append(path)
                continue
            split = self.splits.get(facts.get("split", "").lower(), "")
            one = Named(self.id.format(name=path.stem, **facts), path, facts, split)
            first = named.setdefault(one.id, one)
            if first is not one:
                twice.append(path)
                if first.path.suffix == path.suffix and _size(first.path) != _size(path):
                    paths = (_shown(folder, each) for each in (first.path, path))
                    found.wrong("recordings of one name that differ; keep one of each", " and ".join(paths))
        self._note(folder, others, twice, found)
        return [one for _, one in sorted(named.items()) if _holds_sound(one, found)]

    def _note(self, folder: Path, others: list[Path], twice: list[Path], found: Found) -> None:
        if others:
            shown = first_few(_shown(folder, path) for path in others)
            found.notes.append(f"{plural(len(others), 'recording')} not named as in {self.title}, not used: {shown}")
        if twice:
            shown = first_few(_shown(folder, path) for path in twice)
            found.notes.append(f"{plural(len(twice), 'recording')} there twice, used once: {shown}")


def one_of(name: str, codes: Mapping[str, str]) -> str:
    """Return the regular expression of a fact that is one of some codes.

    >>> one_of("emotion", {"sa": "sad", "su": "surprise"})
    '(?P<emotion>sa|su)'
    """
    return f"(?P<{name}>{'|'.join(codes)})"


def beside(folder: Path, name: str) -> Path | None:
    """Find a file of the corpus: in the folder, in the one around it, or in one inside it; None if there is none.

    Args:
        folder: the folder that the user names, which may be that of the recordings alone.
        name: name of the file, also with a folder.
    """
    folder = folder.absolute()
    places = (folder, folder.parent, *sorted(path for path in folder.iterdir() if path.is_dir()))
    return next((place / name for place in places if (place / name).is_file()), None)


def _recordings(folder: Path, levels: int = _DEEPEST) -> Iterator[Path]:
    """Yield the recordings below a folder, without hidden files and folders."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _recordings(Path(entry.path), levels - 1) if levels else ()
            elif is_audio_name(entry.name):
                yield Path(entry.path)


def _divided(folder: Path, path: Path) -> bool:
    """Check whether one of the folders around a recording has the name of a split."""
    return any(is_split(name) for name in path.relative_to(folder).parts[:-1])


def _preferred_first(path: Path) -> tuple[int, Path]:
    """Sort a WAV file before a compressed one of the same name."""
    return AUDIO_SUFFIXES.index(path.suffix.lower()), path


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _shown(folder: Path, path: Path) -> str:
    return printable(path.relative_to(folder).as_posix())


def _holds_sound(one: Named, found: Found) -> bool:
    """Check for a file that holds nothing, and tell it by ``Found.lacks``."""
    if why := why_empty(one.path):
        found.lacks(why, one.id, one.split or "train")
    return not why
