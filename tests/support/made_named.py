"""Tiny folders in the forms of corpora whose file names hold the labels; the recordings are short noise."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile

RATE = 16000
CREMA_D = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def write_recordings(folder: Path, names: Iterable[str], seconds: float = 0.2) -> Path:
    """Write a recording of noise for each name, which sounds unlike the others."""
    for name in names:
        path = folder / name
        random = np.random.default_rng(crc32(name.encode()))
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, random.normal(0, 0.1, round(RATE * seconds)), RATE)
    return folder


def ravdess_names(actors: int = 24, channel: str = "01") -> list[str]:
    """All names of RAVDESS's recordings of sound: 60 of speech an actor, 44 of song; the neutral is never strong."""
    emotions = range(1, 9) if channel == "01" else range(1, 7)
    return [
        f"Actor_{actor:02}/03-{channel}-{emotion:02}-{intensity:02}-{statement:02}-{take:02}-{actor:02}.wav"
        for actor, emotion, intensity, statement, take in product(
            range(1, actors + 1), emotions, (1, 2), (1, 2), (1, 2)
        )
        if (emotion, intensity) != (1, 2)
    ]


def make_ravdess(folder: Path, actors: int = 3) -> Path:
    """Write the speech of a few actors, the first of them twice as in a copy on Kaggle, and a song."""
    names = [name for name in ravdess_names(actors) if name.split("-")[4:6] == ["01", "01"]]
    twice = [f"audio_speech_actors_01-24/{name}" for name in names if name.startswith("Actor_01")]
    for part in (names, twice, ["Actor_01/03-02-03-01-01-01-01.wav"]):
        write_recordings(folder, part)
    return folder


def make_emodb(folder: Path, speakers: Iterable[str] = ("03", "08", "09", "10")) -> Path:
    """Write two sentences in each emotion and their folders of label files."""
    names = [
        f"{speaker}{sentence}{emotion}a" for speaker in speakers for sentence in ("a01", "b10") for emotion in "WLEAFTN"
    ]
    (folder / "lablaut").mkdir(parents=True)
    for name in names:
        (folder / "lablaut" / f"{name}.lablaut").write_text("signal\n")
    return write_recordings(folder, [f"wav/{name}.wav" for name in names])


def make_crema_d(folder: Path, actors: int = 4) -> Path:
    """Write a sentence in each emotion by a few actors, the owner's tables, a misnamed clip and the silent one."""
    clips = [f"{1001 + actor}_DFA_{emotion}_XX" for actor in range(actors) for emotion in CREMA_D]
    clips += ["1040_ITH_SAD_X", "1076_MTI_SAD_XX"]
    write_recordings(folder, [f"AudioWAV/{clip}.wav" for clip in clips])
    (folder / "AudioMP3").mkdir()
    (folder / "AudioMP3" / f"{clips[0]}.mp3").write_bytes(b"ID3")
    people = [f'{1001 + number},30,"{("Male", "Female")[number % 2]}","Unknown","Hispanic"' for number in range(91)]
    _write_lines(folder / "VideoDemographics.csv", '"ActorID","Age","Sex","Race","Ethnicity"', people)
    written = [clip.replace("SAD_X", "SAD_XX") if clip.endswith("_X") else clip for clip in clips]
    # Four heard the acted emotion and one anger in the voice; with a picture all heard anger. Neutral has a tie.
    counts = [
        f'"{view}{number:05}",{",".join(str(_heard(clip, letter, view)) for letter in "ADFHNS")},"{clip}",5'
        for view in (1, 2, 3)
        for number, clip in enumerate(written, start=1)
    ]
    (folder / "processedResults").mkdir()
    _write_lines(
        folder / "processedResults" / "tabulatedVotes.csv",
        '"","A","D","F","H","N","S","fileName","numResponses"',
        counts,
    )
    return folder


def _heard(clip: str, letter: str, view: int) -> int:
    if view > 1:
        return 5 * (letter == "A")
    if clip.split("_")[2] == "NEU":
        return 2 * (letter in "NS")
    return 4 * (letter == clip.split("_")[2][0]) + (letter == "A")


def write_answers(folder: Path) -> None:
    """Write CREMA-D's table of each listener's answers: one listener answers twice, and one by a picture."""
    answers = [("a", 1, "A"), ("b", 1, "D"), ("b", 1, "F"), ("c", 2, "H"), ("d", 1, "")]
    lines = [
        f'"{number}","{rater}",1,"{emotion}_50",900,{view},0,1,1,4,"1001_DFA_ANG_XX",7,"{emotion}","50","A","X",50'
        for number, (rater, view, emotion) in enumerate(answers, start=1)
    ]
    header = (
        '"","localid","pos","ans","ttr","queryType","numTries","clipNum","questNum","subType","clipName","sessionNums",'
        '"respEmo","respLevel","dispEmo","dispVal","dispLevel"'
    )
    _write_lines(folder / "finishedResponses.csv", header, lines)


def _write_lines(path: Path, header: str, lines: Iterable[str], encoding: str = "utf-8") -> None:
    path.write_text("\n".join([header, *lines, ""]), encoding=encoding)


def make_tess(folder: Path, words: Iterable[str] = ("back", "bite", "yes")) -> Path:
    """Write three words in each emotion as a copy on Kaggle has them, with the name that lacks a letter."""
    folders = ("angry", "disgust", "Fear", "happy", "neutral", "Pleasant_surprise", "Sad")
    names = [
        f"{speaker}_{name}/{speaker}_{word}_{'ps' if name.startswith('P') else name.lower()}.wav"
        for speaker in ("OAF", "YAF")
        for name in folders
        for word in words
    ]
    return write_recordings(folder, [name.replace("/OAF_bite_neutral", "/OA_bite_neutral") for name in names])


def make_savee(folder: Path, *, flat: bool = False) -> Path:
    """Write two sentences in each emotion by the four men, in the form of the release or in that of Kaggle."""
    codes = [f"{emotion}{number:02}" for emotion in ("a", "d", "f", "h", "n", "sa", "su") for number in (1, 2)]
    form = "ALL/{}_{}.wav" if flat else "AudioData/{}/{}.wav"
    write_recordings(folder, [form.format(man, code) for man in ("DC", "JE", "JK", "KL") for code in codes])
    if not flat:
        (folder / "AudioData" / "Info.txt").write_text("Speakers\n")
    return folder


def make_nemo(folder: Path, actors: Iterable[str] = ("AA0", "BB0", "CC0", "DD0")) -> Path:
    """Write two sentences in each emotion and data.tsv, where the actor's name has spaces before it."""
    emotions = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
    names = [f"{actor}_{emotion}_{number}" for actor in actors for emotion in emotions for number in (1, 2)]
    write_recordings(folder, [f"samples/{name}.wav" for name in names])
    lines = [
        f"{name}.wav\t{name.split('_')[1]}\tZażółć, gęślą {name[-1]}.\tzażółć gęślą\t        {name[:3]}\t"
        f"{'male' if name[0] in 'AC' else 'female'}\t23"
        for name in names
    ]
    _write_lines(folder / "data.tsv", "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage", lines)
    return folder


def make_emov_db(folder: Path) -> Path:
    """Write two sentences in each style of each speaker, with the names that the archives of OpenSLR have."""
    styles = {
        "Amused": "amused_1-15_000{}",
        "Angry": "anger_1-28_000{}",
        "Disgusted": "Disgust_1_28_000{}",
        "Neutral": "neutral_1-28_000{}",
        "Sleepy": "sleepiness_1-28_000{}",
    }
    names = [
        f"{speaker}_{style}/{form.format(number)}.wav"
        for speaker in ("bea", "jenie", "josh", "sam")
        for style, form in styles.items()
        for number in (1, 2)
        if not (speaker == "josh" and style in ("Angry", "Disgusted"))
    ]
    return write_recordings(folder, names)


ESD = {"Neutral": 1, "Angry": 351, "Happy": 701, "Sad": 1051, "Surprise": 1401}  # number of the first sentence
ENCODINGS = {"0001": "gb2312", "0003": "utf-16", "0011": "utf-8", "0016": "cp1252", "0017": "gb2312"}


def make_esd(folder: Path, *, parts: bool = False) -> Path:
    """Write three sentences in each emotion by five speakers, whose files of texts differ in encoding and form."""
    places = ("train/", "evaluation/", "test/") if parts else ("", "", "")
    for speaker, encoding in ENCODINGS.items():
        mandarin = speaker < "0011"
        text = (
            "你好，世界。" if mandarin else "‘Well,’ he is happy" if encoding in ("cp1252", "gb2312") else "He is happy"
        )
        between = " " if speaker == "0011" else "\t"
        lines = []
        for emotion, first in ESD.items():
            for place, number in zip(places, range(first, first + 3), strict=True):
                name = f"{speaker}_{number:06}"
                write_recordings(folder, [f"{speaker}/{emotion}/{place}{name}.wav"])
                lines.append(between.join((name, text, "快乐" if mandarin else emotion)))
        _write_lines(folder / speaker / f"{speaker}.txt", "", lines[:-1], encoding)  # the last has no text
    return folder
