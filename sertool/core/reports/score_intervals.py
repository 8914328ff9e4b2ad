"""The intervals of a run's predicted scores: those stored with it, or fitted on its stored validation set."""

from dataclasses import dataclass

from sertool.core.formatting import plural
from sertool.core.metrics.clusters import clusters_of
from sertool.core.metrics.conformal import LEVEL, Intervals, fit_intervals
from sertool.core.reports.imported import NO_VALIDATION
from sertool.core.reports.load import Loaded
from sertool.core.runs.ensemble_size import first_of_folds


@dataclass(frozen=True)
class ScoreIntervals:
    """The intervals of the averaged members.

    Attributes:
        fitted: None if there are none.
        note: sentence on their origin, or on why there are none.
    """

    fitted: Intervals | None
    note: str

    @property
    def level(self) -> float:
        """Share of intervals that should hold the true score."""
        return LEVEL if self.fitted is None else self.fitted.level


def find_intervals(run: Loaded, k: int) -> ScoreIntervals:
    """Find the intervals of the scores that the first k members predict, or the reason why there are none.

    What is stored with the run is used if it was fitted for these members. Otherwise they are fitted on the stored
    validation set. If validation is the test split there are none: they would be fitted on what they are judged by.
    """
    members = f"the first {plural(k, 'member')}"
    if run.origin.selected_on_test:
        return ScoreIntervals(None, "validation is the test split, and intervals are never fitted on test")
    names = [one.name for one in first_of_folds(run.main.predictions.members, k)]
    found, origin = run.intervals, "stored with the run"
    if found is None or not found.fits(names) or found.names != run.main.predictions.classes:
        if "valid" not in run.sets:
            nothing = f"neither intervals of {members} nor predictions on validation are stored"
            return ScoreIntervals(None, nothing if run.imported is None else NO_VALIDATION)
        stored = run.sets["valid"]
        valid = stored.predictions
        assert valid.targets is not None
        found = fit_intervals(
            valid.targets,
            valid.ensemble_logits(k),
            members=names,
            names=valid.classes,
            clusters=clusters_of(stored.spoken),
        )
        origin = f"fitted on validation for {members}" if run.imported is None else "fitted on validation"
    note = f"intervals of {100 * found.level:g} %, {origin}" + f"; {found.note}" * bool(found.note)
    return ScoreIntervals(found, note)
