"""One corpus compared with another, or with the training of a run: utterances of the one that the other has, too.

Copies are found by the fingerprints of their sound, whatever their codec, sampling rate, level and length, where both
corpora have fingerprints; by the hash of their frames; and transcripts and names of speakers that both have are told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sertool.core.corpora.corpus import Corpus, Utterance
from sertool.core.corpora.feature_sets import with_sets
from sertool.core.corpora.fingerprints import content_hashes
from sertool.core.corpora.load import load_corpus, own_folder
from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.corpora.sound_codes import Sounds, read_sounds
from sertool.core.doctor.matching import match_sounds
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import printable, share
from sertool.core.recipe.schema import Recipe


@dataclass(frozen=True)
class Other:
    """Corpus, or training of a run, that another corpus is compared with.

    Attributes:
        name: its name.
        kind: ``corpus``, or ``run`` for the utterances that a run was trained or selected on.
        utterances: its utterances, or those of them that are still known.
        sounds: their fingerprints; None where there are none.
        hashes: content hashes of its utterances, with the position of each; None for one that is not known any more.
        note: sentence on what is not known any more of a run; empty where all is.
    """

    name: str
    kind: Literal["corpus", "run"]
    utterances: Sequence[Utterance]
    sounds: Sounds | None
    hashes: Mapping[bytes, int | None]
    note: str = ""


@dataclass(frozen=True)
class Found:
    """An utterance that the other one has, too.

    Attributes:
        row: its position in the corpus.
        other: position of the utterance that is its copy; None where it is not known any more.
        by: ``sound``, or ``frames`` for the same hash.
        wrong: share of differing bits of the fingerprints; None for a hash.
    """

    row: int
    other: int | None
    by: Literal["sound", "frames"]
    wrong: float | None = None


@dataclass(frozen=True)
class Against:
    """The utterances of a corpus that another one has, too.

    Attributes:
        name: name of the corpus.
        utterances: its utterances.
        other: what it was compared with.
        judged: positions of the utterances that figures are about: those of test, else all that are not private.
        is_test: the judged utterances are those of test.
        found: the utterances that the other one has, by position.
        by_sound: number of the judged utterances that were compared by their sound.
    """

    name: str
    utterances: Sequence[Utterance] = field(repr=False)
    other: Other
    judged: frozenset[int]
    is_test: bool
    found: tuple[Found, ...]
    by_sound: int

    @property
    def contaminated(self) -> tuple[Found, ...]:
        """The judged utterances that were found."""
        return tuple(one for one in self.found if one.row in self.judged)

    @property
    def whose(self) -> str:
        """Name of the other one, for a sentence."""
        return f"the training of {self.other.name}" if self.other.kind == "run" else self.other.name

    @property
    def what(self) -> str:
        """Name of a judged utterance, in the singular."""
        return "test utterance" if self.is_test else "utterance"

    def pair(self, one: Found) -> str:
        """Return an utterance and its copy, such as ``X: test angry_03 = Y: train clip_17``."""
        theirs = "trained on" if one.other is None else _placed(self.other.utterances[one.other])
        return f"{self.name}: {_placed(self.utterances[one.row])} = {self.other.name}: {theirs}"

    def __str__(self) -> str:
        number, copies = len(self.judged), len(self.contaminated)
        some = f"{copies:,} ({share(copies, number)})" if copies else f"none of {number:,}"
        how = "by sound and by hash"
        if self.by_sound < number:
            how = f"{self.by_sound:,} of them by sound, the others by hash alone" if self.by_sound else "by hash alone"
        what = self.what if number == 1 else f"{self.what}s"
        return f"against {self.whose}: {some} {what} found there, compared {how}"

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain data for a JSON file."""
        number, copies = len(self.judged), len(self.contaminated)
        return {
            "name": self.other.name,
            "kind": self.other.kind,
            "utterances": len(self.other.hashes),
            "judged": number,
            "test": self.is_test,
            "compared_by_sound": self.by_sound,
            "contaminated": copies,
            "share": copies / number if number else 0.0,
            "found": [
                {
                    "utterance": _plain(self.utterances[one.row]),
                    "copy": None if one.other is None else _plain(self.other.utterances[one.other]),
                    "judged": one.row in self.judged,
                    "by": one.by,
                    "differing_bits": one.wrong,
                }
                for one in self.found
            ],
        }


def _placed(utterance: Utterance) -> str:
    return f"{utterance.split} {utterance.id}"


def _plain(utterance: Utterance) -> dict[str, str]:
    return {"split": utterance.split, "id": utterance.id}


def open_other(folder: Path, recipe: Recipe) -> Other:
    """Read another corpus to compare with.

    Args:
        folder: its folder.
        recipe: recipe of the first corpus, whose frames are compared.

    Raises:
        DataError: there is no corpus, or it cannot be read.
    """
    reader = next((name for name, layout in LAYOUTS.items() if layout.sources(folder)), "corpus")
    corpus = load_corpus(reader, folder)
    return other_of(printable(folder.resolve().name), corpus, own_folder(folder), recipe)


def other_of(name: str, corpus: Corpus, folder: Path, recipe: Recipe) -> Other:
    """Make what is compared with of a corpus that was read; ``folder`` is that of its ``corpus.json``."""
    corpus = with_sets(corpus, recipe, folder)
    hashes = {key: row for row, key in enumerate(content_hashes(corpus))}
    return Other(name, "corpus", corpus.utterances, read_sounds(folder, corpus.utterances), hashes)


def training_of(name: str, seen: frozenset[bytes], corpus: Corpus | None, folder: Path | None, note: str) -> Other:
    """Make what is compared with of the training of a run.

    Args:
        name: name of the run.
        seen: content hash of each utterance that it was trained or selected on.
        corpus: those of them that are still there; None without any.
        folder: folder of that corpus's ``corpus.json``.
        note: sentence on what is not known any more.
    """
    hashes: dict[bytes, int | None] = dict.fromkeys(seen)
    if corpus is None or folder is None:
        return Other(printable(name), "run", (), None, hashes, note)
    hashes |= {key: row for row, key in enumerate(content_hashes(corpus))}
    return Other(printable(name), "run", corpus.utterances, read_sounds(folder, corpus.utterances), hashes, note)


def compare_with(subject: Subject, other: Other) -> Against:
    """Find the utterances of a corpus that another one has, too."""
    tested = {row for fold in subject.folds for row in fold.sets.get("test", ())}
    utterances, ours = subject.corpus.utterances, subject.sounds
    judged = tested or {row for row, utterance in enumerate(utterances) if utterance.split != "private"}
    copies: dict[int, Found] = {}
    by_sound = 0
    if ours is not None and other.sounds is not None:
        by_sound = sum(len(ours[row]) > 0 for row in judged)
        for match in match_sounds(ours, other.sounds):
            before = copies.get(match.ours)
            if before is None or before.wrong is None or match.wrong < before.wrong:
                copies[match.ours] = Found(match.ours, match.theirs, "sound", round(match.wrong, 4))
    for row, key in enumerate(content_hashes(subject.corpus)):
        if key in other.hashes and row not in copies:
            copies[row] = Found(row, other.hashes[key], "frames")
    return Against(
        name=printable(subject.corpus.name),
        utterances=utterances,
        other=other,
        judged=frozenset(judged),
        is_test=bool(tested),
        found=tuple(copies[row] for row in sorted(copies)),
        by_sound=by_sound,
    )
