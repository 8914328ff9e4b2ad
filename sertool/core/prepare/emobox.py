"""EmoBox's fold files as splits: ``--splits emobox:FOLDER``.

EmoBox (https://github.com/emo-box/EmoBox, arXiv 2406.07162) divides 32 corpora. ``data/CORPUS/fold_N`` holds
``CORPUS_train_fold_N.jsonl`` and ``CORPUS_test_fold_N.jsonl``, for three corpora also ``CORPUS_valid_fold_N.jsonl``.
A line names a recording (``wav``, or ``audio`` in older files). Where there is no file for validation, EmoBox draws
it from training at random.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.formatting import first_few, plural
from sertool.core.prepare.draw_splits import Draw, parse_shares
from sertool.core.prepare.table_text import read_text

PREFIX = "emobox:"
_SPLITS = ("train", "valid", "test")
_NEEDED = ("train", "test")
_FOLD = re.compile(r"fold_([0-9]+)")
_WORDS = re.compile(r"[^\W_]+")
_MOST_WORDS = 16  # of the end of a path; a name of ASVP-ESD has ten

Words = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """The place of an utterance.

    Attributes:
        split: its split in the first fold.
        fold: the fold that tests it; None if there is a single fold, or none tests it.
    """

    split: str
    fold: str | None


@dataclass(frozen=True)
class FoldFiles:
    """The folds of a corpus.

    Attributes:
        folder: folder that they were read from.
        folds: split by recording, by the name of the fold, such as ``fold_1``.
        draw: settings of a draw of the splits that the files lack.
    """

    folder: Path
    folds: Mapping[str, Mapping[str, str]]
    draw: Draw

    @property
    def described(self) -> str:
        """Name the folds, to be kept with the corpus."""
        return f"{PREFIX}{self.folder.resolve().name}/{', '.join(self.folds)}"

    def places(self, recordings: Sequence[Path | None]) -> tuple[list[Place | None], list[str]]:
        """Find the place of each recording.

        A recording is known by the end of its path, since everybody's folders begin in their own way: words that it
        shares with one path of the files and no other.

        Args:
            recordings: path of each utterance's recording; None without one.

        Returns:
            Place of each utterance, None if no fold holds it; and sentences on the folds.

        Raises:
            DataError: none is in the folds.
        """
        first, *_ = self.folds.values()
        names = list(dict.fromkeys(name for splits in self.folds.values() for name in splits))
        found = _matched(names, recordings)
        tested = {name: fold for fold, own in self.folds.items() for name, split in own.items() if split == "test"}
        single = len(self.folds) == 1
        places = [
            Place(first[name], None if single else tested.get(name)) if name is not None and name in first else None
            for name in found
        ]
        if not any(places):
            raise DataError(
                f"--splits {PREFIX}{self.folder}: none of the recordings is in these folds, such as {names[0]}",
                hint="give the folder of this corpus: EmoBox/data/CORPUS",
            )
        notes = [self._told()]
        if unknown := sorted(set(names) - set(found)):
            notes.append(f"{plural(len(unknown), 'recording')} of EmoBox's folds not here: {first_few(unknown)}")
        return places, notes

    def _told(self) -> str:
        names = list(self.folds)
        if len(names) == 1:
            return f"splits are those of EmoBox's {names[0]}"
        return (
            f"splits are those of EmoBox's {names[0]}; all {len(names)} folds: --set splits.scheme=folds "
            "--set splits.group=fold, where the next fold validates"
        )


Division = Draw | FoldFiles


def parse_splits(text: str, seed: int) -> Division:
    """Parse ``--splits``: the shares of a random draw, or ``emobox:FOLDER``.

    Args:
        text: the option's value.
        seed: seed of the draw.

    Raises:
        UsageError, DataError: it is neither, or the folder has no usable fold files.
    """
    if text.startswith(PREFIX):
        return read_folds(Path(text.removeprefix(PREFIX)), Draw(seed=seed))
    return Draw(parse_shares(text), seed)


def read_folds(folder: Path, draw: Draw) -> FoldFiles:
    """Read the folds of a corpus, or a single one.

    Args:
        folder: ``EmoBox/data/CORPUS``, or ``EmoBox/data/CORPUS/fold_1`` for its splits alone.
        draw: settings of a draw of the splits that the files lack.

    Raises:
        UsageError: there is no such folder, or it holds no folds.
        DataError: a file is missing or cannot be read, or a recording is in two splits or tested twice.
    """
    if not folder.is_dir():
        raise UsageError(
            f"--splits {PREFIX}{folder}: there is no such folder",
            hint=f"git clone https://github.com/emo-box/EmoBox, then --splits {PREFIX}EmoBox/data/CORPUS",
        )
    try:
        inside = [path for path in folder.iterdir() if path.is_dir() and _FOLD.fullmatch(path.name)]
    except OSError as error:
        raise artifacts.read_error(folder, error) from error
    folders = [folder] if _FOLD.fullmatch(folder.name) else sorted(inside, key=lambda path: int(path.name[5:]))
    if not folders:
        raise UsageError(
            f"--splits {PREFIX}{folder}: holds no folders fold_1, fold_2, ...",
            hint=f"give the folder of the corpus, as in --splits {PREFIX}EmoBox/data/iemocap",
        )
    folds = {path.name: _read_fold(path) for path in folders}
    tested = Counter(name for own in folds.values() for name, split in own.items() if split == "test")
    if twice := sorted(name for name, number in tested.items() if number > 1):
        raise DataError(f"{folder}: {plural(len(twice), 'recording')} tested by several folds: {first_few(twice)}")
    return FoldFiles(folder, folds, draw)


def _read_fold(folder: Path) -> dict[str, str]:
    """Return the split of each recording of a fold."""
    found: dict[str, str] = {}
    twice: dict[str, None] = {}
    for split in _SPLITS:
        files = sorted(folder.glob(f"*_{split}_{folder.name}.jsonl"))
        if len(files) != 1 and (files or split in _NEEDED):
            raise DataError(
                f"{folder}: {len(files)} files for {split}, expected one, CORPUS_{split}_{folder.name}.jsonl"
            )
        for path in files:
            names = _names(path)
            twice.update(dict.fromkeys(name for name in names if found.setdefault(name, split) != split))
    if twice:
        raise DataError(f"{folder}: {plural(len(twice), 'recording')} in two splits: {first_few(twice)}")
    return found


def _names(path: Path) -> list[str]:
    """Return the paths of recordings that the lines of a file name."""
    names = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        try:
            entry = json.loads(line) if line.strip() else None
            name = None if entry is None else entry.get("wav") or entry["audio"]
        except (ValueError, KeyError, AttributeError, RecursionError):
            name = 0
        if name is not None and not isinstance(name, str):
            raise DataError(f"{path}: line {number} names no recording", hint="EmoBox's lines have the key wav")
        names += [name] if name else []
    if not names:
        raise DataError(f"{path}: names no recordings")
    return names


def _matched(names: Sequence[str], recordings: Sequence[Path | None]) -> list[str | None]:
    """Return the name in the files of each recording; None where there is none, or several fit alike."""
    ends: dict[Words, str | None] = {}
    for name in names:
        for end in _ends(PurePosixPath(name)):
            ends[end] = None if end in ends else name  # None: several names end so
    found = [None if path is None else _match(ends, path) for path in recordings]
    longest: dict[str, int] = {}
    for match in found:
        if match is not None:
            name, length = match
            longest[name] = max(length, longest.get(name, 0))
    # A recording that no name means may end as one does, but less of it is alike.
    return [match[0] if match is not None and match[1] == longest[match[0]] else None for match in found]


def _match(ends: Mapping[Words, str | None], path: Path) -> tuple[str, int] | None:
    """Return the name that shares the most words with the end of a path, and their number."""
    end = next((end for end in _ends(path) if end in ends), ())
    name = ends.get(end)
    # The whole name of one of the two files must be alike, not just a number at its end.
    if name is None or len(end) < min(len(_words(path.stem)), len(_words(PurePosixPath(name).stem))):
        return None
    return name, len(end)


def _ends(path: PurePath) -> list[Words]:
    """Return the ends of a path without its suffix, as words, the longest first."""
    words = _words(" ".join([*path.parts[-_MOST_WORDS:-1], path.stem]))[-_MOST_WORDS:]
    return [words[start:] for start in range(len(words))]


def _words(text: str) -> Words:
    return tuple(_WORDS.findall(unicodedata.normalize("NFC", text).casefold()))
