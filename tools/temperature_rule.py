"""Write the table of docs/predict.md that shows when a fitted temperature helps, and when it hurts.

A model is simulated whose logits are right but for a factor T, and for what differs by speaker: each speaker has a
factor of their own (standard deviation 0.25 in log T) and likes some classes more than others (0.5 in each logit).
A rule sees the validation utterances of a few speakers, unequally many each, and chooses a temperature; it is judged
on many other speakers by their mean negative log-likelihood.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from tables_in_docs import with_table

from sertool.core.metrics.calibration import (
    BOUNDS,
    FloatArray,
    IntArray,
    calibrate,
    fit_temperature,
    negative_log_likelihood,
)
from sertool.core.metrics.clusters import Clusters

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "predict.md"
CLASSES, SPREAD = 4, 2.0  # standard deviation of true logits: the best class is right 66 times in 100
FACTOR, LIKING = 0.25, 0.5
HARM = 0.01  # nats
REPEATS = 200


@dataclass(frozen=True)
class Case:
    """The model's factor, and the size of its validation set; the rules know its speakers, or nothing of them."""

    factor: float
    speakers: int
    utterances: int
    known: bool = True


@dataclass(frozen=True)
class Outcome:
    """Results of a rule on other speakers.

    Attributes:
        gain: fall of the mean negative log-likelihood, in nats, from temperature 1.
        harmed: share of the validation sets from which it rises by more than ``HARM``.
        used: share of them from which a temperature is used.
    """

    gain: float
    harmed: float
    used: float


Rule = Callable[[FloatArray, IntArray, Clusters], float]


def draw(random: np.random.Generator, case: Case) -> tuple[FloatArray, IntArray, Clusters]:
    """Draw logits (N, C), targets (N,) and speakers, each with at least one utterance."""
    count, speakers = case.utterances, case.speakers
    weights = random.lognormal(0, 0.7, speakers)
    more = random.choice(speakers, count - speakers, p=weights / weights.sum())
    index = np.concatenate([np.arange(speakers), more])
    model = random.normal(0, SPREAD, (count, CLASSES))
    factors = np.exp(random.normal(0, FACTOR, speakers))[index]
    true = model * factors[:, None] + random.normal(0, LIKING, (speakers, CLASSES))[index]
    targets = (true + random.gumbel(size=true.shape)).argmax(-1)  # a class with its probability
    clusters = Clusters(index, speakers, "speaker") if case.known else Clusters(np.arange(count), count, "utterance")
    return model * case.factor, targets, clusters


def likeliest(logits: FloatArray, targets: IntArray, clusters: Clusters) -> float:
    """Return the temperature with the smallest negative log-likelihood, as earlier versions did."""
    bounds = np.log(BOUNDS)
    found = minimize_scalar(
        lambda place: negative_log_likelihood(logits, targets, "single", np.exp(place)), bounds=bounds, method="bounded"
    )
    return float(np.exp(found.x))


def most_probable(logits: FloatArray, targets: IntArray, clusters: Clusters) -> float:
    """Return the temperature with the prior, whether or not validation can tell it."""
    return fit_temperature(logits, targets, "single", clusters).temperature


def checked(logits: FloatArray, targets: IntArray, clusters: Clusters) -> float:
    """Return the temperature that `sertool ensemble` uses."""
    return calibrate(logits, targets, "single", members=(), clusters=clusters).temperature


RULES: Mapping[str, Rule] = {"the fit alone": likeliest, "with the prior": most_probable, "the rule": checked}
CASES = [
    Case(factor, *size)
    for factor in (0.7, 1.0, 1.3, 2.0)
    for size in ((2, 40), (2, 100), (5, 100), (10, 200), (20, 1000), (5, 100, False))
]


def simulate(case: Case, rule: Rule, repeats: int, seed: int = 1) -> Outcome:
    """Apply a rule to many validation sets of a case."""
    random = np.random.default_rng(seed)
    others, truth, _ = draw(random, Case(case.factor, 300, 6000))
    before = negative_log_likelihood(others, truth, "single")
    temperatures = np.array([rule(*draw(random, case)) for _ in range(repeats)])
    rises = np.array([negative_log_likelihood(others, truth, "single", one) - before for one in temperatures])
    return Outcome(-float(rises.mean()), float((rises > HARM).mean()), float((temperatures != 1).mean()))


def table(repeats: int) -> str:
    """Return the table as Markdown, a row for each case."""
    names = [f"{name}: gain | harmed" for name in RULES]
    lines = [f"| factor | speakers | utterances | {' | '.join(names)} | used |", "|---" * (4 + 2 * len(names)) + "|"]
    for case in CASES:
        found = [simulate(case, rule, repeats) for rule in RULES.values()]
        cells = [f"{round(one.gain, 3) + 0.0:.3f} | {100 * one.harmed:.0f} %" for one in found]
        speakers = case.speakers if case.known else f"{case.speakers}, unknown"
        row = [f"{case.factor:g}", speakers, case.utterances, *cells, f"{100 * found[-1].used:.0f} %"]
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines) + "\n"


def updated(text: str, repeats: int) -> str:
    """Return the document with its table made again."""
    return with_table(text, "temperatures", "temperature_rule", table(repeats))


def main() -> None:
    """Put the table between the markers of the document."""
    DOCUMENT.write_text(updated(DOCUMENT.read_text(encoding="utf-8"), REPEATS), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}: written\n")


if __name__ == "__main__":
    main()
