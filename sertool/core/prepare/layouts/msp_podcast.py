"""MSP-Podcast as the University of Texas at Dallas hands it out.

The folder holds ``Labels/labels_consensus.csv`` (class, scores, speaker, gender and split of each recording),
``Labels/labels_detailed.csv`` (what each worker said), and the unpacked folders ``Audios`` and ``Transcripts`` with
``MSP-PODCAST_0001_0008.wav`` and ``MSP-PODCAST_0001_0008.txt``. The recordings of Test3 have neither labels nor
transcripts, and their speakers are hidden.

Sources: the readme.txt of the releases for the files, letters and scales; the corpus's web page for the test sets;
public readers for the two forms of ``labels_detailed.csv``.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from sertool.core.corpora.corpus import Rating
from sertool.core.features.audio import Segment
from sertool.core.formatting import first_few, plural
from sertool.core.prepare.labels import Label
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.files import files_below, read_csv, read_western_text, with_recording
from sertool.core.prepare.rows import Row

LOW, HIGH = 1.0, 7.0  # ends of the scores
SCORES = {"EmoVal": "valence", "EmoAct": "arousal", "EmoDom": "dominance"}
EMOTIONS = {
    "N": "neutral",
    "H": "happy",
    "S": "sad",
    "A": "angry",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "O": "other",
}
NO_AGREEMENT = "X"  # no class has most votes
EIGHT, FOUR, ALL = "emotion", "emotion-4", "emotion-all"
CLASSES = {
    EIGHT: tuple(EMOTIONS.values())[:8],
    FOUR: tuple(EMOTIONS.values())[:4],
    ALL: tuple(EMOTIONS.values()),
}
# Test1 is the set that figures are published for. Test2 and Test3 may share speakers with it, and Test3's labels are
# not public, so both become the split without labels.
SPLITS = {"Train": "train", "Development": "valid", "Test1": "test", "Test2": "private", "Test3": "private"}
_TABLES = ("labels_consensus.csv", "labels_concensus.csv")  # older releases misspell it
_COLUMNS = ("FileName", "EmoClass", *SCORES, "SpkrID", "Gender", "Split_Set")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d+)?")
_WORKER = re.compile(r"(WORKER\d+)\s*;\s*([^;]+)")
_DETAIL = re.compile(r"([AVD])\s*:\s*(\d{1,3}(?:\.\d+)?)")
_LETTERS = {column[3]: task for column, task in SCORES.items()}  # A, V and D in the short form of a vote
_PODCAST = re.compile(r"MSP-PODCAST_\d+")

Ratings = dict[str, dict[str, Rating]]  # by task and worker


def is_there(folder: Path) -> bool:
    """Check for the table of labels, whose name no other corpus uses."""
    return _table(folder) is not None


def _table(folder: Path) -> Path | None:
    return next((path for name in _TABLES if (path := folder / "Labels" / name).is_file()), None)


def rows(folder: Path, found: Found) -> Iterator[Row]:
    """Yield the recordings of the table of labels, and those of Test3.

    Raises:
        DataError: a file cannot be read.
    """
    table = _table(folder)
    if table is None:
        return
    _check_unpacked(folder, found)
    recordings = _recordings(folder / "Audios")
    if not recordings:
        found.notes.append("no folder Audios with recordings: a corpus of texts")
    ratings = _ratings(folder / "Labels" / "labels_detailed.csv", found)
    read: set[str] = set()
    outside: list[str] = []
    splits: Counter[str] = Counter()
    for row, scores in _labelled(table, folder / "Transcripts", ratings, found):
        read.add(row.id)
        outside += [f"{name} {score:g} ({row.id})" for name, score in scores.items() if not LOW <= score <= HIGH]
        splits[row.split] += 1
        yield from _with_recording(row, recordings, found)
    hidden, unlabelled = list[str](), list[str]()
    for id_ in recordings.keys() - read:
        (hidden if _is_of_test3(id_) else unlabelled).append(id_)
    for id_ in sorted(hidden):
        yield from _with_recording(Row(None, id_, "private", "", {}, {}, None), recordings, found)
    if private := splits["private"] + len(hidden):
        found.notes.append(f"{plural(private, 'recording')} of Test2 and Test3 are the split private, without labels")
    listed = {
        f"scores that are not from {LOW:g} to {HIGH:g}, left out": outside,
        "recordings without a label": sorted(unlabelled),
    }
    found.notes += [f"{what} ({len(items):,}): {first_few(items)}" for what, items in listed.items() if items]


def _is_of_test3(id_: str) -> bool:
    return id_.lower().startswith("msp-podcast_test3")


def _check_unpacked(folder: Path, found: Found) -> None:
    for name in ("Audios", "Transcripts"):
        if not (folder / name).is_dir():
            for archive in sorted(folder.glob(f"{name}.*")):
                found.wrong("archives that are not unpacked yet", archive.name)


def _recordings(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in files_below(folder) if path.suffix.lower() == ".wav"}


def _labelled(
    table: Path, transcripts: Path, ratings: Mapping[str, Ratings], found: Found
) -> Iterator[tuple[Row, dict[str, float]]]:
    """Yield a row without recording for each row of the table of labels, and its scores."""
    texts = {path.stem: path for path in files_below(transcripts)} if transcripts.is_dir() else {}
    if not texts:
        found.notes.append("no folder Transcripts: the recordings have no texts")
    for number, cells in read_csv(table, _COLUMNS):
        id_, split = cells["FileName"].removesuffix(".wav"), SPLITS.get(cells["Split_Set"], "")
        place = f"{table.name} row {number}"
        if not id_:
            found.wrong("rows without a FileName", place)
            continue
        if not split:
            found.wrong("splits that MSP-Podcast does not have", f"{cells['Split_Set']} ({place})")
        if cells["EmoClass"] not in (*EMOTIONS, NO_AGREEMENT):
            found.wrong("classes that MSP-Podcast does not have", f"{cells['EmoClass']} ({place})")
        scores = _scores(cells, place, found)
        labelled = split != "private"
        row = Row(
            number=None,
            id=id_,
            split=split,
            text=" ".join(read_western_text(texts[id_]).split()) if id_ in texts else "",
            labels=_labels(cells["EmoClass"], scores) if labelled else {},
            groups=_groups(id_, cells),
            segment=None,
            ratings=ratings.get(id_) if labelled else None,
        )
        yield row, scores


def _with_recording(row: Row, recordings: Mapping[str, Path], found: Found) -> Iterable[Row]:
    """Return the row with its recording; without the folder of recordings, the corpus is one of texts."""
    path = recordings.get(row.id)
    return with_recording(row, Segment(path) if path else None, found) if recordings else (row,)


def _groups(id_: str, cells: Mapping[str, str]) -> dict[str, str]:
    """Return speaker, gender, and the podcast as the session; for some the speaker is unknown."""
    podcast = _PODCAST.match(id_)
    groups = {
        "speaker": cells["SpkrID"],
        "session": podcast[0] if podcast else "",
        "gender": cells["Gender"].lower(),
    }
    return {name: value for name, value in groups.items() if value.lower() not in ("", "unknown")}


def _scores(cells: Mapping[str, str], place: str, found: Found) -> dict[str, float]:
    given = {column: cell for column in SCORES if (cell := cells[column])}
    for column, cell in given.items():
        if not _NUMBER.fullmatch(cell):
            found.wrong("scores that are no number", f"{column} {cell!r} ({place})")
    return {SCORES[column]: _number(cell) for column, cell in given.items() if _NUMBER.fullmatch(cell)}


def _labels(letter: str, scores: Mapping[str, float]) -> dict[str, Label]:
    name = EMOTIONS.get(letter, "")
    labels: dict[str, Label] = {task: name for task, own in CLASSES.items() if name in own}
    return labels | {task: score for task, score in scores.items() if LOW <= score <= HIGH}


def _ratings(path: Path, found: Found) -> dict[str, Ratings]:
    """Read what each worker said, by recording.

    Newer releases write a vote in one column (``WORKER00000001; Other-confused; Confused; A:3.0; V:3.0; D:4.0;``),
    older and the newest ones in several (``EmoClass_Major``, ``EmoAct``, ...).
    """
    if not path.is_file():
        found.notes.append(f"no Labels/{path.name}: what each worker said is unknown")
        return {}
    ratings, unread = dict[str, Ratings](), list[str]()
    for number, cells in read_csv(path, ("FileName",)):
        vote = _columns_of_vote(cells) if "EmoClass_Major" in cells else _parts_of_vote(cells)
        if vote is None:
            unread.append(f"row {number}")
            continue
        worker, emotion, scores = vote
        own = ratings.setdefault(cells["FileName"].removesuffix(".wav"), {})
        # The same few names and numbers come a million times, so each is kept in memory once.
        own.setdefault(ALL, {})[sys.intern(worker)] = _vote(emotion)
        own[EIGHT] = own[FOUR] = own[ALL]  # votes for classes that these lack do not count
        for task, score in scores.items():
            own.setdefault(task, {})[sys.intern(worker)] = _number(score)
    if unread:
        found.notes.append(f"{plural(len(unread), 'vote')} of {path.name} cannot be read: {first_few(unread)}")
    return ratings


def _columns_of_vote(cells: Mapping[str, str]) -> tuple[str, str, dict[str, str]] | None:
    worker = next((value for name, value in cells.items() if name.lower().startswith("worker")), "")
    scores = {task: cell for column, task in SCORES.items() if _NUMBER.fullmatch(cell := cells.get(column, ""))}
    return (worker, cells["EmoClass_Major"], scores) if worker else None


def _parts_of_vote(cells: Mapping[str, str]) -> tuple[str, str, dict[str, str]] | None:
    detail = next((value for name, value in cells.items() if name != "FileName"), "")
    scores = {_LETTERS[letter]: number for letter, number in _DETAIL.findall(detail)}
    match = _WORKER.match(detail)
    return (match[1], match[2].strip(), scores) if match else None


@lru_cache(maxsize=4096)
def _number(text: str) -> float:
    return float(text)


@lru_cache(maxsize=4096)
def _vote(emotion: str) -> str:
    """Return the class that a worker named; whoever chose Other wrote a word of their own."""
    name = emotion.lower()
    return name if name in CLASSES[EIGHT] else "other"


LAYOUT = CorpusLayout(
    name="msp-podcast",
    title="MSP-Podcast",
    expects="Labels/labels_consensus.csv, Audios and Transcripts",
    is_there=is_there,
    rows=rows,
    classes=CLASSES,
    ranges=dict.fromkeys(SCORES.values(), (LOW, HIGH)),
)
