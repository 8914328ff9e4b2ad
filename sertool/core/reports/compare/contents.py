"""A comparison of runs as plain data. Figures are fractions, not percent."""

from collections.abc import Mapping
from dataclasses import dataclass

from sertool.core.metrics import Difference, McNemar

RIGHT_TO_WRONG = "right -> wrong"
WRONG_TO_RIGHT = "wrong -> right"
WRONG_TO_WRONG = "wrong -> wrong"
NEARER, FARTHER, AS_NEAR = "nearer", "farther", "as near"  # of predicted scores, to the true one


@dataclass(frozen=True)
class Contender:
    """A run that is compared.

    Attributes:
        name: name of its folder.
        k: number of averaged members; in cross-validation of each fold.
        members: number of members; in cross-validation of each fold.
        folds: number of folds of cross-validation; 1 without.
        select: the metric that chose k.
        chosen_by: what chose k, see :class:`~sertool.core.runs.ensemble_size.EnsembleSize`.
        stamp: ``selected on test: `` and what was; empty if nothing was.
        notes: caveats on the run, one sentence each.
        imported: sentence on the origin of imported predictions, which have no members; empty for trained ones.
    """

    name: str
    k: int
    members: int
    folds: int
    select: str
    chosen_by: str
    stamp: str
    notes: tuple[str, ...]
    imported: str = ""


@dataclass(frozen=True)
class MetricRow:
    """A metric of two runs on the utterances that both cover.

    Attributes:
        metric: a key of ``metrics_of`` the kind of task, of ``DIMENSION_METRICS`` or ``SENTIMENT_METRICS`` for scores,
            or of ``DISTRIBUTION_METRICS`` beside raters' votes.
        a, b: the metric of each run.
        baseline: the metric of always the same answer: of scores the mean of training, beside votes their mean.
        difference: b - a, with its paired interval over clusters and the p-value of no difference.
        holm: this p-value, corrected for all tests of the comparison: the rows of all pairs that have a p-value.
        verdict: ``better``, ``worse``, ``not shown to be better`` and the like.
        score: name of the score that it is about; empty for the mean over all scores, and for classes.
    """

    metric: str
    a: float
    b: float
    baseline: float
    difference: Difference
    holm: float | None
    verdict: str
    score: str = ""


@dataclass(frozen=True)
class ClusterPair:
    """A cluster, as a speaker: its name, number of utterances, and the metrics of both runs by name."""

    name: str
    utterances: int
    a: Mapping[str, float]
    b: Mapping[str, float]


@dataclass(frozen=True)
class Flip:
    """An utterance for which two runs predict differently; classes by name, several joined by ``|``.

    Of scores, ``score`` names the one that target and predictions are of; it is empty for classes.
    """

    id: str
    speaker: str | None
    text: str
    target: str
    a: str
    b: str
    change: str
    score: str = ""


@dataclass(frozen=True)
class Pair:
    """Two runs on the utterances that both cover.

    Attributes:
        a, b: their names; differences are b - a.
        utterances: number of utterances that both cover.
        only_a, only_b: number of utterances that only one of them covers; these are left out.
        unit, clusters, unit_note: the unit of the intervals (as ``speaker``), their number, and a caveat.
        by_cluster: the figures of each cluster where there are too few for intervals; otherwise empty.
        metrics: every metric.
        mcnemar: exact test of their decisions, which assumes that these are independent; without a p-value where there
            are too few clusters. None for scores.
        mcnemar_holm: its p-value, corrected for all pairs; None without one.
        cohens_h: effect size of the difference in accuracy; None for scores.
        flips: utterances for which they predict differently, in the order of the set; of scores every true one, those
            first whose error changes most.
        notes: caveats on the comparison, one sentence each.
    """

    a: str
    b: str
    utterances: int
    only_a: int
    only_b: int
    unit: str
    clusters: int
    unit_note: str
    by_cluster: tuple[ClusterPair, ...]
    metrics: tuple[MetricRow, ...]
    mcnemar: McNemar | None
    mcnemar_holm: float | None
    cohens_h: float | None
    flips: tuple[Flip, ...]
    notes: tuple[str, ...]

    def count(self, change: str) -> int:
        """Count the utterances with this change, as ``right -> wrong``."""
        return sum(flip.change == change for flip in self.flips)


@dataclass(frozen=True)
class Comparison:
    """Runs compared with the first of them.

    Attributes:
        dataset, task, set: what they were evaluated on.
        caveats: caveats on the data, as ``synthetic speech``; often empty.
        kind: ``single``, ``multi`` or ``scores``.
        class_names: classes in the order of the logits; names of the scores.
        contenders: the runs, in the order given.
        pairs: the first run with each of the others.
        tests: number of p-values in Holm's correction: one for each row of each pair that has one. The mean over
            scores counts as each score does. McNemar's tests are corrected apart.
    """

    dataset: str
    task: str
    set: str
    caveats: str
    kind: str
    class_names: tuple[str, ...]
    contenders: tuple[Contender, ...]
    pairs: tuple[Pair, ...]
    tests: int
