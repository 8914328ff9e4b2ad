"""A comparison as plain data for JSON, and its flipped utterances as CSV."""

import csv
import io
from dataclasses import asdict
from typing import Any

from sertool.core.formatting import printable
from sertool.core.reports.compare.contents import FORMAT, Comparison

HEADER = ("a", "b", "set", "utterance", "speaker", "label", "decision_a", "decision_b", "change", "text")


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as plain data."""
    return {"format": FORMAT, **asdict(comparison)}


def flips_csv(comparison: Comparison) -> str:
    """Write one row per pair of runs and utterance for which the two predict differently."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for pair in comparison.pairs:
        for flip in pair.flips:
            row = (pair.a, pair.b, comparison.set, flip.id, flip.speaker or "", flip.target, flip.a, flip.b)
            writer.writerow([*map(printable, row), flip.change, printable(flip.text)])
    return text.getvalue()
