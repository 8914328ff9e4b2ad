"""The recordings of a corpus that a ready model is to hear: where the corpus says they lie, or below a named folder."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sertool.core.corpora.recordings import RECORDINGS, read_recordings
from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.formatting import first_few, plural
from sertool.core.inference.subject import Subject
from sertool.core.prepare.audio_paths import AUDIO_SUFFIXES

HINT = "--recordings DIR names the folder that holds the recordings; files are found there by their path or name"


def recordings_of(subject: Subject, folder: Path | None) -> list[Segment]:
    """Return the recording of each judged utterance, in their order; opens none.

    Args:
        subject: the judged utterances.
        folder: folder to look for the recordings in; None: they lie where the corpus says.

    Raises:
        DataError: the corpus does not say where they lie, or some of them are not there.
    """
    if not (subject.folder / RECORDINGS).is_file():
        return _by_id(subject, folder)
    every = read_recordings(subject.folder)
    if len(every) != len(subject.corpus.utterances):
        raise DataError(f"{subject.folder / RECORDINGS}: is of other utterances than the corpus", hint=HINT)
    segments = [every[row] for row in subject.rows]
    if folder is not None:
        places = _Places(folder)
        segments = [replace(one, path=places.path(one.path)) for one in segments]
    missing = list(dict.fromkeys(str(one.path) for one in segments if not one.path.is_file()))
    if missing:
        raise DataError(
            f"{subject.corpus.name}: {plural(len(missing), 'recording')} of the judged utterances not found: "
            f"{first_few(missing, 3)}",
            hint=HINT,
        )
    return segments


def _by_id(subject: Subject, folder: Path | None) -> list[Segment]:
    """Find the recordings of a corpus that does not say where they lie by the ids of its utterances."""
    if folder is None:
        raise DataError(
            f"{subject.folder}: does not say where its recordings lie ({RECORDINGS} is missing), and a model of speech "
            "needs them",
            hint=HINT,
        )
    places = _Places(folder)
    found = [places.named(one) for one in subject.ids]
    missing = [one for one, path in zip(subject.ids, found, strict=True) if path is None]
    if missing:
        raise DataError(
            f"{folder}: holds no single recording named as {plural(len(missing), 'utterance')} of "
            f"{subject.corpus.name}: {first_few(missing, 3)}",
            hint="expected files such as ID.wav, one for each utterance",
        )
    return [Segment(path) for path in found if path is not None]


class _Places:
    """Recordings below a folder, by the ends of their paths and by their names.

    Raises:
        DataError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DataError(f"--recordings {folder}: no such folder")
        self._folder = folder
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                self._by_name[path.name].append(path)
                self._by_stem[path.stem].append(path)

    def path(self, stored: Path) -> Path:
        """Return the file below the folder with the longest end of a stored path; else that path below the folder."""
        candidates = self._by_name.get(stored.name, [])
        shared = [_shared(stored.parts, one.parts) for one in candidates]
        best = [one for one, length in zip(candidates, shared, strict=True) if length == max(shared)]
        return best[0] if len(best) == 1 else self._folder / stored.name

    def named(self, name: str) -> Path | None:
        """Return the one recording that has a name, with or without its ending; None if there is none or several."""
        there = self._by_name.get(name) or self._by_stem.get(name) or self._by_stem.get(Path(name).name) or []
        return there[0] if len(there) == 1 else None


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the parts that two paths share at their ends."""
    number = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        number += 1
    return number
