"""Automatic transcripts for recordings without text, by faster-whisper; stored until the corpus is complete."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts

SAMPLE_RATE = 16000  # Hz; the rate Whisper was trained on


@dataclass(frozen=True)
class Transcriber:
    """A speech recogniser that writes transcripts.

    Attributes:
        name: name of program and model, stored with every transcript: ``faster-whisper small``.
        language: spoken language, such as ``de``; None lets the model guess for each recording.
        folder: cache of transcripts, found by the sound they were made from.
        model: a ``faster_whisper.WhisperModel``.
    """

    name: str
    language: str | None
    folder: Path
    model: Any

    def text_of(self, segment: Segment) -> str:
        """Transcribe a recording, or a segment of it; return an empty text if nothing is said.

        Raises:
            DataError: the recording cannot be used.
            SertoolError: the model failed, or the folder cannot be written.
        """
        samples = read_audio(segment, SAMPLE_RATE).numpy()
        entry = self._entry(samples, [self.name, self.language])
        try:
            return str(artifacts.read_json(entry)["text"])
        except (DataError, KeyError, TypeError):
            pass  # not there, or damaged: transcribe
        text = " ".join(one.text.strip() for one in self._segments(segment, samples)).strip()
        artifacts.write_json(entry, {"text": text})
        return text

    def words_of(self, segment: Segment) -> list["Word"]:
        """Transcribe a recording, or a part of it; return its words with their times in the file.

        Raises:
            DataError: the recording cannot be used, or lasts more than 4 hours.
            SertoolError: the model failed, or the folder cannot be written.
        """
        samples = read_audio(segment, SAMPLE_RATE).numpy()
        entry = self._entry(samples, [self.name, self.language, "words"])
        begin = segment.start or 0.0
        try:
            words = [
                Word(float(start), float(end), str(text)) for start, end, text in artifacts.read_json(entry)["words"]
            ]
        except (DataError, KeyError, TypeError, ValueError):  # not there, or damaged: transcribe
            found = self._segments(segment, samples, word_timestamps=True)
            words = [Word(float(one.start), float(one.end), str(one.word)) for own in found for one in own.words or ()]
            artifacts.write_json(entry, {"words": [[one.start, one.end, one.text] for one in words]})
        return [Word(one.start + begin, one.end + begin, one.text) for one in words]

    def _entry(self, samples: NDArray[np.float32], facts: list[str | None]) -> Path:
        """Return the file of a transcript. The sound itself is the key, so a moved recording is not done again."""
        key = json.dumps(facts).encode() + samples.tobytes()
        return self.folder / f"{hashlib.blake2b(key, digest_size=20).hexdigest()}.json"

    def _segments(self, segment: Segment, samples: NDArray[np.float32], **more: Any) -> list[Any]:
        try:
            # Temperature 0 alone: at the default rising ones, each call gives the same recording another text.
            found, _ = self.model.transcribe(samples, language=self.language, temperature=0.0, **more)
            return list(found)  # the work is done here
        except (RuntimeError, ValueError) as error:
            raise SertoolError(f"{segment.path}: {self.name} failed ({error!s:.200})") from error


@dataclass(frozen=True)
class Word:
    """A spoken word: its times in seconds, and its text with the space before it, where the language has spaces."""

    start: float
    end: float
    text: str


def words_within(words: Iterable[Word], segment: Segment) -> str:
    """Return the text of the words whose middle is in a segment with start and end."""
    assert segment.start is not None
    assert segment.end is not None
    own = (one.text for one in words if segment.start <= (one.start + one.end) / 2 < segment.end)
    return "".join(own).strip()


def open_transcriber(model: str, language: str | None, folder: Path) -> Transcriber:
    """Load a model.

    Args:
        model: size (``small``), name of a model on the hub, or folder of a model.
        language: spoken language; None lets the model guess.
        folder: cache of transcripts.

    Raises:
        UsageError: faster-whisper is not installed.
        SertoolError: there is no such model, or it cannot be loaded.
    """
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise UsageError("--transcribe needs faster-whisper", hint="pip install 'sertool[asr]'") from error
    try:
        loaded = WhisperModel(model)
    except Exception as error:  # from the library, the hub's client or requests
        raise SertoolError(
            f"--transcribe {model}: the model cannot be loaded ({error!s:.200})",
            hint="expected a size (tiny, base, small, medium, large-v3), which is downloaded once, or a model's folder",
        ) from error
    return Transcriber(f"faster-whisper {model}", language, folder, loaded)
