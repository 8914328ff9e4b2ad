"""Content of a corpus's text files, by type and range: ``corpus.json``, a line of ``utterances.jsonl``, word tables."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from sertool.core.corpora.corpus import LeftOut, Utterance
from sertool.core.files.typed_json import Content, Count, RootContent

FORMAT = "sertool-corpus/1"
FileName = Literal[
    "utterances.jsonl",
    "audio.safetensors",
    "text.safetensors",
    "vocabulary.json",
    "vectors.safetensors",
    "numbering.json",
]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("expected each class once")
    return names


def _labels(labels: Mapping[str, Any]) -> Mapping[str, Any]:
    for raw in labels.values():
        for part in raw if isinstance(raw, list) else [raw]:
            if not isinstance(part, str | int | float) or (isinstance(part, float) and not math.isfinite(part)):
                raise ValueError("expected text, a finite number, or a list of them for each task")
    return labels


def _setting(value: Any) -> Any:
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, str | int | float | None) or (isinstance(part, float) and not math.isfinite(part)):
            raise ValueError("expected text, a finite number, true or false, null, or a list of them")
    return value


FrontendNote = dict[str, Annotated[Any, AfterValidator(_setting)]]  # settings of a frontend; a list: its layers
Classes = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)]
Seconds = Annotated[float, Field(ge=0)]


def _range(values: tuple[float, float]) -> tuple[float, float]:
    if not -math.inf < values[0] < values[1] < math.inf:
        raise ValueError("expected the lowest and the highest score")
    return values


Range = Annotated[tuple[float, float], AfterValidator(_range)]
LARGEST_SCORE = 1e9  # models compute in float32, which would not tell larger ones apart
RaterSays = str | Annotated[float, Field(ge=-LARGEST_SCORE, le=LARGEST_SCORE)] | tuple[str, ...]


class LeftOutEntry(Content):
    """Entry of ``left_out``; see :class:`~sertool.core.corpora.corpus.LeftOut`."""

    id: str
    split: str
    reason: str


class Header(Content):
    """Content of ``corpus.json``.

    Attributes:
        utterances: number of lines of ``utterances.jsonl``.
        audio_width: values of an audio frame.
        text_frames, vocabulary, numbering: True if the corpus has the files of that name.
        choices: choices of the user of ``prepare``, if any were made.
        layout, ranges: see :class:`~sertool.core.corpora.corpus.Corpus`; most corpora have none.
        sha256: hash of each other file of the corpus; older corpora have none.
    """

    format: Literal["sertool-corpus/1"]
    name: str
    utterances: Count
    classes: dict[str, Classes]
    audio_width: Count
    text_frames: bool
    vocabulary: bool
    numbering: bool = False  # older corpora lack it
    frontend: FrontendNote | None
    source: str
    synthetic: bool
    left_out: tuple[LeftOutEntry, ...]
    word_splitting: str | None = None
    choices: dict[str, Any] | None = None
    layout: str | None = None
    ranges: dict[str, Range] = Field(default_factory=dict)
    sha256: dict[FileName, Digest] | None = None

    @field_validator("ranges")
    @classmethod
    def _no_classes(cls, ranges: dict[str, Range], info: ValidationInfo) -> dict[str, Range]:
        both = [name for name in ranges if name in info.data.get("classes", ())]
        if both:
            raise ValueError(f"{both[0]!r} is a task of classes")
        return ranges

    @property
    def files(self) -> set[FileName]:
        """Return the names of the corpus's other files."""
        names: set[FileName] = {"utterances.jsonl", "audio.safetensors"}
        if self.text_frames:
            names.add("text.safetensors")
        if self.vocabulary:
            names |= {"vocabulary.json", "vectors.safetensors"}
        if self.numbering:
            names.add("numbering.json")
        return names

    def left_out_utterances(self) -> tuple[LeftOut, ...]:
        """Return the utterances that are not in the corpus."""
        return tuple(LeftOut(item.id, item.split, item.reason) for item in self.left_out)


class Line(Content):
    """Line of ``utterances.jsonl``; see :class:`~sertool.core.corpora.corpus.Utterance`. A foreign key is an error."""

    model_config = ConfigDict(extra="forbid")

    id: str
    split: Literal["train", "valid", "test", "private"]
    text: str
    words: tuple[str, ...]
    labels: Annotated[dict[str, Any], AfterValidator(_labels)] = Field(default_factory=dict)
    speaker: str | None = None
    session: str | None = None
    dialogue: str | None = None
    video: str | None = None
    seconds: Seconds | None = None
    transcriber: str | None = None
    gender: str | None = None
    silent: bool | None = None
    ratings: dict[str, dict[str, RaterSays]] | None = None
    fold: str | None = None
    order: Annotated[int, Field(ge=-(2**53), le=2**53)] | None = None
    start: Seconds | None = None
    end: Seconds | None = None
    corpus: str | None = None

    def utterance(self) -> Utterance:
        """Return the utterance."""
        return Utterance(**vars(self))


Words = RootContent[dict[str, Count]]  # a table of words with their indices
