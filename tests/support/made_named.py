"""Tiny folders in the forms of corpora whose file names hold the labels; the recordings are short noise."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def write_recordings(folder: Path, names: Iterable[str], seconds: float = 0.2) -> Path:
    """Write a recording of noise for each name."""
    random = np.random.default_rng(6)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, random.normal(0, 0.1, round(RATE * seconds)), RATE)
    return folder


def ravdess_names(actors: int = 24, channel: str = "01") -> list[str]:
    """All names of RAVDESS's recordings of sound: 60 of speech an actor, 44 of song; the neutral is never strong."""
    emotions = range(1, 9) if channel == "01" else range(1, 7)
    return [
        f"Actor_{actor:02}/03-{channel}-{emotion:02}-{intensity:02}-{statement:02}-{take:02}-{actor:02}.wav"
        for actor, emotion, intensity, statement, take in product(
            range(1, actors + 1), emotions, (1, 2), (1, 2), (1, 2)
        )
        if (emotion, intensity) != (1, 2)
    ]


def make_ravdess(folder: Path, actors: int = 3) -> Path:
    """Write the speech of a few actors, the first of them twice as in a copy on Kaggle, and a song."""
    names = [name for name in ravdess_names(actors) if name.split("-")[4:6] == ["01", "01"]]
    twice = [f"audio_speech_actors_01-24/{name}" for name in names if name.startswith("Actor_01")]
    for part in (names, twice, ["Actor_01/03-02-03-01-01-01-01.wav"]):
        write_recordings(folder, part)
    return folder


def make_emodb(folder: Path, speakers: Iterable[str] = ("03", "08", "09", "10")) -> Path:
    """Write two sentences in each emotion and their folders of label files."""
    names = [
        f"{speaker}{sentence}{emotion}a" for speaker in speakers for sentence in ("a01", "b10") for emotion in "WLEAFTN"
    ]
    (folder / "lablaut").mkdir(parents=True)
    for name in names:
        (folder / "lablaut" / f"{name}.lablaut").write_text("signal\n")
    return write_recordings(folder, [f"wav/{name}.wav" for name in names])
