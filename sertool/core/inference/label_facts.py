"""Facts that stored predictions hold about their utterances: scores, votes, ceilings, texts and speakers."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.agreement import ceilings_of, score_ceilings_of
from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.ratings import votes_of
from sertool.core.corpora.tasks import SCORED, Task
from sertool.core.inference.turns import Turn, turns_of
from sertool.core.metrics import Estimate
from sertool.core.runs.prediction_files import Spoken


def rater_ceilings(corpus: Corpus, task: Task, rows: Sequence[int]) -> dict[str, dict[str, Estimate]]:
    """Return the figures of one rater against the others for some utterances, where they have several raters."""
    found: dict[str, dict[str, Estimate]] = {}
    if task.kind == "scores":
        found = {name: score_ceilings_of(corpus, name, rows) for name in task.classes}
    elif task.kind == "single":
        found = {task.name: ceilings_of(corpus, task.name, task.classes, rows)}
    known = {name: {key: one for key, one in own.items() if math.isfinite(one.value)} for name, own in found.items()}
    return {name: own for name, own in known.items() if own}


def raw_scores(corpus: Corpus, task: Task, rows: Sequence[int]) -> NDArray[np.float64] | None:
    """Return the raw labels of tasks whose labels are scores from -3 to 3; None for other tasks."""
    if task.rule not in SCORED:
        return None
    return np.array([corpus.utterances[row].labels[task.name] for row in rows], np.float64)


def rater_votes(corpus: Corpus, task: Task, rows: Sequence[int]) -> NDArray[np.float64] | None:
    """Return the shares of the raters for utterances at some positions; None where the corpus holds none for them."""
    votes = votes_of(corpus, task.name, task.classes)[list(rows)]
    return None if np.isnan(votes).all() else votes


def spoken_of(corpus: Corpus, rows: Sequence[int]) -> tuple[Spoken, ...]:
    """Collect the facts that the corpus holds about the utterances at some positions."""
    turns = turns_of(corpus.utterances)
    return tuple(_spoken_of(corpus, row, turns[row]) for row in rows)


def _spoken_of(corpus: Corpus, row: int, turn: Turn) -> Spoken:
    utterance = corpus.utterances[row]
    text = corpus.text_frames
    return Spoken(
        text=utterance.text,
        speaker=utterance.speaker,
        session=utterance.session,
        dialogue=utterance.dialogue,
        video=utterance.video,
        gender=utterance.gender,
        seconds=utterance.seconds,
        words=len(utterance.words) if text is None else len(text[row]),
        frames=len(corpus.audio[row]),
        turn=turn.number,
        follows=turn.follows,
        corpus=utterance.corpus,
    )
