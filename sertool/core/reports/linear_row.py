"""The linear probe of a run as plain data. Figures are fractions, not percent."""

from dataclasses import dataclass

from sertool.core.metrics import Difference


@dataclass(frozen=True)
class LinearFigure:
    """A metric of a run and of its linear probe; the difference, with its paired interval, is the run's minus its."""

    metric: str
    run: float
    linear: float
    difference: Difference


@dataclass(frozen=True)
class LinearRow:
    """The linear probe of a run on the same test utterances: a model with one linear layer on the same input.

    Attributes:
        name: name of its folder.
        k, members: number of its averaged members, and of all; in cross-validation of each fold.
        figures: every metric.
        judged_by: the metric of the verdict, by which the run chose its epochs and members.
        verdict: ``better``, ``worse``, ``not shown to be better`` and the like, of the run.
        sentence: the verdict in words, with the difference and its interval.
        notes: caveats, one sentence each.
    """

    name: str
    k: int
    members: int
    figures: tuple[LinearFigure, ...]
    judged_by: str
    verdict: str
    sentence: str
    notes: tuple[str, ...]
