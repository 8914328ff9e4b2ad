"""MELD as its authors hand it out (MELD.Raw): a CSV file and a folder of clips for each split.

The CSV files and their columns, the order of the classes and the names of the clips are those of the README of
github.com/declare-lab/MELD. The archives unpack to ``train_splits``, ``dev_splits_complete`` and
``output_repeated_splits_test``. Clips may be converted: any recording named ``dia0_utt0`` in a folder whose name holds
train, dev or test is one. The CSV files alone are a corpus of texts.

The errors of the clips are those that users report in the repository's issues 9, 20, 22, 27, 39 and 52.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.corpora.readers import meld
from sertool.core.features.audio import Segment
from sertool.core.files.regular import read_regular
from sertool.core.formatting import first_few, plural
from sertool.core.prepare.audio_paths import is_audio_name
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.files import files_below, is_video, read_csv, with_recording
from sertool.core.prepare.places import EPISODE_TIMES, episode_times
from sertool.core.prepare.rows import Row

CLASSES = {"emotion": meld.EMOTIONS, "sentiment": ("neutral", "positive", "negative")}
_SPLITS = {"train": "train", "dev": "valid", "test": "test"}  # as MELD names them, and as sertool does
_TABLE = "_sent_emo.csv"
_COLUMNS = {"emotion": "Emotion", "sentiment": "Sentiment"}
_TIMES = dict(zip(("StartTime", "EndTime"), EPISODE_TIMES.values(), strict=True))
_CLIP = re.compile(r"(final_videos_test)?(dia\d+_utt\d+)")
_FOLDER = re.compile(r"(?:^|_)(train|dev|test)(?:_|$)", re.IGNORECASE)
# Of the train clip, the index is missing, without which no program reads an MP4; the dev clip is in no archive.
_BROKEN = {("train", "dia125_utt3"), ("dev", "dia110_utt7")}
# Clips of minutes (issue 20), and of a few hundred milliseconds (named by a public recipe for MELD). The published
# counts include them.
_MISCUT = {
    "train": ("dia309_utt0", "dia71_utt0", "dia179_utt8", "dia312_utt9", "dia332_utt1", "dia406_utt2", "dia523_utt10"),
    "dev": ("dia99_utt3", "dia108_utt5"),
    "test": ("dia38_utt4", "dia220_utt0"),
}
# The older files hold the quotes and dashes of Windows-1252 as control signs.
_WINDOWS = {code: sign for code in range(0x80, 0xA0) if (sign := bytes([code]).decode("cp1252", "ignore"))}


@dataclass(frozen=True)
class _Clip:
    """A recording of an utterance; ``fixed`` is one of those that replace a wrong one of the same number."""

    path: Path
    fixed: bool

    @property
    def rank(self) -> tuple[bool, bool, Path]:
        """Order of the recordings of one utterance, the one to take first: a conversion is quicker to read."""
        return not self.fixed, is_video(self.path), self.path


Clips = Mapping[tuple[str, str], _Clip]  # by split, as MELD names it, and name of the utterance


def _is_there(folder: Path) -> bool:
    return any((folder / place / f"{split}{_TABLE}").is_file() for split in _SPLITS for place in ("", split))


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    files = files_below(folder)
    # Copies of a table lie deeper.
    tables = {path.name: path for path in sorted(files, key=lambda path: len(path.parts), reverse=True)}
    there = {split: path for split in _SPLITS if (path := tables.get(f"{split}{_TABLE}"))}
    if not there:
        return
    clips = _clips(folder, files)
    read: set[tuple[str, str]] = set()
    for split in _SPLITS:
        if split not in there:
            found.lacks_part("a table of utterances is missing", f"{split}{_TABLE}")
        elif not any(key[0] == split for key in clips) and (archive := tables.get(f"{split}.tar.gz")):
            found.wrong("archives that are not unpacked yet (tar xzf NAME)", str(archive.relative_to(folder)))
        else:
            for row in _utterances(there[split], split, found):
                read.add((split, row.id))
                yield from _with_clip(row, split, clips, found)
    _add_notes(clips, read, there, found)


def _clips(folder: Path, files: Sequence[Path]) -> Clips:
    """Find the recording of each utterance."""
    clips: dict[tuple[str, str], _Clip] = {}
    for path in files:
        name = _CLIP.fullmatch(path.stem)
        if name is None or not is_audio_name(path.name):
            continue
        places = [found[1] for part in path.relative_to(folder).parts[:-1] if (found := _FOLDER.search(part))]
        if places:
            key, clip = (places[-1].lower(), name[2]), _Clip(path, bool(name[1]))
            clips[key] = min(clips.get(key, clip), clip, key=lambda one: one.rank)
    return clips


def _utterances(table: Path, split: str, found: Found) -> Iterator[Row]:
    """Yield a row without recording for each row of a table."""
    for number, cells in read_csv(table, ("Utterance", "Speaker", "Dialogue_ID", "Utterance_ID", *_COLUMNS.values())):
        labels = {task: cells[column].lower() for task, column in _COLUMNS.items()}
        for task, label in labels.items():
            if label not in CLASSES[task]:
                found.wrong(f"{_COLUMNS[task]} is none of MELD's", f"{table.name} row {number}: {label!r}")
        id_ = f"dia{cells['Dialogue_ID']}_utt{cells['Utterance_ID']}"
        if not _CLIP.fullmatch(id_):
            found.wrong("Dialogue_ID or Utterance_ID is no number", f"{table.name} row {number}")
        groups = dict(meld.groups(id_, _SPLITS[split]))
        speaker = {"speaker": cells["Speaker"].translate(_WINDOWS)} if cells["Speaker"] else {}
        text = cells["Utterance"].translate(_WINDOWS)
        start, end = episode_times({name: cells.get(column, "") for column, name in _TIMES.items()})
        known = {**speaker, **groups}
        yield Row(*(None, id_, _SPLITS[split], text, labels, known, None), order=meld.order(id_), start=start, end=end)


def _with_clip(row: Row, split: str, clips: Clips, found: Found) -> Iterator[Row]:
    """Yield the row with its recording; without any recording, the corpus is one of texts."""
    clip = clips.get((split, row.id))
    if not clips:
        yield row
    elif (split, row.id) in _BROKEN and (clip is None or not _is_whole(clip.path)):
        found.leave_out(row.id, row.split, "its clip is missing or damaged in every copy of MELD")
    else:
        yield from with_recording(row, Segment(clip.path) if clip else None, found)


def _is_whole(path: Path) -> bool:
    """Check whether a clip was repaired: it is a conversion, or an MP4 with an index."""
    content = read_regular(path)
    return bool(content) and (path.suffix.lower() != ".mp4" or b"moov" in content)


def _add_notes(clips: Clips, read: set[tuple[str, str]], splits: Mapping[str, Path], found: Found) -> None:
    """Report recordings that are not used, that replace others, and that are known to be cut at the wrong place."""
    extra = [f"{name} ({split})" for split, name in clips if split in splits and (split, name) not in read]
    if extra:
        found.notes.append(f"{plural(len(extra), 'recording')} without labels, not used: {first_few(extra)}")
    fixed = [name for (split, name), clip in clips.items() if clip.fixed and (split, name) in read]
    if fixed:
        found.notes.append(
            f"{plural(len(fixed), 'recording')} named final_videos_test... used in the place of those of the same "
            f"number, which hold another utterance: {first_few(fixed)}"
        )
    miscut = [f"{name} ({split})" for split, names in _MISCUT.items() for name in names if (split, name) in clips]
    if miscut:
        found.notes.append(f"known to be cut at the wrong place, and kept: {first_few(miscut, 20)}")


LAYOUT = CorpusLayout(
    name="meld",
    title="MELD",
    expects="train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv, and the unpacked folders of clips",
    is_there=_is_there,
    rows=_rows,
    classes=CLASSES,
)
