"""Utterances whose words carry valence, and whose loudness and pitch carry arousal, by formulas that are known.

Three quantities are planted in each utterance, all from -1 to 1: valence is the mean of the values of its words;
loudness and pitch are uniform and independent, and their mean is arousal. Frames hold loudness as their level and
pitch as the place of a peak. A speaker has a timbre that tells nothing of these: patterns over the mel bands without
a level and without a slope, or harmonics of other strengths.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Frames
from sertool.core.recipe.frontends import Frontend

FloatArray = NDArray[np.float64]

FRONTEND = Frontend()
# Words by value, from -1 to 1 in steps of 0.5.
STEP = 0.5
_WORDS = """
awful terrible horrible hopeless dreadful miserable cruel rotten
dull tiring poor slow grey annoying clumsy stale
report street table monday usual window paper train corner early number second
fine pleasant useful calm friendly warm tidy fresh
wonderful brilliant delightful perfect amazing marvellous glorious superb
"""
WORDS = tuple(line.split() for line in _WORDS.strip().splitlines())
LENGTHS = (4, 9)  # least and largest number of words
FRAMES = (8, 20)  # and of frames
VALENCE_VARIANCE = 1 / 3 + STEP**2 / 6 * float(np.mean(1 / np.arange(LENGTHS[0], LENGTHS[1] + 1)))  # see _words
AROUSAL_VARIANCE = 1 / 6  # of the mean of two uniform numbers from -1 to 1

LEVEL, LOUDNESS, PEAK, TIMBRE, HISS = 0.45, 0.07, 0.15, 0.03, 0.05  # of frames, which go from 0 to 1
CENTRE, SHIFT, WIDTH = 32, 14, 8  # mel bands: place of the peak, its largest shift by pitch, its deviation
SECONDS = (0.8, 1.6)  # least and largest length of a recording
PITCH, OCTAVES, HARMONICS = 160.0, 0.7, 12  # Hz, largest shift of the pitch in octaves, number of harmonics
DECIBELS, SWING = -26.0, 8.0  # level of a recording below full scale, and its largest shift by loudness


@dataclass(frozen=True)
class Sizes:
    """Numbers of utterances by split, and of speakers; no speaker is in two splits."""

    train: int = 3000
    valid: int = 600
    test: int = 2000
    speakers: int = 60

    def __post_init__(self) -> None:
        if min(self.train, self.valid, self.test) < 1 or self.speakers < 3 or min(self.of_split.values()) < 1:
            raise ValueError("expected at least one utterance and one speaker for each of the splits")
        if any(number > getattr(self, split) for split, number in self.of_split.items()):
            raise ValueError("expected at least one utterance for each speaker")

    @property
    def of_split(self) -> dict[str, int]:
        """Divide the speakers in proportion to the utterances; each split has at least one."""
        total = self.train + self.valid + self.test
        valid, test = (max(1, round(self.speakers * part / total)) for part in (self.valid, self.test))
        return {"train": self.speakers - valid - test, "valid": valid, "test": test}


@dataclass(frozen=True)
class Spoken:
    """Utterances with what is planted in them, each (N,).

    Attributes:
        splits: split of each utterance.
        speakers: number of its speaker.
        words: its words.
        valence, loudness, pitch: from -1 to 1.
    """

    splits: list[str]
    speakers: NDArray[np.int64]
    words: list[list[str]]
    valence: FloatArray
    loudness: FloatArray
    pitch: FloatArray

    @property
    def arousal(self) -> FloatArray:
        """Return the mean of loudness and pitch."""
        return (self.loudness + self.pitch) / 2

    @property
    def ids(self) -> list[str]:
        """Number the utterances of each speaker, as ``s07_012``."""
        seen = Counter[int]()
        names = []
        for speaker in self.speakers.tolist():
            seen[speaker] += 1
            names.append(f"{speaker_name(speaker)}_{seen[speaker]:03}")
        return names


def speaker_name(number: int) -> str:
    """Return the name of a speaker: s01, s02, ..."""
    return f"s{number + 1:02}"


def draw_spoken(random: np.random.Generator, sizes: Sizes) -> Spoken:
    """Draw utterances, split by split; speakers have unequally many."""
    splits, speakers, first = list[str](), list[NDArray[np.int64]](), 0
    for split, number in sizes.of_split.items():
        count = getattr(sizes, split)
        own = np.arange(first, first + number)
        more = random.choice(own, count - number, p=random.dirichlet(np.full(number, 8.0)))
        speakers.append(np.sort(np.concatenate([own, more])))
        splits += [split] * count
        first += number
    words, valence = _words(random, len(splits))
    loudness, pitch = random.uniform(-1, 1, (2, len(splits)))
    return Spoken(splits, np.concatenate(speakers), words, valence, loudness, pitch)


def _words(random: np.random.Generator, count: int) -> tuple[list[list[str]], FloatArray]:
    """Draw sentences; return their words, and the means of the words' values.

    A sentence aims at a uniform value from -1 to 1. Each word takes one of the two values around it, with the
    probabilities whose mean is the aim. So the variance of the mean of L words is 1/3, that of the aim, and for the
    rounding ``STEP^2 f (1 - f) / L`` on average, where the fraction f is uniform: ``STEP^2 / (6 L)``.
    """
    lengths = random.integers(LENGTHS[0], LENGTHS[1], count, endpoint=True)
    steps = (np.repeat(random.uniform(-1, 1, count), lengths) + 1) / STEP
    levels = np.minimum(np.floor(steps + random.random(len(steps))), len(WORDS) - 1).astype(np.int64)
    places = random.random(len(steps))
    words = [WORDS[level][int(place * len(WORDS[level]))] for level, place in zip(levels, places, strict=True)]
    ends = np.cumsum(lengths)
    sums = np.add.reduceat(levels * STEP - 1, ends - lengths)
    sentences = [words[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return sentences, sums / lengths


def draw_frames(random: np.random.Generator, spoken: Spoken) -> Frames:
    """Draw log-mels from 0 to 1, (T, 80) float16 for each utterance."""
    bands = np.arange(FRONTEND.mel_bands)
    places = CENTRE + SHIFT * spoken.pitch[:, None]
    means = LEVEL + LOUDNESS * spoken.loudness[:, None] + PEAK * np.exp(-((bands - places) ** 2) / (2 * WIDTH**2))
    means += TIMBRE * _timbres(random, int(spoken.speakers.max()) + 1)[spoken.speakers]
    lengths = random.integers(*FRAMES, len(means), endpoint=True)
    flat = np.repeat(means, lengths, axis=0)
    flat += random.normal(0, HISS, flat.shape)
    return Frames(np.clip(flat, 1e-3, 1).astype(np.float16), np.concatenate([[0], np.cumsum(lengths)]))


def _timbres(random: np.random.Generator, count: int) -> FloatArray:
    """Draw smooth patterns (count, 80) of mean square 1, without a level and without a slope over the bands.

    Loudness is a level and pitch moves the centre of mass, so the patterns hide neither.
    """
    bands = np.arange(FRONTEND.mel_bands)
    rough = random.normal(size=(count, len(bands) + 14))
    smooth = np.stack([np.convolve(one, np.hanning(15), mode="valid") for one in rough])
    line = np.stack([np.ones(len(bands)), bands - bands.mean()])
    line /= np.linalg.norm(line, axis=1, keepdims=True)
    left: FloatArray = smooth - smooth @ line.T @ line
    return left / np.sqrt((left**2).mean(1, keepdims=True))


def draw_recordings(random: np.random.Generator, spoken: Spoken) -> Iterator[FloatArray]:
    """Yield the samples (S,) of each utterance at ``FRONTEND.sample_rate``: harmonics of its pitch, and hiss."""
    strengths = 10 ** (random.normal(0, 3, (int(spoken.speakers.max()) + 1, HARMONICS)) / 20)
    numbers = np.arange(1, HARMONICS + 1)
    for speaker, loudness, pitch in zip(spoken.speakers, spoken.loudness, spoken.pitch, strict=True):
        samples = int(random.uniform(*SECONDS) * FRONTEND.sample_rate)
        times = np.arange(samples) / FRONTEND.sample_rate
        phases = 2 * np.pi * PITCH * 2 ** (OCTAVES * pitch) * times
        own = strengths[speaker] / numbers
        wave = (own[:, None] * np.sin(np.outer(numbers, phases))).sum(0)
        wave *= 10 ** ((DECIBELS + SWING * loudness) / 20) / np.sqrt((own**2).sum() / 2)
        yield wave + random.normal(0, 1e-3, samples)
