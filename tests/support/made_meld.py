"""A tiny folder in the form of MELD.Raw, as it is unpacked, with the errors that its users report."""

import csv
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
SENTIMENTS = {
    **{"neutral": "neutral", "surprise": "positive", "joy": "positive"},
    **dict.fromkeys(("fear", "sadness", "disgust", "anger"), "negative"),
}
SPEAKERS = {"train": ("Ann", "Ben", "Dr. Fox"), "dev": ("Ann", "Ann and Ben"), "test": ("Ben", "Guest #1")}
DIALOGUES = {"train": (0, 1, 125), "dev": (0, 110), "test": (0, 38)}
# A comma, doubled quotes, and an apostrophe of Windows-1252 that became a control sign.
TEXTS = ("Well, here we are.", 'She said "no" to you!', "I\x92m late", "What?")
FIXED = "dia0_utt1"  # of test: its clip holds another utterance, and final_videos_test... replaces it


def make_meld(folder: Path, *, clips: bool = True, utterances: int = 8) -> Path:
    """Write the CSV files, and WAV files in the place of the clips; each dialogue has ``utterances``."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(6)
    for split, clip_folder in FOLDERS.items():
        keys = [(dialogue, number) for dialogue in DIALOGUES[split] for number in range(utterances)]
        _write_table(folder / f"{split}_sent_emo.csv", keys, SPEAKERS[split])
        for dialogue, number in keys if clips else ():
            _write_clip(folder / clip_folder / f"dia{dialogue}_utt{number}.wav", random)
    if clips:
        _break(folder, random)
    return folder


def _write_table(path: Path, keys: list[tuple[int, int]], speakers: tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.split(","))
        values = zip(keys, cycle(TEXTS), cycle(speakers), cycle(SENTIMENTS.items()), strict=False)
        for serial, ((dialogue, number), text, speaker, (emotion, sentiment)) in enumerate(values, start=1):
            times = ("00:00:01,000", "00:00:02,500")
            writer.writerow([serial, text, speaker, emotion, sentiment, dialogue, number, 1, 2, *times])


def _write_clip(path: Path, random: np.random.Generator, seconds: float = 0.2) -> None:
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, random.normal(0, 0.1, round(16000 * seconds)), 16000)


def _break(folder: Path, random: np.random.Generator) -> None:
    """Make the errors of the published archives."""
    train, dev, test = (folder / name for name in FOLDERS.values())
    (train / "dia125_utt3.wav").unlink()
    (train / "dia125_utt3.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(200))  # without its index
    (dev / "dia110_utt7.wav").unlink()
    _write_clip(dev / "dia66_utt9.wav", random)  # without labels
    _write_clip(test / f"final_videos_test{FIXED}.wav", random, seconds=0.4)
    (test / "._dia0_utt0.wav").write_bytes(b"\0\5\x16\7")  # of a Mac
