"""Statistics of speakers for ``standardize: speaker``: over all recordings that are predicted together, unlabelled."""

from collections.abc import Iterable, Mapping
from itertools import groupby

import numpy as np

from sertool.core.inference.passages import Passage
from sertool.core.training.batches import SpeakerSums, Standardization

Speakers = Mapping[str, Standardization]


def fit_passages(passages: Iterable[Passage]) -> Speakers:
    """Compute the statistics of the speakers who have two or more recordings among passages in the order of clips."""
    sums = SpeakerSums()
    # Windows of one recording are one, so that they do not make its speaker known.
    for _, together in groupby(passages, key=lambda passage: passage.clip):
        own = [passage for passage in together if len(passage.frames)]
        if own:
            sums.add(own[0].speaker, np.concatenate([passage.frames for passage in own]))
    return sums.fitted()
