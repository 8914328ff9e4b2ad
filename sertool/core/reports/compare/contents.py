"""What a comparison of runs says, as plain data. Figures are fractions, not percent."""

from dataclasses import dataclass

from sertool.core.metrics import Difference, McNemar

FORMAT = "sertool-comparison/1"

RIGHT_TO_WRONG = "right -> wrong"
WRONG_TO_RIGHT = "wrong -> right"
WRONG_TO_WRONG = "wrong -> wrong"


@dataclass(frozen=True)
class Contender:
    """A run that is compared.

    Attributes:
        name: of its folder.
        k: members that are averaged, in each fold of cross-validation.
        members: how many there are, in each fold.
        folds: of cross-validation; 1 without.
        select: the metric that chose k.
        chosen_by: ``validation``, ``test`` (the paper's protocol) or ``all`` (there was nothing to choose on).
        stamp: ``selected on test`` and what was, or empty.
        notes: what a reader must know of it, sentences.
    """

    name: str
    k: int
    members: int
    folds: int
    select: str
    chosen_by: str
    stamp: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class MetricRow:
    """A metric of two runs on the utterances both judged.

    Attributes:
        metric: a key of ``METRICS``.
        a, b: of the runs.
        difference: b - a, with its paired interval over clusters and the p-value of none.
        holm: that p-value, corrected for all metrics and pairs of the comparison.
        verdict: ``better``, ``worse``, ``not shown to be better`` and the like.
    """

    metric: str
    a: float
    b: float
    difference: Difference
    holm: float | None
    verdict: str


@dataclass(frozen=True)
class Flip:
    """An utterance that two runs decide differently; classes by name, joined by ``|`` in a multi-label task."""

    id: str
    speaker: str | None
    text: str
    target: str
    a: str
    b: str
    change: str


@dataclass(frozen=True)
class Pair:
    """Two runs on the utterances that both judged.

    Attributes:
        a, b: their names; differences are b - a.
        utterances: that both judged.
        only_a, only_b: utterances that only one of them judged, which are left out.
        unit, clusters, unit_note: what the intervals are taken over, how many, and what a reader must know of that.
        metrics: each.
        mcnemar: the test of their decisions; it takes them as independent of each other.
        mcnemar_holm: its p-value, corrected for all pairs.
        cohens_h: effect size of the accuracy.
        flips: all that they decide differently, in the order of the set.
        notes: what a reader must know of the two together, sentences.
    """

    a: str
    b: str
    utterances: int
    only_a: int
    only_b: int
    unit: str
    clusters: int
    unit_note: str
    metrics: tuple[MetricRow, ...]
    mcnemar: McNemar
    mcnemar_holm: float
    cohens_h: float
    flips: tuple[Flip, ...]
    notes: tuple[str, ...]

    def count(self, change: str) -> int:
        """How many utterances changed in a way, as ``right -> wrong``."""
        return sum(flip.change == change for flip in self.flips)


@dataclass(frozen=True)
class Comparison:
    """Runs compared with the first of them.

    Attributes:
        dataset, task, set: what they are judged on.
        caveats: of the data, ``synthetic speech`` and the like; often empty.
        kind: ``single`` or ``multi``.
        class_names: in the order of the logits.
        contenders: in the order given.
        pairs: the first with each other one.
        tests: over how many p-values of metrics Holm's correction went.
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
