"""The number of averaged members, and the split it was chosen on: validation, or test as in the paper."""

from dataclasses import dataclass

from sertool.core.reports.load import Loaded
from sertool.core.runs.predictions import Predictions


@dataclass(frozen=True)
class Choice:
    """The chosen size of an ensemble.

    Attributes:
        k: number of averaged members.
        by: ``validation``, ``test`` (the paper's protocol) or ``all`` (no predictions to choose on).
        note: a caveat for the reader; often empty.
    """

    k: int
    by: str
    note: str = ""


def choose_size(run: Loaded) -> Choice:
    """Choose the k with the best ``training.select`` of the recipe, the smallest if several are equal.

    It is chosen on validation; under the paper's protocol on test, as the reference did ("Max ensemble accuracy").
    If the predictions on that set are not stored, all members are averaged.
    """
    metric, depth = run.recipe.training.select, len(run.main.predictions.logits)
    deciding = "test" if run.is_optimistic else "valid"
    if deciding in run.sets:
        by = "test" if run.is_optimistic else "validation"
        return Choice(best_size(run.sets[deciding].predictions, metric), by)
    missing = "test" if run.is_optimistic else "validation"
    note = f"all {depth} members are averaged, because no predictions on {missing} are stored to choose k"
    return Choice(depth, "all", note if depth > 1 else "")  # of one member there is nothing to choose


def best_size(predictions: Predictions, metric: str) -> int:
    """Return the k with the best value of a metric, a key of ``METRICS``; the smallest if several are equal."""
    sizes = range(1, len(predictions.logits) + 1)
    return max(sizes, key=lambda k: (predictions.metric(metric, k), -k))  # -k: the smallest


def stamp(run: Loaded, choice: Choice) -> str:
    """Say what was selected on test, as every table repeats it; empty if nothing was."""
    if run.origin.selected_on_test:
        # Where validation is the test split, it chose the epochs and the order of the members as well.
        parts = ["epochs", "order"] + ["k"] * (choice.by == "test")
        return f"selected on test: {', '.join(parts[:-1])} and {parts[-1]}"
    return "selected on test: k" if choice.by == "test" else ""
