"""What trained members say of utterances that are not their corpus's: the mean of their logits."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sertool.core.compute.device import Precision
from sertool.core.corpora.corpus import Corpus
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.runs.members import Trained
from sertool.core.training.batches import Tables, make_tables
from sertool.core.training.logits import SMALL_HIDDEN_SIZE, compute_logits, compute_logits_apart


def tables_for(trained: Trained, corpus: Corpus, device: torch.device) -> Tables:
    """Utterances as tensors, by the members' own vocabularies and statistics; without targets."""
    return make_tables(
        corpus,
        [None] * len(corpus.utterances),
        vocabularies=[own.vocabulary for own in trained.inputs],
        standardizations=[own.standardization for own in trained.inputs],
        dataset=trained.recipe.dataset,
        num_classes=len(trained.task.classes),
        multi_label=trained.task.kind == "multi",
        device=device,
    )


def is_small(trained: Trained) -> bool:
    """Whether members are judged as one stack by one thread, because they are small."""
    return trained.recipe.model.hidden_size <= SMALL_HIDDEN_SIZE


def mean_logits(
    trained: Trained,
    stack: MAT | MNT,
    folds: Sequence[int],
    tables: Tables,
    rows: Sequence[int],
    precision: Precision,
) -> NDArray[np.float32]:
    """(N, C) mean logits over members, each by the vocabulary and statistics of its own fold.

    Args:
        trained: recipe and task.
        stack: the members as one model.
        folds: of each member.
        tables: of :func:`tables_for`.
        rows: positions of N utterances in the tables.
        precision: where and how it computes.
    """
    small = is_small(trained)
    apart = precision.device.type == "cpu" and not small
    compute = compute_logits_apart if apart else compute_logits
    with precision.threaded(1 if small else precision.cores):
        parts = compute(stack, tables, [torch.tensor(rows)] * len(folds), folds, precision)
    mean: NDArray[np.float32] = torch.stack(parts).numpy().mean(0)
    return mean
