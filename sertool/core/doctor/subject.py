"""The subject of an inspection: a corpus as a recipe divides it, with the errors of its reader."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sertool.core.corpora.agreement import Agreement, agreement_on, agreements
from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.fingerprints import hash_each
from sertool.core.corpora.readers.pickles import FRONTEND
from sertool.core.corpora.reading_errors import UtteranceError
from sertool.core.corpora.sound_codes import Sounds
from sertool.core.corpora.splits import Fold
from sertool.core.corpora.tasks import Target, Task
from sertool.core.doctor.frame_statistics import AudioFacts, audio_facts
from sertool.core.errors import DataError, SertoolError
from sertool.core.features.frontend import FrameMaker, open_frontend
from sertool.core.recipe.schema import Recipe


@dataclass(frozen=True)
class Subject:
    """A corpus with the task and division that a recipe gives it.

    Attributes:
        recipe: the settings.
        corpus: the part of the corpus that could be read.
        task: the task to predict.
        targets: target of each utterance; None where it has none.
        folds: the recipe's division; empty where it is impossible.
        faults: errors that the reader reported.
        undivided: the reason why there are no folds.
        folder: folder of the corpus, for the commands in advice.
        sounds: fingerprints of the recordings; None without any.
    """

    recipe: Recipe
    corpus: Corpus
    task: Task
    targets: Sequence[Target | None]
    folds: Sequence[Fold]
    faults: Sequence[DataError] = ()
    undivided: SertoolError | None = None
    folder: Path = Path()
    sounds: Sounds | None = None

    @cached_property
    def audio(self) -> AudioFacts:
        """Facts about the audio, from one pass over its frames."""
        soundless = np.array([bool(utterance.silent) for utterance in self.corpus.utterances], np.bool_)
        return audio_facts(self.corpus.audio, self.made_by or open_frontend(self.recipe.frontend), soundless)

    @cached_property
    def contents(self) -> tuple[Hashable, ...]:
        """A key of each utterance's words and sound; None without sound, which could not tell it apart."""
        frames = self.corpus.text_frames
        texts = (
            hash_each(frames, np.diff(frames.offsets) > 0)
            if frames is not None
            else [b""] * len(self.corpus.utterances)
        )
        return tuple(
            (utterance.words, text, sound) if sound else None
            for utterance, text, sound in zip(self.corpus.utterances, texts, self.audio.hashes, strict=True)
        )

    @cached_property
    def valid_is_test(self) -> int:
        """Number of validation utterances if they are a copy of the test utterances, else 0."""
        for fold in self.folds[:1]:
            valid, test = fold.sets["valid"], fold.sets.get("test", ())
            contents = Counter(self.contents[row] for row in valid)
            if set(valid).isdisjoint(test) and contents == Counter(self.contents[row] for row in test):
                return len(valid) if set(contents) - {None} else 0  # silence alone proves no copy
        return 0

    @cached_property
    def agreement(self) -> dict[str, Agreement]:
        """Agreement of raters on the task, by its name; of several scores on each. Empty without ratings."""
        names = self.task.classes if self.task.kind == "scores" else (self.task.name,)
        found = {name: agreement_on(self.corpus, name, self.task.classes) for name in names}
        return {name: own for name, own in found.items() if own is not None}

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        """Agreement of raters on all tasks of the corpus, the recipe's own first."""
        others = agreements(self.corpus, leave_out=tuple(self.agreement))
        return {**self.agreement, **others}

    @cached_property
    def faulty(self) -> frozenset[tuple[str, str, str]]:
        """Kind, split and id of each error that the reader reported about an utterance."""
        return frozenset((e.kind, e.split, e.id) for e in self.faults if isinstance(e, UtteranceError))

    @property
    def has_unread_files(self) -> bool:
        """True if the reader reported errors of more than single utterances."""
        return any(not isinstance(error, UtteranceError) for error in self.faults)

    def is_faulty(self, row: int, kind: str) -> bool:
        """Check whether the reader reported an error of this kind for an utterance."""
        utterance = self.corpus.utterances[row]
        return (kind, utterance.split, utterance.id) in self.faulty

    @cached_property
    def made_by(self) -> FrameMaker | None:
        """The frontend that made the audio frames; None if unknown."""
        if self.recipe.dataset.reader != "corpus" and self.corpus.layout is None:
            return FRONTEND
        try:
            return open_frontend(self.corpus.frontend) if self.corpus.frontend is not None else None
        except DataError:  # another program or a later version made the frames
            return None

    def uses(self, modality: str) -> bool:
        """Check whether the model is given ``text`` or ``audio``."""
        return modality in self.recipe.dataset.modalities

    @cached_property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The set of each utterance in each fold; its own split where it is in none.

        Utterances that are in valid and test count as test.
        """
        names_of = [[utterance.split] * max(len(self.folds), 1) for utterance in self.corpus.utterances]
        for number, fold in enumerate(self.folds):
            # Later sets overwrite earlier ones, so test comes last.
            for name in ("private", "train", "valid", "test"):
                for row in fold.sets.get(name, ()):
                    names_of[row][number] = name
        return tuple(tuple(names) for names in names_of)
