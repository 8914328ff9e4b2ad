"""A comparison as plain data for JSON, and its flipped utterances, or scores, as CSV."""

from typing import Any

from sertool.core.reports.compare.contents import Comparison
from sertool.core.reports.data_files import plain

SCORE_HEADER = (
    "a", "b", "set", "utterance", "speaker", "score", "true", "predicted_a", "predicted_b", "change", "text"
)  # fmt: skip
HEADER = ("a", "b", "set", "utterance", "speaker", "label", "decision_a", "decision_b", "change", "text")


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as plain data."""
    return {**plain(comparison), "classes": list(comparison.class_names)}


def flip_rows(comparison: Comparison) -> list[tuple[str | None, ...]]:
    """Return a header and one row per pair of runs and utterance for which the two predict differently.

    Of a task of scores there is a row for each true score.
    """
    scored = comparison.kind == "scores"
    return [SCORE_HEADER if scored else HEADER] + [
        (
            *(pair.a, pair.b, comparison.set, own.id, own.speaker),
            *([own.score] if scored else []),
            *(own.target, own.a, own.b, own.change, own.text),
        )
        for pair in comparison.pairs
        for own in pair.flips
    ]
