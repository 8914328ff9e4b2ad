"""Write the recordings and the tables that everything here is made from: tones that only a test would take for speech.

python make_recordings.py
"""

import csv
import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000
TOLD = (
    "s1-0",
    "s2-1",
    "s3-1",
    "s4-1",
)  # at the rate that a transcriber hears, so that nothing is resampled for it
TOLD_RATE = 16000
CLASSES = ("angry", "happy", "sad")
SCORES = {"angry": -1.5, "happy": 2.0, "sad": -0.4}
# Of every speaker; the splits of a speaker are one split.
SPLITS = ("train", "train", "train", "valid", "test", "test")
TEXTS = {
    "angry": ("No! I said no.", "Stop it, now — I don't want that", "why would you do that", ""),
    "happy": ("I'm so glad you came", "That is wonderful, naïve and schön", "yes yes yes", "we won"),
    "sad": ("I miss her", "It's over... all of it", "nothing is left", "I said no, and she left"),
}


def tone(kind: str, seconds: float, rate: int, random: np.random.Generator) -> np.ndarray:
    """A sound with the pitch and the loudness of its class, int16."""
    pitch = {"angry": 260, "happy": 340, "sad": 150}[kind] * random.uniform(0.9, 1.1)
    beat = {"angry": 17, "happy": 6, "sad": 2}[kind]
    time = np.arange(round(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in (1, 2, 3))
    loudness = 0.3 * np.sin(np.pi * time / seconds) * (1 + 0.5 * np.sin(2 * np.pi * beat * time))
    return np.round(sound * loudness * 3000 + random.normal(0, 0.5, len(time))).astype(np.int16)


def main() -> None:
    """Write ``recordings/`` and the three tables."""
    random = np.random.default_rng(1)
    Path("recordings").mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    sound = np.zeros(0, np.int16)
    for speaker, split in enumerate(SPLITS, start=1):
        for number in range(4):
            kind = CLASSES[(speaker + number) % len(CLASSES)]
            rows.append(
                {
                    "utterance": f"s{speaker}-{number}",
                    "audio": f"recordings/s{speaker}-{number}.flac",
                    "start": "",
                    "end": "",
                    "emotion": kind,
                    "text": TEXTS[kind][(number + speaker) % 4],
                    "speaker": f"s{speaker}",
                    "session": f"{'morning' if speaker < 4 else 'evening'}",
                    "dialogue": f"d{speaker}-{number // 2}",
                    "gender": "female" if speaker % 2 else "male",
                    "split": split,
                }
            )
            rate = TOLD_RATE if rows[-1]["utterance"] in TOLD else RATE
            before, sound = sound, tone(kind, random.uniform(0.3, 0.36), rate, random)
            if (speaker, number) == (1, 3):  # two utterances in one file, and a file that is no FLAC
                rows[-1] |= {"audio": "recordings/s1-23.wav", "start": "0.3", "end": ""}
                rows[-2] |= {"audio": "recordings/s1-23.wav", "start": "", "end": "0.3"}
                Path("recordings/s1-2.flac").unlink()
                soundfile.write("recordings/s1-23.wav", np.concatenate([before[:2400], sound[:2400]]), RATE)
            else:
                soundfile.write(rows[-1]["audio"], sound, rate, subtype="PCM_16")
    rows.append({**rows[-1], "utterance": "p1", "emotion": "", "split": "private", "speaker": "s7"})
    rows[-1] |= {"audio": "recordings/s6-0.flac", "start": "0.1", "end": "0.25", "text": "yes, no"}
    with Path("tones.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    # Several classes and a score an utterance, splits to be drawn.
    with Path("chords.jsonl").open("w", encoding="utf-8") as file:
        for row in rows[:-1]:
            parts = {"angry": "loud|low", "happy": "loud", "sad": "low" if row["speaker"] < "s4" else "|"}
            chord = {key: row[key] for key in ("utterance", "audio", "start", "end", "text", "speaker")}
            chord |= {
                "label": parts[row["emotion"]],
                "score": round(SCORES[row["emotion"]] + len(row["text"]) / 50, 1),
            }
            file.write(json.dumps(chord, ensure_ascii=False) + "\n")
    # No texts: they are a machine's to write.
    with Path("untold.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["utterance", "audio", "emotion", "split"], lineterminator="\n")
        writer.writeheader()
        for row in (row for row in rows if row["utterance"] in TOLD):
            chosen = {key: row[key] for key in ("utterance", "audio", "emotion")}
            writer.writerow({**chosen, "split": "valid" if row["split"] == "valid" else "train"})


if __name__ == "__main__":
    main()
