"""Splits drawn at random for a table without them: by group, and as evenly in each class as the groups allow."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import UsageError

DRAWN = ("train", "valid", "test")
_REFINED = 500  # groups; more of them are even enough without refinement, whose time grows with their square
_ROUNDS = 20  # of refinement, at most


@dataclass(frozen=True)
class Draw:
    """Settings of a random draw of splits.

    Attributes:
        shares: shares of train, valid and test.
        seed: seed of the draw.
    """

    shares: tuple[float, float, float] = (0.7, 0.15, 0.15)
    seed: int = 1


def parse_shares(text: str) -> tuple[float, float, float]:
    """Parse the shares of train, valid and test, such as ``0.7,0.15,0.15``.

    Raises:
        UsageError: the text is not three shares that sum to 1.
    """
    try:
        train, valid, test = map(float, text.split(","))
    except ValueError:
        train = valid = test = math.nan
    if not (min(train, valid, test) > 0 and math.isclose(train + valid + test, 1, abs_tol=1e-6)):
        raise UsageError(
            f"--splits {text}: expected three shares above 0 that sum to 1",
            hint="--splits 0.7,0.15,0.15, or emobox:FOLDER with EmoBox's fold files",
        )
    return train, valid, test


def deal(
    groups: Sequence[Hashable], classes: Sequence[Sequence[Hashable]], shares: Mapping[str, float], seed: int
) -> list[str]:
    """Assign each utterance to a split, and all utterances of a group to the same one.

    Args:
        groups: group of each utterance; at least as many distinct groups as ``shares`` has splits.
        classes: classes of each utterance.
        shares: share of each split; only their ratios count.
        seed: seed that decides between equally even draws.

    Returns:
        The split of each utterance.
    """
    known = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    names = {name: place for place, name in enumerate(dict.fromkeys(n for own in classes for n in own))}
    weights = np.zeros((len(known), len(names) + 1))  # the last column counts utterances
    for group, own in zip(groups, classes, strict=True):
        weights[known[group], [*(names[name] for name in own), -1]] += 1
    portions = np.array(list(shares.values()))
    places = _places(weights, portions / portions.sum(), seed)
    splits = list(shares)
    return [splits[places[known[group]]] for group in groups]


def _places(weights: NDArray[np.float64], shares: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Choose the split (G,) of each group from its counts (G, C), at a small squared distance from the wanted ones."""
    weights = weights / np.sqrt(weights.sum(0))  # so that a rare class counts as much as a frequent one
    # The size of a split counts as much as all classes together.
    weights[:, -1] *= np.sqrt(max(weights.shape[1] - 1, 1))
    excess = -np.outer(shares, weights.sum(0))  # (S, C)
    places = np.zeros(len(weights), np.int64)
    sizes = np.zeros(len(shares), np.int64)
    order = np.random.default_rng(seed).permutation(len(weights))
    order = order[np.argsort(-weights[order, -1], kind="stable")]
    # Largest groups first, each to the split that it brings closest to the wanted counts.
    for dealt, group in enumerate(order):
        costs = (2 * excess * weights[group]).sum(1)
        if (sizes == 0).sum() == len(order) - dealt:  # only as many groups left as splits are empty
            costs[sizes > 0] = np.inf
        split = places[group] = np.argmin(costs)
        sizes[split] += 1
        excess[split] += weights[group]
    if len(weights) <= _REFINED:
        _refine(weights, excess, places, order)
    return places


def _refine(
    weights: NDArray[np.float64],
    excess: NDArray[np.float64],
    places: NDArray[np.int64],
    order: NDArray[np.int64],
) -> None:
    """Move groups, or swap two, while that makes the splits more even; change ``places`` in place."""
    splits = np.arange(len(excess))
    nothing = np.zeros((len(splits), weights.shape[1]))  # a move is a swap with nothing
    for _ in range(_ROUNDS):
        changed = False
        for group in order:
            own = places[group]
            others = np.concatenate([places, splits])
            gained = np.concatenate([weights, nothing]) - weights[group]
            costs = (2 * gained * (excess[own] - excess[others]) + 2 * gained**2).sum(1)
            costs[others == own] = np.inf
            if (places == own).sum() == 1:  # a move would leave its split empty
                costs[len(places) :] = np.inf
            best = int(np.argmin(costs))
            if costs[best] < -1e-9:  # rounding alone must not count as an improvement
                changed = True
                excess[own] += gained[best]
                excess[others[best]] -= gained[best]
                places[group] = others[best]
                if best < len(places):
                    places[best] = own
        if not changed:
            return
