"""Inputs that say too little: outside what was calibrated, or without anything that the model knows."""

from collections.abc import Sequence
from dataclasses import dataclass

UNSURE = "unsure"  # the answer instead of a class


@dataclass(frozen=True)
class Lack:
    """Parts of its usual input that a model did not get for a prediction.

    Attributes:
        parts: a phrase each, as ``no audio``; empty if nothing is lacking. Calibration was measured on whole inputs.
        uninformed: nothing is left that the model knows, so any class would be a guess.
    """

    parts: tuple[str, ...]
    uninformed: bool


def lack_of(*, reads: bool, hears: bool, text: bool, unknown: float, audio: bool, silent: bool) -> Lack:
    """Return what an input lacks.

    A text most of whose words are unknown informs a model no more than none: its answer would rest on function words.

    Args:
        reads: the model was trained on texts.
        hears: the model was trained on audio.
        text: the input has a text.
        unknown: share of its words, up to the model's longest text, that were not in the training set; of a model with
            an encoder of texts the share of tokens that the encoder does not know.
        audio: the input has audio.
        silent: the audio contains no sound.

    >>> lack_of(reads=True, hears=True, text=True, unknown=0.75, audio=False, silent=False)
    Lack(parts=('most words unknown', 'no audio'), uninformed=True)
    >>> lack_of(reads=True, hears=True, text=False, unknown=0, audio=True, silent=False)
    Lack(parts=('no text',), uninformed=False)
    """
    words = _words(text, unknown) if reads else ""
    sound = ("no audio" if not audio else "no sound" if silent else "") if hears else ""
    parts = tuple(part for part in (words, sound) if part)
    return Lack(parts, uninformed=len(parts) == reads + hears)


def _words(text: bool, unknown: float) -> str:
    if not text:
        return "no text"
    if unknown == 1:
        return "no known word"
    return "most words unknown" if unknown > 0.5 else ""


def in_words(parts: Sequence[str]) -> str:
    """Join the parts that an input lacks to one phrase.

    >>> in_words(("no text", "no sound"))
    'no text and no sound'
    """
    return " and ".join(parts)
