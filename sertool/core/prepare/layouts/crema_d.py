"""CREMA-D: the Crowd-sourced Emotional Multimodal Actors Dataset, 7,442 clips of 91 actors.

A name such as ``AudioWAV/1001_DFA_ANG_XX.wav`` holds the actor, the sentence, the acted emotion and its level. The task
``emotion`` is the acted emotion, as in most papers. ``emotion-voice`` is what most of the listeners heard who had the
sound alone; clips with a tie lack it. The votes come from ``finishedResponses.csv``, one by each listener, or else from
the counts of ``processedResults/tabulatedVotes.csv``, where listeners have no names and are numbered. The former has
also the answers that came after more than ten seconds, which the counts leave out. ``VideoDemographics.csv`` has the
actors' genders; a copy on Kaggle has the recordings alone.

Source: Cao et al., IEEE Transactions on Affective Computing 5(4), 2014, and
https://github.com/CheyneyComputerScience/CREMA-D, whose recordings are Git LFS pointers in its zip archive.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Names, beside, one_of
from sertool.core.prepare.layouts.files import read_csv
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
VOICE = "emotion-voice"
_LETTERS = {code[0]: name for code, name in EMOTIONS.items()}  # in the tables of votes
_SOUND_ALONE = "1"  # the query type of listeners who had no picture, and the first digit of their counts
_SILENT = "1076_MTI_SAD_XX"  # by the owner's README
_MISNAMED = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}  # in copies of before 2020
_NAMES = Names(
    "CREMA-D",
    rf"(?P<actor>10\d\d)_{one_of('sentence', SENTENCES)}_{one_of('emotion', EMOTIONS)}_(?:XX?|LO|MD|HI)",
)

Votes = Mapping[str, Mapping[str, str]]  # a class by clip and listener


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    genders = _genders(folder, found)
    counts = _counts(folder)
    votes = _votes(folder) or _numbered(counts)
    if not votes:
        found.notes.append("there are no tables of votes, so what listeners heard is not known")
    for one in _NAMES.read(folder, found):
        clip = _MISNAMED.get(one.id, one.id)
        if clip == _SILENT:
            found.leave_out(clip, "train", "holds no sound in any copy")
            continue
        labels = {"emotion": EMOTIONS[one.facts["emotion"].upper()]}
        if heard := _most(counts.get(clip, {})):
            labels[VOICE] = heard
        actor = one.facts["actor"]
        yield replace(one, id=clip).row(
            labels,
            text=SENTENCES[one.facts["sentence"].upper()],
            ratings={VOICE: votes[clip]} if clip in votes else None,
            speaker=actor,
            gender=genders.get(actor, ""),
        )


def _genders(folder: Path, found: Found) -> dict[str, str]:
    table = beside(folder, "VideoDemographics.csv")
    if table is None:
        found.notes.append("there is no VideoDemographics.csv, so genders are not known")
        return {}
    return {cells["ActorID"]: cells["Sex"].lower() for _, cells in read_csv(table, ("ActorID", "Sex"))}


def _counts(folder: Path) -> dict[str, dict[str, int]]:
    """Return how many listeners heard each emotion, by clip."""
    table = beside(folder, "processedResults/tabulatedVotes.csv")
    if table is None:
        return {}
    return {
        cells["fileName"]: {name: int(cells[letter]) for letter, name in _LETTERS.items()}
        for _, cells in read_csv(table, ("", "fileName", *_LETTERS))
        if cells[""].startswith(_SOUND_ALONE) and all(cells[letter].isdecimal() for letter in _LETTERS)
    }


def _votes(folder: Path) -> Votes:
    """Return the vote of each listener by clip; the first, if there are several."""
    table = beside(folder, "finishedResponses.csv")
    votes: dict[str, dict[str, str]] = defaultdict(dict)
    if table is not None:
        for _, cells in read_csv(table, ("localid", "queryType", "clipName", "respEmo")):
            if cells["queryType"] == _SOUND_ALONE and cells["respEmo"] in _LETTERS:
                votes[cells["clipName"]].setdefault(cells["localid"], _LETTERS[cells["respEmo"]])
    return votes


def _numbered(counts: Mapping[str, Mapping[str, int]]) -> Votes:
    """Return counts as votes of numbered listeners."""
    heard = {clip: [name for name, number in each.items() for _ in range(number)] for clip, each in counts.items()}
    return {clip: {str(place): name for place, name in enumerate(names, start=1)} for clip, names in heard.items()}


def _most(counts: Mapping[str, int]) -> str | None:
    """Return the emotion that most listeners heard; None for a tie."""
    most = max(counts.values(), default=0)
    names = [name for name, number in counts.items() if number == most]
    return names[0] if len(names) == 1 else None


LAYOUT = CorpusLayout(
    name="crema-d",
    title="CREMA-D",
    expects="names like AudioWAV/1001_DFA_ANG_XX.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes=dict.fromkeys(("emotion", VOICE), tuple(EMOTIONS.values())),
)
