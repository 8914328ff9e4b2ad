"""Clips and pickles of MOSI and MOSEI in the form of MMSA; names of videos are real, all else is invented."""

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from made_cmu import videos_of

SCORES = (-2.4, 0.0, 1.0, 3.0)
FRAMES = 50


def mmsa_split(videos: list[str], *, aligned: bool, clips: int = 4, width: int = 5) -> dict[str, Any]:
    """Return the parts of a split: each video has ``clips``, and each clip some frames and then padding."""
    random = np.random.default_rng(1)
    count = len(videos) * clips
    lengths = random.integers(3, FRAMES, count)
    valid = np.arange(FRAMES) < lengths[:, None]
    audio = (random.normal(size=(count, FRAMES, width)) * valid[..., None]).astype(np.float32)
    audio[0, 1, 2] = -np.inf  # as COVAREP has it
    scores = np.resize(np.array(SCORES, np.float32), count)
    parts = {
        "raw_text": [f"it was fun number {place}" for place in range(count)],
        "audio": audio,
        "vision": np.zeros((count, FRAMES, 3), np.float32),
        "id": [f"{video}$_${clip}" for video in videos for clip in range(1, clips + 1)],
        "text": np.zeros((count, FRAMES, 4), np.float32),
        "text_bert": np.stack([np.zeros_like(valid), valid, np.zeros_like(valid)], axis=1).astype(np.float32),
        "annotations": ["Negative" if score < 0 else "Positive" for score in scores],
        "classification_labels": (scores > 0).astype(np.float32),
        "regression_labels": scores,
    }
    return parts if aligned else {**parts, "audio_lengths": lengths.tolist(), "vision_lengths": lengths.tolist()}


def write_mmsa(folder: Path, title: str, name: str = "aligned_50.pkl", protocol: int = 4, **changes: Any) -> Path:
    """Write a pickle with two videos of each split; ``changes`` replace parts of the split train."""
    videos = videos_of(title)
    content = {
        split: mmsa_split(videos[2 * place : 2 * place + 2], aligned=name.startswith("aligned"))
        for place, split in enumerate(("train", "valid", "test"))
    }
    content["train"] |= changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(content, protocol))
    return folder


def write_clips(folder: Path, title: str, *, clips: int = 4) -> Path:
    """Write label.csv, and WAV files in the place of the clips, of two videos of each split."""
    rows = []
    for place, video in enumerate(videos_of(title)):
        for clip in range(1, clips + 1):
            path = folder / "Raw" / video / f"{clip}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.random.default_rng(clip + 10 * place).normal(0, 0.1, 4000), 16000)
            split, score = ("train", "valid", "test")[place // 2], SCORES[clip % len(SCORES)]
            text = f"It was fun, number {clip}"
            rows.append([video, clip, text, score, "", "", "", "Negative" if score < 0 else "Positive", split])
    with (folder / "label.csv").open("w", encoding="utf-8", newline="") as file:
        header = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
        csv.writer(file).writerows([header.split(","), *rows])
    return folder
