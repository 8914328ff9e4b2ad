"""Automatic transcripts for recordings without text, by faster-whisper; stored until the corpus is complete."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        # The sound itself is the key, so that a renamed or moved recording is not transcribed again.
        key = json.dumps([self.name, self.language]).encode() + samples.tobytes()
        entry = self.folder / f"{hashlib.blake2b(key, digest_size=20).hexdigest()}.json"
        try:
            return str(artifacts.read_json(entry)["text"])
        except (DataError, KeyError, TypeError):
            pass  # not there, or damaged: transcribe
        try:
            # Temperature 0 alone: at the default rising ones, each call gives the same recording another text.
            segments, _ = self.model.transcribe(samples, language=self.language, temperature=0.0)
            text = " ".join(segment.text.strip() for segment in segments).strip()
        except (RuntimeError, ValueError) as error:
            raise SertoolError(f"{segment.path}: {self.name} failed ({error!s:.200})") from error
        artifacts.write_json(entry, {"text": text})
        return text


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
