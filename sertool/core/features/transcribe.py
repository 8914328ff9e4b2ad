"""Texts for recordings that have none, by faster-whisper; kept until the corpus is complete."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts

SAMPLE_RATE = 16000  # Hz, Whisper's


@dataclass(frozen=True)
class Transcriber:
    """Writes down what is said.

    Attributes:
        name: of the machine, stored with every text it wrote: ``faster-whisper small``.
        language: that is spoken, ``de``; None lets the model guess for each recording.
        folder: keeps texts by the sound they were made from.
        model: a ``faster_whisper.WhisperModel``.
    """

    name: str
    language: str | None
    folder: Path
    model: Any

    def text_of(self, segment: Segment) -> str:
        """What is said in a recording, or a segment of it; empty where that is nothing.

        Raises:
            DataError: the recording cannot be used.
            SertoolError: the model failed, or the folder cannot be written.
        """
        samples = read_audio(segment, SAMPLE_RATE).numpy()
        key = json.dumps([self.name, self.language]).encode() + samples.tobytes()
        entry = self.folder / f"{hashlib.blake2b(key, digest_size=20).hexdigest()}.json"
        try:
            return str(artifacts.read_json(entry)["text"])
        except (DataError, KeyError, TypeError):
            pass
        try:
            # A temperature of 0 alone: with the usual rising ones, the same recording has another text each time.
            segments, _ = self.model.transcribe(samples, language=self.language, temperature=0.0)
            text = " ".join(segment.text.strip() for segment in segments).strip()
        except (RuntimeError, ValueError) as error:
            raise SertoolError(f"{segment.path}: {self.name} failed ({error!s:.200})") from error
        artifacts.write_json(entry, {"text": text})
        return text


def open_transcriber(model: str, language: str | None, folder: Path) -> Transcriber:
    """Load a model.

    Args:
        model: a size (``small``), the name of a model on the hub, or the folder of one.
        language: that is spoken; None lets the model guess.
        folder: where texts are kept.

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
    except Exception as error:  # of the library, of the hub's client or of requests
        raise SertoolError(
            f"--transcribe {model}: the model cannot be loaded ({error!s:.200})",
            hint="a size (tiny, base, small, medium, large-v3), which comes from the network once, or a model's folder",
        ) from error
    return Transcriber(f"faster-whisper {model}", language, folder, loaded)
