"""TESS: the Toronto Emotional Speech Set.

Two actresses, OAF (64 years old) and YAF (26), say "Say the word ..." with each of 200 words in seven emotions: 2,800
recordings. A name such as ``OAF_back_angry.wav`` holds the actress, the word and the emotion (``ps`` is pleasant
surprise); the folders are not read, since copies spell them in many ways. Source: Pichora-Fuller and Dupuis, 2020,
https://doi.org/10.5683/SP2/E8H2MF.

With two voices only, no split leaves speakers out, and every word is said in every emotion.
"""

from collections.abc import Iterator
from pathlib import Path

from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.file_names import Names, one_of
from sertool.core.prepare.rows import Row

EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "ps": "surprise",
}
# One name lacks a letter in every copy: OA_bite_neutral.wav.
_NAMES = Names("TESS", rf"(?P<age>[OY])AF?_(?P<word>[a-z]+)_{one_of('emotion', EMOTIONS)}", "{age}AF_{word}_{emotion}")


def _rows(folder: Path, found: Found) -> Iterator[Row]:
    for one in _NAMES.read(folder, found):
        yield one.row(
            {"emotion": EMOTIONS[one.facts["emotion"].lower()]},
            text=f"Say the word {one.facts['word'].lower()}.",
            speaker=f"{one.facts['age'].upper()}AF",
            gender="female",
        )


LAYOUT = CorpusLayout(
    name="tess",
    title="TESS",
    expects="names like OAF_angry/OAF_back_angry.wav",
    is_there=_NAMES.are_in,
    rows=_rows,
    classes={"emotion": tuple(EMOTIONS.values())},
)
