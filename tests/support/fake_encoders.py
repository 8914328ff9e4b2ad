"""Encoders without a model: their frames depend on the samples, and by a rounding on the batch, as real ones do."""

from dataclasses import dataclass, field

import numpy as np
import torch

RATE, HOP, WIDTH = 8000, 200, 6
WEIGHTS = "ab" * 32


@dataclass
class FakeSpeech:
    """A maker of frames: powers of the mean of 25 ms; ``batches`` lists the lengths that it was given."""

    note: dict = field(default_factory=lambda: {"name": "encoder", "model": "fake", "layer": "last"})
    scale: float = 1.0
    name: str = "encoder"
    version: str = WEIGHTS
    weights: str = WEIGHTS
    sample_rate: int = RATE
    width: int = WIDTH
    layers: int = 1
    seconds_per_frame: float = HOP / RATE
    silence: float = 0.0
    bounds: tuple = (-np.inf, np.inf)
    device: str = "cpu"
    batches: list = field(default_factory=list)

    @classmethod
    def from_note(cls, note):
        facts = ("weights", "width", "sample_rate", "seconds_per_frame", "licence")
        return cls({key: value for key, value in note.items() if key not in facts})

    def frames(self, waveforms):
        self.batches.append([len(one) for one in waveforms])
        return [self._one(one, len(waveforms)) for one in waveforms]

    def _one(self, waveform, others):
        count = max(1, len(waveform) // HOP)
        means = torch.nn.functional.pad(waveform, (0, max(0, HOP - len(waveform))))[: count * HOP]
        means = means.reshape(count, HOP).mean(1, keepdim=True) * self.scale
        return torch.cat([means ** (power + 1) + 1 + others / 256 for power in range(WIDTH)], 1)

    def described(self):
        facts = {"width": WIDTH, "sample_rate": RATE, "seconds_per_frame": HOP / RATE, "licence": "MIT"}
        return {**self.note, "weights": self.weights, **facts}

    def warnings(self):
        return []


@dataclass
class FakeText:
    """A maker of text frames: one a word, of its letters; a word with a ``?`` is unknown."""

    note: dict = field(default_factory=lambda: {"name": "text-encoder", "model": "fake", "layer": "last"})
    version: str = WEIGHTS
    width: int = 4
    batches: list = field(default_factory=list)

    def frames(self, texts):
        self.batches.append(list(texts))
        return [
            torch.tensor([[float(ord(one)) for one in f"{word:4.4}"] for word in text.split()]).reshape(-1, 4)
            for text in texts
        ]

    def unknown(self, texts):
        return [sum("?" in word for word in text.split()) / max(1, len(text.split())) for text in texts]

    def described(self):
        return {**self.note, "weights": WEIGHTS, "width": 4, "licence": None}
