"""RAVDESS: the Ryerson Audio-Visual Database of Emotional Speech and Song.

A name such as ``03-01-06-01-02-01-12.wav`` holds seven numbers: modality (01 picture and sound, 02 picture, 03 sound),
channel (01 speech, 02 song), emotion, intensity (01 normal, 02 strong), statement, repetition, and the actor, who is
male if the number is odd. Source: Livingstone and Russo, PLoS ONE 13(5), 2018, and https://zenodo.org/record/1188976.

The speech holds 1,440 recordings of 24 actors, the song 1,012 of 23. Papers use the speech, so songs are used only
where there is no speech, and videos only where there are no recordings of sound. A copy on Kaggle holds the actors
twice, in ``audio_speech_actors_01-24`` too. ``03-01-03-01-02-01-07`` and ``03-01-03-01-02-02-07`` are one recording;
both are kept, as in the published counts.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from sertool.core.formatting import plural
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Named, Names, one_of
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
# Channel and modality, the preferred first; a picture without sound is never used.
_KINDS = {
    "01-03": "sound of speech",
    "01-01": "video of speech",
    "02-03": "sound of song",
    "02-01": "video of song",
    "01-02": "silent video of speech",
    "02-02": "silent video of song",
}
_SILENT = ("01-02", "02-02")
_NAMES = Names(
    "RAVDESS",
    rf"(?P<modality>0[1-3])-(?P<channel>0[12])-{one_of('emotion', EMOTIONS)}-0[12]-"
    rf"{one_of('statement', STATEMENTS)}-0[12]-(?P<actor>0[1-9]|1\d|2[0-4])",
)


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    kinds: dict[str, list[Named]] = defaultdict(list)
    for one in _NAMES.read(folder, found):
        kinds["{channel}-{modality}".format(**one.facts)].append(one)
    used = next((kind for kind in _KINDS if kind in kinds and kind not in _SILENT), None)
    for kind, title in _KINDS.items():
        if kind in kinds and kind != used:
            found.notes.append(f"{plural(len(kinds[kind]), 'recording')} not used: {title}")
    for one in kinds.get(used or "", ()):
        actor = one.facts["actor"]
        yield one.row(
            {"emotion": EMOTIONS[one.facts["emotion"]]},
            text=STATEMENTS[one.facts["statement"]],
            speaker=actor,
            gender="male" if int(actor) % 2 else "female",
        )


LAYOUT = CorpusLayout(
    name="ravdess",
    title="RAVDESS",
    expects="names like Actor_12/03-01-06-01-02-01-12.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values())},
)
