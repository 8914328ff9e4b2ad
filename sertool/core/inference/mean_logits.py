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
from sertool.core.training.logits import logits_of


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


def mean_logits(
    stack: MAT | MNT, folds: Sequence[int], tables: Tables, rows: Sequence[int], precision: Precision
) -> NDArray[np.float32]:
    """(N, C) mean logits over members, each by the vocabulary and statistics of its own fold.

    Args:
        stack: the members as one model.
        folds: of each member.
        tables: of :func:`tables_for`.
        rows: positions of N utterances in the tables.
        precision: where and how it computes.
    """
    parts = logits_of(stack, tables, [torch.tensor(rows)] * len(folds), folds, precision)
    mean: NDArray[np.float32] = torch.stack(parts).numpy().mean(0)
    return mean
