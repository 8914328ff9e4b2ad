"""Probes: predictions of the same members with a modality or the context masked, or shuffled among the utterances.

A model that predicts almost as well when every utterance has another one's audio makes no use of audio, whatever its
architecture. Masking is how the models treat a missing modality. Shuffling leaves the distribution of each modality as
it is, and only breaks the pairs of text and audio. Masked context leaves each utterance alone; shuffled context puts
other utterances of the set in the place of the earlier ones, and leaves who spoke.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32

from sertool.core.compute.device import Precision
from sertool.core.inference.ensemble import Change, Ensemble, open_stack, stacked
from sertool.core.models.inputs import lengths
from sertool.core.recipe.schema import Recipe
from sertool.core.training.batches import Tables

SEED = 1  # of the shuffle; fixed, so that the probes of two runs can be compared


def probe(ensemble: Ensemble, name: str, precision: Precision) -> dict[str, Float32[np.ndarray, "E N C"]]:
    """Compute the logits (E, N, C) of a set for each probe; this reads no labels.

    Args:
        ensemble: the members.
        name: name of the set.
        precision: device and number format.
    """
    run = open_stack(ensemble, precision)
    return {
        probed: stacked(ensemble, name, run(name, change))
        for probed, change in PROBES.items()
        if probed.partition(" ")[0] in _probed(ensemble.experiment.recipe)
    }


def _probed(recipe: Recipe) -> list[str]:
    """Return what the model is given: its modalities, and the context if it has one."""
    return [*recipe.dataset.modalities, *(["context"] if recipe.context is not None else [])]


def _mask_text(tables: Tables, rows: Sequence[int]) -> Tables:
    return replace(
        tables,
        text=torch.zeros_like(tables.text),
        text_mask=(nothing := torch.zeros_like(tables.text_mask)),
        text_lengths=lengths(nothing),
    )


def _mask_audio(tables: Tables, rows: Sequence[int]) -> Tables:
    return replace(
        tables,
        audio=torch.zeros_like(tables.audio),
        audio_mask=(nothing := torch.zeros_like(tables.audio_mask)),
        audio_lengths=lengths(nothing),
    )


def _shuffle_text(tables: Tables, rows: Sequence[int]) -> Tables:
    order = _exchange(len(tables.text_mask), rows)
    return replace(
        tables,
        text=tables.text[:, order.to(tables.device)],
        text_mask=tables.text_mask[order.to(tables.device)],
        text_lengths=tables.text_lengths[order],
    )


def _shuffle_audio(tables: Tables, rows: Sequence[int]) -> Tables:
    order = _exchange(len(tables.audio_mask), rows)
    there = order.to(tables.device)
    return replace(
        tables,
        audio=tables.audio[there],
        audio_mask=tables.audio_mask[there],
        audio_lengths=tables.audio_lengths[order],
        by_fold=None if tables.by_fold is None else tables.by_fold[there],
        groups=None if tables.groups is None else tables.groups[there],
    )


def _mask_context(tables: Tables, rows: Sequence[int]) -> Tables:
    assert tables.dialogues is not None
    return replace(tables, dialogues=tables.dialogues.masked())


def _shuffle_context(tables: Tables, rows: Sequence[int]) -> Tables:
    assert tables.dialogues is not None
    order = _exchange(len(tables.text_mask), rows)
    return replace(tables, dialogues=tables.dialogues.shuffled(order))


def _exchange(number: int, rows: Sequence[int]) -> torch.Tensor:
    """Choose whose modality each of ``number`` utterances gets: another one's in ``rows``, elsewhere its own."""
    order = np.arange(number)
    own = np.array(rows)
    # A random order, turned by one place: no utterance keeps its own, which a plain shuffle would not exclude.
    circle = np.random.default_rng(SEED).permutation(own)
    order[circle] = np.roll(circle, 1)
    return torch.from_numpy(order)


PROBES: Mapping[str, Change] = {
    "text masked": _mask_text,
    "audio masked": _mask_audio,
    "text shuffled": _shuffle_text,
    "audio shuffled": _shuffle_audio,
    "context masked": _mask_context,
    "context shuffled": _shuffle_context,
}
