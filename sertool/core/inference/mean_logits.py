"""Mean logits of trained members for utterances that are not in their corpus."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from torch import Tensor

from sertool.core.compute.device import Precision
from sertool.core.corpora.corpus import Corpus
from sertool.core.models.build import StackModel
from sertool.core.models.inputs import Turns
from sertool.core.runs.members import Trained
from sertool.core.training.batches import Standardization, Tables, make_tables
from sertool.core.training.logits import logits_of


def tables_for(
    trained: Trained,
    corpus: Corpus,
    device: torch.device,
    speakers: Mapping[str, Standardization] | None = None,
    corpora: Mapping[str, Standardization] | None = None,
) -> Tables:
    """Convert utterances to tensors, without targets, with the members' own vocabularies and statistics.

    Args:
        trained: the members.
        corpus: the utterances.
        device: device of the tensors.
        speakers: statistics of speakers for ``standardize: speaker``, fitted over all recordings that are predicted
            together; the audio of any other speaker takes the statistics of each fold's training frames.
        corpora: statistics of other corpora for ``standardize: each-corpus``, over all of their frames; any other
            audio takes those of each fold's training frames.
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
        corpora=[corpora] * len(trained.inputs) if corpora else (),
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


@torch.no_grad()
def vectors_alone(
    stack: StackModel, folds: Sequence[int], tables: Tables, precision: Precision
) -> Float32[Tensor, "E 1 F"]:
    """Compute each member's vector of the only utterance in the tables, before its context is added."""
    with precision.threaded(precision.cores), precision.context():
        vectors: Tensor = stack.vectors(tables.gather(torch.zeros(len(folds), 1, dtype=torch.int64), folds))
    return vectors.float()


@torch.no_grad()
def last_logits(
    stack: StackModel, vectors: Sequence[Float32[Tensor, "E 1 F"]], speakers: Sequence[int], precision: Precision
) -> Float32[np.ndarray, "1 C"]:
    """Average the members' logits for the last of some utterances of a dialogue, the others being its context.

    Args:
        stack: the members as one model.
        vectors: from :func:`vectors_alone`, in order.
        speakers: number of the speaker of each; -1 where unknown.
        precision: device and number format.
    """
    joined = torch.cat([*vectors], dim=1)
    members, number, _ = joined.shape
    earlier = torch.arange(number, device=joined.device).expand(members, -1)
    turns = Turns(earlier, torch.tensor(speakers, device=joined.device).expand(members, -1))
    with precision.threaded(precision.cores), precision.context():
        logits: Tensor = stack.judge(joined, turns)
    mean: NDArray[np.float32] = logits[:, -1:].float().cpu().numpy().mean(0)
    return mean
