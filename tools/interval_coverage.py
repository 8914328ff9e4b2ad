"""Measure how often 95 % intervals hold the truth, and write the table of docs/statistics.md.

Sets of utterances are drawn from endlessly many speakers who are recognised more or less well. The truth is the figure
of all of them. Numbers of utterances a speaker are lognormal: the largest speaker of eight has about five times as many
as the smallest. A test runs this with few trials.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tables_in_docs import with_table

from sertool.core.corpora.tasks import SEVEN
from sertool.core.metrics import Clusters, Jackknife, decision_differences, decision_estimates
from sertool.core.metrics.jackknife import Difference, Estimate
from sertool.core.metrics.sentiment import score_estimates

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"
CLUSTERS = (2, 3, 4, 5, 8, 12, 20, 50)
CORRELATIONS = (0.0, 0.05, 0.2)
LEVELS = (0.65, 0.95)  # accuracy
MEAN, SPREAD, LEAST = 40, 0.6, 5  # utterances a speaker: mean, deviation of the logarithm, least number
CLASSES = np.array([0.4, 0.3, 0.2, 0.1])  # frequencies
LOST, WON = 0.1, 0.3  # share of right decisions that a second model gets wrong, and of wrong ones that it gets right
FIGURES = {"accuracy": "accuracy", "uar": "UAR", "f1_macro": "macro F1", "difference": "difference of two accuracies"}
SCORES = {"mae": "MAE", "ccc": "CCC"}

Draw = np.random.Generator
Found = dict[str, tuple[Estimate | Difference, float]]


def main() -> None:
    """Parse the command line, measure, write the table."""
    parser = argparse.ArgumentParser(prog="python tools/interval_coverage.py", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="sets of utterances a cell, default %(default)s")
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(updated(text, parser.parse_args().trials), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}: written\n")


def updated(text: str, trials: int) -> str:
    """Return the document with its table measured again."""
    return with_table(text, "coverage", "interval_coverage", table(trials))


def table(trials: int) -> str:
    """Return the table: the coverage in percent, a row for each figure, level and correlation."""
    lines = [
        f"Intervals that hold the truth, in percent of {trials:,} sets, by number of speakers:\n",
        f"| figure | value | correlation | {' | '.join(map(str, CLUSTERS))} |",
        "|---" * (3 + len(CLUSTERS)) + "|",
    ]
    for level in LEVELS:
        for correlation in CORRELATIONS:
            columns = [coverage(number, level, correlation, trials) for number in CLUSTERS]
            for name in columns[0]:
                value = f"{100 * level:.0f} %" if name in FIGURES else "-"
                cells = " | ".join(f"{100 * column[name]:.1f}" for column in columns)
                lines.append(f"| {(FIGURES | SCORES)[name]} | {value} | {correlation:g} | {cells} |")
    return "\n".join(lines) + "\n"


def coverage(number: int, level: float, correlation: float, trials: int) -> dict[str, float]:
    """Return the share of intervals that hold the truth, by figure; sets without an interval do not count.

    Args:
        number: number of clusters.
        level: true accuracy.
        correlation: correlation within clusters.
        trials: number of sets.
    """
    held: dict[str, list[bool]] = {}
    draw = np.random.default_rng([number, round(1000 * level), round(1000 * correlation)])
    for _ in range(trials):
        for name, (own, truth) in drawn(draw, number, level, correlation).items():
            if own.low is not None and own.high is not None:
                held.setdefault(name, []).append(own.low <= truth <= own.high)
    return {name: float(np.mean(one)) for name, one in held.items()}


def drawn(draw: Draw, number: int, level: float, correlation: float) -> Found:
    """Draw a set; return its figures with their intervals and the truth."""
    sizes = draw.lognormal(math.log(MEAN) - SPREAD**2 / 2, SPREAD, number).round().clip(LEAST).astype(int)
    clusters = Clusters(np.repeat(np.arange(number), sizes), number, "speaker")
    jackknife = Jackknife(clusters, fewest=2)  # so that the table shows what few clusters would give
    found = dict(decisions(draw, jackknife, level, correlation))
    if level == LEVELS[0]:  # scores have no accuracy
        found.update(scores(draw, jackknife, correlation))
    return found


def shares(draw: Draw, clusters: Clusters, mean: float, correlation: float) -> NDArray[np.float64]:
    """Draw the probability of each utterance: beta-distributed over clusters, with this correlation within them."""
    if not correlation:
        return np.full(len(clusters.index), mean)
    both = 1 / correlation - 1
    return np.asarray(draw.beta(mean * both, (1 - mean) * both, clusters.number)[clusters.index])


def decisions(
    draw: Draw, jackknife: Jackknife, level: float, correlation: float
) -> Iterator[tuple[str, tuple[Estimate | Difference, float]]]:
    """Draw the decisions of two models; yield the figures of the first, and the difference of the second."""
    clusters = jackknife.clusters
    count, number = len(clusters.index), len(CLASSES)
    targets, chance = draw.choice(number, count, p=CLASSES), draw.random((2, count))
    right = chance[0] < shares(draw, clusters, level, correlation)
    lost, won = (shares(draw, clusters, share, correlation) for share in (LOST, WON))
    others = np.where(right, chance[1] >= lost, chance[1] < won)
    wrong = (targets + draw.integers(1, number, count)) % number
    a, b = (np.where(one, targets, wrong) for one in (right, others))
    # Errors fall on the other classes alike, so that recall is the same for all classes, and F1 is not.
    predicted = CLASSES * level + (1 - CLASSES) * (1 - level) / (number - 1)
    truths = {"accuracy": level, "uar": level, "f1_macro": float((2 * CLASSES * level / (CLASSES + predicted)).mean())}
    own = decision_estimates(targets, a, number, jackknife)
    for name, truth in truths.items():
        yield name, (own[name], truth)
    both = decision_differences(targets, a, b, number, jackknife)
    yield "difference", (both["accuracy"], WON * (1 - level) - LOST * level)


def scores(
    draw: Draw, jackknife: Jackknife, correlation: float
) -> Iterator[tuple[str, tuple[Estimate | Difference, float]]]:
    """Draw scores and what a model says of them, 0.7 of the score and an error; yield MAE and CCC."""
    clusters, slope, deviation = jackknife.clusters, 0.7, 0.5
    count = len(clusters.index)
    truths = 0.8 * draw.normal(size=count)
    own = math.sqrt(correlation) * draw.normal(size=clusters.number)[clusters.index]
    said = slope * truths + deviation * (own + math.sqrt(1 - correlation) * draw.normal(size=count))
    found = score_estimates(truths, logits_of(said), SEVEN, jackknife)
    error = math.hypot((1 - slope) * 0.8, deviation)  # standard deviation of the normal error
    yield "mae", (found["mae"], math.sqrt(2 / math.pi) * error)
    variances = 0.64 + slope**2 * 0.64 + deviation**2
    yield "ccc", (found["ccc"], 2 * slope * 0.64 / variances)


def logits_of(said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logits (N, 7) whose mean score is ``said``: the two whole scores around it share the probability."""
    apart = np.abs(said.clip(-3, 3)[:, None] - np.arange(-3, 4))
    return np.asarray(np.log(np.maximum(1 - apart, 1e-12)))


if __name__ == "__main__":
    main()
