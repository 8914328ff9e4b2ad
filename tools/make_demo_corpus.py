"""Make the packaged demo corpus: synthetic speech in four classes, from ``demo_corpus.yaml`` beside this file.

Needs espeak-ng (Debian: ``apt-get install espeak-ng``). The same YAML and the same espeak-ng give the same bytes::

    python tools/make_demo_corpus.py [--out sertool/core/corpora/demo]

What is said and how (sentences, voices, prosody) is drawn from one seed before espeak-ng is ever called, so it does
not depend on the machine; the log-mels are those of ``sertool.core.features.log_mel``.
"""

import argparse
import csv
import io
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.words import clean_words
from sertool.core.features.log_mel import log_mels
from sertool.core.files.artifacts import write_bytes, write_text
from sertool.core.files.yaml_file import read_yaml
from sertool.core.recipe.frontends import Frontend

PLAN = Path(__file__).with_suffix("").with_name("demo_corpus.yaml")
OUT = Path(__file__).resolve().parent.parent / "sertool" / "core" / "corpora" / "demo"
FRONTEND = Frontend(frame_step=10)
CLIPS_BY_CLASS = 3


@dataclass(frozen=True)
class Prosody:
    """The voice settings of an utterance, in espeak-ng's own units: values of its options and of SSML."""

    pitch: int
    rate: int
    amplitude: int
    range: int
    pause: int


@dataclass(frozen=True)
class Planned:
    """An utterance before it is spoken; ``text`` has ``|`` where a pause goes."""

    id: str
    split: str
    speaker: str
    emotion: str
    cue: str
    text: str
    espeak: str
    prosody: Prosody


class Deck:
    """Deals items in random order and starts over when they are out, so that all come up about equally often."""

    def __init__(self, items: list[str], chance: random.Random) -> None:
        self._items, self._chance, self._left = items, chance, list[str]()

    def deal(self) -> str:
        """The next item."""
        if not self._left:
            self._left = self._chance.sample(self._items, len(self._items))
        return self._left.pop()


class Sentences:
    """Fills the plan's frames; no text is ever given twice, whatever split asks for it."""

    def __init__(self, plan: dict[str, Any], chance: random.Random) -> None:
        self._plan, self._chance = plan, chance
        self._decks: dict[tuple[str, ...], Deck] = {}
        self._given: set[str] = set()

    def sentence(self, split: str, kind: str) -> str:
        """A new sentence whose words tell ``kind``: a class, ``positive``, ``negative`` or ``none``."""
        for _ in range(1000):
            frame = self._deal(split, "frames", kind)
            text = re.sub(r"\{(\w+)\}", lambda slot: self._word(split, slot[1], kind), frame)
            text = text[0].upper() + text[1:] + "."
            if text not in self._given:
                self._given.add(text)
                return text
        raise RuntimeError(f"no new sentence left for {kind}: add words to {PLAN.name}")

    def _word(self, split: str, slot: str, kind: str) -> str:
        return self._deal(split, slot, kind if slot in ("judged", "verb") else "")

    def _deal(self, split: str, slot: str, kind: str) -> str:
        key = (split, slot, kind)
        if key not in self._decks:
            items = self._plan[slot]
            self._decks[key] = Deck(items[kind] if isinstance(items, dict) else items, self._chance)
        return self._decks[key].deal()


def told_by(cue: str, emotion: str, axes: dict[str, str]) -> tuple[str, str, str]:
    """Return what the words express, and the valence and arousal that the prosody expresses (``none``: nothing)."""
    return {
        "split": (axes["valence"], "none", axes["arousal"]),
        "words": (emotion, "none", "none"),
        "voice": ("none", axes["valence"], axes["arousal"]),
        "both": (emotion, axes["valence"], axes["arousal"]),
    }[cue]


def draw_prosody(
    plan: dict[str, Any], voice: dict[str, Any], valence: str, arousal: str, chance: random.Random
) -> Prosody:
    """The voice's own settings, moved by what the prosody tells and by jitter."""
    settings, jitter = plan["prosody"], plan["prosody"]["jitter"]
    tempo, tune = settings["arousal"][arousal], settings["valence"][valence]
    decibels = tempo["decibels"] + chance.gauss(0, jitter["decibels"])
    return Prosody(
        pitch=_within(voice["pitch"] + tune["pitch"] + chance.gauss(0, jitter["pitch"]), 0, 99),
        rate=_within(voice["rate"] * tempo["rate"] * (1 + chance.gauss(0, jitter["rate"])), 100, 300),
        amplitude=_within(voice["amplitude"] * 10 ** (decibels / 20), 5, 110),
        range=_within(tune["range"] + chance.gauss(0, jitter["range"]), 0, 100),
        pause=_within(tune["pause"] + chance.gauss(0, jitter["pause"]), 60, 900) if tune["pause"] else 0,
    )


def _within(value: float, low: int, high: int) -> int:
    return min(high, max(low, round(value)))


def plan_utterances(plan: dict[str, Any]) -> list[Planned]:
    """Everything that will be said, by voice and class: a pure function of the plan and its seed."""
    chance = random.Random(plan["seed"])
    sentences = Sentences(plan, chance)
    planned = []
    for voice in plan["voices"]:
        cells = [
            (emotion, cue) for emotion in plan["classes"] for cue, number in plan["cues"].items() for _ in range(number)
        ]
        chance.shuffle(cells)
        for number, (emotion, cue) in enumerate(cells, start=1):
            words, valence, arousal = told_by(cue, emotion, plan["classes"][emotion])
            planned.append(
                Planned(
                    id=f"{voice['name']}-{number:02d}",
                    split=voice["split"],
                    speaker=voice["name"],
                    emotion=emotion,
                    cue=cue,
                    text=sentences.sentence(voice["split"], words),
                    espeak=voice["espeak"],
                    prosody=draw_prosody(plan, voice, valence, arousal, chance),
                )
            )
    return planned


def written(text: str) -> str:
    """The sentence as a transcript, without the marks for pauses."""
    return text.replace(" |", "")


def ssml(planned: Planned) -> str:
    """The sentence as SSML, with its pitch range and pause."""
    pause = f'<break time="{planned.prosody.pause}ms"/>' if planned.prosody.pause else ""
    body = planned.text.replace("|", pause) if pause else written(planned.text)
    return f'<speak><prosody range="{planned.prosody.range}">{body}</prosody></speak>'


def speak(planned: Planned, folder: Path) -> NDArray[np.float32]:
    """Let espeak-ng say it; returns (samples,) at FRONTEND.sample_rate, espeak-ng's own rate."""
    path, prosody = folder / "speech.wav", planned.prosody
    options = {
        "-v": planned.espeak,
        "-p": prosody.pitch,
        "-s": prosody.rate,
        "-a": prosody.amplitude,
        "-w": path,
    }
    command = [
        "espeak-ng",
        "-m",
        *(str(part) for option in options.items() for part in option),
        ssml(planned),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    waveform, rate = soundfile.read(path, dtype="float32")
    if rate != FRONTEND.sample_rate:
        raise RuntimeError(f"espeak-ng speaks at {rate} Hz, expected {FRONTEND.sample_rate}")
    return waveform


def choose_clips(planned: Iterable[Planned]) -> list[Planned]:
    """A dozen of the test voices' utterances: of each class the first ones, no two by the same voice or cue."""
    chosen: list[Planned] = []
    for item in planned:
        mates = [clip for clip in chosen if clip.emotion == item.emotion]
        fresh = all(clip.speaker != item.speaker and clip.cue != item.cue for clip in mates)
        if item.split == "test" and len(mates) < CLIPS_BY_CLASS and fresh:
            chosen.append(item)
    return chosen


def flac(waveform: NDArray[np.float32]) -> bytes:
    """The waveform as 16-bit FLAC: lossless, for espeak-ng's samples are 16-bit."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, FRONTEND.sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def make(plan: dict[str, Any], out: Path) -> Corpus:
    """Speak everything and write the corpus and its clips to ``out``."""
    planned = plan_utterances(plan)
    clips = {item.id for item in choose_clips(planned)}
    shutil.rmtree(out / "clips", ignore_errors=True)
    utterances, frames, rows = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for item in planned:
            waveform = speak(item, Path(folder))
            frames.append(log_mels(torch.from_numpy(waveform), FRONTEND).numpy().astype(np.float16))
            text = written(item.text)
            utterances.append(
                Utterance(
                    id=item.id,
                    split=item.split,
                    text=text,
                    words=clean_words(text),
                    labels={"emotion": item.emotion},
                    speaker=item.speaker,
                    seconds=round(len(waveform) / FRONTEND.sample_rate, 3),
                )
            )
            if item.id in clips:
                write_bytes(out / "clips" / f"{item.id}.flac", flac(waveform))
                rows.append([item.id, f"{item.id}.flac", text, item.emotion, item.speaker])
    corpus = Corpus(
        name="demo",
        utterances=tuple(utterances),
        audio=Frames.join(frames, FRONTEND.mel_bands),
        classes={"emotion": tuple(plan["classes"])},
        frontend=FRONTEND.model_dump(),
        source="synthetic speech (espeak-ng), packaged",
        synthetic=True,
    )
    write_corpus(corpus, out)
    write_table(out / "clips" / "clips.csv", ["utterance", "audio", "text", "emotion", "speaker"], rows)
    write_table(
        out / "planned.csv",
        ["utterance", "cue", "espeak", *(field.name for field in fields(Prosody))],
        [[item.id, item.cue, item.espeak, *astuple(item.prosody)] for item in planned],
    )
    return corpus


def write_table(path: Path, header: list[str], rows: Iterable[list[Any]]) -> None:
    """Write a CSV file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def main() -> None:
    """Make the corpus and say what was made."""
    parser = argparse.ArgumentParser(description="Make the packaged demo corpus with espeak-ng.")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the corpus")
    out = parser.parse_args().out
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is not installed (Debian: apt-get install espeak-ng)")
    version = subprocess.run(["espeak-ng", "--version"], check=True, capture_output=True, text=True).stdout
    corpus = make(read_yaml(PLAN), out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(
        f"{out}: {corpus.counts()}, {len(corpus.audio.flat)} frames, {size / 1e6:.2f} MB, by {version.split('  ')[0]}"
    )


if __name__ == "__main__":
    main()
