"""How many members are averaged, and who decided that: validation, or, as the paper did it, the test split."""

from dataclasses import dataclass

from sertool.core.reports.load import Loaded
from sertool.core.runs.predictions import Predictions


@dataclass(frozen=True)
class Choice:
    """The size of an ensemble.

    Attributes:
        k: members that are averaged.
        by: ``validation``, ``test`` (the paper's protocol) or ``all`` (nothing to choose on).
        note: what a reader must know of that; empty where there is nothing.
    """

    k: int
    by: str
    note: str = ""


def choose_size(run: Loaded) -> Choice:
    """The k with the best ``training.select`` of the recipe, the smallest of equal ones.

    It is looked for on validation; under the paper's protocol on test, as the reference did ("Max ensemble accuracy").
    Where the set for it is not stored, all members are averaged.
    """
    metric, depth = run.recipe.training.select, len(run.main.predictions.logits)
    deciding = "test" if run.flattered else "valid"
    if deciding in run.sets:
        by = "test" if run.flattered else "validation"
        return Choice(best_size(run.sets[deciding].predictions, metric), by)
    missing = "test" if run.flattered else "validation"
    note = f"all {depth} members are averaged, because no predictions on {missing} are stored to choose k"
    return Choice(depth, "all", note if depth > 1 else "")


def best_size(predictions: Predictions, metric: str) -> int:
    """The smallest k that no other exceeds by a metric, a key of ``METRICS``."""
    return max(range(1, len(predictions.logits) + 1), key=lambda k: (predictions.metric(metric, k), -k))


def stamp(run: Loaded, choice: Choice) -> str:
    """What was selected on test, as every table says it; empty where nothing was."""
    if run.origin.selected_on_test:
        parts = ["epochs", "order"] + ["k"] * (choice.by == "test")
        return f"selected on test: {', '.join(parts[:-1])} and {parts[-1]}"
    return "selected on test: k" if choice.by == "test" else ""
