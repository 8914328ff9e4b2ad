"""Small generated corpora in the layout of the five published data sets, so that whole chains can be run without them.

Nobody spoke: a label is planted partly in the words and partly in the frames, a speaker (dialogue, video) has an
offset of its own, classes are as unbalanced as in the real sets, and one label in twenty is wrong. Figures on them
mean nothing beyond "the chain works". Each folder says so in its README.md, and a file SYNTHETIC marks it for sertool,
which then says "synthetic" wherever it shows a figure. The same seed gives the same bytes.
"""

import argparse
import io
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.corpora.readers.pickles import MEL_BANDS, SYNTHETIC, VECTORS, VOCABULARY, PickleLayout
from sertool.core.corpora.vocabulary import Vocabulary, clean_words
from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts

VERSION = 1  # raise it whenever the same seed comes to give other files
WORD_WIDTH = 32  # of the word vectors; a recipe's model.embedding_size must agree
IN_WORDS, IN_FRAMES = 0.55, 0.6  # how often a mark is in the words, and in the frames
WRONG = 0.05  # of the labels
FRAMES = (8, 20)  # of an utterance
README = """# {name}: generated, not the real data

Written by tools/synthetic_corpora.py (seed {seed}). The files are laid out as those of {name}; no person spoke, and
no figure on them says anything about {name} or about people. The file {marker} tells sertool, whose tables then say
"synthetic". This folder may be deleted; it can be made again.
"""

FILLERS = [
    "i",
    "you",
    "we",
    "they",
    "it",
    "the",
    "a",
    "and",
    "but",
    "so",
    "then",
    "well",
    "now",
    "just",
    "really",
    "think",
    "know",
    "said",
    "went",
    "looked",
    "about",
    "because",
    "when",
    "what",
    "that",
    "this",
    "there",
    "here",
    "with",
    "for",
    "from",
    "one",
    "two",
    "thing",
    "day",
    "people",
    "time",
    "little",
    "maybe",
    "actually",
    "kind",
    "of",
    "like",
    "mean",
    "see",
    "tell",
    "right",
    "yeah",
    "okay",
]
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
    """What is said of an utterance: its raw labels by task, and the marks that words and frames carry of it."""

    labels: dict[str, Any]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Generated:
    """How one data set is generated.

    Attributes:
        reader: name of its layout.
        recordings: number of dialogues or videos by split.
        turns: utterances of each.
        shares: of the classes, from the published counts where there are any.
        keys: the recording's utterance ids, given a generator, the recording's number and the number of turns.
        label: the raw labels of a class.
    """

    reader: str
    recordings: dict[str, int]
    turns: int
    shares: tuple[float, ...]
    keys: Callable[[np.random.Generator, int, int], list[str]]
    label: Callable[[np.random.Generator, int], Drawn]

    @property
    def layout(self) -> PickleLayout:
        """Its files and groups, as its reader knows them."""
        return LAYOUTS[self.reader]


def iemocap_keys(random: np.random.Generator, number: int, turns: int) -> list[str]:
    """``Ses02F_impro01_M003``: six dialogues a session, two speakers in turn. Session 1 is the test split's."""
    session, dialogue = divmod(number, 6)
    name = f"Ses{session + 1:02}{'FM'[dialogue % 2]}_impro{dialogue + 1:02}"
    return [f"{name}_{'FM'[turn % 2]}{turn // 2:03}" for turn in range(turns)]


def tube_keys(random: np.random.Generator, number: int, turns: int) -> list[str]:
    """``2iD-tVS8NPw[3]``: a video's eleven characters and the turn."""
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    video = "".join(random.choice(letters, 11))
    return [f"{video}[{turn}]" for turn in range(turns)]


def _index(reader: str, task: str) -> Callable[[np.random.Generator, int], Drawn]:
    classes = LAYOUTS[reader].rules(task).classes
    return lambda random, label: Drawn({task: label}, (classes[label],))


def score_of(random: np.random.Generator, label: int) -> float:
    """A score of one of the seven classes, in thirds as annotators' means are."""
    first = 3 * label - 9 if label < 3 else 3 * label - 11
    return 0.0 if label == 3 else float(first + random.integers(3)) / 3


def mosi_label(random: np.random.Generator, label: int) -> Drawn:
    """A score; its class is the mark."""
    return Drawn({"sentiment": score_of(random, label)}, (str(label - 3),))


def mosei_label(random: np.random.Generator, label: int) -> Drawn:
    """A score and the emotions that go with its sign; each leaves a mark."""
    score = score_of(random, label)
    chances = np.array([chance[int(np.sign(score)) + 1] for chance in PRESENT])
    present = random.random(len(EMOTIONS)) < chances
    strengths = np.where(present, random.integers(1, 10, len(EMOTIONS)) / 3, 0).astype(np.float32)
    named = tuple(name for name, there in zip(EMOTIONS, present, strict=True) if there)
    return Drawn({"sentiment": np.float32(score), "emotion": strengths}, (str(label - 3), *named))


def meld_label(random: np.random.Generator, label: int) -> Drawn:
    """An emotion, and the sentiment that goes with it; surprise may be either."""
    emotion = LAYOUTS["meld"].rules("emotion").classes[label]
    sentiment = {"neutral": 0, "joy": 1, "surprise": int(random.integers(1, 3))}.get(emotion, 2)
    return Drawn({"emotion": label, "sentiment": sentiment}, (emotion,))


def vgaf_label(random: np.random.Generator, label: int) -> Drawn:
    """The class as the text of a number from 1."""
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
    """What the marks and the speakers of a data set sound like: patterns over the mel bands."""

    random: np.random.Generator
    patterns: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def of(self, name: str) -> NDArray[np.float64]:
        """A smooth pattern (80,) of mean square 1, drawn when it is first asked for."""
        if name not in self.patterns:
            rough = np.convolve(self.random.normal(size=MEL_BANDS + 14), np.hanning(15), mode="valid")
            self.patterns[name] = rough / np.sqrt((rough**2).mean())
        return self.patterns[name]


def frames_of(
    random: np.random.Generator, marks: Sequence[str], speaker: str, voices: Voices
) -> NDArray[np.float32]:
    """(T, 80) log-mels from 0 to 1: a base, the speaker's offset, the marks that are heard, noise."""
    heard = [mark for mark in marks if random.random() < IN_FRAMES]
    length = int(random.integers(*FRAMES, endpoint=True))
    frames = 0.45 + 0.05 * voices.of(f"speaker {speaker}") + random.normal(0, 0.08, (length, MEL_BANDS))
    swell = np.sin(np.linspace(0.5, 2.6, length))[:, None]
    for mark in heard:
        frames = frames + 0.08 * swell * voices.of(mark)
    return np.clip(frames, 1e-8, 1).astype(np.float32)


def words_of(random: np.random.Generator, marks: Sequence[str]) -> list[str]:
    """Fillers, and for each mark that is said one of its words."""
    words = random.choice(FILLERS, int(random.integers(3, 10))).tolist()
    for mark in marks:
        if random.random() < IN_WORDS:
            words.insert(int(random.integers(len(words) + 1)), str(random.choice(CUES[mark].split())))
    return words


def utterances(
    plan: Generated, split: str, random: np.random.Generator, voices: Voices, first: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The utterances of a split: id, and its value by kind of file."""
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
    """(rows, 32): a mark's words lie close together, as related words do in vectors trained on text."""
    vectors = np.zeros((len(index), WORD_WIDTH), np.float32)
    marks = {word: mark for mark, words in CUES.items() for word in words.split()}
    centres = {mark: random.normal(0, 0.4, WORD_WIDTH) for mark in CUES}
    for word, row in index.items():
        centre = centres[marks[word]] if word in marks else np.zeros(WORD_WIDTH)
        vectors[row] = centre + random.normal(0, 0.2 if word in marks else 0.4, WORD_WIDTH)
    vectors[0] = 0
    return vectors


def files_of(plan: Generated, seed: int) -> dict[str, bytes]:
    """A data set's files by name."""
    random = np.random.default_rng([seed, CORPORA.index(plan)])
    voices = Voices(np.random.default_rng([seed, CORPORA.index(plan), 1]))
    files: dict[str, bytes] = {}
    first = 0
    for split, recordings in plan.recordings.items():
        rows = dict(utterances(plan, split, random, voices, first))
        # IEMOCAP's splits follow each other in its sessions; elsewhere ids may begin anew.
        first += recordings if plan.reader != "meld" else 0
        for kind, name in plan.layout.files(split).items():
            files[name] = pickle.dumps({key: values[kind] for key, values in rows.items()}, protocol=2)
        if split == "train":
            sentences = [clean_words(values["sentences"]) for values in rows.values()]
            index = dict(Vocabulary.build(sentences).index)
            array = io.BytesIO()
            np.save(array, word_vectors(random, index))
            files |= {VOCABULARY: pickle.dumps(index, protocol=2), VECTORS: array.getvalue()}
    return files


def write_corpora(out: Path, seed: int = 1) -> list[Path]:
    """Write those that are not there yet.

    Args:
        out: gets a folder a data set.
        seed: decides every byte.

    Returns:
        The folders that were written.

    Raises:
        DataError: a folder holds data that were not generated; nothing is written then.
        SertoolError: a file cannot be written.
    """
    missing = []
    for plan in CORPORA:
        folder = out / plan.layout.name
        marker = folder / SYNTHETIC
        if not marker.is_file() and folder.is_dir() and any(folder.iterdir()):
            raise DataError(
                f"{folder}: holds files, and none of them is {SYNTHETIC}: they were not generated",
                hint="name another folder; nothing was touched",
            )
        if not marker.is_file() or artifacts.read_text(marker) != _mark(seed):
            missing.append(plan)
    for plan in missing:
        folder = out / plan.layout.name
        # The marker comes first: whatever lies there is known to be generated, also when this is killed.
        artifacts.write_text(folder / SYNTHETIC, "not complete\n")
        artifacts.write_text(
            folder / "README.md", README.format(name=plan.layout.name, seed=seed, marker=SYNTHETIC)
        )
        for name, content in files_of(plan, seed).items():
            artifacts.write_bytes(folder / name, content)
        artifacts.write_text(folder / SYNTHETIC, _mark(seed))
    return [out / plan.layout.name for plan in missing]


def _mark(seed: int) -> str:
    return f"generated by tools/synthetic_corpora.py, version {VERSION}, seed {seed}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write them; 1 if that is not possible."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets a folder a data set")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another one, other corpora; 1")
    options = parser.parse_args(arguments)
    try:
        for folder in write_corpora(options.out, options.seed):
            print(f"{folder}: written, generated data")
    except SertoolError as error:
        print(f"{error}\n{error.hint or ''}".rstrip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
