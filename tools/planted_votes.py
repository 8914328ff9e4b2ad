"""Votes of raters who disagree on the emotion of planted utterances, and what the best model can reach.

An utterance has a distribution over four classes, given by the valence of its words and the arousal of its sound. A
rater likes some classes more than others, and sometimes says any class at random. All figures are exact for the
utterances at hand: the distribution of the votes is computed, not simulated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from planted_content import Spoken

FloatArray = NDArray[np.float64]
CLASSES = ("angry", "happy", "neutral", "sad")
# Logits for each unit of arousal and of valence, and those where both are 0.
SLOPES = np.array([[3.0, -2.0], [3.0, 2.0], [0.0, 0.0], [-3.0, -2.0]])
LEVELS = np.array([0.0, 0.0, 0.6, 0.0])


@dataclass(frozen=True)
class VotePlan:
    """Sizes of what is drawn.

    Attributes:
        raters: number of raters, each of whom hears every utterance.
        certainty: factor of all logits; the larger, the more raters agree.
        bias: standard deviation of the raters' liking of the classes, in logits; the mean over raters is 0.
        lapses: share of the utterances at which a rater says any class at random.
    """

    raters: int = 5
    certainty: float = 1.5
    bias: float = 0.5
    lapses: float = 0.08

    def __post_init__(self) -> None:
        if self.raters < 2 or self.certainty <= 0 or self.bias < 0 or not 0 <= self.lapses < 1:
            raise ValueError("expected at least two raters, a positive certainty, and a share of lapses below 1")


@dataclass(frozen=True)
class Voted:
    """Votes on utterances, as class numbers.

    Attributes:
        probabilities: (N, R, C) of what each rater says.
        votes: (N, R) what they said.
        majority: (N,) class that more raters said than any other, -1 where classes tie.
    """

    probabilities: FloatArray
    votes: NDArray[np.int64]
    majority: NDArray[np.int64]

    @property
    def expected(self) -> FloatArray:
        """Return the expected share of the votes, (N, C), which is what soft targets teach."""
        return np.asarray(self.probabilities.mean(1))


def draw_votes(random: np.random.Generator, spoken: Spoken, plan: VotePlan) -> Voted:
    """Draw the raters and their votes on utterances."""
    logits = plan.certainty * (np.stack([spoken.arousal, spoken.valence], axis=1) @ SLOPES.T + LEVELS)
    liking = random.normal(0, plan.bias, (plan.raters, len(CLASSES)))
    liking -= liking.mean(0)
    weights = np.exp(logits[:, None] + liking)
    probabilities = (1 - plan.lapses) * weights / weights.sum(2, keepdims=True) + plan.lapses / len(CLASSES)
    limits = probabilities.cumsum(2)[:, :, :-1]
    votes = (random.random((*limits.shape[:2], 1)) > limits).sum(2)
    counts = (votes[:, :, None] == np.arange(len(CLASSES))).sum(1)
    return Voted(probabilities, votes, winners(counts))


def winners(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class with the most votes for each row of counts (N, C), -1 where classes tie."""
    alone = (counts == counts.max(1, keepdims=True)).sum(1) == 1
    return np.where(alone, counts.argmax(1), -1)


def count_probabilities(probabilities: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Return all possible counts of votes (K, C), and their probabilities (N, K), rater after rater.

    Args:
        probabilities: (N, R, C) of what each rater says; raters are independent.
    """
    number, raters, classes = probabilities.shape
    found: Mapping[tuple[int, ...], FloatArray] = {(0,) * classes: np.ones(number)}
    for rater in range(raters):
        after: dict[tuple[int, ...], FloatArray] = {}
        for counts, probability in found.items():
            for place in range(classes):
                more = (*counts[:place], counts[place] + 1, *counts[place + 1 :])
                after[more] = after.get(more, 0.0) + probability * probabilities[:, rater, place]
        found = after
    return np.array(list(found)), np.stack(list(found.values()), axis=1)


def vote_truth(probabilities: FloatArray) -> dict[str, float]:
    """Return what can be reached on utterances with these probabilities (N, R, C).

    Returns:
        ``ties``: expected share of utterances without a majority; the next four are of the others.
        ``accuracy``: largest expected accuracy of any prediction from words and sound against the majority.
        ``cross_entropy``: in nats, of the expected shares against the votes, which is where soft targets lead.
        ``lowest_cross_entropy``: the least that any prediction has.
        ``cross_entropy_of_majority``: that of the probabilities of each majority, to which majority labels lead.
        ``entropy``: mean entropy of the expected shares, the lowest cross-entropy where ties are not left out.
        ``ceiling``: expected accuracy of a rater against the majority of the others, where those have one.
        ``kappa``: expected Fleiss' kappa, for many utterances.
    """
    number, raters, classes = probabilities.shape
    counts, chances = count_probabilities(probabilities)
    won = winners(counts)
    decided = won >= 0
    majority = np.stack([chances[:, won == place].sum(1) for place in range(classes)], axis=1)  # and no tie
    shares = chances[:, decided] @ (counts[decided] / raters)  # expected, where there is no tie
    total = majority.sum()
    expected = probabilities.mean(1)
    given = majority / majority.sum(1, keepdims=True)
    return {
        "ties": float(1 - total / number),
        "accuracy": float(majority.max(1).sum() / total),
        "cross_entropy": float(-(shares * np.log(expected)).sum() / total),
        "lowest_cross_entropy": float(-(shares * np.log(shares / shares.sum(1, keepdims=True))).sum() / total),
        "cross_entropy_of_majority": float(-(shares * np.log(given)).sum() / total),
        "entropy": float(-(expected * np.log(expected)).sum(1).mean()),
        "ceiling": _ceiling(probabilities),
        "kappa": _kappa(probabilities),
    }


def _ceiling(probabilities: FloatArray) -> float:
    raters, classes = probabilities.shape[1:]
    right = judged = 0.0
    for rater in range(raters):
        counts, chances = count_probabilities(np.delete(probabilities, rater, axis=1))
        won = winners(counts)
        judged += float(chances[:, won >= 0].sum())
        for place in range(classes):
            right += float(probabilities[:, rater, place] @ chances[:, won == place].sum(1))
    return right / judged


def _kappa(probabilities: FloatArray) -> float:
    """Return Fleiss' kappa of expected agreements: of two raters, and by chance from the shares of the classes."""
    raters = probabilities.shape[1]
    sums = probabilities.sum(1)
    agreed = ((sums**2).sum(1) - (probabilities**2).sum((1, 2))).mean() / (raters * (raters - 1))
    chance = (probabilities.mean((0, 1)) ** 2).sum()
    return float((agreed - chance) / (1 - chance))
