"""Tiny folders of MOSI and MOSEI as the CMU-MultimodalSDK hands them out; needs h5py.

The videos bear names of the official splits, by which an utterance gets its split; all else is invented.
"""

from pathlib import Path

import numpy as np
import soundfile
from made_csd import words, write_csd

from sertool.core.prepare.layouts.cmu import folds
from sertool.core.prepare.layouts.mosei import MOSEI
from sertool.core.prepare.layouts.mosi import MOSI

CORPORA = {"MOSI": (MOSI, "Opinion Segment Labels"), "MOSEI": (MOSEI, "All Labels")}
SECONDS = 0.5  # of an utterance; they follow one another, and all but the first begin within the one before
SCORES = (-2.4, 0.0, 1.0, 3.0, -1 / 3, 2.2)
# In the order of the file: happy, sad, angry, surprise, disgust, fear.
EMOTIONS = ((0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0), (2 / 3, 0, 0, 1, 0, 0), (3, 0, 0, 0, 0, 1), (0, 0, 1, 0, 2, 0))
SPOKEN = ("sp", "it", "was", "sp", "fun")


def videos_of(title: str, number: int = 2) -> list[str]:
    """Return names of videos of each official split."""
    official = folds(title)
    return [
        video
        for split in ("train", "valid", "test")
        for video in [v for v in official if official[v] == split][:number]
    ]


def make_sequences(folder: Path, title: str, *, videos: list[str] | None = None, utterances: int = 4) -> Path:
    """Write the labels and the words of a corpus."""
    corpus, name = CORPORA[title]
    labels, spoken = {}, {}
    for part, video in enumerate(videos or videos_of(title)):
        starts = times(utterances)
        scores = [[SCORES[(part + place) % len(SCORES)]] for place in range(utterances)]
        if corpus.emotions:
            scores = [[*score, *EMOTIONS[(part + place) % len(EMOTIONS)]] for place, score in enumerate(scores)]
        labels[video] = np.array([(start, start + SECONDS) for start in starts]), np.array(scores, np.float32)
        spoken[video] = words(
            *(
                (start + 0.1 * place, start + 0.1 * (place + 1), word)
                for start in starts
                for place, word in enumerate(SPOKEN)
            )
        )
    write_csd(folder / corpus.labels, name, labels)
    write_csd(folder / corpus.words, "words", spoken)
    return folder


def times(utterances: int = 4) -> list[float]:
    """Return the start of each utterance of a video."""
    return [round(SECONDS * place, 3) for place in range(utterances)]


def add_recordings(folder: Path, title: str) -> None:
    """Write a recording of each whole video, where the raw archive has it."""
    random = np.random.default_rng(2)
    for video in videos_of(title):
        _write(folder / "Raw/Audio/Full/WAV_16000" / f"{video}.wav", random, 2 * SECONDS * 4)


def add_clips(folder: Path, title: str) -> None:
    """Write a recording of each clip, and the file that gives their times: clips count from 1, in another order."""
    random = np.random.default_rng(3)
    lines = []
    for video in videos_of(title):
        for number, start in enumerate(reversed(times()), start=1):
            _write(folder / "Raw/Audio/WAV_16000/Segmented" / f"{video}_{number}.wav", random, SECONDS + number / 10)
            lines.append((start, start + SECONDS, video, number, 0.0))
    if title == "MOSI":
        table = folder / "Raw/Labels/OpinionLevelSentiment.csv"
        table.parent.mkdir(parents=True)
        table.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
        return
    for start, end, video, number, _ in lines:
        path = folder / "Raw/Transcript/Segmented/Combined" / f"{video}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{video}___{number}___{start}___{end}___It was fun, clip {number}. \n")


def _write(path: Path, random: np.random.Generator, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, random.normal(0, 0.1, round(16000 * seconds)), 16000)
