"""A release of MSP-Podcast in exactly its owner's form, with invented content, and noise as recordings."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
# Split, podcast, speaker and gender of the recordings; each of the podcasts has one of every class.
PODCASTS = (
    ("Train", 1, "11", "Female"),
    ("Train", 2, "12", "Male"),
    ("Train", 3, "Unknown", "Unknown"),
    ("Development", 4, "14", "Male"),
    ("Test1", 5, "15", "Female"),
    ("Test2", 6, "15", "Female"),
)
CLASSES = {
    "N": "Neutral",
    "H": "Happy",
    "S": "Sad",
    "A": "Angry",
    "U": "Surprise",
    "F": "Fear",
    "D": "Disgust",
    "C": "Contempt",
    "O": "Other-sleepy",
    "X": "Happy",
}
HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
# Newer releases write a vote in one column, older ones in several.
DETAILS = {
    "short": "FileName,EmoDetail\n",
    "columns": "FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom\n",
}


def make_msp_podcast(folder: Path, form: str = "short", seconds: float = 0.2) -> Path:
    """Write a release whose ``labels_detailed.csv`` has one of the forms of ``DETAILS``; return its folder."""
    release = folder / "MSP-PODCAST-Publish"
    for name in ("Audios", "Labels", "Transcripts", "ForceAligned"):
        (release / name).mkdir(parents=True)
    (release / "readme.txt").write_text("MSP-PODCAST Database\n")
    consensus, detailed, partition = [HEADER], [DETAILS[form]], []
    random = np.random.default_rng(5)
    names = [f"MSP-PODCAST_test3_{number:04d}" for number in (1, 2)]
    for split, podcast, speaker, gender in PODCASTS:
        for number, letter in enumerate(CLASSES, start=1):
            name = f"MSP-PODCAST_{podcast:04d}_{number:04d}"
            names.append(name)
            partition.append(f"{split}; {name}.wav\n")
            consensus.append(f"{name}.wav,{letter},{1 + number / 2},4.0,3.6,{speaker},{gender},{split}\n")
            detailed += _votes(name, letter, form)
            (release / "Transcripts" / f"{name}.txt").write_text(f"I say {CLASSES[letter].lower()} things.\n")
    for name in names:
        soundfile.write(
            release / "Audios" / f"{name}.wav", random.normal(0, 0.1, round(seconds * RATE)), RATE, "PCM_16"
        )
    (release / "Partition.txt").write_text("".join(partition))
    (release / "Labels" / "labels_consensus.csv").write_text("".join(consensus))
    (release / "Labels" / "labels_detailed.csv").write_text("".join(detailed))
    return release


def _votes(name: str, letter: str, form: str) -> Iterator[str]:
    """Write the votes of three workers; the last disagrees, and two classes tie where there is no agreement."""
    last = "Sad" if letter in "XSN" else "Neutral"
    for worker, emotion in enumerate((CLASSES[letter], "Neutral" if letter == "X" else CLASSES[letter], last), start=1):
        if form == "short":
            detail = f"WORKER{worker:08d}; {emotion}; Neutral,Amused; A:2.000000; V:{worker}.000000; D:4.000000; "
            yield f'{name}.wav,"{detail}"\n'
        else:
            yield f'{name}.wav,WORKER{worker:08d},{emotion},"Neutral,Amused",2,{worker},4\n'
