"""The number of averaged members in a report: the one stored with the run, as every other command uses it."""

from dataclasses import replace

from sertool.core.formatting import plural
from sertool.core.reports.load import Loaded
from sertool.core.runs.ensemble_size import EnsembleSize, all_members, choose_best, not_stored


def choose_size(run: Loaded) -> EnsembleSize:
    """Return the size that `sertool ensemble` stored with the run.

    A run of an older version has none, or one for other members where more were trained since. Its size is chosen here
    as by that version: the best one on validation, or under the paper's protocol on test; the reason says so.
    """
    if run.size is not None and run.size.fits(run.main.predictions.members):
        return run.size
    missing = not_stored(run.name, run.size)
    name, chosen_by = ("test", "test") if run.is_optimistic else ("valid", "validation")
    if name not in run.sets:
        return all_members(run.main.predictions.members, missing)
    best = choose_best(run.sets[name].predictions, run.recipe.training.select, chosen_by)
    until = f"until then report and compare average {plural(best.k, 'member')}, predict and export all {best.available}"
    return replace(best, reason=f"{missing}; {until}")


def note(run: Loaded, size: EnsembleSize) -> str:
    """Return a caveat on the size that :func:`choose_size` gave for a run; often empty."""
    if size.available == 1:
        return ""
    if size.chosen_by == "all" and size.reason:
        return f"all {size.k} members are averaged: {size.reason}"
    return "" if size is run.size else size.reason


def stamp(run: Loaded, size: EnsembleSize) -> str:
    """Say what was selected on test, as every table repeats it; empty if nothing was."""
    by_test = size.chosen_by == "test"
    if run.origin.selected_on_test:
        # Where validation is the test split, it chose the epochs and the order of the members as well.
        parts = ["epochs", "order"] + ["k"] * by_test
        return f"selected on test: {', '.join(parts[:-1])} and {parts[-1]}"
    return "selected on test: k" if by_test else ""
