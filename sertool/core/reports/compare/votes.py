"""Probabilities of two runs beside the votes of raters: differences of cross-entropy and Jensen-Shannon divergence."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics import Clusters, Jackknife, few_by_name
from sertool.core.metrics.distributions import distribution_differences, distribution_figures
from sertool.core.reports.compare.contents import MetricRow
from sertool.core.reports.compare.runs import Judged
from sertool.core.reports.compare.shared import Shared

FloatArray = NDArray[np.float64]


class SharedVotes:
    """Votes on the utterances that two runs share, with the probabilities of both.

    Args:
        a, b: two runs whose sets hold votes.
        shared: the utterances of both.
    """

    def __init__(self, a: Judged, b: Judged, shared: Shared) -> None:
        votes, others = a.stored.predictions.votes, b.stored.predictions.votes
        assert votes is not None
        assert others is not None
        assert a.probabilities is not None
        assert b.probabilities is not None
        self.votes: FloatArray = votes[shared.rows_a]
        self.a, self.b = a.probabilities[shared.rows_a], b.probabilities[shared.rows_b]
        self.alike = bool(np.allclose(self.votes, others[shared.rows_b], equal_nan=True))

    def rows(self, clusters: Clusters, metrics: Iterable[str]) -> tuple[MetricRow, ...]:
        """Return a row for each metric of ``DISTRIBUTION_METRICS``, without correction and verdict."""
        differences = distribution_differences(self.votes, self.a, self.b, Jackknife(clusters))
        known = np.isfinite(self.votes).all(1)
        always = np.broadcast_to(self.votes[known].mean(0), self.votes.shape)
        of_a, of_b, constant = (distribution_figures(self.votes, one) for one in (self.a, self.b, always))
        return tuple(
            MetricRow(name, of_a[name], of_b[name], constant[name], differences[name], None, "") for name in metrics
        )

    def by_cluster(self, clusters: Clusters) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
        """Return the metrics of both runs by cluster; empty unless clusters are too few for intervals."""
        return {
            name: (
                distribution_figures(self.votes[own], self.a[own]),
                distribution_figures(self.votes[own], self.b[own]),
            )
            for name, own in few_by_name(clusters).items()
        }


def votes_of(a: Judged, b: Judged, shared: Shared) -> SharedVotes | None:
    """Return the votes on the utterances that two runs share; None where a run holds none for them."""
    if a.probabilities is None or b.probabilities is None:
        return None
    found = SharedVotes(a, b, shared)
    return found if np.isfinite(found.votes).all(1).any() else None
