"""Mean logits of trained members for utterances that are not in their corpus."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray

from sertool.core.compute.device import Precision
from sertool.core.corpora.corpus import Corpus
from sertool.core.models.build import StackModel
from sertool.core.runs.members import Trained
from sertool.core.training.batches import Standardization, Tables, make_tables
from sertool.core.training.logits import logits_of


def tables_for(
    trained: Trained,
    corpus: Corpus,
    device: torch.device,
    speakers: Mapping[str, Standardization] | None = None,
) -> Tables:
    """Convert utterances to tensors, without targets, with the members' own vocabularies and statistics.

    Args:
        trained: the members.
        corpus: the utterances.
        device: device of the tensors.
        speakers: statistics of speakers for ``standardize: speaker``, fitted over all recordings that are predicted
            together; the audio of any other speaker takes the statistics of each fold's training frames.
    """
    return make_tables(
        corpus,
        [None] * len(corpus.utterances),
        vocabularies=[own.vocabulary for own in trained.inputs],
        standardizations=[own.standardization for own in trained.inputs],
        dataset=trained.recipe.dataset,
        task=trained.task,
        device=device,
        speakers=speakers,
        context=trained.recipe.context,
    )


def mean_logits(
    stack: StackModel, folds: Sequence[int], tables: Tables, rows: Sequence[int], precision: Precision
) -> Float32[np.ndarray, "N C"]:
    """Average the members' logits; each member uses the vocabulary and statistics of its own fold.

    Args:
        stack: the members as one model.
        folds: fold of each member.
        tables: utterances from :func:`tables_for`.
        rows: positions of N utterances in the tables.
        precision: device and number format.

    Returns:
        (N, C) mean over members.
    """
    parts = logits_of(stack, tables, [torch.tensor(rows)] * len(folds), folds, precision)
    mean: NDArray[np.float32] = torch.stack(parts).numpy().mean(0)
    return mean
