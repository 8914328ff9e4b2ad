"""What differences show once all tests of a comparison are taken together."""

from collections.abc import Sequence
from dataclasses import replace

from sertool.core.metrics import Difference, holm
from sertool.core.reports.compare.contents import Pair

SIGNIFICANT = 0.05


def corrected(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """With Holm's correction over the metrics of all pairs, over the pairs' McNemar tests, and verdicts."""
    rows = [row for pair in pairs for row in pair.metrics]
    known = [row.difference.p for row in rows if row.difference.p is not None]
    adjusted = iter(holm(known))
    tests = holm([pair.mcnemar.p for pair in pairs])
    done = []
    for pair, test in zip(pairs, tests, strict=True):
        metrics = []
        for row in pair.metrics:
            p = None if row.difference.p is None else next(adjusted)
            metrics.append(replace(row, holm=p, verdict=verdict(row.difference, p, len(known))))
        done.append(replace(pair, metrics=tuple(metrics), mcnemar_holm=test))
    return tuple(done)


def verdict(own: Difference, holm_p: float | None, tests: int) -> str:
    """What a difference shows, in words.

    A model is better if the interval lies above 0 and the corrected p-value is below 0.05.

    Args:
        own: b - a.
        holm_p: its p-value, corrected for all tests.
        tests: how many there are.
    """
    if own.low is None or own.high is None or holm_p is None:
        return "no interval can be given"
    if own.low == own.high == 0:
        return "no difference"
    apart = own.low > 0 or own.high < 0
    if apart and holm_p < SIGNIFICANT:
        return "better" if own.value > 0 else "worse"
    word = "better" if own.value > 0 else "worse" if own.value < 0 else "different"
    corrected = f" once corrected for {tests} tests" if apart and tests > 1 else ""
    return f"not shown to be {word}{corrected}"
