"""Inputs of a prediction from Python become passages: paths, contents of files, waveforms and texts."""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.features.waveforms import as_array, as_number, check_rate, read_waveform
from sertool.core.files import artifacts
from sertool.core.inference.clips import Clip, RefusedClip
from sertool.core.inference.passages import Listener, Opened, Passage


def are_several(audio: Any, text: Any) -> bool:
    """Check whether audio or text is a list of inputs; a pair of a waveform and its rate is one input."""
    return any(isinstance(given, list | tuple) and not _is_pair(given) for given in (audio, text))


def listen_to(listener: Listener, audio: Any, text: Any, speaker: Any, rate: Any) -> Iterator[Passage]:
    """Yield the passages of the inputs that :meth:`~sertool.core.inference.predictor.Predictor.predict` takes.

    Raises:
        DataError: a recording, a waveform or a text cannot be used.
        UsageError: an argument has the wrong type, or arguments contradict each other.
    """
    for passages in listener.gathered(_opened(listener, audio, text, speaker, rate)):
        assert not isinstance(passages, RefusedClip)  # an input that cannot be used raises
        yield from passages


def _opened(listener: Listener, audio: Any, text: Any, speaker: Any, rate: Any) -> Iterator[Opened]:
    several = are_several(audio, text)
    for place, (one, words, name) in enumerate(_inputs(audio, text, speaker)):
        try:
            if not (name is None or isinstance(name, str)):
                raise UsageError(f"speaker: {_typed(name)}, expected a name, a list of names or None")
            opened = _open(listener, one, words, rate)
        except SertoolError as error:
            if not several:
                raise
            numbered = re.sub("^(audio|text|speaker):", rf"\1[{place}]:", str(error))
            raise type(error)(numbered, hint=error.hint) from error
        yield replace(opened, place=place, clip=replace(opened.clip, speaker=name or None))


def seconds(name: str, value: Any) -> float | None:
    """Return a length in seconds as a float.

    Raises:
        UsageError: it is not a number.
    """
    if value is None or isinstance(value, float):  # with NaN, which check_window refuses
        return value
    if math.isnan(number := as_number(value)):
        raise UsageError(f"{name}: {_typed(value)}, expected a number of seconds")
    return number


def _inputs(audio: Any, text: Any, speaker: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield audio, text and speaker of each input; one name is that of all."""
    if audio is None and text is None:
        raise UsageError("no input was given: expected audio, text or both")
    columns = {name: given if are_several(given, None) else None for name, given in (("audio", audio), ("text", text))}
    count = next((len(column) for column in columns.values() if column is not None), None)
    if count is None:
        yield audio, text, speaker
        return
    for (name, column), given in zip(columns.items(), (audio, text), strict=True):
        if given is not None and (column is None or len(column) != count):
            raise UsageError(f"{name}: expected a list of {count}, one per input")
    speakers = speaker if isinstance(speaker, list | tuple) else [speaker] * count
    if len(speakers) != count:
        raise UsageError(f"speaker: expected a name, or a list of {count}, one per input")
    missing = [None] * count
    yield from zip(columns["audio"] or missing, columns["text"] or missing, speakers, strict=True)


def _is_pair(audio: Any) -> bool:
    """Check for a waveform and its rate, in either order: no other input is a number."""
    return isinstance(audio, tuple) and len(audio) == 2 and sum(math.isnan(as_number(one)) for one in audio) == 1


def _open(listener: Listener, audio: Any, text: Any, rate: Any) -> Opened:
    if not (text is None or isinstance(text, str)):
        raise UsageError(f"text: {_typed(text)}, expected a text, a list of texts or None")
    words = text or ""
    if audio is None:
        return listener.open(Clip("text", text=words))
    if isinstance(audio, str | os.PathLike):
        name = os.fsdecode(audio)
        if not name:
            raise UsageError("audio: an empty text, expected a path")
        return listener.open(Clip(name, Path(name), words))
    if _is_content(audio):
        return _open_content(listener, _content(audio), words)
    if _is_pair(audio):
        waveform, own = audio if math.isnan(as_number(audio[0])) else audio[::-1]
        if rate is not None and check_rate(rate) != check_rate(own):
            raise UsageError(f"sample_rate: {check_rate(rate)} Hz, but the waveform comes with {check_rate(own)} Hz")
    else:
        waveform, own = audio, rate
    samples = as_array(waveform)
    if samples.ndim == 0:
        raise UsageError(
            f"audio: {_typed(waveform)}, expected a path, a waveform, (waveform, rate), "
            "the content of a file, a list of these, or None"
        )
    if own is None:
        raise UsageError("sample_rate: required for a waveform, in Hz")
    heard = read_waveform(samples, own, listener.frontends.audio.sample_rate)
    return listener.open(Clip("waveform", text=words), waveform=heard)


def _typed(value: Any) -> str:
    return f"a value of type {type(value).__name__}"


def _is_content(audio: Any) -> bool:
    if isinstance(audio, memoryview):
        return audio.itemsize == 1  # bytes of a file; a view of wider numbers is a waveform
    return isinstance(audio, bytes | bytearray) or hasattr(audio, "read")


def _content(audio: Any) -> bytes:
    """Read an open file from its beginning: a buffer that was just written stands at its end."""
    if not hasattr(audio, "read"):
        return bytes(audio)
    try:
        if audio.seekable():
            audio.seek(0)
        content = audio.read()
    except (AttributeError, OSError, ValueError) as error:  # ValueError: the file is closed, or was opened as text
        raise DataError(f"audio: an open file that cannot be read ({error})") from error
    if not isinstance(content, bytes):
        raise UsageError("audio: an open file that gives no bytes, expected one opened with mode 'rb'")
    return content


def _open_content(listener: Listener, content: bytes, text: str) -> Opened:
    """Read a recording in memory, which libsndfile reads from a file as it reads others."""
    name = "recording"
    try:
        with TemporaryDirectory(prefix="sertool-") as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                opened = listener.open(Clip(name, path, text))
            except DataError as error:
                raise DataError(str(error).replace(str(path), "audio"), hint=error.hint) from error
    except OSError as error:
        raise artifacts.write_error(Path(gettempdir()), error) from error
    return opened
