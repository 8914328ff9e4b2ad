"""Stored predictions of scores as `sertool ensemble` leaves them, made of random numbers without training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from builders import tiny_recipe
from stored_sets import MEMBERS, make_origin, make_set

from sertool.core.metrics.scores import score_figures
from sertool.core.runs.prediction_files import Origin, StoredSet
from sertool.core.runs.predictions import MemberScore, Predictions

NAMES = ("arousal", "valence")
RANGE = (1.0, 5.0)
DEVIATION = 0.9  # of true scores before they are cut to the range
MEMBERS_APART = 0.1  # deviation between members


def scores_recipe(**sections: dict):
    """Return a recipe of scores; keyword arguments change sections."""
    dataset = {"target": "scores", **sections.pop("dataset", {})}
    training = {"loss": "ccc", "select": "ccc", **sections.pop("training", {})}
    return tiny_recipe(dataset=dataset, training=training, **sections)


def scores_origin(recipe=None, names: Sequence[str] = NAMES, **changes) -> Origin:
    """Describe a clean run of scores."""
    settings = {"task": ", ".join(names), "rule": "scores", "train_classes": [], **changes}
    return make_origin(recipe or scores_recipe(), **settings)


def make_scores(
    name: str = "test",
    number: int = 400,
    *,
    origin: Origin | None = None,
    names: Sequence[str] = NAMES,
    ranges: Sequence[tuple[float, float]] | None = None,
    slope: float = 1.0,
    noise: float = 0.5,
    members: int = MEMBERS,
    speakers: int = 10,
    missing: int = 7,
    clip: bool = False,
    seed: int = 1,
) -> StoredSet:
    """Predictions that are the true scores, drawn to their mean by ``slope``, with ``noise``, a deviation on 1 to 5.

    Every utterance of the number ``missing`` lacks the second score; 0: none does.
    """
    random = np.random.default_rng([seed, name == "test"])
    ranges = tuple(ranges or [RANGE] * len(names))
    low, high = np.array(ranges).T
    middle, width = (low + high) / 2, high - low
    targets = (middle + DEVIATION * width / 4 * random.normal(size=(number, len(names)))).clip(low, high)
    said = middle + slope * (targets - middle) + noise * width / 4 * random.normal(size=targets.shape)
    apart = MEMBERS_APART * width / 4 * random.normal(size=(members, *targets.shape))
    logits = (said + apart).astype(np.float32)
    if missing and len(names) > 1:
        targets[::missing, 1] = np.nan
    spoken = make_set(name, number, speakers=speakers, seed=seed).spoken
    own = Predictions(
        set=name,
        utterances=tuple(range(number)),
        ids=tuple(f"{name}{row}" for row in range(number)),
        logits=logits,
        targets=targets,
        kind="scores",
        classes=tuple(names),
        members=tuple(
            MemberScore(f"run-{place + 1}", 0, None, score_figures(targets, one)["ccc"])
            for place, one in enumerate(logits)
        ),
        ranges=ranges,
        clip=clip,
    )
    return StoredSet(origin or scores_origin(names=names), own, spoken)


def with_votes(stored: StoredSet, raters: int = 5, seed: int = 3) -> StoredSet:
    """Add raters who choose each class as often as its true probability says."""
    own, random = stored.predictions, np.random.default_rng(seed)
    assert own.kind == "single"
    shares = np.exp(own.logits.mean(0))
    shares = shares / shares.sum(1, keepdims=True)
    votes = np.stack([random.multinomial(raters, row / row.sum()) for row in shares.astype(np.float64)]) / raters
    return replace(stored, predictions=replace(own, votes=votes))
