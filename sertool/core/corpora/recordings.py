"""The recordings of a prepared corpus: ``recordings.json`` says where each lies, for frames of further frontends.

The file is not among those that ``corpus.json`` vouches for: it names paths of one machine. A hash ties it to the
utterances, so that it is never taken for another corpus's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sertool.core.corpora.corpus_content import Digest, Seconds
from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.files import artifacts
from sertool.core.files.typed_json import Content, Text, read_typed

_Numbers = list[Annotated[int, Field(ge=1, lt=1000)] | None]

RECORDINGS = "recordings.json"
FORMAT = "sertool-recordings/1"


class RecordingsContent(Content):
    """Content of ``recordings.json``.

    Attributes:
        utterances: hash of ``utterances.jsonl``.
        recordings: path, start and end of each utterance's recording; null: from its beginning, to its end.
        channels, streams: channel and stream of each, if any is given; null: the mean of all, and the first stream.
    """

    format: Literal["sertool-recordings/1"]
    utterances: Digest
    recordings: list[tuple[Text, Seconds | None, Seconds | None]]
    channels: _Numbers | None = None
    streams: _Numbers | None = None


def write_recordings(folder: Path, segments: Sequence[Segment], staging: Path) -> None:
    """Write where the recordings of a corpus lie, in the order of its utterances.

    Args:
        folder: folder of the corpus.
        segments: its recordings.
        staging: folder on the same disk for the file until it is whole.

    Raises:
        SertoolError: the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "utterances": artifacts.sha256(folder / "utterances.jsonl"),
        "recordings": [[str(one.path.absolute()), one.start, one.end] for one in segments],
        **_given("channels", [one.channel for one in segments]),
        **_given("streams", [one.stream for one in segments]),
    }
    artifacts.write_json(staging / RECORDINGS, content)
    with artifacts.writing(folder):
        (staging / RECORDINGS).replace(folder / RECORDINGS)


def read_recordings(folder: Path) -> list[Segment]:
    """Return the recordings of a corpus in the order of its utterances.

    Raises:
        DataError: the corpus does not say where they lie.
    """
    path, hint = folder / RECORDINGS, "prepare the table of the recordings again, with this recipe and --force"
    if not path.exists():
        raise DataError(
            f"{folder}: does not say where its recordings lie ({RECORDINGS} is missing), so only frames of texts can "
            "be added",
            hint=f"{hint}; a corpus that came as feature files has no recordings",
        )
    content = read_typed(path, RecordingsContent, hint=hint)
    if content.utterances != artifacts.sha256(folder / "utterances.jsonl"):
        raise DataError(f"{path}: belongs to other utterances than {folder / 'utterances.jsonl'}", hint=hint)
    none = [None] * len(content.recordings)
    columns = (content.recordings, content.channels or none, content.streams or none)
    if len({len(column) for column in columns}) > 1:
        raise DataError(f"{path}: channels and streams are not as many as the recordings", hint=hint)
    return [Segment(Path(name), start, end, *chosen) for (name, start, end), *chosen in zip(*columns, strict=True)]


def _given(name: str, numbers: list[int | None]) -> dict[str, list[int | None]]:
    """Return a column if any of it is given, so that files without channels are those of earlier versions."""
    return {name: numbers} if any(numbers) else {}
