"""Passages as a corpus without labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.inference.passages import Passage
from sertool.core.runs.members import Trained


def modalities_of(passage: Passage, *, reads: bool) -> tuple[str, ...]:
    """Return the modalities that a passage has; ``reads``: the model uses texts."""
    there = {"text": reads and passage.has_text, "audio": len(passage.frames) > 0}
    return tuple(modality for modality, is_there in there.items() if is_there)


def corpus_of(trained: Trained, passages: Sequence[Passage]) -> Corpus:
    """Convert passages to a corpus, from which :func:`tables_for` makes tensors."""
    return Corpus(
        name=trained.corpus,
        utterances=tuple(_utterance(own) for own in passages),
        audio=_joined([own.frames for own in passages], trained.audio_width),
        text_frames=None
        if trained.text_width is None
        else _joined([own.text_frames for own in passages], trained.text_width),
    )


def _utterance(own: Passage) -> Utterance:
    return Utterance(
        own.name,
        "private",
        own.text,
        own.words,
        speaker=own.speaker,
        dialogue=own.dialogue,
        order=own.order,
        start=own.start,
    )


def _joined(frames: Sequence[NDArray[np.float32]], width: int) -> Frames:
    # Passages without a modality hold no frames, of any width.
    return Frames.join([own if len(own) else np.zeros((0, width), np.float32) for own in frames], width)
