"""Answers of ready models for many inputs: part by part, checked, and under the classes of a label map."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.corpora.class_maps import Columns
from sertool.core.errors import DataError, SertoolError
from sertool.core.formatting import first_few
from sertool.core.inference.ready.facts import ReadyFacts, ReadyModel

TOGETHER, SECONDS = 64, 600.0  # inputs, and seconds of sound, that are in memory at a time
Progress = Callable[[int], None]


def outputs_of(model: ReadyModel, inputs: Iterable[Any]) -> Iterator[NDArray[np.float32]]:
    """Yield the outputs (C,) of each waveform or text in order; memory holds one part of them.

    Raises:
        DataError: an output is not finite, or the model fails.
        SertoolError: the device has too little memory.
    """
    for part in _parts(inputs, model.facts.sample_rate):
        try:
            made = model.outputs(part)
        except torch.OutOfMemoryError as error:
            raise SertoolError(
                f"{model.facts.name}: the inputs do not fit into the memory of the device",
                hint="run the command again with --device cpu, or sertool judge with --batch-size 1",
            ) from error
        except SertoolError:
            raise
        except Exception as error:  # of the model's own forward pass or tokenizer
            raise DataError(f"{model.facts.name}: the model fails on an input ({error!s:.200})") from error
        if not np.isfinite(made).all():
            raise DataError(f"{model.facts.name}: gives values that are not finite; its weights are damaged")
        yield from made


def _parts(inputs: Iterable[Any], rate: int | None) -> Iterator[list[Any]]:
    part: list[Any] = []
    for one in inputs:
        part.append(one)
        if len(part) == TOGETHER or (rate is not None and sum(map(len, part)) >= SECONDS * rate):
            yield part
            part = []
    if part:
        yield part


def as_single(facts: ReadyFacts, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits (N, C) of a decision for one class.

    A model of several labels gives each class a probability of its own (a sigmoid); as logits of a decision for one
    they become the logarithms of these, so that a softmax gives their shares and the most probable class stays so.
    """
    if facts.kind != "multi":
        return outputs
    return (-np.logaddexp(0, -outputs.astype(np.float64))).astype(np.float32)


def mapped(facts: ReadyFacts, outputs: NDArray[np.float32], columns: Columns) -> NDArray[np.float32]:
    """Return the logits (N, C') of the classes of a label map."""
    return columns.apply(as_single(facts, outputs))


def refuse_unnamed(facts: ReadyFacts) -> None:
    """Refuse a model whose classes nobody named, so that they cannot be compared with those of a corpus.

    Raises:
        DataError: its classes are LABEL_0, LABEL_1, ...
    """
    if facts.unnamed and facts.kind != "scores":
        raise DataError(
            f"{facts.name}: its classes have no names ({first_few(facts.names, 3)})",
            hint="write a label map that names them, --map FILE, with a section such as `model: {LABEL_0: sad}`; the "
            "model's card may say what they stand for",
        )


def names_in(facts: ReadyFacts, wanted: Sequence[str]) -> list[int]:
    """Return the positions of scores of a model by their names, as people write them.

    Raises:
        DataError: it has no such score.
    """
    same = [frozenset(names) for names in (("arousal", "activation"), ("dominance", "control"), ("valence",))]

    def form(name: str) -> frozenset[str]:
        plain = name.strip().lower()
        return next((names for names in same if plain in names), frozenset([plain]))

    have = [form(name) for name in facts.names]
    lacking = [name for name in wanted if form(name) not in have]
    if lacking:
        raise DataError(
            f"{facts.name}: predicts {', '.join(facts.names)}, and no {' or '.join(lacking)}",
            hint="--task names the scores to judge, separated by commas",
        )
    return [have.index(form(name)) for name in wanted]
