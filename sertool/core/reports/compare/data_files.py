"""A comparison as plain data for JSON, and its flipped utterances as CSV."""

from dataclasses import asdict
from typing import Any

from sertool.core.reports.compare.contents import Comparison

HEADER = ("a", "b", "set", "utterance", "speaker", "label", "decision_a", "decision_b", "change", "text")


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as plain data."""
    return {**asdict(comparison), "classes": list(comparison.class_names)}


def flip_rows(comparison: Comparison) -> list[tuple[str | None, ...]]:
    """Return a header and one row per pair of runs and utterance for which the two predict differently."""
    flips = [(pair, flip) for pair in comparison.pairs for flip in pair.flips]
    return [HEADER] + [
        (pair.a, pair.b, comparison.set, own.id, own.speaker, own.target, own.a, own.b, own.change, own.text)
        for pair, own in flips
    ]
