r"""IEMOCAP as the University of Southern California hands it out: the folder ``IEMOCAP_full_release``.

It holds ``Session1`` to ``Session5``, each with a woman and a man. Of a session this layout reads::

    dialog/EmoEvaluation/Ses01F_impro01.txt         labels and each rater's votes, see below
    dialog/transcriptions/Ses01F_impro01.txt        Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
    sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

A block of a file of labels, with tabs between the columns::

    [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5000, 2.5000, 2.5000]      valence, activation, dominance
    C-E2:  Neutral;  ()                             one rater's class, or several: ``Anger; Frustration;``
    C-F1:  Neutral;  (curious)                      the actress herself; a man's letter is M
    A-E3:  val 3; act 2; dom  2;  ()                one rater's scores from 1 to 5; some lack a number

Sources: C. Busso et al., "IEMOCAP: interactive emotional dyadic motion capture database", Language Resources and
Evaluation 42 (2008); the documentation that comes with the release; public readers of it for the awkward lines.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sertool.core.corpora.corpus import Rating
from sertool.core.corpora.readers import iemocap
from sertool.core.features.audio import Segment
from sertool.core.formatting import first_few
from sertool.core.prepare.labels import Label
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.files import read_western_text, with_recording
from sertool.core.prepare.rows import Row

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
TEST = "Session1"  # the paper tests on it; the corpus itself has no splits
LOW, HIGH = 1.0, 5.0  # ends of the scores
SCORES = {"val": "valence", "act": "arousal", "dom": "dominance"}  # the release says activation, the field arousal
FOUR, SIX, ALL = "emotion", "emotion-6", "emotion-all"
EMOTIONS = {
    "neu": "neutral",
    "hap": "happy",
    "sad": "sad",
    "ang": "angry",
    "exc": "excited",
    "fru": "frustrated",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
}
NO_AGREEMENT = "xxx"  # no class has most votes
VOTES = {
    "neutral": "neutral",
    "neutral state": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "excited": "excited",
    "frustration": "frustrated",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "other": "other",
}
CLASSES = {
    FOUR: iemocap.LAYOUT.tasks["emotion", None].classes,  # the order of the paper's label files
    SIX: ("neutral", "happy", "sad", "angry", "excited", "frustrated"),
    ALL: tuple(EMOTIONS.values()),
}
_NUMBER = r"(\d{1,3}(?:\.\d+)?)"
_TURN = re.compile(
    rf"\[([^]]*)]\s+(Ses\d\d[FM]_\w{{1,40}}_[FM]\w{{1,9}})\s+(\w+)\s+\[\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*]"
)
_VOTE = re.compile(r"([CA])-(\w+)\s*:([^(]*)")
_SCORE = re.compile(rf"(val|act|dom)\s+{_NUMBER}")
# The times of some lines are missing. Lines of other form are remarks, such as "M: [LAUGHTER]".
_TRANSCRIPT = re.compile(r"(Ses\d\d[FM]_\w+)\s*+(?:\[([^]]*)])?+\s*+:\s*(.*)")
_TIMES = re.compile(r"\s*(\d{1,6}(?:\.\d+)?)\s*-\s*(\d{1,6}(?:\.\d+)?)\s*")


@dataclass
class _Turn:
    """A block of a file of labels; its times are seconds into the dialogue."""

    id: str
    emotion: str
    scores: Mapping[str, float]
    times: tuple[float, float] | None
    ratings: dict[str, dict[str, Rating]] = field(default_factory=dict)


@dataclass
class _Session:
    """Files of a session.

    Attributes:
        split: its split.
        turns: turns with labels.
        texts: text by turn.
        times: start and end by turn, as the transcriptions have them.
        untranscribed: dialogues with labels and without a transcription.
        recordings: recording by turn.
    """

    split: str
    turns: list[_Turn]
    texts: Mapping[str, str]
    times: Mapping[str, tuple[float, float] | None]
    untranscribed: list[str]
    recordings: Mapping[str, Segment]


def is_there(folder: Path) -> bool:
    """Check for the folder of labels of a session."""
    return any((_release(folder) / session / "dialog" / "EmoEvaluation").is_dir() for session in SESSIONS)


def _release(folder: Path) -> Path:
    """Return the folder with the sessions, which may lie in the one that the archive was unpacked in."""
    inner = folder / "IEMOCAP_full_release"
    return inner if inner.is_dir() else folder


def rows(folder: Path, found: Found) -> Iterator[Row]:
    """Yield the turns that have a label file, session by session; the first session is the test set, as in the paper.

    Raises:
        DataError: a file cannot be read.
    """
    if not is_there(folder):
        return
    sessions = _sessions(_release(folder), found)
    texts_alone = not any(session.recordings for session in sessions.values())
    if texts_alone:
        found.notes.append("no session has recordings (sentences/wav): a corpus of texts")
    for name, session in sessions.items():
        if not session.recordings and not texts_alone:
            found.lacks_part("no recordings (sentences/wav)", name)
        else:
            yield from _rows(session, found, texts_alone)
    _add_notes(list(sessions.values()), found)


def _add_notes(sessions: Sequence[_Session], found: Found) -> None:
    """Report dialogues without texts, scores beyond the scale, and recordings that nobody rated."""
    turns = [turn for session in sessions for turn in session.turns]
    labelled = {turn.id for turn in turns}
    listed = {
        "dialogues without a transcription, and so without texts": [
            dialogue for session in sessions for dialogue in session.untranscribed
        ],
        f"scores that are not from {LOW:g} to {HIGH:g}, left out": [
            f"{task} {score:g} ({turn.id})"
            for turn in turns
            for task, score in turn.scores.items()
            if not LOW <= score <= HIGH
        ],
        "recordings without a label": [
            id_ for session in sessions for id_ in session.recordings if id_ not in labelled
        ],
    }
    found.notes += [f"{what} ({len(items):,}): {first_few(items)}" for what, items in listed.items() if items]


def _sessions(release: Path, found: Found) -> dict[str, _Session]:
    sessions = {}
    for name in SESSIONS:
        session = release / name
        split = "test" if name == TEST else "train"
        if not session.is_dir():
            found.lacks_part("the session is missing", name)
        elif not _labels(session).is_dir():
            found.lacks_part("no labels (dialog/EmoEvaluation)", name)
        else:
            sessions[name] = _read(session, split, found)
    return sessions


def _labels(session: Path) -> Path:
    return session / "dialog" / "EmoEvaluation"


def _rows(session: _Session, found: Found, texts_alone: bool) -> Iterator[Row]:
    for turn in session.turns:
        row = Row(
            number=None,
            id=turn.id,
            split=session.split,
            text=session.texts.get(turn.id, ""),
            labels=_labels_of(turn),
            groups=iemocap.groups(turn.id, session.split),
            segment=None,
            ratings=turn.ratings or None,
        )
        if times := session.times.get(turn.id) or turn.times:
            row = replace(row, start=times[0], end=times[1])
        yield from (row,) if texts_alone else with_recording(row, session.recordings.get(turn.id), found)


def _labels_of(turn: _Turn) -> dict[str, Label]:
    """Return the class by task, and the scores; without agreement there is no class."""
    scores = {task: score for task, score in turn.scores.items() if LOW <= score <= HIGH}
    if turn.emotion not in EMOTIONS:
        return dict(scores)
    name = EMOTIONS[turn.emotion]
    classes = {FOUR: _of_four(name), SIX: name, ALL: name}
    return {**{task: own for task, own in classes.items() if own in CLASSES[task]}, **scores}


def _read(session: Path, split: str, found: Found) -> _Session:
    labels, transcriptions = _dialogues(_labels(session)), _dialogues(session / "dialog" / "transcriptions")
    turns = [turn for path in labels for turn in _turns(path, split, found)]
    lines = [line for path in transcriptions for line in _lines(path)]
    spoken = [match for line in lines if (match := _TRANSCRIPT.fullmatch(line))]
    texts = {match[1]: match[3] for match in spoken}
    times = {match[1]: _times(match[2] or "") for match in spoken}
    transcribed = {path.stem for path in transcriptions}
    untranscribed = [path.stem for path in labels if path.stem not in transcribed]
    return _Session(split, turns, texts, times, untranscribed, _recordings(session / "sentences" / "wav"))


def _recordings(folder: Path) -> dict[str, Segment]:
    """Return the recordings by turn."""
    if not folder.is_dir():
        return {}
    # macOS leaves files like ._Ses05M_script01_1b_F000.wav behind, which hold no sound.
    paths = (path for path in sorted(folder.glob("*/Ses*.wav")) if not path.parent.name.startswith("."))
    return {path.stem: Segment(path) for path in paths}


def _dialogues(folder: Path) -> list[Path]:
    """Return the files of dialogues in order; files that macOS left behind begin with a dot."""
    return sorted(path for path in folder.glob("Ses*.txt") if path.is_file())


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_western_text(path).splitlines()]


def _turns(path: Path, split: str, found: Found) -> list[_Turn]:
    """Read a file of labels."""
    turns: list[_Turn] = []
    for number, line in enumerate(_lines(path), start=1):
        if match := _TURN.match(line):
            times, id_, emotion, *scores = match.groups()
            if emotion not in (*EMOTIONS, NO_AGREEMENT):
                found.wrong("emotions that IEMOCAP does not have", f"{emotion} ({id_})")
            means = dict(zip(SCORES.values(), map(float, scores), strict=True))
            turns.append(_Turn(id_, emotion, means, _times(times)))
        elif line.startswith("["):
            found.lacks_part("lines of labels that cannot be read", f"{path.name} line {number}")
        elif turns and (match := _VOTE.match(line)):
            _add_rating(turns[-1].ratings, *match.groups())
    return turns


def _times(text: str) -> tuple[float, float] | None:
    """Return start and end in seconds of ``006.2901-008.2357``; None unless the end comes after the start."""
    if not (found := _TIMES.fullmatch(text)):
        return None
    start, end = map(float, found.groups())
    return (start, end) if start < end else None


def _add_rating(ratings: dict[str, dict[str, Rating]], kind: str, rater: str, says: str) -> None:
    """Add one rater's classes or scores; those that the corpus does not define are left out."""
    if kind == "A":
        for name, value in _SCORE.findall(says):
            ratings.setdefault(SCORES[name], {})[rater] = float(value)
        return
    votes = [VOTES[vote] for part in says.split(";") if (vote := part.strip().lower()) in VOTES]
    for task in (ALL, SIX, FOUR):
        own = list(dict.fromkeys(map(_of_four, votes) if task == FOUR else votes))
        if own:
            ratings.setdefault(task, {})[rater] = own[0] if len(own) == 1 else tuple(own)


def _of_four(name: str) -> str:
    """Return the class of the four: the paper, and most others since, count excited as happy where they use four."""
    return "happy" if name == "excited" else name


LAYOUT = CorpusLayout(
    name="iemocap",
    title="IEMOCAP",
    expects="Session1 to Session5 with dialog/EmoEvaluation, dialog/transcriptions and sentences/wav",
    is_there=is_there,
    rows=rows,
    classes=CLASSES,
    ranges=dict.fromkeys(SCORES.values(), (LOW, HIGH)),
)
