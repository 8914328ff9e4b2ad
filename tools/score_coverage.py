"""Measure intervals and tests of predicted scores, and write their tables into docs/statistics.md.

Scores are drawn from endlessly many speakers: a model predicts 0.7 of a score and an error, and both depend more or
less on the speaker. The truth is the figure of all speakers, and known exactly. Numbers of utterances a speaker are
those of tools/interval_coverage.py. A test runs this with few trials.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from interval_coverage import CORRELATIONS, DOCUMENT, LEAST, MEAN, SPREAD
from numpy.typing import NDArray
from scipy.special import ndtr
from tables_in_docs import with_table

from sertool.core.metrics import Clusters, Jackknife
from sertool.core.metrics.bootstrap import bootstrap_differences, sentiment_differences
from sertool.core.metrics.conformal import fit_half_widths
from sertool.core.metrics.scores import DIMENSION_METRICS, dimension_differences, dimension_estimates, mean_estimates

CLUSTERS = (5, 8, 12, 20, 50)
DEVIATION, SLOPE, ERROR = 0.8, 0.7, 0.5  # of the scores, of the predictions on them, of the error of the predictions
ALIKE = 0.5  # correlation of the errors of two models
GAPS = 0.2  # share of the second and third score that are missing
DRAWS = 1000  # resamples
MEAN_CCC = "mean CCC of three scores"
TESTS = {
    ("ccc", "jackknife"): "CCC, jackknife",
    ("ccc", "bootstrap"): "CCC, bootstrap",
    ("mae", "jackknife"): "MAE, jackknife",
    ("mae", "bootstrap"): "MAE, bootstrap",
    ("acc7", "bootstrap"): "acc7, bootstrap",
    ("acc2_with_zeros", "bootstrap"): "acc2, bootstrap",
    ("f1_with_zeros", "bootstrap"): "F1, bootstrap",
}

Array = NDArray[np.float64]
Draw = np.random.Generator


def main() -> None:
    """Parse the command line, measure, write the tables."""
    parser = argparse.ArgumentParser(prog="python tools/score_coverage.py", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="sets of utterances a cell, default %(default)s")
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(updated(text, parser.parse_args().trials), encoding="utf-8")
    sys.stdout.write(f"{Path(DOCUMENT)}: written\n")


def updated(text: str, trials: int) -> str:
    """Return the document with its three tables measured again."""
    intervals, tests = interval_tables(trials)
    for name, table in (("scores", intervals), ("tests", tests), ("conformal", conformal_table(trials))):
        text = with_table(text, name, "score_coverage", table)
    return text


def truths() -> dict[str, float]:
    """Return the figures of all speakers, by the title of the row."""
    error = mean_error()
    said, both = (SLOPE * DEVIATION) ** 2 + ERROR**2, SLOPE * DEVIATION**2
    found = {
        "ccc": 2 * both / (said + DEVIATION**2),
        "pearson": both / (DEVIATION * math.sqrt(said)),
        "mae": math.sqrt(2 / math.pi) * error,
        "rmse": error,
        "r2": 1 - error**2 / DEVIATION**2,
    }
    return {DIMENSION_METRICS[name].title: value for name, value in found.items()} | {MEAN_CCC: found["ccc"]}


def mean_error() -> float:
    """Return the standard deviation of predicted less true scores, which are normal with mean 0."""
    return math.hypot((1 - SLOPE) * DEVIATION, ERROR)


def interval_tables(trials: int) -> tuple[str, str]:
    """Return the table of intervals that hold the truth, and that of tests of models that do not differ."""
    columns = f"| correlation | {' | '.join(map(str, CLUSTERS))} |\n{'|---' * (2 + len(CLUSTERS))}|\n"
    held = f"Intervals that hold the truth, in percent of {trials:,} sets, by number of speakers:\n\n| figure {columns}"
    found = f"p-values below 0.05, in percent of {trials:,} sets, by number of speakers:\n\n| difference {columns}"
    for correlation in CORRELATIONS:
        cells = [measured(number, correlation, trials) for number in CLUSTERS]
        for title in truths():
            held += f"| {title} | {correlation:g} | {' | '.join(f'{100 * one[title]:.1f}' for one in cells)} |\n"
        for title in TESTS.values():
            found += f"| {title} | {correlation:g} | {' | '.join(f'{100 * one[title]:.1f}' for one in cells)} |\n"
    return held, found


def measured(number: int, correlation: float, trials: int) -> dict[str, float]:
    """Return the share of intervals that hold the truth, and of p-values below 0.05, by the title of the row.

    Args:
        number: number of speakers.
        correlation: correlation within speakers, of scores and errors.
        trials: number of sets.
    """
    wanted, counted = truths(), dict.fromkeys((*truths(), *TESTS.values()), 0)
    draw = np.random.default_rng([number, round(1000 * correlation)])
    for trial in range(trials):
        clusters = speakers(draw, number)
        targets, a, b = scores(draw, clusters, correlation)
        jackknife = Jackknife(clusters)
        first = targets[:, 0], a[:, 0]
        own = {DIMENSION_METRICS[name].title: one for name, one in dimension_estimates(*first, jackknife).items()}
        own[MEAN_CCC] = mean_estimates(targets, a, jackknife)["ccc"]
        for title, one in own.items():
            assert one.low is not None
            assert one.high is not None
            counted[title] += one.low <= wanted[title] <= one.high
        second = b[:, 0]
        tested = {
            "jackknife": dimension_differences(*first, second, jackknife),
            "bootstrap": {
                **bootstrap_differences(targets[:, :1], a[:, :1], b[:, :1], clusters, trial, draws=DRAWS),
                **sentiment_differences(*first, second, clusters, trial, draws=DRAWS),
            },
        }
        for (name, by), title in TESTS.items():
            p = tested[by][name].p
            assert p is not None
            counted[title] += p < 0.05
    return {title: count / trials for title, count in counted.items()}


def conformal_table(trials: int) -> str:
    """Return the table of the coverage of intervals of 90 % for speakers who were not in validation."""
    text = (
        "Coverage of intervals of 90 % for other speakers, in percent, by number of validation speakers: mean over "
        f"{trials:,}\nvalidation sets, and the 5th and 95th of 100:\n\n"
        f"| correlation | {' | '.join(map(str, CLUSTERS))} |\n{'|---' * (1 + len(CLUSTERS))}|\n"
    )
    for correlation in CORRELATIONS:
        cells = []
        for number in CLUSTERS:
            found = 100 * coverages(number, correlation, trials)
            low, high = np.percentile(found, [5, 95])
            cells.append(f"{found.mean():.1f} ({low:.0f} to {high:.0f})")
        text += f"| {correlation:g} | {' | '.join(cells)} |\n"
    return text


def coverages(number: int, correlation: float, trials: int) -> Array:
    """Return (trials,) the share of utterances of all speakers that the intervals of each validation set hold."""
    draw = np.random.default_rng([number, round(1000 * correlation)])
    halves = []
    for _ in range(trials):
        targets, a, _ = scores(draw, speakers(draw, number), correlation)
        halves.append(fit_half_widths(targets[:, :1], a[:, :1])[0])
    return np.asarray(2 * ndtr(np.array(halves, np.float64) / mean_error()) - 1)


def speakers(draw: Draw, number: int) -> Clusters:
    """Draw the numbers of utterances of some speakers."""
    sizes = draw.lognormal(math.log(MEAN) - SPREAD**2 / 2, SPREAD, number).round().clip(LEAST).astype(int)
    return Clusters(np.repeat(np.arange(number), sizes), number, "speaker")


def scores(draw: Draw, clusters: Clusters, correlation: float) -> tuple[Array, Array, Array]:
    """Draw (N, 3) true scores, NaN where one is missing, and what two models that are equally good predict."""

    def normal() -> Array:
        own = draw.normal(size=(clusters.number, 3))[clusters.index]
        return np.asarray(math.sqrt(correlation) * own + math.sqrt(1 - correlation) * draw.normal(size=own.shape))

    true, shared = DEVIATION * normal(), normal()
    a, b = (SLOPE * true + ERROR * (math.sqrt(ALIKE) * shared + math.sqrt(1 - ALIKE) * normal()) for _ in range(2))
    missing = draw.random(true.shape) < [0, GAPS, GAPS]
    return np.where(missing, math.nan, true), a, b


if __name__ == "__main__":
    main()
