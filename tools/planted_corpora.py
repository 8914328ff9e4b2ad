"""Corpora with planted relations: scores whose reachable CCC is known, and votes whose ceilings are known.

They are written in sertool's own format, or as a table with WAV files for `sertool prepare`. The same seed and sizes
give the same bytes. planted_content.py draws the utterances, planted_scores.py and planted_votes.py their labels.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from planted_content import FRONTEND, FloatArray, Sizes, Spoken, draw_frames, draw_recordings, draw_spoken, speaker_name
from planted_scores import DIMENSIONS, ScorePlan, draw_scores, score_truth
from planted_votes import CLASSES, VotePlan, draw_votes, vote_truth

from sertool.core.corpora.corpus import Corpus, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.words import clean_words
from sertool.core.files import artifacts

TRUTH = "planted.json"  # what can be reached, beside the corpus or the table
TABLE, SOUNDS = "table.csv", "wav"
EMOTION = "emotion"
CELLS = ("raters", "votes")  # a column for each rater, or all votes of an utterance in one


@dataclass(frozen=True)
class Planted:
    """Utterances with labels, before they are written.

    Attributes:
        name: name of the corpus.
        seed: seed of all random numbers.
        spoken: the utterances.
        labels: (N) label by task; a task is absent where raters tie or a score is missing.
        ratings: (N) what each rater said, by task and rater; empty without raters.
        expected: (N, D) what words and sound tell: the scores in their units, or the shares of the votes by class.
        truth: what can be reached: of scores by dimension, of votes on the test utterances.
        classes: names of the classes by task.
        ranges: lowest and highest score by task.
    """

    name: str
    seed: int
    spoken: Spoken
    labels: list[dict[str, Any]]
    ratings: list[dict[str, dict[str, Any]]]
    expected: FloatArray
    truth: Mapping[str, Any]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """Return the sentences as a transcript has them."""
        return [f"{' '.join(words).capitalize()}." for words in self.spoken.words]

    @property
    def told(self) -> str:
        """Say in a line what can be reached."""
        if self.ranges:
            figures = ", ".join(f"{one['ccc']:.3f} ({name})" for name, one in self.truth.items())
            return f"the noise allows a CCC of {figures}"
        truth = self.truth
        return (
            f"on test the raters allow an accuracy of {truth['accuracy']:.3f} against the majority and a cross-entropy "
            f"of {truth['cross_entropy']:.3f}; ceiling {truth['ceiling']:.3f}, ties {100 * truth['ties']:.1f} %"
        )


def plant_scores(seed: int = 1, sizes: Sizes | None = None, plan: ScorePlan | None = None) -> Planted:
    """Draw utterances with scores of arousal, valence and dominance."""
    plan = plan or ScorePlan()
    spoken = draw_spoken(np.random.default_rng([seed, 0]), sizes or Sizes())
    drawn = draw_scores(np.random.default_rng([seed, 1]), spoken, plan)
    labels = [{name: one for name, one in _named(row) if not np.isnan(one)} for row in drawn.scores]
    ratings = [
        {name: dict(_numbered(said)) for name, said in _named(row) if not np.isnan(said).any()} if plan.raters else {}
        for row in drawn.ratings
    ]
    ranges = dict.fromkeys(DIMENSIONS, plan.range)
    return Planted("SCORES", seed, spoken, labels, ratings, drawn.expected, score_truth(plan), ranges=ranges)


def plant_votes(seed: int = 1, sizes: Sizes | None = None, plan: VotePlan | None = None) -> Planted:
    """Draw utterances with the votes of raters on four emotions."""
    spoken = draw_spoken(np.random.default_rng([seed, 0]), sizes or Sizes())
    drawn = draw_votes(np.random.default_rng([seed, 1]), spoken, plan or VotePlan())
    names = np.array(CLASSES)
    labels = [{EMOTION: CLASSES[number]} if number >= 0 else {} for number in drawn.majority]
    ratings = [{EMOTION: dict(_numbered(names[said]))} for said in drawn.votes]
    test = np.array(spoken.splits) == "test"
    truth = vote_truth(drawn.probabilities[test])
    return Planted("VOTES", seed, spoken, labels, ratings, drawn.expected, truth, classes={EMOTION: CLASSES})


def _named(row: Any) -> Iterator[tuple[str, Any]]:
    return zip(DIMENSIONS, row.tolist() if row.ndim == 1 else row, strict=True)


def _numbered(said: Any) -> Iterator[tuple[str, Any]]:
    return ((str(number), one) for number, one in enumerate(said.tolist(), start=1))


def corpus_of(planted: Planted) -> Corpus:
    """Make the corpus, with log-mel frames."""
    spoken = planted.spoken
    frames = draw_frames(np.random.default_rng([planted.seed, 2]), spoken)
    second = FRONTEND.sample_rate / (FRONTEND.hop_length * FRONTEND.frame_step)  # in frames
    utterances = tuple(
        Utterance(
            id=id_,
            split=split,
            text=text,
            words=clean_words(text),
            labels=labels,
            speaker=speaker_name(speaker),
            seconds=round(length / second, 3),
            ratings=ratings or None,
        )
        for id_, split, text, labels, speaker, length, ratings in zip(
            spoken.ids,
            spoken.splits,
            planted.texts,
            planted.labels,
            spoken.speakers.tolist(),
            np.diff(frames.offsets).tolist(),
            planted.ratings,
            strict=True,
        )
    )
    return Corpus(
        name=planted.name,
        utterances=utterances,
        audio=frames,
        classes=planted.classes,
        frontend=FRONTEND.model_dump(),
        source="generated frames and words with planted relations",
        synthetic=True,
        ranges=planted.ranges,
    )


def write_planted(planted: Planted, folder: Path) -> Corpus:
    """Write the corpus and what can be reached, and return the corpus."""
    corpus = corpus_of(planted)
    write_corpus(corpus, folder)
    _write_truth(planted, folder)
    return corpus


def write_table(planted: Planted, folder: Path, cells: str = "raters") -> Path:
    """Write a table with WAV files, as `sertool prepare` reads them, and what can be reached; return the table's path.

    Args:
        planted: the utterances.
        folder: folder of the table.
        cells: ``raters``: a column for each rater and score; ``votes``: one column like ``angry:3|neutral:2``, of
            classes only. Scores without raters have a column for each score.
    """
    sounds = draw_recordings(np.random.default_rng([planted.seed, 3]), planted.spoken)
    header, labels = _cells(planted, cells)
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(["utterance", "audio", "text", "speaker", "split", *header])
    spoken = planted.spoken
    columns = (spoken.ids, planted.texts, spoken.speakers.tolist(), spoken.splits, labels, sounds)
    for id_, text, speaker, split, own, samples in zip(*columns, strict=True):
        artifacts.write_bytes(folder / SOUNDS / f"{id_}.wav", wav(samples))
        writer.writerow([id_, f"{SOUNDS}/{id_}.wav", text, speaker_name(speaker), split, *own])
    artifacts.write_text(folder / TABLE, content.getvalue())
    _write_truth(planted, folder)
    return folder / TABLE


def _cells(planted: Planted, cells: str) -> tuple[list[str], list[list[Any]]]:
    """Return the header and the rows of the columns of labels."""
    if not planted.ranges and cells == "votes":
        return ["votes"], [[_counted(list(own[EMOTION].values()))] for own in planted.ratings]
    raters = list(next((said for own in planted.ratings for said in own.values()), {}))
    if not planted.ranges:
        return [f"rater_{rater}" for rater in raters], [list(own[EMOTION].values()) for own in planted.ratings]
    if not raters:
        return list(DIMENSIONS), [[own.get(name, "") for name in DIMENSIONS] for own in planted.labels]
    header = [f"{name}_rater_{rater}" for name in DIMENSIONS for rater in raters]
    rows = [[own.get(name, {}).get(rater, "") for name in DIMENSIONS for rater in raters] for own in planted.ratings]
    return header, rows


def _counted(said: list[str]) -> str:
    return "|".join(f"{name}:{said.count(name)}" for name in CLASSES if name in said)


def wav(samples: FloatArray) -> bytes:
    """Return the samples as a WAV file of 16 bits at ``FRONTEND.sample_rate``."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, FRONTEND.sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _write_truth(planted: Planted, folder: Path) -> None:
    artifacts.write_json(folder / TRUTH, dict(planted.truth))
