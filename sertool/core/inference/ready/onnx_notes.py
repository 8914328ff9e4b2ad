"""The YAML file beside an ONNX file: which input the graph takes, and what its output says.

::

    sample_rate: 16000                    # Hz of the waveform
    classes: [angry, happy, sad]          # in the order of the output; or
    scores: {arousal: [0, 1]}             # scores with their lowest and highest value
    answers: logits                       # or probabilities; default: logits
    several: false                        # true: each class for itself, by a sigmoid
    normalise: false                      # true: each recording to mean 0 and variance 1, as wav2vec 2.0 wants it
    input: waveform                       # name of the input; default: the only one
    output: logits                        # name of the output; default: the only one
    longest: 30                           # seconds that it takes; the rest is left out. Default: any length
    licence: cc-by-4.0                    # as far as it is known
    trained_on: [RAVDESS]
    base_models: [facebook/wav2vec2-base]
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sertool.core.errors import UsageError
from sertool.core.files.validation import problem_message
from sertool.core.files.yaml_file import read_yaml
from sertool.core.inference.ready.card import Card
from sertool.core.inference.ready.facts import Kind

HINT = "docs/judge.md lists the keys: sample_rate, and classes or scores, are needed"
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Number = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]


class OnnxNotes(BaseModel):
    """Content of the file, see above."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sample_rate: Annotated[int, Field(ge=1000, le=192_000)]
    classes: list[_Name] = Field(default_factory=list)
    scores: dict[_Name, Annotated[list[_Number], Field(min_length=2, max_length=2)]] = Field(default_factory=dict)
    answers: Literal["logits", "probabilities"] = "logits"
    several: bool = False
    normalise: bool = False
    input: _Name | None = None
    output: _Name | None = None
    longest: Annotated[float, Field(gt=0, le=4 * 3600)] | None = None
    licence: _Name | None = None
    trained_on: list[_Name] = Field(default_factory=list)
    base_models: list[_Name] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> "OnnxNotes":
        if bool(self.classes) == bool(self.scores):
            raise ValueError("expected classes or scores, one of them")
        if self.classes and len(self.classes) < 2:
            raise ValueError("expected at least two classes")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("a class is named twice")
        if self.scores and (self.several or self.answers == "probabilities"):
            raise ValueError("several and answers are for classes")
        for name, (low, high) in self.scores.items():
            if low >= high:
                raise ValueError(f"the range of {name} is empty")
        return self

    @property
    def kind(self) -> Kind:
        """Kind of the answers."""
        return "scores" if self.scores else "multi" if self.several else "single"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes or scores."""
        return tuple(self.classes or self.scores)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest value of each score; empty for classes."""
        return tuple((low, high) for low, high in self.scores.values())

    @property
    def card(self) -> Card:
        """Licence and training data."""
        return Card(self.licence, tuple(self.trained_on), tuple(self.base_models))


def notes_path(path: Path) -> Path:
    """Return the path of the YAML file beside an ONNX file."""
    return path.with_suffix(".yaml")


def read_notes(path: Path) -> OnnxNotes:
    """Read the YAML file beside an ONNX file.

    Raises:
        UsageError: it is missing, or says something else than what is expected.
    """
    beside = notes_path(path)
    if not beside.is_file():
        raise UsageError(f"{path}: has no {beside.name} beside it, which says what goes in and comes out", hint=HINT)
    return parse_notes(read_yaml(beside), str(beside))


def parse_notes(content: object, origin: str) -> OnnxNotes:
    """Check the parsed content of the file; ``origin`` names it in messages.

    Raises:
        UsageError: the content is not as expected.
    """
    if not isinstance(content, dict):
        raise UsageError(f"{origin}: not a table of keys", hint=HINT)
    try:
        # As JSON, for which pydantic's strict mode allows exactly the types that a file can hold.
        return OnnxNotes.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UsageError(problem_message(origin, error), hint=HINT) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{origin}: holds something that is not text, a number or a table ({error!s:.100})") from error
