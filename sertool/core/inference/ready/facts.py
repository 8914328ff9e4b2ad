"""Facts of a ready model: input, answers, licence, and the data it was trained on as far as somebody states it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.inference.ready.card import Card, read_card

Kind = Literal["single", "multi", "scores"]
Modality = Literal["audio", "text"]

UNIT = (0.0, 1.0)  # range of scores whose model states none; that of audEERING's dimensional models
_UNNAMED = re.compile(r"^(?:LABEL_)?\d+$")  # names that transformers gives where a model's author gave none


@dataclass(frozen=True)
class ReadyFacts:
    """Facts of a ready model.

    Attributes:
        name: folder, file or name on the hub, as it was given.
        revision: commit of a model of the hub, else None.
        weights: SHA-256 (hexadecimal) of its weights, its settings, and what prepares its input.
        modality: what it takes.
        kind: ``single``: one class is right; ``multi``: any number of them; ``scores``: a number per score.
        names: (C,) names of its classes or scores, in the order of its outputs.
        ranges: lowest and highest value of each score; empty for classes.
        sample_rate: Hz; None for a model of texts.
        longest: seconds or tokens that it takes, the rest is left out; None where it takes any length.
        card: licence and training data as its card states them.
        layout: words for the kind of file.
    """

    name: str
    revision: str | None
    weights: str
    modality: Modality
    kind: Kind
    names: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    sample_rate: int | None
    longest: float | None
    card: Card
    layout: str

    @property
    def unnamed(self) -> bool:
        """True if nobody named the classes: LABEL_0, LABEL_1, ..."""
        return all(_UNNAMED.match(name) for name in self.names)

    @property
    def title(self) -> str:
        """Name and revision."""
        return self.name if self.revision is None else f"{self.name} at {self.revision:.12}"


@runtime_checkable  # for the tests that check the arguments of every call
class ReadyModel(Protocol):
    """An open ready model.

    Attributes:
        facts: what is known of it.
    """

    facts: ReadyFacts

    def outputs(self, inputs: Any) -> NDArray[np.float32]:
        """Compute logits, or scores, (N, C) of N waveforms (samples,) at its sampling rate, or of N texts.

        The result of an input does not depend on the others, but for rounding errors.
        """


def answers_of(name: str, config: Mapping[str, Any]) -> tuple[Kind, tuple[str, ...], tuple[tuple[float, float], ...]]:
    """Return kind, names and ranges of the answers that the settings of a transformers model state.

    Raises:
        DataError: the settings name no classes, or one twice.
    """
    named = config.get("id2label")
    if not isinstance(named, Mapping) or not named:
        raise DataError(
            f"{name}: config.json does not name the classes (id2label is missing)",
            hint="expected a model that was trained to classify",
        )
    try:
        names = tuple(str(named[number]) for number in sorted(named, key=int))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: id2label in config.json does not number the classes") from error
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise DataError(f"{name}: id2label in config.json names the class {twice!r} twice")
    problem = config.get("problem_type")
    if problem == "regression" or len(names) == 1:
        return "scores", names, (UNIT,) * len(names)
    return ("multi" if problem == "multi_label_classification" else "single"), names, ()


def facts_of(
    files: ModelFiles, modality: Modality, *, sample_rate: int | None = None, longest: float | None = None
) -> ReadyFacts:
    """Collect the facts of a transformers model.

    Args:
        files: the model.
        modality: ``audio`` or ``text``.
        sample_rate: Hz; None for a model of texts.
        longest: seconds or tokens that it takes; None where it takes any length.

    Raises:
        DataError: the settings name no classes, or one twice.
    """
    kind, names, ranges = answers_of(files.name, files.config)
    return ReadyFacts(
        name=files.name,
        revision=files.revision,
        weights=files.weights,
        modality=modality,
        kind=kind,
        names=names,
        ranges=ranges,
        sample_rate=sample_rate,
        longest=longest,
        card=read_card(files.folder),
        layout=f"transformers {files.config['model_type']}",
    )
