"""The content of the synthetic corpora: which labels there are, and how words and frames show them.

A label is planted partly in the words and partly in the frames, a speaker (dialogue, video) has an offset of its own,
classes are as unbalanced as in the real sets, and one label in twenty is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.corpora.readers.pickles import FRONTEND, PickleLayout

WORD_WIDTH = 32  # of the word vectors; a recipe's model.embedding_size must agree
IN_WORDS, IN_FRAMES = 0.55, 0.6  # probability that a mark shows in the words, and in the frames
WRONG = 0.05  # share of wrong labels
FRAMES = (8, 20)  # least and largest number of frames of an utterance

_FILLERS = (
    "i you we they it the a and but so then well now just really think know said went looked about "
    "because when what that this there here with for from one two thing day people time little maybe "
    "actually kind of like mean see tell right yeah okay"
)
FILLERS = _FILLERS.split()
# The words a mark puts into a sentence. MOSI and MOSEI are marked by the class of their score.
CUES = {
    "neutral": "usual report schedule simply",
    "happy": "happy glad laughing delighted",
    "sad": "sad crying lonely miss",
    "angry": "angry furious shut yelling",
    "surprise": "wow unexpected sudden unbelievable",
    "fear": "afraid scared danger hide",
    "sadness": "sorry tears gone hurts",
    "joy": "yay love congratulations fun",
    "disgust": "gross disgusting ugh smells",
    "anger": "hate stupid enough leave",
    "positive": "party cheering winning dancing",
    "negative": "protest fighting funeral complaint",
    "-3": "awful terrible worst unbearable",
    "-2": "bad boring poor annoying",
    "-1": "slow lacking predictable weak",
    "0": "average ordinary middling neither",
    "1": "decent fine pleasant nice",
    "2": "good enjoyable clever solid",
    "3": "amazing brilliant perfect fantastic",
}
EMOTIONS = ("happy", "sad", "angry", "fear", "disgust", "surprise")  # MOSEI's, in the order of its labels
# How often each is present where the score is below 0, 0, and above.
PRESENT = (
    (0.1, 0.3, 0.7),
    (0.45, 0.2, 0.1),
    (0.4, 0.15, 0.05),
    (0.1, 0.05, 0.05),
    (0.3, 0.1, 0.05),
    (0.1,) * 3,
)


@dataclass(frozen=True)
class Drawn:
    """The raw labels of an utterance by task, and the marks that its words and frames show."""

    labels: dict[str, Any]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Generated:
    """The plan of a generated data set.

    Attributes:
        reader: name of its layout.
        recordings: number of dialogues or videos by split.
        turns: number of utterances in each recording.
        shares: relative frequencies of the classes, from the published counts if there are any.
        keys: makes a recording's utterance ids from a generator, the recording's number and the number of turns.
        label: draws the raw labels of a class.
    """

    reader: str
    recordings: dict[str, int]
    turns: int
    shares: tuple[float, ...]
    keys: Callable[[np.random.Generator, int, int], list[str]]
    label: Callable[[np.random.Generator, int], Drawn]

    @property
    def layout(self) -> PickleLayout:
        """Files and groups of the data set, as its reader knows them."""
        return LAYOUTS[self.reader]


def iemocap_keys(random: np.random.Generator, number: int, turns: int) -> list[str]:
    """Make ids like ``Ses02F_impro01_M003``: six dialogues per session, two speakers in turn; session 1 is for test."""
    session, dialogue = divmod(number, 6)
    name = f"Ses{session + 1:02}{'FM'[dialogue % 2]}_impro{dialogue + 1:02}"
    return [f"{name}_{'FM'[turn % 2]}{turn // 2:03}" for turn in range(turns)]


def tube_keys(random: np.random.Generator, number: int, turns: int) -> list[str]:
    """Make ids like ``2iD-tVS8NPw[3]``: the eleven characters of a video, and the turn."""
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    video = "".join(random.choice(letters, 11))
    return [f"{video}[{turn}]" for turn in range(turns)]


def _index(reader: str, task: str) -> Callable[[np.random.Generator, int], Drawn]:
    classes = LAYOUTS[reader].rules(task).classes
    return lambda random, label: Drawn({task: label}, (classes[label],))


def score_of(random: np.random.Generator, label: int) -> float:
    """Draw a score of one of the seven classes, in thirds like the means of three annotators."""
    first = 3 * label - 9 if label < 3 else 3 * label - 11
    return 0.0 if label == 3 else float(first + random.integers(3)) / 3


def mosi_label(random: np.random.Generator, label: int) -> Drawn:
    """Draw a score; its class is the mark."""
    return Drawn({"sentiment": score_of(random, label)}, (str(label - 3),))


def mosei_label(random: np.random.Generator, label: int) -> Drawn:
    """Draw a score and emotions that fit its sign; each of them is a mark."""
    score = score_of(random, label)
    chances = np.array([chance[int(np.sign(score)) + 1] for chance in PRESENT])
    present = random.random(len(EMOTIONS)) < chances
    strengths = np.where(present, random.integers(1, 10, len(EMOTIONS)) / 3, 0).astype(np.float32)
    named = tuple(name for name, there in zip(EMOTIONS, present, strict=True) if there)
    return Drawn({"sentiment": np.float32(score), "emotion": strengths}, (str(label - 3), *named))


def meld_label(random: np.random.Generator, label: int) -> Drawn:
    """Draw an emotion and the sentiment that fits it; surprise may be positive or negative."""
    emotion = LAYOUTS["meld"].rules("emotion").classes[label]
    sentiment = {"neutral": 0, "joy": 1, "surprise": int(random.integers(1, 3))}.get(emotion, 2)
    return Drawn({"emotion": label, "sentiment": sentiment}, (emotion,))


def vgaf_label(random: np.random.Generator, label: int) -> Drawn:
    """Write the class as the text of a number from 1."""
    return Drawn({"emotion": str(label + 1)}, (LAYOUTS["vgaf"].rules("emotion").classes[label],))


CORPORA = (
    Generated(
        "iemocap",
        {"test": 6, "train": 24},
        16,
        (1324, 1358, 890, 874),
        iemocap_keys,
        _index("iemocap", "emotion"),
    ),
    Generated("mosi", {"train": 36, "test": 14}, 9, (92, 230, 230, 53, 250, 280, 149), tube_keys, mosi_label),
    Generated(
        "mosei",
        {"train": 80, "valid": 24, "test": 36, "private": 10},
        5,
        (156, 489, 705, 1025, 1512, 665, 110),
        tube_keys,
        mosei_label,
    ),
    Generated(
        "meld",
        {"train": 50, "valid": 16, "test": 22},
        8,
        (4709, 1205, 268, 683, 1743, 271, 1109),
        lambda random, number, turns: [f"dia{number}_utt{turn}" for turn in range(turns)],
        meld_label,
    ),
    Generated(
        "vgaf",
        {"train": 50, "valid": 24},
        6,
        (30, 35, 35),
        lambda random, number, turns: [f"{number + 1}_{turn + 1}" for turn in range(turns)],
        vgaf_label,
    ),
)


@dataclass
class Voices:
    """The sound of the marks and speakers of a data set, as patterns over the mel bands."""

    random: np.random.Generator
    patterns: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def of(self, name: str) -> NDArray[np.float64]:
        """Return a smooth pattern (80,) of mean square 1, drawn at its first use."""
        if name not in self.patterns:
            rough = np.convolve(self.random.normal(size=FRONTEND.width + 14), np.hanning(15), mode="valid")
            self.patterns[name] = rough / np.sqrt((rough**2).mean())
        return self.patterns[name]


def frames_of(random: np.random.Generator, marks: Sequence[str], speaker: str, voices: Voices) -> NDArray[np.float32]:
    """Draw log-mels (T, 80) from 0 to 1: a base, the speaker's offset, the audible marks, noise."""
    heard = [mark for mark in marks if random.random() < IN_FRAMES]
    length = int(random.integers(*FRAMES, endpoint=True))
    frames = 0.45 + 0.05 * voices.of(f"speaker {speaker}") + random.normal(0, 0.08, (length, FRONTEND.width))
    swell = np.sin(np.linspace(0.5, 2.6, length))[:, None]
    for mark in heard:
        frames = frames + 0.08 * swell * voices.of(mark)
    return np.clip(frames, 1e-8, 1).astype(np.float32)


def words_of(random: np.random.Generator, marks: Sequence[str]) -> list[str]:
    """Draw filler words, and one word for each mark that is spoken."""
    words = random.choice(FILLERS, int(random.integers(3, 10))).tolist()
    for mark in marks:
        if random.random() < IN_WORDS:
            words.insert(int(random.integers(len(words) + 1)), str(random.choice(CUES[mark].split())))
    return words


def utterances(
    plan: Generated, split: str, random: np.random.Generator, voices: Voices, first: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the utterances of a split: id, and values by kind of file."""
    shares = np.array(plan.shares) / sum(plan.shares)
    for number in range(first, first + plan.recordings[split]):
        # A recording has its own mood, so that its utterances resemble each other more than others'.
        mood = random.dirichlet(12 * shares)
        for key in plan.keys(random, number, plan.turns):
            label = int(random.choice(len(shares), p=mood))
            drawn = plan.label(random, label)
            marks = drawn.marks
            if random.random() < WRONG:
                marks = plan.label(random, int(random.integers(len(shares)))).marks
            groups = plan.layout.groups(key, split)
            speaker = groups.get("speaker") or next(iter(groups.values()))
            yield (
                key,
                {
                    "sentences": words_of(random, marks),
                    "mels": frames_of(random, marks, speaker, voices),
                    **drawn.labels,
                },
            )


def word_vectors(random: np.random.Generator, index: dict[str, int]) -> NDArray[np.float32]:
    """Draw vectors (rows, 32); the words of a mark lie close together, like related words in trained vectors."""
    vectors = np.zeros((len(index), WORD_WIDTH), np.float32)
    marks = {word: mark for mark, words in CUES.items() for word in words.split()}
    centres = {mark: random.normal(0, 0.4, WORD_WIDTH) for mark in CUES}
    for word, row in index.items():
        centre = centres[marks[word]] if word in marks else np.zeros(WORD_WIDTH)
        vectors[row] = centre + random.normal(0, 0.2 if word in marks else 0.4, WORD_WIDTH)
    vectors[0] = 0
    return vectors
