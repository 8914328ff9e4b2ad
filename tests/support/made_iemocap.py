"""A release of IEMOCAP in exactly its owner's form, with invented turns, texts and votes, and noise as recordings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
# Turns by class in each session. The seven largest are the published ones, as most papers on the corpus count them;
# of the rare ones only the sums over sessions are, and session 5.
PUBLISHED: tuple[Mapping[str, int], ...] = (
    {"neu": 384, "hap": 135, "exc": 143, "sad": 194, "ang": 229, "fru": 280, "sur": 22, "fea": 7, "dis": 1, "xxx": 424},
    {
        **{"neu": 362, "hap": 117, "exc": 210, "sad": 197, "ang": 137, "fru": 325, "sur": 22, "fea": 7, "dis": 1},
        **{"oth": 1, "xxx": 432},
    },
    {"neu": 320, "hap": 135, "exc": 151, "sad": 305, "ang": 240, "fru": 382, "sur": 22, "fea": 8, "oth": 1, "xxx": 572},
    {"neu": 258, "hap": 65, "exc": 238, "sad": 143, "ang": 327, "fru": 481, "sur": 23, "fea": 8, "oth": 1, "xxx": 559},
    {"neu": 384, "hap": 143, "exc": 299, "sad": 245, "ang": 170, "fru": 381, "sur": 18, "fea": 10, "xxx": 520},
)
TINY = ({"neu": 3, "hap": 1, "exc": 2, "sad": 2, "ang": 2, "fru": 1, "sur": 1, "xxx": 2},) * 5
WORDS = {
    "neu": ("Neutral", "The parcel came on a Monday."),
    "hap": ("Happiness", "What a lovely parcel!"),
    "exc": ("Excited", "Open it, open it! [LAUGHTER]"),
    "sad": ("Sadness", "Nobody ever sends me one."),
    "ang": ("Anger", "Who has opened my parcel?"),
    "fru": ("Frustration", "I don't know - it won't open."),
    "sur": ("Surprise", "Oh; so it's empty?"),
    "fea": ("Fear", "Something in there is moving."),
    "dis": ("Disgust", "It smells."),
    "oth": ("Other", "Hm."),
    "xxx": ("Neutral", "Well, [BREATHING] that is that."),
}
MAC = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "  # start of the files that macOS leaves behind


@dataclass(frozen=True)
class Turn:
    """A turn with its times in seconds."""

    id: str
    emotion: str
    start: float
    end: float


def make_iemocap(
    folder: Path, counts: tuple[Mapping[str, int], ...] = TINY, *, seconds: float = 0.3, sessions: str = "12345"
) -> Path:
    """Write a release of some sessions, with ``seconds=0`` without recordings; return its folder."""
    release = folder / "IEMOCAP_full_release"
    noise = np.random.default_rng(7).normal(0, 0.1, round(seconds * RATE) + 20_000).astype(np.float32)
    for number in sessions:
        _make_session(release / f"Session{number}", int(number), counts[int(number) - 1], seconds, noise)
    return release


def _make_session(session: Path, number: int, counts: Mapping[str, int], seconds: float, noise: np.ndarray) -> None:
    labels, transcripts = session / "dialog" / "EmoEvaluation", session / "dialog" / "transcriptions"
    for folder in (transcripts, *(labels / name for name in ("Attribute", "Categorical", "Self-evaluation"))):
        folder.mkdir(parents=True, exist_ok=True)
    places = count(number * 2200)  # more than a session has turns, so that no two have the same noise
    for dialogue, turns in _dialogues(number, counts, seconds).items():
        blocks = [_block(turn, number, place) for place, turn in enumerate(turns)]
        header = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        (labels / f"{dialogue}.txt").write_text(header + "\n".join(blocks))
        (labels / f"._{dialogue}.txt").write_bytes(MAC)
        (labels / "Categorical" / f"{dialogue}_e2_cat.txt").write_text(f"{turns[0].id} :Neutral state; ()\n")
        (transcripts / f"{dialogue}.txt").write_text("".join(_transcript(dialogue, turns)))
        if seconds:
            _write_recordings(session / "sentences" / "wav" / dialogue, turns, places, round(seconds * RATE), noise)


def _write_recordings(folder: Path, turns: list[Turn], places: Iterator[int], size: int, noise: np.ndarray) -> None:
    folder.mkdir(parents=True)
    (folder / f"._{turns[0].id}.wav").write_bytes(MAC)
    for turn in turns:
        start = next(places) * 7 % 20_000
        soundfile.write(folder / f"{turn.id}.wav", noise[start : start + size], RATE, "PCM_16")


def _dialogues(number: int, counts: Mapping[str, int], seconds: float) -> dict[str, list[Turn]]:
    """Deal the turns of a session to dialogues, class after class, so that each has all."""
    last = "script01_1b" if number == 5 else "script01_3"
    names = [f"Ses{number:02d}{letter}_{part}" for part in ("impro01", "script01_1", last) for letter in "FM"]
    dealt: dict[str, list[Turn]] = {name: [] for name in names}
    emotions = [emotion for emotion, amount in counts.items() for _ in range(amount)]
    for place, emotion in enumerate(emotions):
        name = names[place % len(names)]
        turns, letter = dealt[name], "FM"[place // len(names) % 2]
        start = 1.2345 + len(turns) * (seconds + 0.5)
        own = sum(turn.id.rpartition("_")[2].startswith(letter) for turn in turns)
        turns.append(Turn(f"{name}_{letter}{own:03d}", emotion, start, start + seconds))
    return {name: turns for name, turns in dealt.items() if turns}


def _block(turn: Turn, number: int, place: int) -> str:
    """Write a turn's labels and votes with the awkward lines of the release."""
    vote, other = WORDS[turn.emotion][0], "Sadness" if turn.emotion != "sad" else "Neutral"
    second = "Anger" if turn.emotion == "xxx" else vote  # without agreement, three raters say three classes
    valence, actor = 1 + place % 5, f"{turn.id[-4]}{number}"
    mean = f"[{(valence + 3) / 2:.4f}, 2.5000, 3.0000]"
    lines = [
        f"[{turn.start:.4f} - {turn.end:.4f}]\t{turn.id}\t{turn.emotion}\t{mean}",
        f"C-E2:\t{vote};\t()",
        f"C-E3:\t{second};\t(tired; a little bored)",
        f"C-E4:\t{other}; {vote};\t()" if turn.emotion != "xxx" else f"C-E4:\t{other};\t()",
        f"C-{actor}:\t{vote};\t()",
        f"A-E3:\tval {valence}; act 2; dom  3;\t()",
        "A-E4:\tval 3; act 3; dom  ;\t()",  # a rater left a scale out
        f"A-{actor}:\tval 3; act 2; dom  3;\t(calm)",
    ]
    return "".join(f"{line}\n" for line in lines)


def _transcript(dialogue: str, turns: list[Turn]) -> Iterator[str]:
    """Write the lines of a dialogue: its turns, turns that nobody rated, and remarks."""
    for place, turn in enumerate(turns):
        times = f" [{turn.start:08.4f}-{turn.end:08.4f}]" if place else ""  # some lines have no times
        yield f"{turn.id}{times}: {WORDS[turn.emotion][1]}\n"
    yield "M: [LAUGHTER]\n"
    yield f"{dialogue}_FXX0 [900.0000-901.0000]: Who is there?\n\n"
