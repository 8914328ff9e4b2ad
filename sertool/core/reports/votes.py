"""The probabilities of a set beside the votes of its raters, and the figures that one rater reaches."""

import numpy as np

from sertool.core.metrics import Jackknife
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.distributions import cross_entropy, distribution_estimates, distribution_figures
from sertool.core.reports.score_contents import VotesRow
from sertool.core.runs.predictions import Predictions


def votes_row(own: Predictions, k: int, temperature: float, jackknife: Jackknife) -> VotesRow | None:
    """Compare the probabilities of the first k members with the votes; None where no votes are known.

    Args:
        own: predictions of one class per utterance.
        k: number of averaged members.
        temperature: temperature of the probabilities.
        jackknife: jackknife over the utterances.
    """
    if own.votes is None or not (known := np.isfinite(own.votes).all(1)).any():
        return None
    votes = own.votes
    always = np.broadcast_to(votes[known].mean(0), votes.shape)
    return VotesRow(
        utterances=int(known.sum()),
        metrics=distribution_estimates(votes, probabilities(own.ensemble_logits(k), own.kind, temperature), jackknife),
        baseline=distribution_figures(votes, always),
        entropy=float(cross_entropy(votes[known], votes[known]).mean()),
        ceilings=next(iter(own.ceilings.values()), {}),  # of its only task
        ties=own.ties,
    )
